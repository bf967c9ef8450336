/**
 * What the demo's page costs the one who looks at it: real Chromium, its CPU slowed down four times, the demo in a process of its
 * own. The time until a long session is there, the answer to a key while agents write, and the longest task of a long answer.
 *
 *   node bench/page.ts [--rounds N]
 */
import { setTimeout as pause } from 'node:timers/promises'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
/* oxlint-disable no-restricted-imports -- What is measured is the demo, started as its own tests start it. */
import { findChromium } from '../scripts/chromium.mjs'
import { startDemo, type Demo } from '../test/e2e/demo.ts'
import { personIn, speak, talk, write } from '../test/e2e/long-session.ts'
/* oxlint-enable no-restricted-imports */
import { isMain, printRows, type Row } from './report.ts'

export interface PageOptions {
  /** How often each row is measured. */
  readonly rounds: number
}

/** Chromium's own factor: a cheap phone against a desktop. */
const SLOWED = 4
const MESSAGES = 500
const ANSWER_CHARS = 20_000
/** 4,000 characters a second, more than models write: what is growing is long for most of the time. */
const PACE = { chars: 80, everyMs: 20 }
/** Beside somebody who types: 1,000 characters a second and run, and enough of them for the last key. */
const BESIDE_TYPING = { chars: 20, everyMs: 20 }
const KEYS = 100
/** Between two keys, in ms: a fast typist. */
const KEY_MS = 60
/** The browser reports tasks above this only, in ms. */
const LONG_MS = 50
/** After this, in ms from the question, a task is one of the answer's growth: its row has come, a fifth of it is there. */
const BEGUN_MS = 1_000
/** What the control's loop is calibrated to, in ms: half of the budget. */
const LOOP_MS = 25
const AGENTS = ['orders', 'returns', 'research'] as const

const WORDS = 'So many **words** as a sentence of an answer may have, with `code` in it and [a link](https://example.com/). '
const repeated = (piece: string): string => piece.repeat(Math.ceil(ANSWER_CHARS / piece.length)).slice(0, ANSWER_CHARS)
const ANSWERS: Readonly<Record<string, string>> = {
  paragraphs: repeated(`${WORDS.repeat(4)}\n\n`),
  list: repeated('- an entry with **bold** and `code` and some more text\n'),
  table: `| a | b | c |\n|---|---|--:|\n${repeated('| some row | **bold** | `code` more |\n')}`,
  code: `\`\`\`ts\n${repeated('const total = lines.reduce((sum, line) => sum + line.price, 0)\n')}\n\`\`\`\n`,
  'one paragraph': repeated(WORDS),
}

export async function benchPage({ rounds }: PageOptions): Promise<Row[]> {
  // One after the other: both take the whole machine when they start.
  const demo = await startDemo()
  const browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox', '--disable-gpu'] })
  let text = ''
  let pace = PACE
  const agents = await Promise.all(AGENTS.map((name) => speak(demo, name, (run) => write(run, text, pace))))
  const inBrowser = async <T>(use: (context: BrowserContext) => Promise<T>): Promise<T> => {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 } })
    try {
      return await use(context)
    } finally {
      await context.close()
    }
  }
  const times = async <T>(measure: () => Promise<T>): Promise<T[]> => {
    const all: T[] = []
    for (let round = 0; round < rounds; round++) all.push(await measure())
    return all
  }
  try {
    const rows: Row[] = []
    // A line at once, for whoever waits.
    const add = (...measured: Parameters<typeof row>): void => {
      const added = row(...measured)
      console.log(`${added.what}: ${added.shown}`)
      rows.push(added)
    }
    const link = await newLink(demo)
    const sam = await personIn(demo, link, 'Sam')
    await talk(sam, MESSAGES)
    await sam.close()
    const first = await inBrowser((context) => firstScreens(context, link, rounds))
    add(`first screen of ${MESSAGES} messages, local data`, first, 1_000)

    const loop = await times(() => inBrowser((context) => control(context, demo)))
    console.log(`control: a loop of ${LOOP_MS} ms on a page at rest takes at most ${spread(loop)}`)
    const keys = async (streams: boolean): Promise<number[][]> =>
      times(() =>
        inBrowser(async (context) => {
          text = repeated(`${WORDS.repeat(4)}\n\n`).repeat(3)
          pace = BESIDE_TYPING
          return typing(context, demo, streams)
        }),
      )
    const [still, busy] = [await keys(false), await keys(true)]
    const atRest = (part: number): string => `; at rest ${spread(still.map((all) => quantile(all, part)))}`
    for (const [name, part] of [
      ['median', 0.5],
      ['p95', 0.95],
    ] as const) {
      const values = busy.map((all) => quantile(all, part))
      add(`a key until it is painted, three runs, ${name}`, values, 50, atRest(part))
    }

    // A run that writes a sentence: what its beginning and its end cost, whatever its length.
    text = 'A short answer.'
    pace = PACE
    const short = await times(() => inBrowser((context) => streaming(context, demo)))
    add('longest task, a short answer', short.map(longest), LONG_MS)

    for (const [shape, answer] of Object.entries(ANSWERS)) {
      text = answer
      const tasks = await times(() => inBrowser((context) => streaming(context, demo)))
      const grown = tasks.map((all) => all.filter(({ at }) => at > BEGUN_MS))
      const beside = `; over ${LONG_MS} ms: ${grown.map((all) => all.length).join(', ')}; with its beginning ${spread(tasks.map(longest))}`
      add(`longest task, ${ANSWER_CHARS} characters, ${shape}`, grown.map(longest), LONG_MS, beside)
    }
    return rows
  } finally {
    await Promise.all(agents.map((agent) => agent.close()))
    await browser.close()
    await demo.stop()
  }
}

