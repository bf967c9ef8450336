/** The picture of the last screen: there before the program is, where the real rows will stand, for whoever took it and nobody else. */
import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { personIn, talk } from './long-session.ts'
import { setStage } from './stage.ts'
import { until, type Window } from './windows.ts'

const PHONE = { width: 390, height: 844 }
const DESK = { width: 1280, height: 800 }
/** All kinds of rows at once. */
const TALL = { width: 390, height: 3_000 }
const CODE = '```ts\nconst total = lines.reduce((sum, line) => sum + line.price, 0)\n```'
const MIXED = `## What we do\n\nSome **bold** words, \`code\` and [a link](https://shop.example/).\n\n1. one\n2. two\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n${CODE}`

const stage = setStage({ DEMO_TOKEN_DELAY_MS: '1', DEMO_TOOL_DELAY_MS: '5' }, { worker: true })

const answered = async (window: Window): Promise<number> =>
  (await window.messages()).filter(({ status }) => status === 'complete').length

const pictures = (page: Page): Promise<string[]> =>
  page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('polyshop:screen:')))

const picture = (page: Page): ReturnType<Page['locator']> => page.locator('.last-screen')

/** Waits for a picture that was taken in this window as it is now. */
async function taken(window: Window): Promise<void> {
  const fits = (): Promise<boolean> =>
    window.page.evaluate(() => {
      const kept = Object.entries(localStorage).find(([key]) => key.startsWith('polyshop:screen:'))?.[1] ?? ''
      const it = JSON.parse(kept.slice(kept.indexOf(' ') + 1) || 'null') as { window: [number, number] } | null
      return it?.window[0] === innerWidth && it.window[1] === innerHeight
    })
  await until(fits, 'a picture is taken').toBe(true)
}

/** The page's program does not come until it is let; gives what lets it. The worker, which would have it, is gone. */
async function holdProgram({ page }: Window): Promise<() => Promise<void>> {
  await withoutWorker(page)
  const { promise: released, resolve } = Promise.withResolvers<void>()
  await page.route(/\/assets\/index-[^/]*\.js$/, async (route) => {
    await released
    await route.continue()
  })
  return async () => {
    resolve()
    await picture(page).waitFor({ state: 'detached' })
    await page.unroute(/\/assets\/index-[^/]*\.js$/)
  }
}

/** From the next load on all comes from the server. */
async function withoutWorker(page: Page): Promise<void> {
  await page.addInitScript('delete Navigator.prototype.serviceWorker')
  await page.evaluate(async () => {
    if (!('serviceWorker' in navigator)) return
    for (const registration of await navigator.serviceWorker.getRegistrations()) await registration.unregister()
  })
}

interface Look {
  /** Of texts and boxes what they are, where, and in which colours. */
  readonly [what: string]: readonly number[]
}

/** What is seen of the conversation, in the picture or for real. */
function look(page: Page, where: '.last-screen' | '.viewport [role=list]'): Promise<Look> {
  return page.evaluate((place) => {
    const seen: Record<string, number[]> = {}
    const root = document.querySelector(place)
    const region = (document.querySelector('.viewport') ?? root)?.getBoundingClientRect()
    if (root === null || region === undefined) return seen
    const counts = new Map<string, number>()
    const note = (what: string, { left, top, width, height }: DOMRect): void => {
      // What is cut off above may be kept without that part.
      if (width === 0 || (what.startsWith('“') ? top + height <= region.top : top < region.top)) return
      // From below: above, the picture may end earlier than the page.
      const count = counts.get(what) ?? 0
      counts.set(what, count + 1)
      seen[`${what} · ${count}`] = [left, top, width, height]
    }
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT)
    const all: Node[] = []
    while (walker.nextNode() !== null) all.push(walker.currentNode)
    for (const node of all.toReversed()) {
      const element = node instanceof Element ? node : node.parentElement
      if (element === null || getComputedStyle(element).visibility === 'hidden') continue
      const { color, backgroundColor, fontWeight } = getComputedStyle(element)
      const looks = `${color} ${backgroundColor} ${fontWeight}`
      if (node instanceof Text) {
        if (node.data.trim() === '') continue
        const range = document.createRange()
        range.selectNodeContents(node)
        note(`“${node.data.trim()}” ${looks}`, range.getBoundingClientRect())
      } else if (
        element.matches('.bubble, .avatar, .role, .card, .art, .art path, .md table, .md pre, .badge, .step-icon path')
      ) {
        note(`.${element.getAttribute('class') ?? ` ${element.localName}`} ${looks}`, element.getBoundingClientRect())
      }
    }
    return seen
  }, where)
}

/** Each thing in the picture is in the page, within a pixel of its place. */
function expectSamePlaces(drawn: Look, real: Look): void {
  const off = Object.entries(drawn).flatMap(([what, place]) => {
    const there = real[what]
    const isNear = there !== undefined && place.every((edge, i) => Math.abs(edge - (there[i] ?? Infinity)) <= 1)
    return isNear ? [] : [`${what}: ${place.join(' ')} and ${there?.join(' ') ?? 'not there'}`]
  })
  expect(off).toEqual([])
}

