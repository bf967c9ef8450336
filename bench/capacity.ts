/**
 * How many sessions of 30 tokens per second a server carries until the 99th percentile of a token's way passes 100 ms.
 *
 *   node bench/capacity.ts [--seconds N] [--step FACTOR]
 */
import { parseArgs } from 'node:util'
import { endAll } from './load/children.ts'
import { endSystem, measure, startSystem, type Running, type Sample } from './load/round.ts'
import { isMain, printRows, type Row } from './report.ts'

export interface CapacityOptions {
  /** Length of one try. */
  readonly seconds: number
  /** By how much the number of sessions grows from one try to the next. */
  readonly step: number
  /** Where it stops. Default 900: more documents than that stock Hocuspocus is not asked to hold. */
  readonly most?: number
}

const TOKENS_PER_SECOND = 30
const MAX_P99_MS = 100
/** Below this share of the asked-for pace, the agent's process is what saturates, and the try says nothing. */
const MIN_PACE = 0.95
const FIRST = 100
/** Neighbours on the machine can spoil a try; a system that fails gets others. */
const TRIES = 3
const MOST = 900

interface Climber {
  readonly system: Running
  held: number
  last: Sample | null
  done: boolean
}

/** Raises the number of sessions of both systems in turn until each has failed. Gives one row: the ratio of what they held. */
export async function benchCapacity({ seconds, step, most = MOST }: CapacityOptions): Promise<Row[]> {
  console.log(
    `\nCapacity: sessions × ${TOKENS_PER_SECOND} tokens/s until p99 passes ${MAX_P99_MS} ms; CPU in cores: server, agent, viewer`,
  )
  const systems = await Promise.all([startSystem('stock', { taped: true }), startSystem('polylogue', { taped: true })])
  const climbers: Climber[] = systems.map((system) => ({ system, held: 0, last: null, done: false }))
  for (const { system } of climbers)
    await measure(system, { sessions: FIRST, tokensPerSecond: TOKENS_PER_SECOND, seconds: 2 * seconds })
  for (let sessions = FIRST; sessions <= most && climbers.some(({ done }) => !done); sessions = Math.ceil(sessions * step)) {
    for (const climber of climbers) if (!climber.done) await climb(climber, sessions, seconds)
  }
  await Promise.all(systems.map(endSystem))
  const [stock, polylogue] = climbers.map(({ held }) => held)
  const value = (polylogue ?? 0) / (stock ?? 0)
  const shown = `${value.toFixed(2)} (${polylogue} : ${stock} sessions, steps of ×${step})`
  return [{ what: 'capacity: sessions at p99 ≤ 100 ms, × stock', value, shown, budget: 0.9, better: 'more' }]
}

async function climb(climber: Climber, sessions: number, seconds: number): Promise<void> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const sample = await measure(climber.system, { sessions, tokensPerSecond: TOKENS_PER_SECOND, seconds })
    const isHeld = sample.p99 <= MAX_P99_MS && sample.lost === 0 && sample.pace >= MIN_PACE
    report(climber.system.name, sessions, sample, isHeld)
    if (isHeld) {
      climber.held = sessions
      return
    }
  }
  climber.done = true
}

function report(name: string, sessions: number, sample: Sample, isHeld: boolean): void {
  const cores = [sample.serverCpu, sample.agentCpu, sample.viewerCpu].map((cpu) =>
    ((cpu * sessions * TOKENS_PER_SECOND) / 1e6).toFixed(2),
  )
  const pace = sample.pace < MIN_PACE ? `  the agent reached ${(sample.pace * 100).toFixed(0)} % of its pace` : ''
  const p99 = `p99 ${sample.p99.toFixed(1)} ms`.padEnd(16)
  console.log(
    `  ${name.padEnd(10)}${String(sessions).padStart(4)} sessions  ${p99}${cores.join(' ')}  ${isHeld ? 'held' : 'not held'}${pace}`,
  )
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '3' }, step: { type: 'string', default: '1.25' } },
  })
  try {
    printRows(await benchCapacity({ seconds: Number(values.seconds), step: Number(values.step) }))
  } finally {
    await endAll()
  }
}
