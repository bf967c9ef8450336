/** Keeps one process per agent: starts it, starts it again when it dies, and ends it. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { AGENTS } from '../shop/routing.ts'
import type { AgentName } from '../shop/types.ts'

const MAIN = fileURLToPath(new URL('../agents/main.ts', import.meta.url))
const RESTART_MS = 1_000
/** What an agent needs to say goodbye: to end its runs and see that stored. */
const STOP_MS = 4_000

/** An agent ended before it was ever connected. */
export class AgentFailed extends Error {}

export interface AgentsOptions {
  /** Address of the sessions. */
  readonly url: string
  readonly dataDir: string
  readonly restart: boolean
}

export interface Agents {
  /** Resolves when each agent has been connected once; rejects with `AgentFailed` when one cannot be started. */
  readonly ready: Promise<void>
  /** Ends all of them and waits until they are gone. */
  stop(): Promise<void>
}

export function startAgents(options: AgentsOptions): Agents {
  const children = new Map<AgentName, ChildProcess>()
  const restarts = new Set<NodeJS.Timeout>()
  let stopping = false

  const start = (name: AgentName, onReady: () => void, onFailed: (error: Error) => void): void => {
    // The channel does two things: the agent says when it is connected, and learns from its end that we are gone.
    const child = fork(MAIN, [name, options.url, options.dataDir], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    let wasReady = false
    children.set(name, child)
    child.on('message', (message) => {
      if (message !== 'ready') return
      wasReady = true
      onReady()
    })
    child.on('error', onFailed)
    child.on('exit', (code, signal) => {
      children.delete(name)
      if (stopping) return
      const how = signal ?? `code ${code}`
      // It would end the same way again.
      if (!wasReady) return onFailed(new AgentFailed(`The agent ${name} could not be started (${how}); see above.`))
      console.log(`[${name}] ended (${how})${options.restart ? ', starting it again' : ''}`)
      if (!options.restart) return
      const timer = setTimeout(() => {
        restarts.delete(timer)
        start(name, onReady, (error) => console.error(error.message))
      }, RESTART_MS)
      restarts.add(timer)
    })
    console.log(`[${name}] started, pid ${child.pid}`)
  }

  const ready = Promise.all(AGENTS.map((name) => new Promise<void>((resolve, reject) => start(name, resolve, reject))))
  return {
    ready: ready.then(() => {}),
    async stop() {
      stopping = true
      for (const timer of restarts) clearTimeout(timer)
      await Promise.all([...children.values()].map(end))
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await gone
  clearTimeout(timer)
}
