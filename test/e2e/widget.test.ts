/** The widget in pages of other origins, whose policies forbid all styles, images and connections, and whose styles are hostile. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Browser, FrameLocator, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { mintToken } from '../../server/index.ts'
import { setStage } from './stage.ts'
import { launch, until } from './windows.ts'

const KEY = 'pk_polyshop_demo'

/** Two pages of one site, and one that no key is for. All are other origins than the demo's, by name and by port. */
const hosts = await Promise.all([startHost(), startHost(), startHost()])
const [shop, other, stranger] = hosts as [Host, Host, Host]
const stage = setStage({ DEMO_WIDGET_ORIGINS: [shop.origin, other.origin].join(',') })
let browser: Browser | undefined

interface Host {
  readonly origin: string
  /** Policy and page for a path of this host. */
  html: string
  csp: string
  close(): void
}

async function startHost(): Promise<Host> {
  const host = { origin: '', html: '', csp: '', close: (): void => void server.close() }
  const server = createServer((request, response) => {
    const isPage = request.url === '/'
    response.writeHead(isPage ? 200 : 204, { 'content-type': 'text/html', 'content-security-policy': host.csp })
    response.end(isPage ? host.html : undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  host.origin = `http://localhost:${(server.address() as AddressInfo).port}`
  return host
}

beforeAll(async () => {
  browser = await launch()
})

afterAll(async () => {
  await browser?.close()
  for (const host of hosts) host.close()
})

const STRICT = (server: string): string =>
  `default-src 'none'; script-src ${server} 'nonce-host'; frame-src ${server}; style-src 'nonce-host'; base-uri 'none'`

interface Visit {
  readonly page: Page
  readonly chat: FrameLocator
  readonly launcher: ReturnType<Page['locator']>
  readonly errors: readonly string[]
}

/** A page of a host with the widget; `before` runs in it before the loader does. */
async function visit(
  host: Host,
  { before = '', attributes = '', css = '', phone = false, in: beside = undefined as Page | undefined } = {},
): Promise<Visit> {
  const server = stage.demo.url
  host.csp = STRICT(server)
  host.html = `<!doctype html><html lang="en"><title>Host</title><meta name="viewport" content="width=device-width">
<style nonce="host">main{height:3000px} ${css}</style><main><button id="own">Own</button></main>
<script nonce="host">window.before = Object.keys(window); ${before}</script>
<script async src="${server}/widget.js" data-key="${KEY}" data-title="Shop chat" ${attributes}></script></html>`
  const context =
    beside?.context() ??
    (await (browser as Browser).newContext({
      viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 800 },
      reducedMotion: 'reduce',
    }))
  if (beside === undefined) onTestFinished(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('console', (message) => void (message.type() === 'error' && errors.push(message.text())))
  await page.addInitScript(() => {
    // The test looks into the closed shadow root; nobody else can.
    const attach = Reflect.get(Element.prototype, 'attachShadow') as (this: Element, init: ShadowRootInit) => ShadowRoot
    Element.prototype.attachShadow = function (init) {
      return attach.call(this, { ...init, mode: location.hash === '#closed' ? init.mode : 'open' })
    }
  })
  await page.goto(host.origin)
  return { page, chat: page.frameLocator('iframe'), launcher: page.locator('.launcher'), errors }
}

const composer = (chat: FrameLocator): ReturnType<FrameLocator['locator']> => chat.getByRole('textbox', { name: 'Message' })
const texts = (chat: FrameLocator): Promise<string[]> =>
  chat
    .locator('article.message')
    .evaluateAll((all) => all.map((it) => (it.querySelector('.bubble, .body') as HTMLElement).innerText))

async function say(chat: FrameLocator, text: string): Promise<void> {
  await composer(chat).fill(text)
  await composer(chat).press('Enter')
}

test('[E1] one script tag: a chat on a page of another origin under a strict policy and hostile styles, by keyboard, over reloads (WID-4)', async () => {
  const css =
    '*{all:unset!important;display:none!important} html,body,main,style+main *{display:block!important} button{background:red!important}'
  const record = `window.seen = []; window.polylogue = window.polylogue || ((...a) => (polylogue.q = polylogue.q || []).push(a));
for (const name of ['ready','open','close','unread','message','error']) polylogue('on', name, (detail) => seen.push([name, detail]));
polylogue('open'); polylogue('send', 'Where is my order 1042?')`
  const { page, chat, launcher, errors } = await visit(shop, { css, before: record })
  await composer(chat).waitFor()
  await until(async () => (await texts(chat))[0], 'sent from the queue').toBe('Where is my order 1042?')
  const seen = (): Promise<unknown[][]> => page.evaluate('seen') as Promise<unknown[][]>
  await until(async () => (await seen()).map(([name]) => name), 'events').toEqual(
    expect.arrayContaining(['open', 'ready', 'message']),
  )
  expect(JSON.stringify(await seen()), 'what is said stays in the frame').not.toContain('1042')
  expect(await launcher.getAttribute('aria-expanded')).toBe('true')
  expect(await page.locator('[role=dialog]').getAttribute('aria-label')).toBe('Shop chat')
  expect(await page.locator('iframe').getAttribute('title')).toBe('Shop chat')
  const box = await launcher.boundingBox()
  expect([box?.width, box?.height], 'no rule of the page counts').toEqual([56, 56])
  expect(await launcher.evaluate((it) => getComputedStyle(it).backgroundColor)).toBe('rgb(31, 106, 88)')
  expect(await page.locator('#own').evaluate((it) => getComputedStyle(it).backgroundColor), 'nor the other way').toBe(
    'rgb(255, 0, 0)',
  )
  // In a system's own colours there is no background to be seen.
  await page.emulateMedia({ forcedColors: 'active' })
  const edge = (): Promise<string> =>
    launcher.evaluate((it) => {
      const { borderTopStyle, borderTopWidth, borderTopColor, backgroundColor } = getComputedStyle(it)
      return `${borderTopWidth} ${borderTopStyle}, ${borderTopColor === backgroundColor ? 'not to be seen' : 'seen'}`
    })
  expect(await edge(), 'an edge that a system colours').toBe('2px solid, seen')
  await page.emulateMedia({ forcedColors: 'none' })
  const globals = await page.evaluate('Object.keys(window).filter((name) => !before.includes(name))')
  expect((globals as string[]).filter((name) => !['before', 'seen'].includes(name))).toEqual(['polylogue'])

  await until(() => chat.locator('.reply').getAttribute('data-status'), 'answered').toBe('complete')
  await composer(chat).press('Escape')
  await until(() => launcher.getAttribute('aria-expanded'), 'Escape in the frame closes it').toBe('false')
  expect(await page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.className)).toBe('launcher')
  await page.keyboard.press('Enter')
  await until(() => chat.locator('textarea').evaluate((it) => it === document.activeElement), 'the focus is in the chat').toBe(
    true,
  )

  const id = (await chat
    .locator(':root')
    .evaluate(() => Object.values(localStorage).find((it) => it.includes('"session"')))) as string
  const { session } = JSON.parse(id) as { session: string }
  await page.evaluate("polylogue('close')")
  await until(() => launcher.getAttribute('aria-expanded'), 'closed').toBe('false')
  const desk = await stage.desk(`${stage.demo.url}/s/${session}`)
  await desk.composer.waitFor()
  await desk.page.getByRole('button', { name: 'Take over' }).click()
  await desk.page.getByRole('button', { name: 'Hand back' }).waitFor()
  await desk.say('I am Ada, hello')
  // That she came, and what she said.
  await until(() => page.locator('.count').innerText(), 'unread while it is closed').toBe('2')
  expect(await page.locator('body').ariaSnapshot(), 'as a screen reader has it').toMatch(
    /button "Open: Shop chat: 2 new"[^]*status: "Shop chat: 2 new"/,
  )
  shop.html = shop.html.replace("polylogue('send', 'Where is my order 1042?')", '')
  await page.reload()
  // The page opens it by itself.
  await until(async () => (await texts(chat)).at(-1), 'the same conversation after loading again').toBe('I am Ada, hello')
  expect(await page.locator('.count').isVisible()).toBe(false)

  const elsewhere = await visit(other, { in: page, attributes: 'data-open' })
  await composer(elsewhere.chat).waitFor()
  expect(await texts(elsewhere.chat), 'another page has a conversation of its own').toEqual([])

  await composer(chat).fill('A draft')
  const left = (): Promise<string> =>
    chat.locator(':root').evaluate(async () => JSON.stringify([Object.entries(localStorage), await indexedDB.databases()]))
  expect(await left()).toContain(session)
  expect(await page.evaluate("polylogue('shutdown')"), 'all is gone').toBe(true)
  expect(await page.locator('iframe').count()).toBe(0)
  await launcher.click()
  await composer(chat).waitFor()
  expect(await texts(chat), 'nothing is left').toEqual([])
  expect(await composer(chat).inputValue()).toBe('')
  expect(await left(), 'nor on the device').not.toContain(session)
  const secret = (JSON.parse(id) as { visitor: string }).visitor
  const copy = await fetch(`${stage.demo.url}/widget/token`, {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin' },
    body: JSON.stringify({ key: KEY, host: shop.origin, visitor: secret }),
  })
  expect(await copy.json(), 'and a copy of the secret is worth nothing').not.toMatchObject({ session })
  expect([...errors, ...elsewhere.errors]).toEqual([])
})

test('[E1] on a phone the chat fills the screen, the page behind stays, and the way back closes it', async () => {
  const { page, chat, launcher, errors } = await visit(shop, { phone: true })
  await page.evaluate(() => scrollTo(0, 500))
  const style = await page.evaluate(() => document.documentElement.outerHTML.split('>', 1)[0])
  await launcher.click()
  await composer(chat).waitFor()
  expect(await page.locator('.panel').boundingBox()).toEqual({ x: 0, y: 0, width: 390, height: 844 })
  expect(await launcher.isVisible()).toBe(false)
  await page.mouse.move(200, 300)
  await page.mouse.wheel(0, 400)
  await chat.locator('.welcome').waitFor()
  expect(await page.evaluate(() => scrollY)).toBe(500)
  await page.goBack()
  await launcher.waitFor()
  const focused = (): Promise<string | undefined> =>
    page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.className)
  await until(focused, 'the focus is back').toBe('launcher')
  await page.keyboard.press('Enter')
  const panel = page.locator('[role=dialog]')
  await until(() => chat.locator('textarea').evaluate((it) => it === document.activeElement), 'it goes into the chat').toBe(true)
  expect([await panel.getAttribute('aria-modal'), await launcher.getAttribute('aria-expanded')]).toEqual(['true', 'true'])
  // Out of the frame and around: nothing of the page behind.
  for (let tab = 0; tab < 12; tab++) {
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.id)).not.toBe('own')
  }
  await composer(chat).focus()
  await page.keyboard.press('Escape')
  await until(() => launcher.getAttribute('aria-expanded'), 'Escape closes it').toBe('false')
  await until(focused, 'the focus is back').toBe('launcher')
  await page.locator('#own').focus()
  expect(await page.evaluate(() => document.activeElement?.id), 'the page can be used again').toBe('own')
  await launcher.click()
  await chat.getByRole('button', { name: 'Close' }).click()
  await launcher.waitFor()
  await until(() => page.evaluate(() => (history.state as object | null) === null), 'the history is as it was').toBe(true)
  expect(await page.evaluate(() => document.documentElement.outerHTML.split('>', 1)[0])).toBe(style)
  expect(errors).toEqual([])
})

