/**
 * A token's way from an agent's process through the server to another process: latency, and the server's CPU.
 *
 *   node bench/token.ts [--rounds N] [--sessions N] [--seconds N] [--systems sse,stock,…] [--profile FOLDER]
 */
import { parseArgs } from 'node:util'
import { endAll } from './load/children.ts'
import { endSystem, measure, startSystem, type Load, type Running, type Sample, type SystemName } from './load/round.ts'
import { median, spread } from './load/statistics.ts'
import { isMain, printRows, type Row } from './report.ts'

export interface TokenOptions {
  readonly rounds: number
  readonly load: Load
  readonly warmUpSeconds?: number
  readonly systems?: readonly SystemName[]
  readonly profileFolder?: string | undefined
}

const ALL: readonly SystemName[] = ['sse', 'stock', 'synced', 'memory', 'unguarded', 'logged', 'polylogue']
const MAX_RATIO = 1.3
const MAX_GUARD_RATIO = 1.25
const MEASURES = ['p50', 'p99', 'serverCpu'] as const
const LABELS = { p50: 'latency p50', p99: 'latency p99', serverCpu: 'server CPU' } as const

/** A server is at its pace after some ten thousand tokens: until then much of its code is interpreted. */
const WARM_UP_SESSIONS = 100
const WARM_UP_SECONDS = 4

/**
 * Interleaved rounds after one that only warms up. Gives a row per measure for Polylogue's ratio to stock, one for its ratio to
 * stock with a sync per token, and the guard's.
 */
export async function benchToken(options: TokenOptions): Promise<Row[]> {
  const { rounds, load, systems = ALL, warmUpSeconds = WARM_UP_SECONDS, profileFolder } = options
  const running = await Promise.all(systems.map((name) => startSystem(name, { profileFolder })))
  const samples = new Map<SystemName, Sample[]>(systems.map((name) => [name, []]))
  for (const system of running) await measure(system, { ...load, sessions: WARM_UP_SESSIONS, seconds: warmUpSeconds })
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another one, or the first would always run on the coolest machine.
    for (const [turn] of running.entries()) {
      const system = running[(turn + round) % running.length] as Running
      samples.get(system.name)?.push(await measure(system, load))
    }
  }
  await Promise.all(running.map(endSystem))
  print(samples, load)
  return rowsOf(samples)
}

function print(samples: ReadonlyMap<SystemName, readonly Sample[]>, { sessions, tokensPerSecond }: Load): void {
  console.log(`\nA token's way, ${sessions} sessions × ${tokensPerSecond} tokens/s: median of the rounds (least–most)`)
  console.log(
    `${''.padEnd(12)}${'p50, ms'.padEnd(20)}${'p99, ms'.padEnd(20)}${'CPU per token, µs: server'.padEnd(28)}agent  viewer`,
  )
  for (const [name, of] of samples) {
    const column = (key: keyof Sample, digits: number): string =>
      spread(
        of.map((sample) => sample[key]),
        digits,
      )
    const middle = (key: keyof Sample): string => median(of.map((sample) => sample[key])).toFixed(0)
    const columns = column('p50', 2).padEnd(20) + column('p99', 2).padEnd(20) + column('serverCpu', 0).padEnd(28)
    const lost = of.reduce((sum, sample) => sum + sample.lost, 0)
    console.log(
      `  ${name.padEnd(10)}${columns}${middle('agentCpu').padEnd(7)}${middle('viewerCpu')}${lost > 0 ? `   LOST ${lost}` : ''}`,
    )
  }
}

/** The budgets; before them, printed only, the ratios that tell the disk's share from ours. */
function rowsOf(samples: ReadonlyMap<SystemName, readonly Sample[]>): Row[] {
  const ratios = (key: keyof Sample, of: SystemName, by: SystemName): number[] => {
    const [ours, theirs] = [samples.get(of) ?? [], samples.get(by) ?? []]
    return theirs.length === 0 ? [] : ours.map((sample, round) => sample[key] / (theirs[round]?.[key] ?? Number.NaN))
  }
  for (const [of, by] of [
    ['memory', 'stock'],
    ['synced', 'stock'],
    ['polylogue', 'stock'],
  ] as const) {
    const shown = MEASURES.map((key) => `${key} ${spread(ratios(key, of, by))}`)
    if (ratios('p50', of, by).length > 0) console.log(`  ${of} × ${by}: `.padEnd(24) + shown.join('  '))
  }
  const row = (what: string, values: readonly number[], budget: number): Row[] =>
    values.length === 0 ? [] : [{ what, value: median(values), shown: spread(values), budget, better: 'less' }]
  return [
    ...MEASURES.flatMap((key) => row(`token, logged: ${LABELS[key]}, × stock`, ratios(key, 'logged', 'stock'), MAX_RATIO)),
    ...MEASURES.flatMap((key) =>
      row(`token, synced: ${LABELS[key]}, × stock synced`, ratios(key, 'polylogue', 'synced'), MAX_RATIO),
    ),
    ...row('guard: server CPU per token, × without it', ratios('serverCpu', 'memory', 'unguarded'), MAX_GUARD_RATIO),
  ]
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      sessions: { type: 'string', default: '20' },
      seconds: { type: 'string', default: '6' },
      systems: { type: 'string', default: ALL.join(',') },
      profile: { type: 'string' },
    },
  })
  try {
    const rows = await benchToken({
      rounds: Number(values.rounds),
      load: { sessions: Number(values.sessions), tokensPerSecond: 30, seconds: Number(values.seconds) },
      systems: values.systems.split(',') as SystemName[],
      profileFolder: values.profile,
    })
    printRows(rows)
  } finally {
    await endAll()
  }
}
