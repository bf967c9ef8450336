/** A long conversation in one window: what is in the page, where the reader is, and what a growing answer costs. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Agent } from '../../client/agent.ts'
import { textOf, type OpenSession } from '../../client/index.ts'
import { personIn, speak, talk, write } from './long-session.ts'
import { setStage } from './stage.ts'
import { until, type Window } from './windows.ts'

const COUNT = 300

const stage = setStage()

/** What the agent answers, by a word of the question. */
const ANSWERS: Readonly<Record<string, string>> = {
  table: `| a | b | c |\n|---|---|--:|\n${Array.from({ length: 400 }, (_, i) => `| row ${i} | **bold** | \`code\` more |`).join('\n')}`,
  list: Array.from({ length: 400 }, (_, i) => `- item ${i} **bold** and \`code\` more text`).join('\n'),
  short: 'A short answer.',
}

let link: string
let sam: OpenSession
let ids: readonly string[]
let agent: Agent

beforeAll(async () => {
  link = await stage.newLink()
  sam = await personIn(stage.demo, link, 'Sam')
  ids = await talk(sam, COUNT)
  agent = await speak(stage.demo, 'orders', async (run) => {
    const asked = textOf(run.messages.at(-1) ?? { parts: [] })
    const [, answer = ''] = Object.entries(ANSWERS).find(([word]) => asked.includes(word)) ?? []
    await write(run, answer, { chars: 100 })
  })
})

afterAll(async () => {
  await agent?.close()
  await sam?.close()
})

interface Place {
  readonly top: number
  readonly gap: number
  readonly rows: number
  /** Of the rows in view, the first: its text and how far down it begins. */
  readonly first: string
  readonly at: number
}

const place = (window: Window): Promise<Place> =>
  window.page.locator('.viewport').evaluate((viewport) => {
    const { scrollTop: top, scrollHeight, clientHeight } = viewport
    const edge = viewport.getBoundingClientRect().top
    const rows = [...viewport.querySelectorAll<HTMLElement>('[role=listitem]')]
    const first = rows.find((row) => row.getBoundingClientRect().bottom > edge + 1)
    return {
      top,
      gap: scrollHeight - top - clientHeight,
      rows: rows.length,
      first: first?.querySelector('.plain, .body')?.textContent?.slice(0, 14) ?? '',
      at: Math.round((first?.getBoundingClientRect().top ?? 0) - edge),
    }
  })

/** So many reads in a row, 50 ms apart, are the same where nothing is being measured or moved any more. */
const STILL_READS = 8

const settled = async (window: Window): Promise<Place> => {
  let before = await place(window)
  let same = 0
  await until(async () => {
    const now = await place(window)
    same = JSON.stringify(now) === JSON.stringify(before) ? same + 1 : 0
    before = now
    return same
  }, 'the view stands still').toBeGreaterThan(STILL_READS)
  return before
}

test('of a long session a window of rows is in the page, at its end, and each says which of how many it is', async () => {
  const a = await stage.join(link, 'Mia')
  await until(async () => (await place(a)).gap, 'at the end').toBeLessThanOrEqual(3)
  const rows = a.page.locator('[role=listitem]')
  await until(() => rows.last().innerText(), 'the last message').toContain(`Message ${COUNT}.`)
  expect(await rows.last().getAttribute('aria-posinset')).toBe(String(COUNT))
  expect(await rows.last().getAttribute('aria-setsize')).toBe(String(COUNT))
  expect(await rows.count()).toBeLessThan(60)

  // A pixel up, and it is the reader's; the row with the focus stays in the page wherever they go.
  const viewport = a.page.locator('.viewport')
  await viewport.hover()
  await a.page.mouse.wheel(0, -1)
  await a.page.locator('.jump').waitFor()
  await rows
    .last()
    .locator('article')
    .evaluate((article) => {
      article.tabIndex = -1
      article.focus({ preventScroll: true })
    })
  await viewport.evaluate((element) => element.scrollTo(0, 0))
  await until(() => rows.first().innerText(), 'the beginning').toContain('Message 1.')
  expect(await a.page.evaluate(() => document.activeElement?.textContent)).toContain(`Message ${COUNT}.`)
  expect(await rows.count()).toBeLessThan(60)

  // Where one was is where one is after a reload, and after another conversation.
  await viewport.evaluate((element) => element.scrollTo(0, 5_000))
  const before = await settled(a)
  const leave = [
    () => a.page.reload(),
    async () => {
      await a.page.goto(`${await stage.newLink()}?as=Mia`)
      await a.composer.waitFor()
      await a.page.goBack()
    },
  ]
  for (const andReturn of leave) {
    await andReturn()
    await a.composer.waitFor()
    await until(async () => (await place(a)).first, 'the same row').toBe(before.first)
    expect(Math.abs((await settled(a)).at - before.at)).toBeLessThanOrEqual(2)
  }

  // What comes meanwhile is counted, and moves nothing.
  const still = await settled(a)
  await talk(sam, 2)
  await until(() => a.page.locator('.jump').innerText(), 'counted').toContain('2 new')
  expect(await place(a)).toMatchObject({ first: still.first, at: still.at })

  // A link to a message goes there and lights it up.
  await a.page.evaluate((id) => (window.location.hash = `#m-${id}`), ids[149])
  const lit = a.page.locator('.row[data-lit]')
  await lit.waitFor()
  await until(() => lit.innerText(), 'the message').toContain('Message 150.')
  await until(() => lit.evaluate((row) => row.getBoundingClientRect().top > 0), 'in view').toBe(true)
  await a.page.locator('.jump').click()
  await until(async () => (await place(a)).gap, 'at the end').toBeLessThanOrEqual(3)
  await until(() => a.page.locator('.jump').count(), 'following').toBe(0)
})

