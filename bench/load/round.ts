/** Runs a system's three processes, and measures rounds of streaming through them. */
import type { Address } from '../systems/system.ts'
import { start, type Child } from './children.ts'
import { quantile } from './statistics.ts'
import { lengths } from './tokens.ts'

export type SystemName = 'sse' | 'stock' | 'synced' | 'memory' | 'unguarded' | 'logged' | 'polylogue'

export interface Running {
  readonly name: SystemName
  readonly server: Child
  readonly agent: Child
  readonly viewer: Child
  readonly address: Address
}

export interface StartOptions {
  /** Where the server leaves a CPU profile when it ends. */
  readonly profileFolder?: string | undefined
  /** Clients write beforehand and read afterwards, so that they cost little while they are measured against. */
  readonly taped?: boolean
}

export interface Load {
  readonly sessions: number
  readonly tokensPerSecond: number
  readonly seconds: number
}

/** Something that goes on beside the streaming. */
export interface Beside {
  begin(): Promise<unknown>
  end(): Promise<unknown>
}

/** What one round gave. Times in milliseconds, CPU in microseconds per token. */
export interface Sample {
  readonly p50: number
  readonly p99: number
  readonly serverCpu: number
  readonly agentCpu: number
  readonly viewerCpu: number
  /** Tokens written per second, as a share of what was asked for. */
  readonly pace: number
  /** Tokens that were not seen within the time allowed. */
  readonly lost: number
}

type Role = 'server' | 'agent' | 'viewer'

/** Sessions opened at a time: stock Hocuspocus takes up to 100 unauthenticated documents per socket. */
const OPEN_AT_ONCE = 40
/** A batch of sessions that is not open after this time never will be. */
const OPEN_TIMEOUT_MS = 30_000
/** How long after the last write a token may still come. */
const DRAIN_MS = 10_000

/** As `polylogue serve` begins; here all servers do. */
const SERVED = ['--max-semi-space-size=4']

const CHILD = new URL('./child.ts', import.meta.url)

export async function startSystem(name: SystemName, { profileFolder, taped = false }: StartOptions = {}): Promise<Running> {
  const profile = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`]
  const client = taped ? ['taped'] : []
  const server = start(CHILD, [name, 'server'], [...SERVED, ...profile])
  const agent = start(CHILD, [name, 'agent', ...client])
  const viewer = start(CHILD, [name, 'viewer', ...client])
  return { name, server, agent, viewer, address: await server.call<Address>('start') }
}

export async function endSystem({ server, agent, viewer }: Running): Promise<void> {
  await Promise.all([agent.end(), viewer.end()])
  await server.end()
}

let rounds = 0

/** Opens fresh sessions, streams into all of them, and gives what was measured from before the first write to the last sight. */
export async function measure(running: Running, { sessions, tokensPerSecond, seconds }: Load, beside?: Beside): Promise<Sample> {
  const { agent, viewer } = running
  await openSessions(running, sessions)
  const tokens = Math.round(tokensPerSecond * seconds)
  const chars = lengths(tokens)
  await Promise.all([agent.call('prepare', tokens), viewer.call('prepare')])
  await beside?.begin()
  const before = await cpuOf(running)
  const times = await agent.call<Float64Array>('stream', tokensPerSecond, tokens)
  await viewer.call('complete', chars.at(-1), DRAIN_MS)
  const after = await cpuOf(running)
  await beside?.end()
  const { latencies, lost } = join(times, await viewer.call<Float64Array[]>('seen'), chars)
  await agent.call('close')
  await viewer.call('close')
  const perToken = (role: Role): number => (after[role] - before[role]) / (sessions * tokens)
  const spanMs = quantile(times, 1) - quantile(times, 0)
  return {
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    serverCpu: perToken('server'),
    agentCpu: perToken('agent'),
    viewerCpu: perToken('viewer'),
    // Between the first write of all and the last one are all turns but one.
    pace: ((tokens - 1 / sessions) * 1000) / tokensPerSecond / spanMs,
    lost,
  }
}

async function openSessions({ agent, viewer, address }: Running, sessions: number): Promise<void> {
  const round = (rounds += 1)
  const names = Array.from({ length: sessions }, (_, index) => `round${round}-${String(index).padStart(4, '0')}`)
  for (let from = 0; from < sessions; from += OPEN_AT_ONCE) {
    const batch = names.slice(from, from + OPEN_AT_ONCE)
    const opened = Promise.all([agent.call('open', address, batch), viewer.call('open', address, batch)])
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`The sessions from ${batch[0]} on did not open.`)), OPEN_TIMEOUT_MS)
    })
    await Promise.race([opened, late])
    clearTimeout(timer)
  }
}

async function cpuOf(running: Running): Promise<Record<Role, number>> {
  const [server, agent, viewer] = await Promise.all([
    running.server.call<number>('cpu'),
    running.agent.call<number>('cpu'),
    running.viewer.call<number>('cpu'),
  ])
  return { server, agent, viewer }
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
