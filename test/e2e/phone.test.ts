/** As an app on a phone: installed, started without a server, away in the background, under a finger. */
import { DatabaseSync } from 'node:sqlite'
import type { Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { rebuilt } from './rebuilt.ts'
import { setStage } from './stage.ts'
import { until, type Window } from './windows.ts'

const stage = setStage({ DEMO_TOKEN_DELAY_MS: '2' }, { worker: true })
/** So many reads, 50 ms apart: what the store has taken is in its tables after a second. */
const READS_AT_REST = 30
const PHONE = { width: 390, height: 844 }

const answered = async (window: Window): Promise<number> =>
  (await window.messages()).filter(({ status }) => status === 'complete').length

const goTo = (window: Window, path: string): Promise<unknown> => window.page.goto(`${stage.demo.url}${path}`)

const lines = (window: Window): Promise<string[]> => window.page.locator('.chat-line .title').allInnerTexts()

/** The worker that the page has registered is in charge of it. */
const inCharge = async (window: Window): Promise<void> => {
  await window.ready()
  await window.page.waitForFunction(() => navigator.serviceWorker.controller !== null)
}

test('[O4] an app can be installed: its manifest is valid, its icons are what they say, and it starts without a server', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  const { page } = a
  // What the app's icon is told, in all that is opened from here on.
  const badges: (number | null)[] = []
  await page.exposeFunction('badge', (count: number | null) => void badges.push(count))
  await page.addInitScript(() => {
    const { badge } = window as unknown as { badge: (count: number | null) => Promise<void> }
    Object.assign(navigator, { setAppBadge: (count: number) => badge(count), clearAppBadge: () => badge(null) })
  })
  await inCharge(a)
  const cdp = await a.context.newCDPSession(page)
  const { url, errors } = await cdp.send('Page.getAppManifest')
  expect(errors).toEqual([])
  const manifest = (await (await fetch(url)).json()) as {
    id: string
    start_url: string
    scope: string
    display: string
    icons: { src: string; sizes: string; type: string; purpose: string }[]
  }
  expect(manifest).toMatchObject({ id: '/', scope: '/', display: 'standalone', name: expect.any(String) as string })
  const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors')
  // A window without an address bar is no place to install from; that is the only objection.
  expect(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito')).toEqual([])
  const pngs = manifest.icons.filter(({ type }) => type === 'image/png')
  expect(pngs.map(({ sizes, purpose }) => `${sizes} ${purpose}`)).toEqual(['192x192 any', '512x512 any', '512x512 maskable'])
  for (const { src, sizes } of [...pngs, { src: '/icon-180.png', sizes: '180x180' }]) {
    const size = await page.evaluate(async (from) => {
      const image = new Image()
      image.src = from
      await image.decode()
      return `${image.naturalWidth}x${image.naturalHeight}`
    }, src)
    expect(size, src).toBe(sizes)
  }

  await a.say('Where is my order 1042?')
  await until(() => answered(a), 'a conversation to come back to').toBe(1)
  const before = await a.texts()
  const noted = async (): Promise<void> =>
    await until(() => page.evaluate(() => localStorage.getItem('polyshop:last')), 'noted').toBe(link.split('/').at(-1))
  await noted()
  await stage.demo.kill()
  for (const path of ['/start', '/chats', '/desk', '/', new URL(link).pathname]) {
    const response = await goTo(a, `${path}?as=Mia`)
    expect((response as { status(): number }).status(), path).toBe(200)
  }
  // Each of them may have been the last one for a moment.
  await noted()
  await goTo(a, `${manifest.start_url}?as=Mia`)
  await until(() => a.texts(), 'the last conversation').toEqual(before)

  // The list is the device's own; a conversation can be begun there, and it is answered when there is somebody to answer.
  await goTo(a, '/chats?as=Mia')
  await until(() => lines(a), 'the list').toEqual(['Where is my order 1042?'])
  await page.getByRole('button', { name: 'New chat' }).click()
  await a.composer.waitFor()
  await a.say('Begun without a server')
  await until(() => a.deliveries(), 'kept here').toEqual(['device'])
  await goTo(a, '/chats?as=Mia')
  await until(() => lines(a), 'the newest first').toEqual(['Begun without a server', 'Where is my order 1042?'])
  expect(await page.locator('.chat-line').first().innerText()).toContain('1 not sent yet')

  // Taking it off the device would lose it: that is said first.
  await page.getByRole('button', { name: 'Remove from this device: Begun without a server' }).click()
  expect(await page.getByRole('dialog').innerText()).toContain('1 message that was never sent')
  await page.getByRole('button', { name: 'Keep it' }).click()

  // Another conversation is open when the server is back: what waits elsewhere goes out all the same.
  await goTo(a, `${new URL(link).pathname}?as=Mia`)
  await a.composer.waitFor()
  await stage.demo.start()
  await until(() => page.locator('.chats-link .count').allInnerTexts(), 'sent and answered, and that is news').toEqual(['1'])
  await until(() => page.title(), 'the title says so').toBe('(1) Polyshop')
  await until(() => badges.at(-1), 'and the icon').toBe(1)
  await page.getByRole('link', { name: 'Conversations, 1 with news' }).click()
  await until(() => page.locator('.chat-line[data-unread] .title').allInnerTexts(), 'bold').toEqual(['Begun without a server'])
  await page.getByText('Begun without a server').first().click()
  await until(() => answered(a), 'the answer').toBe(1)
  await until(
    () => page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('polyshop:seen:')).length),
    'seen',
  ).toBe(2)
  await goTo(a, '/chats?as=Mia')
  await until(() => lines(a), 'both').toHaveLength(2)
  await until(() => page.locator('.chat-line[data-unread]').count(), 'nothing is new').toBe(0)
  await until(() => badges.at(-1), 'nor on the icon').toBe(null)
  await page.getByRole('button', { name: 'Remove from this device: Begun without a server' }).click()
  await page.getByRole('button', { name: 'Remove', exact: true }).click()
  await until(() => lines(a), 'gone from here').toEqual(['Where is my order 1042?'])

  // What another app shares is a draft in a conversation of its own: nobody has sent it.
  const shared = new URLSearchParams({
    title: 'Look',
    text: 'At <b>this</b> https://a.example/?b=1',
    url: 'https://a.example/?b=1',
  })
  await goTo(a, `/share?${shared}`)
  await a.composer.waitFor()
  expect(await a.composer.inputValue()).toBe('Look\nAt <b>this</b> https://a.example/?b=1')
  expect(new URL(page.url()).search, 'the address does not say it again').toBe('')
  expect(await a.texts()).toEqual([])
  await page.reload()
  await a.composer.waitFor()
  expect(await a.composer.inputValue(), 'it stays').toContain('Look')
  expect(await a.texts()).toEqual([])
  expect(page.url()).not.toContain(new URL(link).pathname)
})

