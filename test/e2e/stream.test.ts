/** What several windows see of one conversation while it happens. */
import { expect, onTestFinished, test } from 'vitest'
import { playAgent } from './actor.ts'
import { hostileTexts } from './hostile/corpus.ts'
import { setStage } from './stage.ts'
import { each, until, type Window } from './windows.ts'

/** About 400 tokens: four seconds at the pace of this file. */
const LONG = 'Tell me everything about headphones'

// A lease that outlasts an agent that is held up on purpose.
const stage = setStage({ DEMO_TOKEN_DELAY_MS: '10', DEMO_LEASE_MS: '60000' })

/** Characters of the first reply that can be seen. */
const shown = async (window: Window): Promise<number> => {
  const reply = (await window.messages()).find(({ status }) => status !== '')
  return reply?.text.length ?? 0
}

test('[D3] text streams in both windows together, others may write meanwhile, and a refresh or a third window finds it growing', async () => {
  const link = await stage.newLink()
  const [a, b] = await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
  await a.say(LONG)
  await until(
    each([a, b], async (window) => (await shown(window)) > 80),
    'both show the beginning',
  ).toEqual([true, true])
  // In the middle of the stream, however long loading pages takes.
  const goOn = stage.demo.freeze('orders')
  expect(await each([a, b], (window) => window.status('orders'))()).toEqual(['active', 'active'])

  await b.say('And what about earbuds?')
  await until(async () => (await a.messages()).find(({ text }) => text === 'And what about earbuds?')?.author, 'author').toBe(
    'Jonas',
  )

  const before = await shown(b)
  await b.page.reload()
  const c = await stage.join(link, 'Zoe')
  await until(
    each([b, c], async (window) => (await shown(window)) >= before),
    'history and the reply so far',
  ).toEqual([true, true])
  const soFar = await shown(c)
  const streaming = a.page.locator('.reply').first()
  expect(await streaming.getAttribute('data-status'), 'the refresh was in the middle of the stream').toBe('active')
  // A finished block is not rendered again by the tokens that come after it.
  const heading = await a.page.locator('.reply .md-block h2').first().elementHandle()
  goOn()
  await until(() => shown(c), 'it keeps growing').toBeGreaterThan(soFar)

  const all = [a, b, c]
  const complete = async (window: Window): Promise<number> =>
    (await window.messages()).filter(({ status }) => status === 'complete').length
  await until(each(all, complete), 'both questions are answered').toEqual([2, 2, 2])
  const [first, second, third] = await each(all, (window) => window.texts())()
  expect(second).toEqual(first)
  expect(third).toEqual(first)
  expect(first).toHaveLength(4)
  expect(first?.join('\n').split('Everything about headphones')).toHaveLength(2)
  expect(first?.[3]).toContain('And what about earbuds?')
  expect(await heading?.evaluate((element) => element.isConnected)).toBe(true)
})

test('[D4] windows that lose the network in the middle catch up by themselves, with nothing twice and nothing missing', async () => {
  const link = await stage.newLink()
  const [a, b, c] = await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas'), stage.join(link, 'Zoe')])
  const all = [a, b, c]
  const born = (window: Window): Promise<number> => window.page.evaluate(() => performance.timeOrigin)
  const births = await each(all, born)()
  await a.say(LONG)
  await until(() => shown(b), 'the stream has begun').toBeGreaterThan(80)
  const goOn = stage.demo.freeze('orders')
  await b.context.setOffline(true)
  const whenCut = await shown(b)
  goOn()
  await until(() => shown(a), 'the agent goes on').toBeGreaterThan(whenCut + 300)
  await c.context.setOffline(true)
  await until(() => a.status('orders'), 'the agent ends').toBe('complete')
  await a.say('And what about earbuds?')
  await until(async () => (await a.messages()).filter(({ status }) => status === 'complete').length, 'the next answer').toBe(2)
  expect(await b.status('orders'), 'b was really away').toBe('active')
  expect(await b.texts()).toHaveLength(2)

  await Promise.all([b.context.setOffline(false), c.context.setOffline(false)])
  const expected = await a.texts()
  await until(
    each([b, c], (window) => window.texts()),
    'they catch up',
  ).toEqual([expected, expected])
  expect(expected).toHaveLength(4)
  expect(await each(all, born)(), 'no window was loaded again').toEqual(births)
  await until(() => b.page.locator('.pill').count(), 'nothing is said about the connection any more').toBe(0)
})

