/** Runs a system's three processes, and measures rounds of streaming through them. */
import type { Address } from '../systems/system.ts'
import { start, type Child } from './children.ts'
import { quantile } from './statistics.ts'
import { lengths } from './tokens.ts'

export type SystemName = 'sse' | 'stock' | 'polylogue'

export interface Running {
  readonly name: SystemName
  readonly server: Child
  readonly agent: Child
  readonly viewer: Child
  readonly address: Address
}

export interface Load {
  readonly sessions: number
  readonly tokensPerSecond: number
  readonly seconds: number
}

/** What one round gave. Times in milliseconds, CPU in microseconds per token. */
export interface Sample {
  readonly p50: number
  readonly p99: number
  readonly serverCpu: number
  readonly agentCpu: number
  readonly viewerCpu: number
  /** Share of one core that the server used. */
  readonly serverLoad: number
  /** Tokens written per second, as a share of what was asked for. */
  readonly pace: number
  /** Tokens that were not seen within the time allowed. */
  readonly lost: number
}

/** Sessions opened at a time: stock Hocuspocus takes up to 100 unauthenticated documents per socket. */
const OPEN_AT_ONCE = 40
/** How long after the last write a token may still come. */
const DRAIN_MS = 10_000

const CHILD = new URL('./child.ts', import.meta.url)

/** Starts the processes of a system. `profileFolder`: where the server leaves a CPU profile when it ends. */
export async function startSystem(name: SystemName, profileFolder?: string): Promise<Running> {
  const profile = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`]
  const [server, agent, viewer] = [start(CHILD, [name, 'server'], profile), start(CHILD, [name, 'agent']), start(CHILD, [name, 'viewer'])]
  return { name, server, agent, viewer, address: await server.call<Address>('start') }
}

export async function endSystem({ server, agent, viewer }: Running): Promise<void> {
  await Promise.all([agent.end(), viewer.end()])
  await server.end()
}

let rounds = 0

/** Opens fresh sessions, streams into all of them, and gives what was measured between the first write and the last. */
export async function measure(running: Running, { sessions, tokensPerSecond, seconds }: Load): Promise<Sample> {
  const { server, agent, viewer, address } = running
  const round = (rounds += 1)
  const names = Array.from({ length: sessions }, (_, index) => `round${round}-${String(index).padStart(4, '0')}`)
  for (let from = 0; from < sessions; from += OPEN_AT_ONCE) {
    const batch = names.slice(from, from + OPEN_AT_ONCE)
    await Promise.all([agent.call('open', address, batch), viewer.call('open', address, batch)])
  }
  const tokens = Math.round(tokensPerSecond * seconds)
  const before = await cpuOf(running)
  const times = await agent.call<Float64Array>('stream', tokensPerSecond, tokens)
  const chars = lengths(tokens)
  const deadline = performance.now() + DRAIN_MS
  while ((await viewer.call<number>('complete', chars.at(-1))) < sessions && performance.now() < deadline) await pause(50)
  const after = await cpuOf(running)
  const { latencies, lost } = join(times, await viewer.call<Float64Array[]>('seen'), chars)
  await agent.call('close')
  await viewer.call('close')
  const total = sessions * tokens
  const perToken = (role: 'server' | 'agent' | 'viewer'): number => (after[role] - before[role]) / total
  const spanMs = quantile(times, 1) - quantile(times, 0)
  return {
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    serverCpu: perToken('server'),
    agentCpu: perToken('agent'),
    viewerCpu: perToken('viewer'),
    serverLoad: (after.server - before.server) / 1e3 / (after.at - before.at),
    pace: ((tokens - 1) * 1000) / tokensPerSecond / spanMs,
    lost,
  }
}

async function cpuOf({ server, agent, viewer }: Running): Promise<Record<'server' | 'agent' | 'viewer' | 'at', number>> {
  const [ofServer, ofAgent, ofViewer] = await Promise.all([server, agent, viewer].map((child) => child.call<number>('cpu')))
  return { server: ofServer ?? 0, agent: ofAgent ?? 0, viewer: ofViewer ?? 0, at: performance.now() }
}

/** Sets the writes of each session against the moments at which its viewer had that much text. */
function join(times: Float64Array, seen: readonly Float64Array[], chars: Float64Array): { latencies: number[]; lost: number } {
  const latencies: number[] = []
  let lost = 0
  for (const [session, log] of seen.entries()) {
    let event = 0
    for (const [token, needed] of chars.entries()) {
      while (event < log.length && (log[event + 1] ?? 0) < needed) event += 2
      const written = times[session * chars.length + token] ?? 0
      if (event < log.length) latencies.push((log[event] ?? 0) - written)
      else lost += 1
    }
  }
  return { latencies, lost }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
