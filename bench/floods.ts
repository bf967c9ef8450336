/**
 * What others notice of an attack: the 99th percentile of a token's way while one participant attacks another session, as a
 * multiple of the same without.
 *
 *   node bench/floods.ts [--rounds N] [--seconds N] [--attacks small,reader,…] [--profile FOLDER]
 */
import { parseArgs } from 'node:util'
import { ATTACKS, type AttackName } from './load/attacks.ts'
import { endAll, start } from './load/children.ts'
import { endSystem, measure, startSystem, type Sample } from './load/round.ts'
import { median, spread } from './load/statistics.ts'
import { isMain, printRows, type Row } from './report.ts'

export interface FloodsOptions {
  readonly rounds: number
  /** Length of one round, in seconds. */
  readonly seconds: number
  readonly attacks?: readonly AttackName[]
  readonly profileFolder?: string | undefined
}

const SAYS: Readonly<Record<AttackName, string>> = {
  small: 'a flood of small updates',
  reader: 'readers of megabytes that read nothing',
  giant: 'updates of 100 MB',
  garbage: 'garbage of 7 MB',
  strangers: 'hundreds of sockets without a token',
  documents: 'thousands of documents',
}

const SESSIONS = 10
const TOKENS_PER_SECOND = 30
const MAX_RATIO = 2
const WARM_UP = { sessions: 100, tokensPerSecond: TOKENS_PER_SECOND, seconds: 4 }
/** Between two rounds: what an attack has left behind is done, and what it had used up has come back in part. */
const REST_MS = 500

/** In each round, first without and then under each attack. Gives a row for each. */
export async function benchFloods({ rounds, seconds, attacks = ATTACKS, profileFolder }: FloodsOptions): Promise<Row[]> {
  console.log(`\nUnder attack, ${SESSIONS} sessions × ${TOKENS_PER_SECOND} tokens/s: p50, p99 in ms; server CPU per token in µs`)
  const system = await startSystem('polylogue', { profileFolder })
  const attacker = start(new URL('./load/attacker.ts', import.meta.url), ['attacker'])
  const { url, attackerToken } = system.address
  const load = { sessions: SESSIONS, tokensPerSecond: TOKENS_PER_SECOND, seconds }
  await measure(system, WARM_UP)
  const ratios = new Map<AttackName, number[]>(attacks.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of attacks) {
      const without = await measure(system, load)
      await attacker.call('prepare', name, { url, token: attackerToken })
      const under = await measure(system, load, {
        begin: () => attacker.call('begin'),
        end: () => attacker.call('stop'),
      })
      ratios.get(name)?.push(under.p99 / without.p99)
      report(name, without, under)
      await new Promise((resolve) => setTimeout(resolve, REST_MS))
    }
  }
  await attacker.end()
  await endSystem(system)
  return [...ratios].map(([name, values]) => ({
    what: `floods: p99 under ${SAYS[name]}, × without`,
    value: median(values),
    shown: spread(values),
    budget: MAX_RATIO,
    better: 'less',
  }))
}

function report(name: AttackName, without: Sample, under: Sample): void {
  const column = ({ p50, p99, serverCpu, lost }: Sample): string =>
    `p50 ${p50.toFixed(2).padEnd(6)} p99 ${p99.toFixed(1).padEnd(6)} CPU ${serverCpu.toFixed(0).padEnd(5)}${lost > 0 ? ` LOST ${lost}` : ''}`
  console.log(`  ${name.padEnd(10)} without: ${column(without)}   under: ${column(under)}`)
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '3' },
      attacks: { type: 'string', default: ATTACKS.join(',') },
      profile: { type: 'string' },
    },
  })
  try {
    const attacks = values.attacks.split(',') as AttackName[]
    printRows(
      await benchFloods({
        rounds: Number(values.rounds),
        seconds: Number(values.seconds),
        attacks,
        profileFolder: values.profile,
      }),
    )
  } finally {
    await endAll()
  }
}