test('the transcript follows the stream, but never moves under a reader who has scrolled up', async () => {
  const a = await stage.join(await stage.newLink(), 'Mia')
  await a.say(LONG)
  const viewport = a.page.locator('.viewport')
  const place = (): Promise<{ top: number; gap: number; height: number }> =>
    viewport.evaluate(({ scrollTop, scrollHeight, clientHeight }) => ({
      top: scrollTop,
      gap: scrollHeight - scrollTop - clientHeight,
      height: scrollHeight,
    }))
  await until(async () => (await place()).top, 'it follows').toBeGreaterThan(200)
  await until(async () => (await place()).gap, 'to the very end').toBeLessThanOrEqual(3)
  let goOn = stage.demo.freeze('orders')
  await viewport.hover()
  await a.page.mouse.wheel(0, -50)
  await a.page.locator('.jump').waitFor()
  const { top, height } = await place()
  goOn()
  await until(async () => (await place()).height, 'the text goes on').toBeGreaterThan(height + 100)
  goOn = stage.demo.freeze('orders')
  expect((await place()).top).toBe(top)
  expect(await a.status('orders')).toBe('active')
  await a.page.locator('.jump').click()
  goOn()
  await until(() => a.status('orders'), 'the end').toBe('complete')
  await until(async () => (await place()).gap, 'it has followed again').toBeLessThanOrEqual(3)
  expect(await a.page.locator('.jump').count()).toBe(0)
})

test('[S7] a message is there before the server has it, and then never flickers, jumps or doubles', async () => {
  const a = await stage.join(await stage.newLink(), 'Mia')
  await a.say('Hello')
  await until(() => a.status('orders'), 'the first answer').toBe('complete')
  // Notes for every change of the transcript where the message is, and whether it is the same element as before.
  await a.page.evaluate(() => {
    const notes: { place: number; copies: number; same: boolean; delivery: string | undefined; removed: boolean }[] = []
    Object.assign(window, { notes })
    let known: Element | null = null
    const look = (records: MutationRecord[]): void => {
      const messages = [...document.querySelectorAll<HTMLElement>('article.message')]
      const mine = messages.filter((message) => message.querySelector('.plain')?.textContent === 'Thank you!')
      const [first] = mine
      if (first === undefined && known === null) return
      known ??= first ?? null
      notes.push({
        place: first === undefined ? -1 : messages.indexOf(first),
        copies: mine.length,
        same: first === known,
        delivery: first?.querySelector<HTMLElement>('.delivery')?.dataset['delivery'],
        removed: records.some((record) => [...record.removedNodes].some((node) => node.contains(known))),
      })
    }
    const rows = document.querySelector('.rows')
    if (rows !== null) new MutationObserver(look).observe(rows, { childList: true, subtree: true, attributes: true })
  })
  await a.say('Thank you!')
  await until(async () => (await a.messages()).at(-1)?.status, 'the second answer').toBe('complete')
  type Note = { place: number; copies: number; same: boolean; delivery: string | undefined; removed: boolean }
  const notes = await a.page.evaluate(() => (window as unknown as { notes: Note[] }).notes)
  expect(notes.length).toBeGreaterThan(5)
  expect(new Set(notes.map(({ place }) => place)), 'its place').toEqual(new Set([2]))
  expect(new Set(notes.map(({ copies }) => copies)), 'copies').toEqual(new Set([1]))
  expect(notes.every(({ same, removed }) => same && !removed)).toBe(true)
  const marks = notes.map(({ delivery }) => delivery).filter((mark, i, all) => mark !== all[i - 1])
  expect(marks[0], 'pending when it appears').not.toBe('sent')
  expect(marks.at(-1)).toBe('sent')
  expect(
    marks.filter((mark) => mark === 'sent'),
    'sent once and for all',
  ).toHaveLength(1)
})

test('[X8] Markdown from the model or a stranger never runs', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  const desk = await stage.desk(link)
  // The model repeats what is asked in its answer.
  await a.say('<img src=x onerror=window.hit=1><svg onload=window.hit=2></svg><b>bold</b>')
  await until(() => a.status('orders'), 'the answer').toBe('complete')
  expect((await a.texts())[1]).toContain('onerror=window.hit=1')
  const hostile = [
    '<script>window.hit = 3</script>',
    '<img src="x" onerror="window.hit = 4">',
    '<svg><script>window.hit = 5</script><a xlink:href="javascript:window.hit=6"><text>x</text></a></svg>',
    '<iframe srcdoc="<script>parent.hit = 7</script>"></iframe>',
    '[click](javascript:window.hit=8) [click](JaVaScRiPt:window.hit=9) [click](data:text/html,<script>parent.hit=10</script>)',
    '![x](x" onerror="window.hit=11) <a href="vbscript:x" onclick="window.hit=12">here</a> [fine](https://shop.example/fine)',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.hit=13&gt;">',
    '`<b onmouseover=window.hit=14>`',
  ]
  await desk.composer.waitFor()
  await desk.say(hostile.join('\n\n'))
  const bubble = a.page.locator('.message[data-kind=support] .md')
  await bubble.waitFor()
  const found = await a.page.evaluate(() => {
    const elements = [...document.querySelectorAll('.md *')]
    return {
      tags: [...new Set(elements.map(({ tagName }) => tagName))],
      handlers: elements.flatMap((element) => element.getAttributeNames()).filter((name) => name.startsWith('on')),
      links: elements.filter(({ tagName }) => tagName === 'A').map((link) => link.getAttribute('href')),
    }
  })
  expect(found.handlers).toEqual([])
  expect(found.tags.filter((tag) => /SCRIPT|IMG|SVG|IFRAME|STYLE|MATH|OBJECT|FORM/i.test(tag))).toEqual([])
  expect(found.links.filter((href) => href !== null)).toEqual(['https://shop.example/fine'])
  for (const link_ of await bubble.locator('a').all()) if ((await link_.getAttribute('href')) === null) await link_.click()
  expect(await a.page.evaluate(() => (window as unknown as { hit?: number }).hit)).toBeUndefined()
})

