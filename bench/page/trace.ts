/** The tasks of a page's main thread, from Chromium's own trace. */
import type { Browser, Page } from 'playwright-core'

export interface Task {
  /** When it began, in ms from the beginning. */
  readonly at: number
  /** By the clock. */
  readonly ms: number
  /** Of the processor, in ms: what the page costs whoever else wants the machine. What slows it down is in it. */
  readonly cpu: number
}

interface Event {
  readonly name: string
  readonly ph: string
  readonly pid: number
  readonly tid: number
  /** In microseconds, as the two below. */
  readonly ts: number
  readonly dur?: number
  readonly tdur?: number
}

const BEGINNING = 'bench-begins'

export interface Trace {
  /** The beginning, by the page's `performance.now()`. */
  readonly began: number
  readonly tasks: readonly Task[]
}

/** The processor's time that the main thread took of a span. @param from in ms from the beginning, as `to` */
export function cpuWithin({ tasks }: Trace, from: number, to: number): number {
  let sum = 0
  for (const { at, ms, cpu } of tasks) {
    const within = Math.min(at + ms, to) - Math.max(at, from)
    if (within > 0 && ms > 0) sum += cpu * (within / ms)
  }
  return sum
}

/** What the page's main thread does during `work`. */
export async function traced(browser: Browser, page: Page, work: () => Promise<void>): Promise<Trace> {
  const devTools = await browser.newBrowserCDPSession()
  // Little more than the tasks themselves: a trace of everything would be most of what is measured.
  const traceConfig = { includedCategories: ['toplevel', 'blink.user_timing'], excludedCategories: ['*'] }
  await devTools.send('Tracing.start', { transferMode: 'ReturnAsStream', traceConfig })
  const began = await page.evaluate((name) => performance.mark(name).startTime, BEGINNING)
  await work()
  const complete = new Promise<string>((resolve) =>
    devTools.once('Tracing.tracingComplete', ({ stream }) => resolve(stream ?? '')),
  )
  await devTools.send('Tracing.end')
  const handle = await complete
  let text = ''
  for (let over = false; !over;) {
    const { data, eof, base64Encoded } = await devTools.send('IO.read', { handle })
    text += base64Encoded === true ? Buffer.from(data, 'base64').toString() : data
    over = eof
  }
  await devTools.detach()
  const { traceEvents } = JSON.parse(text) as { traceEvents: Event[] }
  const begin = traceEvents.find(({ name }) => name === BEGINNING)
  if (begin === undefined) throw new Error('The trace does not have its beginning.')
  const tasks = traceEvents
    .filter(({ name, ph, pid, tid, ts }) => {
      return ph === 'X' && name.endsWith('::RunTask') && pid === begin.pid && tid === begin.tid && ts > begin.ts
    })
    .map(({ ts, dur = 0, tdur = 0 }) => ({ at: (ts - begin.ts) / 1_000, ms: dur / 1_000, cpu: tdur / 1_000 }))
  return { began, tasks }
}
