/** How long a key takes to be seen. */
import { setTimeout as pause } from 'node:timers/promises'
/* oxlint-disable no-restricted-imports -- What is measured is the demo, with the words of its own tests. */
import { personIn } from '../../test/e2e/long-session.ts'
/* oxlint-enable no-restricted-imports */
import { AGENTS, opened, slowDown, until, type Stage } from './stage.ts'
import { cpuWithin, traced } from './trace.ts'

const KEYS = 100
/** Between two keys, in ms: a fast typist. */
const KEY_MS = 60

/** Where three runs write meanwhile: nowhere, in the session on the screen, or in another one that no browser shows. */
export type Streams = 'nowhere' | 'here' | 'elsewhere'

/** From a key's input event to the end of the frame after it, in ms. */
export interface KeyTime {
  readonly clock: number
  /** What the page's main thread had of the processor meanwhile. */
  readonly cpu: number
}

export async function keyTimes(stage: Stage, rate: number, streams: Streams): Promise<KeyTime[]> {
  return stage.inBrowser(async (context) => {
    const link = await stage.newLink()
    const page = await opened(context, link)
    const sam = await personIn(stage.demo, streams === 'elsewhere' ? await stage.newLink() : link, 'Sam')
    await slowDown(page, rate)
    await page.evaluate(() => {
      const keys: [number, number][] = []
      Object.assign(window, { keys })
      const onInput = ({ timeStamp }: Event): void =>
        void requestAnimationFrame(() => setTimeout(() => keys.push([timeStamp, performance.now()])))
      document.addEventListener('input', onInput, { capture: true })
    })
    const active = (): typeof sam.view.runs => sam.view.runs.filter((run) => run.status === 'active')
    if (streams !== 'nowhere') {
      sam.send('All of you, please', { to: [...AGENTS] })
      while (active().length < AGENTS.length) await pause(20)
    }
    await page.getByRole('textbox', { name: 'Message' }).focus()
    await pause(1_000)
    const trace = await traced(stage.browser, page, async () => {
      await page.keyboard.type('some words '.repeat(KEYS).slice(0, KEYS), { delay: KEY_MS })
      await until(page, `window.keys.length >= ${KEYS}`)
    })
    const running = active()
    if (streams !== 'nowhere' && running.length < AGENTS.length) throw new Error(`Runs ended too early: ${running.length} left.`)
    const keys = await page.evaluate(() => (window as unknown as Kept).keys)
    for (const run of running) sam.cancel({ run: run.id })
    await sam.stored()
    await sam.close()
    return keys.map(([from, to]) => ({ clock: to - from, cpu: cpuWithin(trace, from - trace.began, to - trace.began) }))
  })
}

interface Kept {
  readonly keys: readonly (readonly [from: number, to: number])[]
}