/** From the navigation until the last message is painted: a second load, all from this device, the server within reach. */
async function firstScreens(context: BrowserContext, link: string, rounds: number): Promise<number[]> {
  const warm = await opened(context, link)
  await warm.locator('[role=listitem]', { hasText: `Message ${MESSAGES}.` }).waitFor()
  await warm.evaluate(async () => void (await navigator.serviceWorker.ready))
  // The local store writes behind; the page says nowhere that it has.
  await pause(2_000)
  await warm.close()
  await context.addInitScript((last) => {
    const seen = new MutationObserver(() => {
      const row = [...document.querySelectorAll('[role=listitem]')].at(-1)
      if (!row?.textContent?.includes(last)) return
      seen.disconnect()
      requestAnimationFrame(() => setTimeout(() => Object.assign(window, { painted: performance.now() })))
    })
    seen.observe(document, { childList: true, subtree: true, characterData: true })
  }, `Message ${MESSAGES}.`)
  const all: number[] = []
  for (let round = 0; round < rounds; round++) {
    const page = await context.newPage()
    await slowDown(page)
    await page.goto(link)
    const painted = await page.waitForFunction(() => (window as unknown as { painted?: number }).painted, null, { polling: 200 })
    all.push((await painted.jsonValue()) ?? Number.NaN)
    await page.close()
  }
  return all
}

/** From each key's input event to the frame after it, in ms. */
async function typing(context: BrowserContext, demo: Demo, streams: boolean): Promise<number[]> {
  const link = await newLink(demo)
  const page = await opened(context, link)
  const sam = await personIn(demo, link, 'Sam')
  await slowDown(page)
  await page.evaluate(() => {
    const keys: number[] = []
    Object.assign(window, { keys })
    const onInput = ({ timeStamp }: Event): void =>
      void requestAnimationFrame(() => setTimeout(() => keys.push(performance.now() - timeStamp)))
    document.addEventListener('input', onInput, { capture: true })
  })
  if (streams) {
    sam.send('All of you, please', { to: [...AGENTS] })
    while (sam.view.runs.filter((run) => run.status === 'active').length < AGENTS.length) await pause(20)
    await pause(500)
  }
  await page.getByRole('textbox', { name: 'Message' }).focus()
  await page.keyboard.type('some words '.repeat(KEYS).slice(0, KEYS), { delay: KEY_MS })
  const running = sam.view.runs.filter((run) => run.status === 'active')
  if (streams && running.length < AGENTS.length) throw new Error(`A run ended before the last key: ${running.length} are left.`)
  await page.waitForFunction((count) => (window as unknown as { keys: number[] }).keys.length >= count, KEYS, { polling: 200 })
  const keys = await page.evaluate(() => (window as unknown as { keys: number[] }).keys)
  for (const run of running) sam.cancel({ run: run.id })
  await sam.stored()
  await sam.close()
  return keys
}

interface Task {
  /** When it began, in ms from the question. */
  readonly at: number
  readonly ms: number
}

const longest = (tasks: readonly Task[]): number => Math.max(0, ...tasks.map(({ ms }) => ms))

/** The tasks over 50 ms while an answer comes in. */
async function streaming(context: BrowserContext, demo: Demo): Promise<Task[]> {
  const link = await newLink(demo)
  const page = await opened(context, link)
  const sam = await personIn(demo, link, 'Sam')
  await slowDown(page)
  // What the page does after its start is none of the answer's.
  await pause(1_000)
  await page.evaluate(() => {
    const long: { at: number; ms: number }[] = []
    const asked = performance.now()
    Object.assign(window, { long })
    new PerformanceObserver((list) =>
      long.push(...list.getEntries().map((it) => ({ at: it.startTime - asked, ms: it.duration }))),
    ).observe({
      type: 'longtask',
    })
  })
  const id = sam.send('A long answer, please', { to: ['orders'] })
  while (!sam.view.runs.some((run) => run.input === id && run.status === 'complete')) await pause(20)
  await page.locator('.reply[data-agent=orders][data-status=complete]').waitFor()
  // The observer hears of a task after its end.
  await pause(500)
  await sam.close()
  return page.evaluate(() => (window as unknown as { long: Task[] }).long)
}

/** The longest of many loops that take 25 ms undisturbed, on a page at rest: the rest is the machine's noise. */
async function control(context: BrowserContext, demo: Demo): Promise<number> {
  const page = await opened(context, await newLink(demo))
  await slowDown(page)
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
}

async function opened(context: BrowserContext, link: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${link}?as=Mia`)
  await page.getByRole('textbox', { name: 'Message' }).waitFor()
  return page
}

async function slowDown(page: Page): Promise<void> {
  const devTools = await page.context().newCDPSession(page)
  await devTools.send('Emulation.setCPUThrottlingRate', { rate: SLOWED })
}

async function newLink(demo: Demo): Promise<string> {
  const response = await fetch(demo.url, { redirect: 'manual' })
  return new URL(response.headers.get('location') ?? '', demo.url).href
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

function spread(values: readonly number[]): string {
  return `${quantile(values, 0.5).toFixed(0)} ms (${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)})`
}

function row(what: string, values: readonly number[], budget: number, beside = ''): Row {
  return { what, value: quantile(values, 0.5), shown: `${spread(values)}${beside}`, budget, better: 'less' }
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } })
  console.log(`load before: ${loadavg()[0]?.toFixed(1)}`)
  printRows(await benchPage({ rounds: Number(values.rounds) }))
  console.log(`load after: ${loadavg()[0]?.toFixed(1)}`)
}
