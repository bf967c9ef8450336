/**
 * What the demo's page costs the one who looks at it: real Chromium, its CPU slowed down four times, the demo in a process of its
 * own. The time until a long session is there, the answer to a key while agents write, and the longest task of a long answer.
 *
 *   node bench/page.ts [--rounds N] [--only first,keys,answers]
 */
import { loadavg } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { growth, type Growth } from './page/answers.ts'
import { quantile, spread } from './page/figures.ts'
import { firstScreens } from './page/first-screen.ts'
import { keyTimes, type KeyTime, type Streams } from './page/keys.ts'
import { opened, slowDown, Stage } from './page/stage.ts'
import type { Task } from './page/trace.ts'
import { isMain, printRows, type Row } from './report.ts'

const PARTS = ['first', 'keys', 'answers'] as const
type Part = (typeof PARTS)[number]

export interface PageOptions {
  /** How often each row is measured. */
  readonly rounds: number
  readonly parts: ReadonlySet<string>
}

/** Chromium's own factor: a cheap phone against a desktop. */
const SLOWED = 4
const MESSAGES = 500
const FIRST_SCREEN_MS = 1_000
const KEY_MS = 50
const LONG_MS = 50
const ANSWER_CHARS = 20_000
/** 1,000 characters a second and run, some 250 tokens: as fast as the fastest models write. */
const PACE = { chars: 20, everyMs: 20 }
/** An answer that is asked for in a conversation that has one already. */
const BEFORE = 1
/** What the control's loop is calibrated to, in ms: half of the budget. */
const LOOP_MS = 25

const WORDS = 'So many **words** as a sentence of an answer may have, with `code` in it and [a link](https://example.com/). '
const repeated = (piece: string): string => piece.repeat(Math.ceil(ANSWER_CHARS / piece.length)).slice(0, ANSWER_CHARS)
const ROW = '| some row | **bold** | `code` more |\n'
const TABLE = '| a | b | c |\n|---|---|--:|\n'
const ENTRY = '- an entry with **bold** and `code` and some more text\n'
const LINE = 'const total = lines.reduce((sum, line) => sum + line.price, 0)\n'
const MIXED = [
  '## A heading\n',
  `${WORDS.repeat(3)}\n`,
  ENTRY.repeat(5),
  `${WORDS.repeat(2)}\n`,
  `${TABLE}${ROW.repeat(4)}`,
  `\`\`\`ts\n${LINE.repeat(8)}\`\`\`\n\n`,
].join('\n')
/** What models write is `mixed`; the others are of one kind from beginning to end. */
const ANSWERS: Readonly<Record<string, string>> = {
  mixed: repeated(MIXED),
  paragraphs: repeated(`${WORDS.repeat(4)}\n\n`),
  list: repeated(ENTRY),
  table: `${TABLE}${repeated(ROW)}`,
  code: `\`\`\`ts\n${repeated(LINE)}\n\`\`\`\n`,
  'one paragraph': repeated(WORDS),
}

export async function benchPage({ rounds, parts }: PageOptions): Promise<Row[]> {
  const stage = await Stage.open()
  // Whoever ends this ends the demo too, which is a process of its own.
  const onSignal = (): void => void stage.close().finally(() => process.exit(1))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)
  const rows: Row[] = []
  // A line at once, for whoever waits.
  const add = (what: string, values: readonly number[], budget: number, beside = ''): void => {
    const row: Row = { what, value: quantile(values, 0.5), shown: `${spread(values)}${beside}`, budget, better: 'less' }
    console.log(`${row.what}: ${row.shown}`)
    rows.push(row)
  }
  const parters: Readonly<Record<Part, () => Promise<void>>> = {
    first: async () => {
      const { seen, real } = await firstScreens(stage, MESSAGES, SLOWED, rounds)
      const what = `first screen of ${MESSAGES} messages, local data`
      add(`${what}: the last messages are seen, in their picture or for real`, seen, FIRST_SCREEN_MS)
      add(`${what}: the real rows`, real, FIRST_SCREEN_MS)
    },
    keys: () => keys(stage, rounds, add),
    answers: () => answers(stage, rounds, add),
  }
  try {
    const loop = await times(rounds, () => control(stage))
    console.log(`control: a loop of ${LOOP_MS} ms on a page at rest takes at most ${spread(loop)}`)
    for (const part of PARTS) if (parts.has(part)) await parters[part]()
    return rows
  } finally {
    await stage.close()
  }
}

type Add = (what: string, values: readonly number[], budget: number, beside?: string) => void

