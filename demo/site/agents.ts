/** Keeps one process per agent: starts it, starts it again when it dies, and ends it. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { AGENTS } from '../shop/routing.ts'
import type { AgentName } from '../shop/types.ts'

const MAIN = fileURLToPath(new URL('../agents/main.ts', import.meta.url))
const RESTART_MS = 1_000
/** What an agent needs to say goodbye: to end its runs and see that stored. */
const STOP_MS = 4_000

export interface AgentsOptions {
  /** Address of the sessions. */
  readonly url: string
  readonly dataDir: string
  readonly restart: boolean
}

export interface Agents {
  /** Resolves when each agent has been connected once. */
  readonly ready: Promise<void>
  /** Ends all of them and waits until they are gone. */
  stop(): Promise<void>
}

export function startAgents(options: AgentsOptions): Agents {
  const children = new Map<AgentName, ChildProcess>()
  const restarts = new Set<NodeJS.Timeout>()
  let stopping = false

  const start = (name: AgentName, onReady: () => void): void => {
    // The channel does two things: the agent says when it is connected, and learns from its end that we are gone.
    const child = fork(MAIN, [name, options.url, options.dataDir], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    children.set(name, child)
    child.on('message', (message) => {
      if (message === 'ready') onReady()
    })
    child.on('error', (error) => console.error(`[${name}] could not be started: ${error.message}`))
    child.on('exit', (code, signal) => {
      children.delete(name)
      if (stopping) return
      console.log(`[${name}] ended (${signal ?? `code ${code}`})${options.restart ? ', starting it again' : ''}`)
      if (!options.restart) return
      const timer = setTimeout(() => {
        restarts.delete(timer)
        start(name, onReady)
      }, RESTART_MS)
      restarts.add(timer)
    })
    console.log(`[${name}] started, pid ${child.pid}`)
  }

  const ready = Promise.all(AGENTS.map((name) => new Promise<void>((resolve) => start(name, resolve))))
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
