/** What a file of browser tests works with: one demo, one browser, and windows that are gone after each test. */
import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { startDemo, type Demo } from './demo.ts'
import { each, launch, until, Window } from './windows.ts'

/** A step that all windows show as running for so long, in reads 50 ms apart, is the one that the agent stands in. */
const STEADY_READS = 6

export interface Stage {
  readonly demo: Demo
  /** A new session's link. */
  newLink(): Promise<string>
  /** A window on a session under a name, ready to be written to; `beside`: as another tab of that window's browser. */
  join(link: string, name: string, beside?: Window): Promise<Window>
  /**
   * Stops an agent's process in the middle of a step, once all windows show it as running, so that a test may take its time.
   * Gives what lets it go on.
   */
  hold(agent: string, windows: readonly Window[], step: string): Promise<() => void>
  /** The support desk, with a session open if one is given, for Ada or whoever is named. */
  desk(link?: string, name?: string): Promise<Window>
}

export interface StageOptions {
  /** Its browsers have service workers: for a file that is about starts without a network, or about pushes. */
  readonly worker?: boolean
}

/** Sets the stage for the file that calls it. @param env settings of the demo, see `demo.ts`. */
export function setStage(env: Readonly<Record<string, string>> = {}, { worker = false }: StageOptions = {}): Stage {
  let demo: Demo | undefined
  let browser: Browser | undefined
  const windows: Window[] = []
  const on = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('The stage is set when the first test begins.')
    return value
  }
  const opened = async (opening: Promise<Window>): Promise<Window> => {
    const window = await opening
    windows.push(window)
    return window
  }
  const own = (): Promise<BrowserContext> => Window.browser(on(browser), { worker })

  beforeAll(async () => {
    ;[demo, browser] = await Promise.all([startDemo(env), launch()])
  })

  // A test that failed may have left the server dead; the next one is to fail for its own reasons only.
  beforeEach(() => on(demo).start())

  afterEach(async () => {
    demo?.thaw()
    const all = windows.splice(0)
    await Promise.all(all.map(({ context }) => context.close()))
    const errors = all.flatMap((window) => window.errors)
    if (errors.length > 0) throw new Error(`The pages printed errors:\n${errors.join('\n')}`)
  })

  afterAll(async () => {
    await browser?.close()
    await demo?.stop()
  })

  return {
    get demo() {
      return on(demo)
    },
    async newLink() {
      const response = await fetch(on(demo).url, { redirect: 'manual' })
      return new URL(response.headers.get('location') ?? '', on(demo).url).href
    },
    join: async (link, name, beside) => opened(Window.join(on(browser), link, name, beside?.context ?? (await own()))),
    async hold(agent, windows, step) {
      const running = (window: Window): Promise<boolean> =>
        window.steps(agent).then((steps) => steps.some((it) => it === `${step}: running`))
      const allRunning = async (): Promise<boolean> => (await each(windows, running)()).every(Boolean)
      let thaw = (): void => {}
      const held = async (): Promise<boolean> => {
        if (!(await allRunning())) return false
        thaw = on(demo).freeze(agent)
        for (let read = 0; read < STEADY_READS; read++) {
          if (!(await allRunning())) {
            thaw()
            return false
          }
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        return true
      }
      await until(held, `${agent} is in the step ${step}`).toBe(true)
      return thaw
    },
    async desk(link, name) {
      const session = link === undefined ? [] : [`s=${link.split('/').at(-1)}`]
      const query = [...session, ...(name === undefined ? [] : [`as=${name}`])].join('&')
      return opened(Window.open(on(browser), `${on(demo).url}/desk${query === '' ? '' : `?${query}`}`, await own()))
    },
  }
}
