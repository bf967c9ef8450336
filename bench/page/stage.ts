/** The demo in a process of its own, agents that write what is asked of them, and browsers that look at it. */
/* oxlint-disable no-restricted-imports -- What is measured is the demo, started as its own tests start it. */
import { setTimeout as pause } from 'node:timers/promises'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import type { Agent } from '../../client/agent.ts'
import { findChromium } from '../../scripts/chromium.mjs'
import { startDemo, type Demo } from '../../test/e2e/demo.ts'
import { speak, write } from '../../test/e2e/long-session.ts'
/* oxlint-enable no-restricted-imports */

/** What does not come in this time never will: an answer of 20,000 characters takes twenty seconds. */
const UNTIL_MS = 120_000

export const AGENTS = ['orders', 'returns', 'research'] as const

/** What agents write, and how fast: so many characters, so many milliseconds apart. */
export interface Answer {
  readonly text: string
  readonly chars: number
  readonly everyMs: number
}

export class Stage {
  readonly demo: Demo
  readonly browser: Browser
  readonly #agents: Agent[] = []
  #answer: Answer = { text: '', chars: 80, everyMs: 20 }

  private constructor(demo: Demo, browser: Browser) {
    this.demo = demo
    this.browser = browser
  }

  /** Starts all of it; what has started is ended again where something does not. */
  static async open(): Promise<Stage> {
    // One after the other: both take the whole machine when they start.
    const demo = await startDemo({}, { fromSources: true })
    try {
      const browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox', '--disable-gpu'] })
      const stage = new Stage(demo, browser)
      try {
        for (const name of AGENTS) {
          const { promise: failed, reject } = Promise.withResolvers<never>()
          const timer = setTimeout(() => reject(new Error(`The agent ${name} did not get a connection.`)), 20_000)
          const agent = speak(demo, name, (run) => write(run, stage.#answer.text, stage.#answer))
          stage.#agents.push(await Promise.race([agent, failed]).finally(() => clearTimeout(timer)))
        }
        return stage
      } catch (error) {
        await stage.close()
        throw error
      }
    } catch (error) {
      // Twice does no harm.
      await demo.stop()
      throw error
    }
  }

  /** What agents write at present. */
  get answer(): Answer {
    return this.#answer
  }

  answerWith(answer: Answer): void {
    this.#answer = answer
  }

  /** A browser of its own on a phone's screen, for as long as it is used. */
  async inBrowser<T>(use: (context: BrowserContext) => Promise<T>): Promise<T> {
    const context = await this.browser.newContext({ viewport: { width: 390, height: 844 } })
    try {
      return await use(context)
    } finally {
      await context.close()
    }
  }

  /** The link of a new session. */
  async newLink(): Promise<string> {
    const response = await fetch(this.demo.url, { redirect: 'manual' })
    return new URL(response.headers.get('location') ?? '', this.demo.url).href
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#agents.map((agent) => agent.close()))
    await this.browser.close().catch(() => {})
    await this.demo.stop()
  }
}

/** A page on a session that can be written to. */
export async function opened(context: BrowserContext, link: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${link}?as=Mia`)
  await page.getByRole('textbox', { name: 'Message' }).waitFor()
  return page
}

/**
 * Waits until an expression is true in a page, and gives its value. Not by Playwright's own means: what they put into a page takes
 * a slow one a tenth of a second.
 */
export async function until<T>(page: Page, expression: string): Promise<T> {
  const devTools = await page.context().newCDPSession(page)
  try {
    for (const deadline = performance.now() + UNTIL_MS; performance.now() < deadline; await pause(200)) {
      const { result, exceptionDetails } = await devTools.send('Runtime.evaluate', { expression, returnByValue: true })
      if (exceptionDetails !== undefined) throw new Error(`${expression}: ${exceptionDetails.text}`)
      if (result.value) return result.value as T
    }
    throw new Error(`It never came to this: ${expression}`)
  } finally {
    await devTools.detach()
  }
}

/** Slows the page's CPU down by Chromium's own means. @param rate how many times; 1 is as fast as it is */
export async function slowDown(page: Page, rate: number): Promise<void> {
  const devTools = await page.context().newCDPSession(page)
  await devTools.send('Emulation.setCPUThrottlingRate', { rate })
}