test('a link to a message is followed by a device that has to fetch the conversation first', async () => {
  const a = await stage.join(link, `Mia#m-${ids[149]}`)
  const message = a.page.locator(`article[data-id="${ids[149]}"]`)
  const isInView = (): Promise<boolean> =>
    message.evaluateAll((found) => found.some((it) => it.getBoundingClientRect().top > 0 && it.getBoundingClientRect().top < 800))
  await until(isInView, 'in view').toBe(true)
  expect(await message.innerText()).toContain('Message 150.')
})

test('the room under what was sent stays while the row of the next one comes', async () => {
  const a = await stage.join(await stage.newLink(), 'Mia')
  const replies = (): Promise<number> => a.page.locator('.reply[data-status=complete]').count()
  for (const expected of [1, 2]) {
    await a.say('Something short, please')
    await until(replies, 'answered').toBe(expected)
  }
  await a.page.evaluate(() => {
    const heights: number[] = []
    Object.assign(window, { heights })
    const room = document.querySelector<HTMLElement>('.room')
    if (room !== null) new MutationObserver(() => heights.push(room.clientHeight)).observe(room, { attributes: true })
  })
  // Several lines, so that the view grows when they go; and slow, so that there is a frame for that before the row has come.
  const devTools = await a.context.newCDPSession(a.page)
  await devTools.send('Emulation.setCPUThrottlingRate', { rate: 8 })
  await a.say('Something short, please\n\n\n\nor not so short')
  await until(replies, 'answered').toBe(3)
  const heights = await a.page.evaluate(() => (window as unknown as { heights: number[] }).heights)
  expect(heights.length).toBeGreaterThan(0)
  expect(Math.min(...heights), heights.join()).toBeGreaterThan(100)
})

test('what was sent goes to the top, with room under it; a long answer costs what is new in it, and shifts nothing', async () => {
  const a = await stage.join(link, 'Mia')
  await until(async () => (await place(a)).gap, 'at the end').toBeLessThanOrEqual(3)
  await a.page.evaluate(() => {
    const seen = { shift: 0, rows: 0, cells: 0 }
    Object.assign(window, { seen })
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) seen.shift += (entry as PerformanceEntry & { value: number }).value
    }).observe({ type: 'layout-shift' })
    new MutationObserver((records) => {
      for (const { addedNodes } of records)
        for (const node of addedNodes) {
          if (node instanceof HTMLElement && node.matches('[data-index]')) seen.rows++
          if (node instanceof HTMLElement && node.matches('td, li')) seen.cells++
        }
    }).observe(document.querySelector('.rows') ?? document.body, { childList: true, subtree: true })
  })
  interface Counted {
    readonly shift: number
    readonly rows: number
    readonly cells: number
  }
  const counted = (): Promise<Counted> => a.page.evaluate(() => (window as unknown as { seen: Counted }).seen)

  await a.say('Something short, please')
  await until(() => a.status('orders'), 'the answer').toBe('complete')
  const turn = a.page.locator('article[data-mine]', { hasText: 'Something short' })
  const top = async (): Promise<number> => {
    const [row, view] = await Promise.all([turn.boundingBox(), a.page.locator('.viewport').boundingBox()])
    return (row?.y ?? 0) - (view?.y ?? 0)
  }
  await until(top, 'near the top').toBeLessThan(40)
  expect(await top()).toBeGreaterThanOrEqual(0)

  for (const what of ['table', 'list']) {
    await a.ask('orders', `A ${what}, please`)
    // What is selected of it stays selected while it grows below.
    const pieces = a.reply('orders').locator('td, li')
    await pieces.nth(4).waitFor({ state: 'attached' })
    await pieces.first().evaluate((element) => document.getSelection()?.selectAllChildren(element))
    await until(() => a.status('orders'), 'it ends').toBe('complete')
    expect(await a.page.evaluate(() => document.getSelection()?.toString())).toBe(
      what === 'table' ? 'row 0' : 'item 0 bold and code more text',
    )
    await until(() => a.reply('orders').locator('td, li').count(), 'all of it').toBe(what === 'table' ? 1_200 : 400)
    const aligned = (cells: Element[]): string[] => cells.slice(0, 3).map((cell) => getComputedStyle(cell).textAlign)
    expect(await a.reply('orders').locator('td').evaluateAll(aligned)).toEqual(
      what === 'table' ? ['start', 'start', 'right'] : [],
    )
    await until(async () => (await place(a)).gap, 'it was followed').toBeLessThanOrEqual(3)
  }
  const { shift, rows, cells } = await counted()
  expect(shift, 'layout shift').toBeLessThan(0.05)
  // Six rows came, and those of the window around them. Each cell and entry comes once, some again while they are half there or
  // when their row comes back into the window; rendered anew for each piece of text it would be more than a hundred times.
  expect(rows).toBeLessThan(60)
  expect(cells).toBeLessThan(1_600 * 3)
})