test('[O4] [D11] a later build is offered where the app is open, and loses neither a draft nor what is not sent', async () => {
  const front = await rebuilt(stage.demo)
  onTestFinished(() => front.close())
  const a = await stage.join(`${front.url}${new URL(await stage.newLink()).pathname}`, 'Mia')
  const { page } = a
  const build = (): Promise<string | null> =>
    page.evaluate(() => document.querySelector('meta[name=build]')?.getAttribute('content') ?? null)
  await inCharge(a)
  await a.say('Hello')
  await until(() => answered(a), 'a conversation').toBe(1)
  front.connects(false)
  await a.say('Not sent yet')
  await until(() => a.deliveries(), 'kept here').toEqual(['sent', 'device'])
  await a.composer.fill('A draft')
  front.build()
  await page.evaluate(async () => void (await (await navigator.serviceWorker.getRegistration())?.update()))
  await page.locator('[data-update]').waitFor()
  expect(await build(), 'nothing happens by itself').toBe(null)
  expect(await a.composer.inputValue()).toBe('A draft')
  await page.locator('[data-update]').getByRole('button', { name: 'Update' }).click()
  await until(build, 'the later one').toBe('later')
  await until(() => a.deliveries(), 'still kept').toEqual(['sent', 'device'])
  expect(await a.composer.inputValue()).toBe('A draft')
  expect(await page.locator('[data-update]').count(), 'it is the latest').toBe(0)
  front.connects(true)
  await until(() => answered(a), 'sent and answered').toBe(2)
  front.close()
  await page.goto(page.url())
  await until(() => answered(a), 'it starts without a server').toBe(2)
  expect(await build()).toBe('later')
  expect(await a.composer.inputValue()).toBe('A draft')
})