test('[E1] a page that the key is not for gets a refusal at every step, whatever it says of itself', async () => {
  const record = `window.failed = []; window.polylogue = (...a) => (polylogue.q = polylogue.q || []).push(a); polylogue('on', 'error', (it) => failed.push(it.reason))`
  const { page, launcher } = await visit(stranger, { before: record })
  await launcher.click()
  await until(() => page.evaluate('failed'), 'it is told').toEqual(['wrong-origin'])
  expect([await page.locator('iframe').count(), await launcher.count()], 'nothing to use is left').toEqual([0, 0])
  // It names a page that the key is for.
  await page.evaluate(
    ([server, key, host]) => {
      const frame = document.createElement('iframe')
      frame.referrerPolicy = 'no-referrer'
      frame.src = `${server}/widget?key=${key}&host=${encodeURIComponent(host ?? '')}`
      document.body.append(frame)
    },
    [stage.demo.url, KEY, shop.origin],
  )
  await until(() => page.frames().at(-1)?.url() ?? '', 'the browser holds it to its own name').toBe(
    'chrome-error://chromewebdata/',
  )
})

test('[E1] a signed-in user is who the backend of the page says, also without any storage in the frame', async () => {
  const secret = readFileSync(join(stage.demo.dataDir, 'secret'), 'utf8').trim()
  const token = await mintToken(secret, { id: 'user-mia', kind: 'user', name: 'Mia', sessions: ['mia-chat'] })
  const { page, chat, launcher } = await visit(shop, {})
  await page.context().addInitScript((server) => {
    if (location.origin !== server) return
    const refuse = (): never => {
      throw new DOMException('Blocked', 'SecurityError')
    }
    Object.defineProperty(window, 'localStorage', { get: refuse })
    IDBFactory.prototype.open = refuse
    LockManager.prototype.request = () => Promise.reject(new DOMException('Blocked', 'SecurityError'))
  }, stage.demo.url)
  await page.evaluate(`window.asked = 0; polylogue('identify', async () => { asked++; return ${JSON.stringify(token)} })`)
  await launcher.click()
  await composer(chat).waitFor()
  await say(chat, 'I am signed in')
  expect(await page.evaluate('asked'), 'the page was asked').not.toBe(0)
  const desk = await stage.desk(`${stage.demo.url}/s/mia-chat`)
  await until(async () => (await desk.messages())[0], 'under her name').toMatchObject({ author: 'Mia', text: 'I am signed in' })
})

test('[E1] the element within a page shows the same chat and tells of it by events', async () => {
  const { page, chat } = await visit(shop)
  await page.evaluate(
    async ([server, key]) => {
      const script = document.createElement('script')
      script.src = `${server}/polylogue-chat.js`
      const loaded = new Promise((resolve) => script.addEventListener('load', resolve))
      document.body.append(script)
      await loaded
      const element = document.createElement('polylogue-chat')
      element.dataset['key'] = key
      element.addEventListener('polylogue-ready', () => (document.title = 'Ready'))
      document.body.prepend(element)
    },
    [stage.demo.url, KEY],
  )
  await composer(chat).waitFor()
  await until(() => page.title(), 'its event').toBe('Ready')
  await say(chat, 'Show me the XM headphones')
  await until(() => chat.locator('.reply').count(), 'answered').toBe(1)
  expect(await page.locator('polylogue-chat').count()).toBe(1)
})