/** Writes down, for each frame of the next loads, whether the picture or real rows are in it. */
async function watchFrames({ page }: Window): Promise<() => Promise<string[]>> {
  await page.addInitScript(() => {
    const frames: string[] = []
    Object.assign(window, { frames_: frames })
    const channel = new MessageChannel()
    // As the frame was painted.
    channel.port1.onmessage = () => {
      const isReal = [...document.querySelectorAll<HTMLElement>('.viewport [role=listitem]')].some(
        (row) => row.style.visibility !== 'hidden' && row.getBoundingClientRect().bottom > 0,
      )
      const now = document.querySelector('.last-screen') !== null ? 'picture' : isReal ? 'real' : 'nothing'
      if (frames.at(-1) !== now) frames.push(now)
    }
    const tick = (): void => {
      channel.port2.postMessage(null)
      requestAnimationFrame(tick)
    }
    requestAnimationFrame(tick)
  })
  return () => page.evaluate(() => (window as unknown as { frames_: string[] }).frames_)
}

test('[O4] what was seen last is there before the program is, with everything in the place and the colours it will have', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  const { page } = a
  const jonas = await personIn(stage.demo, link, 'Jonas')
  await a.say('Where is my order 1042?')
  await until(() => answered(a), 'an order').toBe(1)
  jonas.send('I am here as well,\nand have more to say than fits into one line of a phone, or so I hope.', { to: [] })
  await a.say('Show me the XM headphones')
  await until(() => answered(a), 'a product').toBe(2)
  await a.say('Research noise-cancelling headphones under $300')
  await until(() => answered(a), 'steps').toBe(3)
  await until(() => a.deliveries(), 'at rest').toEqual(['sent', 'sent', 'sent'])
  await page.setViewportSize(TALL)
  // Room is kept under the last question for its answer, and steps are unfolded: the next start will know of neither.
  const cards = await expectSameWhenReal(a)
  for (const part of ['.card order', '.card product', '.card task']) expect(cards).toContain(part)
  await jonas.stored()
  await jonas.close()
  const helper = await stage.desk(link)
  await helper.composer.waitFor()
  await helper.composer.fill(MIXED)
  await helper.composer.press('Enter')
  await until(() => page.locator('.message[data-kind=support] table').count(), 'Markdown of support').toBe(1)
  await helper.page.getByRole('button', { name: 'Hand back' }).click()
  await page.locator('[data-handover=return]').waitFor()
  await a.say('Hello')
  await until(() => answered(a), 'a short answer').toBe(4)
  await until(() => a.deliveries(), 'at rest').toEqual(['sent', 'sent', 'sent', 'sent'])
  for (const size of [PHONE, DESK]) {
    await page.setViewportSize(size)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      expect(await expectSameWhenReal(a), 'the end of a long message').toContain('const total')
    }
  }
})

/** Loads the page anew, and gives what is said in the picture, once each thing in it has been found in its place. */
async function expectSameWhenReal(window: Window): Promise<string> {
  const { page } = window
  await taken(window)
  const release = await holdProgram(window)
  await page.reload({ waitUntil: 'commit' })
  await picture(page).waitFor({ state: 'attached' })
  // Nothing is painted before the styles are there.
  await page.waitForFunction(() =>
    [...document.querySelectorAll('link')].every((it) => it.rel !== 'stylesheet' || it.sheet !== null),
  )
  const drawn = await look(page, '.last-screen')
  expect(Object.keys(drawn).length, 'much of it').toBeGreaterThan(12)
  expect(await page.locator('#app > *').count(), 'nothing else is there').toBe(0)
  await expectOutOfReach(page)
  await release()
  expectSamePlaces(drawn, await look(page, '.viewport [role=list]'))
  return Object.keys(drawn).join()
}
/** Neither pointer nor keyboard nor a screen reader gets at the picture. */
async function expectOutOfReach(page: Page): Promise<void> {
  const found = await picture(page).evaluate((element) => {
    const { left, top, width, height } = element.getBoundingClientRect()
    const hits = [0.1, 0.3, 0.5, 0.7, 0.9].map((y) => document.elementFromPoint(left + width / 2, top + height * y))
    for (const each of element.querySelectorAll<HTMLElement>('*')) each.focus?.()
    return {
      hit: hits.some((hit) => hit !== null && element.contains(hit)),
      focus: element.contains(document.activeElement),
      hidden: element.getAttribute('aria-hidden'),
      inert: (element as HTMLElement).inert,
      links: element.querySelectorAll('a[href], button, input, [tabindex], [role], [id]').length,
      transient: element.textContent?.match(/Sent|Sending|Copy|Cancel|Add to cart|Regenerate/)?.[0] ?? null,
    }
  })
  expect(found).toEqual({ hit: false, focus: false, hidden: 'true', inert: true, links: 0, transient: null })
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(async () => await (window as unknown as { axe: typeof axe }).axe.run('.last-screen'))
  expect(violations).toEqual([])
}

