/**
 * All benchmarks, one after the other, and a summary of budgets and values.
 *
 *   node bench/run.ts [--quick] [--rounds N] [size] [guard] [token] [floods] [capacity] [stored]
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { benchCapacity } from './capacity.ts'
import { benchFloods } from './floods.ts'
import { benchGuard } from './guard.ts'
import { endAll } from './load/children.ts'
import { isMet, printRows, type Row } from './report.ts'
import { benchSize } from './size.ts'
import { benchStored } from './stored.ts'
import { benchToken } from './token.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } },
})
const { quick } = values
const rounds = Number(values.rounds ?? (quick ? 2 : 5))
const load = { sessions: 20, tokensPerSecond: 30, seconds: quick ? 1.5 : 6 }

const BENCHMARKS: Readonly<Record<string, () => Promise<Row[]>>> = {
  size: benchSize,
  guard: async () => benchGuard(rounds),
  token: () => benchToken({ rounds, load, ...(quick ? { warmUpSeconds: 1 } : {}) }),
  floods: () => benchFloods({ rounds: Math.min(rounds, 3), seconds: quick ? 1 : 3 }),
  capacity: () => benchCapacity(quick ? { seconds: 1, step: 2, most: 200 } : { seconds: 2, step: 1.2 }),
  stored: () => benchStored({ chars: quick ? 200_000 : 2_000_000 }),
}

const names = positionals.length > 0 ? positionals : Object.keys(BENCHMARKS)
const unknown = names.find((name) => !(name in BENCHMARKS))
if (unknown !== undefined) throw new Error(`There is no benchmark ${unknown}; there are ${Object.keys(BENCHMARKS).join(', ')}.`)

process.once('SIGINT', () => void endAll().then(() => process.exit(130)))
const began = performance.now()
const rows: Row[] = []
try {
  for (const name of names) rows.push(...((await BENCHMARKS[name]?.()) ?? []))
} finally {
  await endAll()
}
console.log(
  `\nNode ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${((performance.now() - began) / 1000).toFixed(0)} s`,
)
printRows(rows)
// A quick run says whether the benchmarks work, and little about the values.
if (!quick && !rows.every(isMet)) process.exitCode = 1
