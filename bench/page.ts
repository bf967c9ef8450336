/**
 * What the demo's page costs the one who looks at it: real Chromium, its CPU slowed down four times, the demo in a process of its
 * own. The time until a long session is there, the answer to a key while agents write, and the longest task of a long answer.
 *
 *   node bench/page.ts [--rounds N] [--only first,keys,answers]
 */
import { loadavg } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { growth } from './page/answers.ts'
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
/** 4,000 characters a second, more than models write: what is growing is long for most of the time. */
const PACE = { chars: 80, everyMs: 20 }
/** Beside somebody who types: 1,000 characters a second and run, and enough of them for the last key. */
const BESIDE_TYPING = { chars: 20, everyMs: 20 }
/** After this, in ms from the question, a task is one of the answer's growth: its row has come, a fifth of it is there. */
const BEGUN_MS = 1_000
/** What the control's loop is calibrated to, in ms: half of the budget. */
const LOOP_MS = 25

const WORDS = 'So many **words** as a sentence of an answer may have, with `code` in it and [a link](https://example.com/). '
const repeated = (piece: string): string => piece.repeat(Math.ceil(ANSWER_CHARS / piece.length)).slice(0, ANSWER_CHARS)
const ANSWERS: Readonly<Record<string, string>> = {
  paragraphs: repeated(`${WORDS.repeat(4)}\n\n`),
  list: repeated('- an entry with **bold** and `code` and some more text\n'),
  table: `| a | b | c |\n|---|---|--:|\n${repeated('| some row | **bold** | `code` more |\n')}`,
  code: `\`\`\`ts\n${repeated('const total = lines.reduce((sum, line) => sum + line.price, 0)\n')}\n\`\`\`\n`,
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
      add(
        `first screen of ${MESSAGES} messages, local data`,
        await firstScreens(stage, MESSAGES, SLOWED, rounds),
        FIRST_SCREEN_MS,
      )
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
  stage.answerWith({ text: ANSWERS['paragraphs']?.repeat(3) ?? '', ...BESIDE_TYPING })
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
  // A run that writes a sentence: what its beginning and its end cost, whatever its length.
  stage.answerWith({ text: 'A short answer.', ...PACE })
  const short = await times(rounds, () => growth(stage, SLOWED))
  const of = (all: typeof short, longest: typeof cpu): number[] => all.map(({ tasks }) => longest(tasks))
  add('longest task, a short answer', of(short, cpu), LONG_MS, `; by the clock ${spread(of(short, clock))}`)
  const shifts: number[] = short.map(({ shift }) => shift)
  for (const [shape, text] of Object.entries(ANSWERS)) {
    stage.answerWith({ text, ...PACE })
    const all = await times(rounds, () => growth(stage, SLOWED))
    shifts.push(...all.map(({ shift }) => shift))
    const grown = all.map(({ tasks }) => tasks.filter(({ at }) => at > BEGUN_MS))
    const over = grown.map((tasks) => tasks.filter(({ ms }) => ms > LONG_MS).length).join(', ')
    const beside = `; by the clock ${spread(grown.map(clock))}, over ${LONG_MS} ms: ${over}; with its beginning ${spread(of(all, cpu))}`
    add(`longest task, ${ANSWER_CHARS} characters, ${shape}`, grown.map(cpu), LONG_MS, beside)
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
