/** Windows of real Chromium on the demo, and what a person would do and see in them. */
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { expect } from 'vitest'
import { findChromium } from '../../scripts/chromium.mjs'

/** Long enough for a slow machine; a condition that is met is seen within 50 ms. */
const PATIENCE_MS = 40_000

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium(),
    args: [
      '--no-sandbox',
      '--disable-features=SpareRendererForSitePerProcess',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-dev-shm-usage',
      '--no-first-run',
    ],
  })
}

/** What is seen of one message. */
export interface Seen {
  readonly author: string
  readonly text: string
  /** Of an agent's reply its run's status. */
  readonly status: string
}

/** One window: a page, with words for what is done and seen in it. */
export class Window {
  readonly page: Page
  readonly context: BrowserContext
  /** What the page printed as an error, but for a network that the test took away. */
  readonly errors: string[] = []

  private constructor(page: Page) {
    this.page = page
    this.context = page.context()
    page.setDefaultTimeout(PATIENCE_MS)
    page.on('pageerror', (error) => this.errors.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error' && !/net::ERR_|WebSocket connection/.test(message.text())) this.errors.push(message.text())
    })
  }

  /**
   * A browser of its own. Without `worker` it is one that has no service workers, as some are in private windows: nothing is
   * kept for a start without a network then, which costs a third of all that it costs to open a page.
   */
  static async browser(browser: Browser, { worker = true }: { readonly worker?: boolean } = {}): Promise<BrowserContext> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' })
    if (!worker) await context.addInitScript('delete Navigator.prototype.serviceWorker')
    return context
  }

  /** Opens a link in a browser of its own, or as another tab of `context`. */
  static async open(browser: Browser, url: string, context?: BrowserContext): Promise<Window> {
    const at = context ?? (await Window.browser(browser))
    const window = new Window(await at.newPage())
    await window.page.goto(url)
    return window
  }

  /** Opens a session under a name and waits until it can be written to. */
  static async join(browser: Browser, link: string, name: string, context?: BrowserContext): Promise<Window> {
    const window = await Window.open(browser, `${link}?as=${name}`, context)
    await window.composer.waitFor()
    return window
  }

  get composer(): ReturnType<Page['getByLabel']> {
    return this.page.getByRole('textbox', { name: 'Message' })
  }

  /** The link to the session, without a name. */
  get link(): string {
    return this.page.url().split('?')[0] ?? ''
  }

  async say(text: string): Promise<void> {
    await this.composer.fill(text)
    await this.composer.press('Enter')
  }

  /** Says something and waits until an agent has begun to answer it; a short answer may be over before anybody sees it at work. */
  async ask(agent: string, text: string): Promise<void> {
    const run = (): Promise<string | null | undefined> =>
      this.page.evaluate(
        (name) => [...document.querySelectorAll(`.reply[data-agent="${name}"]`)].at(-1)?.getAttribute('data-run'),
        agent,
      )
    const before = await run()
    await this.say(text)
    await until(run, `${agent} has begun`).not.toBe(before)
  }

  /** All messages from top to bottom; a complete reply of which the end is still coming into the page is `active`. */
  messages(): Promise<Seen[]> {
    return this.page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('article.message')].map((message) => ({
        author: message.dataset['mine'] === undefined ? (message.querySelector('.author')?.textContent ?? '') : 'me',
        text: (message.querySelector('.bubble, .body') as HTMLElement | null)?.innerText ?? '',
        status:
          message.dataset['status'] === 'complete' && message.querySelector('.md[data-growing]') !== null
            ? 'active'
            : (message.dataset['status'] ?? ''),
      })),
    )
  }

  async texts(): Promise<string[]> {
    return (await this.messages()).map(({ text }) => text)
  }

  /** The last reply of an agent. */
  reply(agent: string): ReturnType<Page['locator']> {
    return this.page.locator(`.reply[data-agent="${agent}"]`).last()
  }

  /**
   * How its last run stands; one that is complete is `active` as long as the end of its text is still coming into the page.
   * Tests ask for this and for what follows over and over, so it is one question to the page: through a locator it is four.
   */
  async status(agent: string): Promise<string | null> {
    const read = (): Promise<string | null | undefined> =>
      this.page.evaluate((name) => {
        const reply = [...document.querySelectorAll(`.reply[data-agent="${name}"]`)].at(-1)
        const status = reply?.getAttribute('data-status')
        return status === 'complete' && reply?.querySelector('.md[data-growing]') ? 'active' : status
      }, agent)
    let status = await read()
    while (status === undefined) {
      await this.reply(agent).waitFor({ state: 'attached' })
      status = await read()
    }
    return status
  }

  /** Titles of the steps of an agent's last reply with their status: `checking: done`. */
  steps(agent: string): Promise<string[]> {
    return this.page.evaluate((name) => {
      const reply = [...document.querySelectorAll(`.reply[data-agent="${name}"]`)].at(-1)
      return [...(reply?.querySelectorAll<HTMLElement>('.step') ?? [])].map(
        (step) => `${step.querySelector('.step-title')?.textContent}: ${step.dataset['status']}`,
      )
    }, agent)
  }

  /** Where my messages are, from top to bottom. */
  deliveries(): Promise<(string | undefined)[]> {
    return this.page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('.delivery')].map((mark) => mark.dataset['delivery']),
    )
  }

  /** Waits until the device has all that a start without a network needs. */
  async ready(): Promise<void> {
    await this.page.evaluate(async () => void (await navigator.serviceWorker.ready))
  }
}

/** Waits until what `read` gives fulfils the expectation that is put on the result. */
export function until<T>(read: () => T | Promise<T>, what: string): ReturnType<typeof expect.poll<T>> {
  return expect.poll(read, { timeout: PATIENCE_MS, interval: 50, message: what })
}

/** What a check gives in several windows, for statements about all of them. */
export function each<T>(windows: readonly Window[], read: (window: Window) => Promise<T>): () => Promise<T[]> {
  return () => Promise.all(windows.map(read))
}