const ELSEWHERE = 'http://hostile.invalid'

/** What tools say, to be shown in cards: texts that are hostile, and outputs of no shape that a card knows. */
function hostileOutputs(html: string): [tool: string, output: unknown][] {
  const line = { sku: '__proto__', name: html, quantity: 2, unitPriceCents: 1 }
  const tracking = { carrier: html, number: html, events: [{ place: html, what: html }], expectedDay: '2026-12-01' }
  return [
    ['getOrder', { order: { id: html, status: html, lines: [line], totalCents: 5, placedAt: '2026-11-20', tracking } }],
    ['getOrder', { order: { id: 7 } }],
    ['getProduct', { product: { sku: html, name: html, summary: html, priceCents: 5 } }],
    ['getProduct', { product: { name: { html } } }],
    ['nearestStores', { stores: [{ id: html, name: html, address: html, hours: html, distanceKm: html }] }],
    ['nearestStores', { stores: html }],
    ['other<img src=x onerror=pwn()>', html],
  ]
}

test('[X8] what is hostile runs nothing, loads nothing and breaks no page, whoever writes it and wherever it is shown', async () => {
  const html = '<img src=x onerror=pwn()><script>pwn()</script>'
  const texts = hostileTexts(ELSEWHERE)
  const orders = await playAgent(stage.demo, 'orders', async (run) => {
    if (!run.input.parts.some((part) => 'text' in part && String(part.text).includes('go on'))) return run.write('No.')
    run.step(html).done(html)
    run.write(texts.join('\n\n'))
    await run.pipe(
      (async function* () {
        for (const [i, [toolName, output]] of hostileOutputs(html).entries()) {
          yield { type: 'tool-input-available', toolCallId: `t${i}`, toolName, input: { html } }
          yield { type: 'tool-output-available', toolCallId: `t${i}`, output }
        }
      })(),
    )
    throw new Error(html)
  })
  onTestFinished(() => orders.close(1_000))

  const link = await stage.newLink()
  const [a, desk] = await Promise.all([
    stage.join(link, encodeURIComponent('<svg onload=pwn()>\u202e')),
    stage.desk(link, encodeURIComponent('"><img src=x onerror=pwn()>')),
  ])
  const asked: string[] = []
  for (const { page } of [a, desk]) {
    page.on('request', (request) => {
      if (!request.url().startsWith(stage.demo.url)) asked.push(request.url())
    })
    const trap = (): void => void Object.assign(window, { pwn: () => Object.assign(window, { hit: 1 }) })
    await page.addInitScript(trap)
    await page.evaluate(trap)
  }
  await a.say(html)
  await a.say(texts.join('\n'))
  await desk.composer.waitFor()
  await a.say('go on')
  await until(() => a.status('orders'), 'the agent has said it all').toBe('error')
  await desk.say(texts.join('\n\n'))
  await until(() => a.page.locator('.message[data-kind=support] .md').count(), 'support as well').toBe(1)

  const sane = async (page: Window['page'], what: string): Promise<void> => {
    for (const size of [
      { width: 390, height: 844 },
      { width: 1280, height: 800 },
    ]) {
      await page.setViewportSize(size)
      const found = await page.evaluate(() => {
        const places = [
          ...document.querySelectorAll('.bubble, .body, .card, .author, .title, .desk-entry, .chat-line, .chat-title'),
        ]
        return {
          hit: (window as unknown as { hit?: number }).hit,
          foreign: [
            ...document.querySelectorAll('.md :is(script, img, svg, iframe, style, math, object, form, video, input, link)'),
          ].length,
          wide: places
            .filter((it) => it.checkVisibility() && it.getBoundingClientRect().right > innerWidth + 1)
            .map((it) => it.className),
        }
      })
      expect(found, `${what} at ${size.width}`).toEqual({ hit: undefined, foreign: 0, wide: [] })
    }
  }
  await sane(a.page, 'the chat')
  await sane(desk.page, 'the desk')
  // What no card can show says so, and the rest is there.
  const reply = a.reply('orders')
  expect(await reply.getByText('This part cannot be shown here.').count()).toBe(3)
  expect(await reply.locator('.card.order').count()).toBe(1)
  await a.page.reload()
  await until(() => a.reply('orders').count(), 'it can be opened again').toBe(1)
  await a.page.goto(`${stage.demo.url}/chats${new URL(a.page.url()).search}`)
  await until(() => a.page.locator('.chat-line .title').allInnerTexts(), 'its name').toEqual([
    expect.stringContaining('onerror=pwn()'),
  ])
  await sane(a.page, 'the list')
  expect(asked).toEqual([])
})
