/**
 * The demo as its users run it: `demo/start.ts` in a process of its own, with data of its own, on a port of its own. Its programs are
 * one file each, if they have been made so for the tests that run (see `bundled-demo.ts`).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'
import { bundled } from '../support/bundling.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const START = 'demo/start.ts'
const AGENT = 'demo/agents/main.ts'
const START_TIMEOUT_MS = 30_000
/** Pace at which a test sees things happen without waiting for them: a token every 6 ms, a tool in 60 ms. */
const PACE = { DEMO_TOKEN_DELAY_MS: '6', DEMO_TOOL_DELAY_MS: '60', DEMO_LEASE_MS: '8000', DEMO_RESTART: '0' }

export interface Demo {
  readonly url: string
  readonly dataDir: string
  /** Lines that the server and the agents have printed, over all starts. */
  readonly log: readonly string[]
  /** Stops the server without ending it, as a machine that is out of breath would; `resume` lets it go on. */
  pause(): void
  resume(): void
  /** Starts a process of an agent besides those that the demo keeps; it ends with the demo. */
  startAgent(name: string): void
  /** Process id of an agent, as last started. */
  agentPid(name: string): number
  /** Stops an agent's process where it stands; its lease goes on running out. Gives what lets it go on. */
  freeze(agent: string): () => void
  /** Lets all go on that were stopped. */
  thaw(): void
  /** Ends it as a crash would: nobody gets to say goodbye. */
  kill(): Promise<void>
  /** Starts it again, if it does not run: same data, same port. */
  start(): Promise<void>
  /** Ends it by a signal; its data stays. */
  end(signal: NodeJS.Signals): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

export interface DemoOptions {
  /** It runs from its sources in any case, as `npm start` runs it. */
  readonly fromSources?: boolean
}

/** Starts a demo. @param env settings besides the pace of the tests. */
export async function startDemo(
  env: Readonly<Record<string, string>> = {},
  { fromSources = false }: DemoOptions = {},
): Promise<Demo> {
  const folder = fromSources ? undefined : inject('demo')
  const program = (source: string): string => (folder === undefined ? join(ROOT, source) : bundled(folder, source))
  const cache = folder === undefined ? {} : { NODE_COMPILE_CACHE: join(folder, 'compiled') }
  const dataDir = await mkdtemp(join(tmpdir(), 'polyshop-'))
  const port = await freePort()
  const log: string[] = []
  let child: ChildProcess | null = null

  const start = async (): Promise<void> => {
    if (child !== null) return
    const process_ = spawn(process.execPath, [program(START)], {
      env: { ...process.env, ...cache, ...PACE, PORT: String(port), HOST: '127.0.0.1', DATA_DIR: dataDir, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = process_
    const usable = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`The demo was not usable in time:\n${log.join('\n')}`)), START_TIMEOUT_MS)
      const onText = (text: string): void => {
        for (const line of text.split('\n')) if (line !== '') log.push(line)
        if (text.includes('Polylogue demo: http')) {
          clearTimeout(timer)
          resolve()
        }
      }
      process_.stdout.setEncoding('utf8').on('data', onText)
      process_.stderr.setEncoding('utf8').on('data', onText)
      process_.once('exit', (code) => reject(new Error(`The demo ended (${code}):\n${log.join('\n')}`)))
    })
    await usable
  }

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child?.once('close', () => resolve()))
    child.kill(signal)
    // `close`: the agents have the pipe as well, so they are gone too.
    await gone
    child = null
  }

  const extra: ChildProcess[] = []
  const startAgent = (name: string): void => {
    const agent = spawn(process.execPath, [program(AGENT), name, `ws://127.0.0.1:${port}/sync`, dataDir], {
      env: { ...process.env, ...cache, ...PACE, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    agent.stdout.setEncoding('utf8').on('data', (text: string) => log.push(...text.split('\n').filter((line) => line !== '')))
    extra.push(agent)
  }

  const frozen = new Set<number>()
  const thaw = (pid: number): void => {
    if (!frozen.delete(pid)) return
    try {
      process.kill(pid, 'SIGCONT')
    } catch {
      // It was killed meanwhile.
    }
  }
  const agentPid = (name: string): number =>
    Number(
      log
        .findLast((line) => line.startsWith(`[${name}] started, pid `))
        ?.split(' ')
        .at(-1),
    )

  try {
    await start()
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true })
    throw error
  }
  return {
    url: `http://127.0.0.1:${port}`,
    dataDir,
    log,
    startAgent,
    agentPid,
    freeze(agent) {
      const pid = agentPid(agent)
      process.kill(pid, 'SIGSTOP')
      frozen.add(pid)
      return () => thaw(pid)
    },
    thaw: () => frozen.forEach(thaw),
    pause: () => child?.kill('SIGSTOP'),
    resume: () => child?.kill('SIGCONT'),
    kill: () => end('SIGKILL'),
    start,
    end,
    async stop() {
      for (const agent of extra) agent.kill('SIGKILL')
      await end('SIGTERM')
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** A port that was free a moment ago. The demo must come back on the same one, so that its pages find it again. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
