/** What the shop's agents show: places, orders and products as cards, and one agent that asks another. */
import { expect, test } from 'vitest'
import { setStage } from './stage.ts'
import { each, until, type Window } from './windows.ts'

const stage = setStage()

async function two(): Promise<[Window, Window]> {
  const link = await stage.newLink()
  return await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
}

const cards = (window: Window, selector: string): Promise<string[]> =>
  window.page.locator(selector).evaluateAll((found) => found.map((card) => card.getAttribute('aria-label') ?? ''))

test('[D1] one window’s browser is asked where it is, once, and the answer goes on by itself to the stores nearby', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  // A second tab of the same person, and somebody else: the call is for one tab of whoever asked.
  const [tab, b] = await Promise.all([stage.join(link, 'Mia', a), stage.join(link, 'Jonas')])
  await a.context.grantPermissions(['geolocation'])
  await a.context.setGeolocation({ latitude: 52.52, longitude: 13.405 })
  const count = (window: Window): Promise<void> =>
    window.page.evaluate(() => {
      const { geolocation } = navigator
      const ask = geolocation.getCurrentPosition.bind(geolocation)
      Object.assign(window, { asked: 0 })
      geolocation.getCurrentPosition = (...args) => {
        ;(window as unknown as { asked: number }).asked += 1
        ask(...args)
      }
    })
  await Promise.all([a, tab, b].map(count))
  await a.say('Where’s the nearest store?')
  await until(
    each([a, tab, b], (window) => window.status('orders')),
    'answered',
  ).toEqual(['complete', 'complete', 'complete'])
  const asked = await Promise.all(
    [a, tab, b].map((window) => window.page.evaluate(() => (window as unknown as { asked: number }).asked)),
  )
  expect((asked[0] ?? 0) + (asked[1] ?? 0), 'in one of her tabs').toBe(1)
  expect(asked[2], 'not in his').toBe(0)
  for (const window of [a, tab, b]) {
    expect(await cards(window, '.card.stores')).toEqual(['Stores nearby'])
    expect(await window.page.locator('[data-card=location]').count()).toBe(1)
    expect(await window.reply('orders').innerText()).toMatch(/Your nearest store is .+ km away/)
  }
})

test('[D1] who does not want to say where they are is answered all the same', async () => {
  const [a, b] = await two()
  await a.context.clearPermissions()
  await a.page.evaluate(() => {
    navigator.geolocation.getCurrentPosition = (_found, failed) =>
      failed?.({ code: 1, PERMISSION_DENIED: 1, message: '' } as GeolocationPositionError)
  })
  await a.say('Where is the nearest store?')
  await until(
    each([a, b], (window) => window.status('orders')),
    'answered',
  ).toEqual(['complete', 'complete'])
  expect(await b.reply('orders').innerText()).toContain('Without your location')
})

test('[D2] an order and a product show as cards, in both windows', async () => {
  const [a, b] = await two()
  await a.say('Where is my order 1042?')
  await until(
    each([a, b], (window) => cards(window, '.card.order')),
    'the order',
  ).toEqual([['Order 1042'], ['Order 1042']])
  await until(() => a.status('orders'), 'to the end').toBe('complete')
  await b.say('Show me the XM headphones')
  await until(
    each([a, b], (window) => cards(window, '.card.product')),
    'the product',
  ).toEqual([['Sonora XM'], ['Sonora XM']].map(() => [expect.stringContaining('XM')]))
  for (const window of [a, b]) {
    const order = await window.page.locator('.card.order').innerText()
    expect(order).toMatch(/Order 1042[\s\S]*in transit[\s\S]*\$[\d.,]+[\s\S]*Northline/)
    expect(await window.page.locator('.card.product').innerText()).toMatch(/XM[\s\S]*\$[\d.,]+[\s\S]*Add to cart/)
  }
})

test('[G7] what one agent has another one do is shown within its progress, in both windows', async () => {
  const [a, b] = await two()
  await a.say('Research earbuds under $300 and check whether they are in stock')
  const parent = (window: Window): ReturnType<Window['page']['locator']> =>
    window.page.locator('.row > .reply[data-agent="research"]').last()
  await until(
    each([a, b], (window) => parent(window).getAttribute('data-status')),
    'complete',
  ).toEqual(['complete', 'complete'])
  for (const window of [a, b]) {
    const child = parent(window).locator('.task > .steps > li > .reply[data-agent="orders"]')
    expect(await child.getAttribute('data-status')).toBe('complete')
    expect(await child.locator('.card.product').count()).toBe(1)
    expect(await window.page.locator('.row > .reply[data-agent="orders"]').count(), 'and nowhere else').toBe(0)
  }
})
