/**
 * What others notice of an attack: the 99th percentile of a token's way while one participant attacks another session, as a
 * multiple of the same without, and of the same while the attack goes to a process that only takes what comes (`load/sink.ts`):
 * attacker and attacked share the machine, and what the attacker takes of it is not the server's doing.
 *
 *   node bench/floods.ts [--rounds N] [--seconds N] [--attacks small,reader,…] [--profile FOLDER]
 */
import { parseArgs } from 'node:util'
import { ATTACKS, type AttackName, type Target } from './load/attacks.ts'
import { endAll, start } from './load/children.ts'
import { endSystem, measure, startSystem, type Running, type Sample } from './load/round.ts'
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
/** Between two rounds the server comes to rest: what an attack has left behind would be noticed in the next one. */
const REST_MS = 500
/** So busy may it be meanwhile, as a share of a core. */
const REST_SHARE = 0.05
const LONGEST_REST_MS = 20_000

/** As the server answers a reader: so many questions at most, each with so many bytes. */
const FED: Partial<Record<AttackName, readonly [pieces: number, bytes: number]>> = { reader: [20, 1024 * 1024] }

interface Ratios {
  readonly raw: number
  /** Over the control. */
  readonly net: number
}

/** How often the attacker has struck: he is slower where he has to wait for what he attacks. */
interface Attacked extends Sample {
  readonly strikes: number
}

/**
 * In each round, for each attack: without, with the attack on the sink, and under it. Gives two rows for each. The first round
 * does not count: what the server does under an attack only is interpreted until then.
 */
export async function benchFloods({ rounds, seconds, attacks = ATTACKS, profileFolder }: FloodsOptions): Promise<Row[]> {
  console.log(`\nUnder attack, ${SESSIONS} sessions × ${TOKENS_PER_SECOND} tokens/s: p50, p99 in ms; server CPU per token in µs`)
  const system = await startSystem('polylogue', { profileFolder })
  const attacker = start(new URL('./load/attacker.ts', import.meta.url), ['attacker'])
  const { url, attackerToken: token = '' } = system.address
  const load = { sessions: SESSIONS, tokensPerSecond: TOKENS_PER_SECOND, seconds }
  await measure(system, WARM_UP)
  const ratios = new Map<AttackName, Ratios[]>(attacks.map((name) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const name of attacks) {
      const against = async (target: Target): Promise<Attacked> => {
        await attacker.call('prepare', name, target)
        let strikes = 0
        const end = async (): Promise<number> => (strikes = await attacker.call<number>('stop'))
        const sample = await measure(system, load, { begin: () => attacker.call('begin'), end })
        await rest(system)
        return { ...sample, strikes }
      }
      const without = await measure(system, load)
      const sink = start(new URL('./load/sink.ts', import.meta.url), ['sink'])
      const control = await against({ url: await sink.call<string>('start', ...(FED[name] ?? [0, 0])), token })
      await sink.end()
      const under = await against({ url, token })
      if (round > 0) ratios.get(name)?.push({ raw: under.p99 / without.p99, net: under.p99 / control.p99 })
      report(round === 0 ? `(${name})` : name, { without, control, under })
    }
  }
  await attacker.end()
  await endSystem(system)
  return [...ratios].flatMap(([name, values]) => [
    row(
      `p99 under ${SAYS[name]}, × without`,
      values.map(({ raw }) => raw),
    ),
    row(
      `p99 under ${SAYS[name]}, × the same on a sink`,
      values.map(({ net }) => net),
    ),
  ])
}

/** Resolves when the server has nothing to do any more. */
async function rest({ server }: Running): Promise<void> {
  const deadlineMs = performance.now() + LONGEST_REST_MS
  let before = await server.call<number>('cpu')
  for (let busy = 1; busy > REST_SHARE && performance.now() < deadlineMs;) {
    await new Promise((resolve) => setTimeout(resolve, REST_MS))
    const now = await server.call<number>('cpu')
    busy = (now - before) / 1000 / REST_MS
    before = now
  }
}

function row(what: string, values: readonly number[]): Row {
  return { what: `floods: ${what}`, value: median(values), shown: spread(values), budget: MAX_RATIO, better: 'less' }
}

interface Samples {
  readonly without: Sample
  readonly control: Attacked
  readonly under: Attacked
}

function report(name: string, samples: Samples): void {
  const column = ({ p50, p99, serverCpu, lost, strikes }: Sample & Partial<Attacked>): string =>
    `p50 ${p50.toFixed(2).padEnd(6)} p99 ${p99.toFixed(1).padEnd(6)} CPU ${serverCpu.toFixed(0).padEnd(5)}${strikes === undefined ? '' : `${strikes} strikes`}${lost > 0 ? ` LOST ${lost}` : ''}`
  const columns = Object.entries(samples).map(([what, sample]) => `${what}: ${column(sample)}`)
  console.log(`  ${name.padEnd(11)} ${columns.join('  ')}`)
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