test('from far above, the end is reached while an answer grows, and so is what is sent from there', async () => {
  const a = await stage.join(link, 'Mia')
  await until(async () => (await place(a)).gap, 'at the end').toBeLessThanOrEqual(3)
  const viewport = a.page.locator('.viewport')
  const goUp = async (): Promise<void> => {
    await viewport.hover()
    await a.page.mouse.wheel(0, -1)
    await a.page.locator('.jump').waitFor()
    await viewport.evaluate((element) => element.scrollTo(0, element.scrollHeight / 2))
  }

  await goUp()
  await settled(a)
  await a.say('Something short, please')
  const turn = a.page.locator('article[data-mine]', { hasText: 'Something short' }).last()
  await turn.waitFor()
  const top = async (): Promise<number> => {
    const [row, view] = await Promise.all([turn.boundingBox(), viewport.boundingBox()])
    return (row?.y ?? 0) - (view?.y ?? 0)
  }
  await until(async () => Math.abs((await top()) - 20), 'near the top').toBeLessThan(20)

  await a.say('A list, please')
  await until(() => a.reply('orders').locator('li').count(), 'it grows').toBeGreaterThan(20)
  await goUp()
  await a.page.locator('.jump').click()
  await until(async () => (await place(a)).gap, 'at the end').toBeLessThanOrEqual(3)
  expect(await a.page.locator('.jump').count()).toBe(0)
  await until(() => a.status('orders'), 'it ends').toBe('complete')
  await until(async () => (await place(a)).gap, 'it was followed').toBeLessThanOrEqual(3)
})

test('who comes back finds a line above what is new, and days have names', async () => {
  const other = await stage.newLink()
  const a = await stage.join(other, 'Mia')
  const jo = await personIn(stage.demo, other, 'Jo')
  await talk(jo, 3)
  await until(() => a.page.evaluate(() => Object.keys(localStorage).some((key) => key.includes('seen'))), 'seen').toBe(true)
  await until(() => a.page.locator('article').count(), 'three').toBe(3)
  await until(
    () => a.page.evaluate(() => JSON.stringify(Object.entries(localStorage).filter(([key]) => key.includes('seen')))),
    'all three were seen',
  ).toContain(jo.messageIds.at(-1) ?? 'none')
  expect(await a.page.locator('.unread').count()).toBe(0)
  expect(await a.page.locator('.day').count()).toBe(0)
  await a.page.close()
  const [first] = await talk(jo, 40)
  await jo.close()
  const b = await stage.join(other, 'Mia', a)
  const line = b.page.locator('.row', { has: b.page.locator('.unread') })
  await line.waitFor()
  expect(await line.locator('article').getAttribute('data-id')).toBe(first)
  await until(() => line.evaluate((row) => row.getBoundingClientRect().top), 'in view').toBeGreaterThan(0)
  await b.page.locator('.jump').waitFor()
  await b.say('I am back')
  await until(() => b.page.locator('.unread').count(), 'answered').toBe(0)

  await b.page.clock.setFixedTime(Date.now() + 24 * 3_600_000)
  await b.page.reload()
  await until(() => b.page.locator('.day').first().innerText(), 'a day later').toBe('Yesterday')
})