test('[O6] what was written offline two hours ago starts nothing by itself: its author is asked, and may say no', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  // What the page takes for now can be put back; timers go on.
  await a.page.addInitScript(() => {
    const real = Date.now
    Object.assign(window, { behindMs: 0 })
    Date.now = () => real() - (window as unknown as { behindMs: number }).behindMs
  })
  await a.page.reload()
  const behind = (ms: number): Promise<unknown> => a.page.evaluate((behindMs) => Object.assign(window, { behindMs }), ms)
  await a.composer.waitFor()
  await a.say('Hello')
  await until(() => answered(a), 'connected').toBe(1)
  await a.context.setOffline(true)
  await behind(2 * 3_600_000 + 60_000)
  for (const text of ['Old one', 'Old two', 'Old three']) await a.say(text)
  await until(() => a.page.locator('.outbox').allInnerTexts(), 'said in so many words').toEqual([
    expect.stringContaining('3 messages wait here'),
  ])
  await behind(0)
  await a.context.setOffline(false)
  const asked = (): ReturnType<Page['locator']> => a.page.locator('.message .fate[data-fate=asks]')
  await until(() => asked().allInnerTexts(), 'each is asked about').toEqual(
    Array.from({ length: 3 }, () => expect.stringMatching(/Written 2 h ago, offline\.\s*Send anyway\?/) as string),
  )
  await until(() => a.page.locator('.queued[data-fate=asks]').count(), 'in the tray as well').toBe(3)
  expect(await a.page.locator('.outbox').count()).toBe(0)
  await asked().first().getByRole('button', { name: 'Send anyway' }).click()
  await until(() => answered(a), 'now it is answered').toBe(2)
  await asked().first().getByRole('button', { name: 'Discard' }).click()
  await until(() => a.page.locator('.fate[data-fate=removed]').count(), 'taken back').toBe(1)
  await until(() => asked().count(), 'one is still open').toBe(1)
  expect(await answered(a)).toBe(2)

  // What is discarded before anybody had it starts nothing either; its text stays to be read.
  await a.context.setOffline(true)
  await a.say('Never mind')
  await a.page.locator('.outbox').getByRole('button', { name: 'Discard' }).click()
  await until(() => a.page.locator('.outbox').count(), 'nothing waits').toBe(0)
  await a.context.setOffline(false)
  await until(async () => (await a.deliveries()).at(-1), 'arrived').toBe('sent')
  await until(() => a.page.locator('.fate[data-fate=removed]').count(), 'taken back').toBe(2)
  await a.say('And this?')
  await until(() => answered(a), 'only what was meant').toBe(3)
  expect(await a.texts()).toContain('Never mind')
})

test('[O8] frozen in the background and thawed: connected at once, and nothing of all that is in the document', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  const b = await stage.join(link, 'Jonas')
  await a.say('Hello')
  await until(() => answered(b), 'connected').toBe(1)
  await until(() => a.deliveries(), 'at rest').toEqual(['sent'])
  // The number of the last update: a snapshot of what there is, made meanwhile, is no write.
  const stored = (): unknown => {
    const database = new DatabaseSync(`${stage.demo.dataDir}/sessions.db`, { readOnly: true })
    try {
      const last = 'select max(seq) from (select seq, session from updates union select seq, session from snapshots)'
      return database
        .prepare(`${last} where session = (select id from sessions where name = ?)`)
        .get(link.split('/').at(-1) ?? '')
    } finally {
      database.close()
    }
  }
  const cdp = await a.context.newCDPSession(a.page)
  await b.page.close()
  const atRest = async (): Promise<unknown> => {
    let last = stored()
    let same = 0
    const reads = (): number => {
      const now = stored()
      same = JSON.stringify(now) === JSON.stringify(last) ? same + 1 : 0
      last = now
      return same
    }
    await until(reads, 'nothing is written any more').toBeGreaterThan(READS_AT_REST)
    return last
  }
  const before = await atRest()
  expect(before).toEqual({ 'max(seq)': expect.any(Number) as number })
  for (const state of ['frozen', 'active'] as const) await cdp.send('Page.setWebLifecycleState', { state })
  for (const offline of [true, false]) await a.context.setOffline(offline)
  await a.page.evaluate(() => {
    window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))
    document.dispatchEvent(new Event('visibilitychange'))
  })
  await until(() => a.page.locator('.pill').count(), 'connected').toBe(0)
  expect(await atRest(), 'nothing was written').toEqual(before)

  await cdp.send('Page.setWebLifecycleState', { state: 'frozen' })
  await stage.demo.kill()
  await stage.demo.start()
  const thawedAt = performance.now()
  await cdp.send('Page.setWebLifecycleState', { state: 'active' })
  await a.say('From the background')
  await until(() => a.deliveries(), 'connected').toEqual(['sent', 'sent'])
  expect(performance.now() - thawedAt).toBeLessThan(4_000)
})