test('[O4] without a server the picture comes from the device too, and between it and the real rows there is no frame without either', async () => {
  const link = await stage.newLink()
  const sam = await personIn(stage.demo, link, 'Sam')
  await talk(sam, 120)
  await sam.close()
  const a = await stage.join(link, 'Mia')
  const { page } = a
  await page.locator('.viewport').getByText('Message 120.').waitFor()
  await a.ready()
  await taken(a)
  const frames = await watchFrames(a)
  await stage.demo.kill()
  const cdp = await a.context.newCDPSession(page)
  // Slower than it is, so that there would be frames between; not so slow that the picture's time runs out.
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: 2 })
  await page.reload()
  await a.composer.waitFor()
  await until(async () => (await frames()).at(-1), 'the rows are there').toBe('real')
  expect((await frames()).filter((frame, i) => frame !== 'nothing' || i > 0)).toEqual(['picture', 'real'])
  await until(async () => (await a.texts()).at(-1), 'the conversation').toContain('Message 120.')
})

test('[O4] there is none for another name, another window, another place in the conversation, and none that stays', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  const { page } = a
  await a.say('Hello')
  await until(() => answered(a), 'a conversation').toBe(1)
  await taken(a)
  const release = await holdProgram(a)
  const shown = async (url: string): Promise<number> => {
    await page.goto(url, { waitUntil: 'commit' })
    await page.waitForFunction(() => document.documentElement.dataset['screen'] !== undefined)
    return picture(page).count()
  }
  expect(await shown(`${link}?as=Mia`)).toBe(1)
  expect(await shown(`${link}?as=Jonas`), 'another name').toBe(0)
  expect(await shown(link), 'no name').toBe(0)
  expect(await shown(`${stage.demo.url}/chats?as=Mia`), 'another page').toBe(0)
  expect(await shown(`${await stage.newLink()}?as=Mia`), 'another conversation').toBe(0)
  expect(await shown(`${link}?as=Mia#m-x`), 'a link to one message').toBe(0)
  await page.goto('about:blank')
  await page.setViewportSize({ width: DESK.width, height: DESK.height - 60 })
  expect(await shown(`${link}?as=Mia`), 'another window').toBe(0)
  await page.setViewportSize(DESK)
  expect(await shown(`${link}?as=Mia`), 'the same').toBe(1)
  await page.setViewportSize({ width: DESK.width - 100, height: DESK.height })
  await until(() => picture(page).count(), 'it goes when the window changes').toBe(0)
  await page.setViewportSize(DESK)
  expect(await shown(`${link}?as=Mia`), 'again').toBe(1)
  await until(() => picture(page).count(), 'where the program does not come it goes by itself').toBe(0)
  await release()
})

test('[O4] it goes when the program cannot be had, and when the conversation is not on this device', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  const { page } = a
  await a.say('Hello')
  await until(() => answered(a), 'a conversation').toBe(1)
  await taken(a)
  await a.ready()
  const frames = await watchFrames(a)
  await page.goto(`${stage.demo.url}/icon.svg`)
  await page.evaluate(async () => {
    for (const { name = '' } of await indexedDB.databases()) indexedDB.deleteDatabase(name)
    for (const key of Object.keys(localStorage)) if (key.startsWith('polylogue:')) localStorage.removeItem(key)
  })
  await stage.demo.kill()
  await page.goto(`${link}?as=Mia`)
  await page.getByRole('heading', { name: 'This conversation is not on this device yet' }).waitFor()
  await until(() => picture(page).count(), 'no picture over that').toBe(0)
  expect(await frames()).toContain('picture')
  await stage.demo.start()

  await withoutWorker(page)
  await page.route(/\/assets\/index-[^/]*\.js$/, (route) => route.abort())
  await page.goto(`${link}?as=Mia`, { waitUntil: 'load' })
  expect(await picture(page).count()).toBe(0)
})

test('[O4] what is removed from this device takes its picture along, and a tab that has it open brings none back', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  await a.say('Hello')
  await until(() => answered(a), 'a conversation').toBe(1)
  await taken(a)
  const list = await stage.join(link, 'Mia', a)
  await list.page.goto(`${stage.demo.url}/chats?as=Mia`)
  expect(await pictures(list.page)).toHaveLength(1)
  await list.page.getByRole('button', { name: 'Remove from this device: Hello' }).click()
  await list.page.getByRole('button', { name: 'Remove', exact: true }).click()
  await until(() => pictures(list.page), 'gone').toEqual([])
  // It has something new to take, and goes.
  await a.page.evaluate(() => {
    window.dispatchEvent(new Event('resize'))
    window.dispatchEvent(new PageTransitionEvent('pagehide'))
  })
  await a.page.close()
  expect(await pictures(list.page)).toEqual([])
})