async function keys(stage: Stage, rounds: number, add: Add): Promise<void> {
  stage.answerWith({ text: ANSWERS['paragraphs']?.repeat(3) ?? '', ...PACE })
  for (const rate of [1, SLOWED]) {
    const measured: Record<Streams, KeyTime[][]> = { nowhere: [], elsewhere: [], here: [] }
    for (let round = 0; round < rounds; round++) {
      for (const streams of ['nowhere', 'elsewhere', 'here'] as const)
        measured[streams].push(await keyTimes(stage, rate, streams))
    }
    for (const [name, part] of [
      ['median', 0.5],
      ['p95', 0.95],
      ['p99', 0.99],
    ] as const) {
      const of = (streams: Streams, by: keyof KeyTime): number[] =>
        measured[streams].map((all) =>
          quantile(
            all.map((time) => time[by]),
            part,
          ),
        )
      const clock = `by the clock ${spread(of('here', 'clock'))}; at rest ${spread(of('nowhere', 'clock'))}`
      const beside = `; ${clock}; the runs in a session nobody looks at ${spread(of('elsewhere', 'clock'))}`
      add(`a key until it is painted, three runs, CPU ÷ ${rate}, ${name}`, of('here', 'cpu'), KEY_MS, beside)
    }
  }
}

async function answers(stage: Stage, rounds: number, add: Add): Promise<void> {
  const cpu = (tasks: readonly Task[]): number => Math.max(0, ...tasks.map((task) => task.cpu))
  const clock = (tasks: readonly Task[]): number => Math.max(0, ...tasks.map((task) => task.ms))
  // A run that writes a sentence: what its beginning and its end cost, whatever its length; first of all, and later.
  stage.answerWith({ text: 'A short answer.', ...PACE })
  const shifts: number[] = []
  const of = (all: readonly Growth[], longest: typeof cpu): number[] => all.map(({ tasks }) => longest(tasks))
  for (const [which, before] of [
    ['the first answer on a page, short', 0],
    ['a later one, short', BEFORE],
  ] as const) {
    const all = await times(rounds, () => growth(stage, SLOWED, before))
    shifts.push(...all.map(({ shift }) => shift))
    add(`longest task, ${which}`, of(all, cpu), LONG_MS, `; by the clock ${spread(of(all, clock))}`)
  }
  for (const [shape, text] of Object.entries(ANSWERS)) {
    stage.answerWith({ text, ...PACE })
    const all = await times(rounds, () => growth(stage, SLOWED, BEFORE))
    shifts.push(...all.map(({ shift }) => shift))
    const over = all.map(({ tasks }) => tasks.filter(({ cpu: ms }) => ms > LONG_MS).length).join(', ')
    const moved = `; layout shift at most ${Math.max(...all.map(({ shift }) => shift)).toFixed(3)}`
    const beside = `; by the clock ${spread(of(all, clock))}; over ${LONG_MS} ms: ${over}${moved}`
    add(`longest task, ${ANSWER_CHARS} characters, ${shape}`, of(all, cpu), LONG_MS, beside)
  }
  console.log(`layout shift of one answer: at most ${Math.max(...shifts).toFixed(4)}`)
}

async function times<T>(rounds: number, measure: () => Promise<T>): Promise<T[]> {
  const all: T[] = []
  for (let round = 0; round < rounds; round++) all.push(await measure())
  return all
}

/** The longest of many loops that take 25 ms undisturbed, on a page at rest: the rest is the machine's noise. */
async function control(stage: Stage): Promise<number> {
  return stage.inBrowser(async (context) => {
    const page = await opened(context, await stage.newLink())
    await slowDown(page, SLOWED)
    await pause(1_000)
    return page.evaluate(async (ms) => {
      let sink = 0
      const spin = (turns: number): number => {
        const began = performance.now()
        for (let i = 0; i < turns; i++) sink = (sink * 31 + i) | 0
        return performance.now() - began
      }
      spin(5_000_000)
      const tries = Array.from({ length: 9 }, () => spin(1_000_000)).sort((a, b) => a - b)
      const turns = Math.round((1_000_000 * ms) / (tries[4] ?? ms))
      let longest = 0
      for (let i = 0; i < 80; i++) {
        longest = Math.max(longest, spin(turns))
        await new Promise((resolve) => setTimeout(resolve, 30))
      }
      return longest
    }, LOOP_MS)
  })
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '3' }, only: { type: 'string', default: PARTS.join() } },
  })
  console.log(`load before: ${loadavg()[0]?.toFixed(1)}`)
  printRows(await benchPage({ rounds: Number(values.rounds), parts: new Set(values.only.split(',')) }))
  console.log(`load after: ${loadavg()[0]?.toFixed(1)}`)
}