/** Interactive elements on the screen that a finger cannot hit within 44 px: what lies 21 px from the middle is another. */
const tooSmall = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const small: string[] = []
    for (const element of document.querySelectorAll<HTMLElement>(
      'button, a[href], input, textarea, select, summary, [role=button]',
    )) {
      const { left, top, width, height } = element.getBoundingClientRect()
      const [x, y] = [left + width / 2, top + height / 2]
      const isInText = element.tagName === 'A' && element.closest('p, li:not(.chat-line)') !== null
      const hit = (dx: number, dy: number): boolean => {
        const there = document.elementFromPoint(x + dx, y + dy)
        return there !== null && (element.contains(there) || there.contains(element) === false ? element.contains(there) : false)
      }
      const isShown = width > 1 && height > 1 && y > 0 && y < innerHeight && x > 0 && x < innerWidth && hit(0, 0)
      if (!isShown || isInText) continue
      const misses = [
        [-21, 0],
        [21, 0],
        [0, -21],
        [0, 21],
      ].filter(([dx = 0, dy = 0]) => !hit(dx, dy))
      if (misses.length > 0)
        small.push(`${element.tagName} "${element.getAttribute('aria-label') ?? element.innerText}" ${width}x${height}`)
    }
    return small
  })

test('on a phone everything that can be touched is as large as a finger; on its side there is room to read', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  await a.page.setViewportSize(PHONE)
  expect(await tooSmall(a.page), 'the first page').toEqual([])
  await a.say('Where is my order 1042?')
  await until(() => answered(a), 'something to see').toBe(1)
  expect(await tooSmall(a.page), 'the chat').toEqual([])
  for (const view of ['Shop', 'Cart, 0 items']) {
    await a.page.getByRole('button', { name: view }).first().click()
    expect(await tooSmall(a.page), view).toEqual([])
    await a.page.getByRole('button', { name: 'Chat', exact: true }).click()
  }
  const fontOf = (): Promise<number> => a.composer.evaluate((field) => Number.parseFloat(getComputedStyle(field).fontSize))
  expect(await fontOf(), 'no zoom on iOS').toBeGreaterThanOrEqual(16)
  // A link to one message goes to it and lights it up.
  const id = (await a.page.locator('article.message').first().getAttribute('data-id')) ?? ''
  await a.page.evaluate((hash) => void (window.location.hash = hash), `#m-${id}`)
  await until(() => a.page.locator('article[data-lit]').getAttribute('data-id'), 'lit up').toBe(id)
  await a.page.setViewportSize({ width: PHONE.height, height: PHONE.width })
  const room = await a.page.locator('.viewport').evaluate((element) => element.clientHeight)
  expect(room, 'room to read in').toBeGreaterThan(160)
  await a.page.setViewportSize(PHONE)
  await goTo(a, '/chats?as=Mia')
  await until(() => lines(a), 'the list').toHaveLength(1)
  expect(await tooSmall(a.page), 'the list').toEqual([])
  const desk = await stage.desk()
  await desk.page.setViewportSize(PHONE)
  await desk.page.locator('.desk-entry').first().waitFor()
  expect(await tooSmall(desk.page), 'the desk').toEqual([])
})
