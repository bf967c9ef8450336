/** The whole shop behind the demo; more than 400 lines, since all its tests stand on one small catalogue and its helpers. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { compareSpecs, findProduct, getProduct, getReviews, searchProducts } from '../demo/shop/catalogue.ts'
import { once, openShop, ShopError, write, type Shop, type ShopErrorCode } from '../demo/shop/database.ts'
import { bookDelivery, deliverySlots } from '../demo/shop/delivery.ts'
import { millisFrom } from '../demo/shop/delay.ts'
import { formatDay, formatPrice } from '../demo/shop/format.ts'
import {
  confirmOrder,
  getOrder,
  listEmails,
  listOrders,
  RESERVATION_MS,
  reserveStock,
  sendEmail,
  takePayment,
} from '../demo/shop/orders.ts'
import { checkEligibility, createLabel, getReturnPolicy, orderToReturn, processReturn } from '../demo/shop/returns.ts'
import { partFor, route } from '../demo/shop/routing.ts'
import { nearestStores } from '../demo/shop/stores.ts'
import { WEEKDAYS } from '../demo/shop/types.ts'

/** A Monday, at noon in UTC. */
const MONDAY = Date.UTC(2026, 10, 23, 12)
const XM_STOCK = 240

const tidy: (() => void)[] = []
afterEach(() => {
  for (const job of tidy.splice(0).reverse()) job()
})

function newShop(path = ':memory:', now = (): number => MONDAY): Shop {
  const shop = openShop(path, now)
  tidy.push(() => shop.close())
  return shop
}

function newFile(): string {
  const dir = mkdtempSync(join(tmpdir(), 'polyshop-'))
  tidy.push(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, 'shop.db')
}

function codeOf(work: () => unknown): ShopErrorCode | 'none' {
  try {
    work()
    return 'none'
  } catch (error) {
    if (error instanceof ShopError) return error.code
    throw error
  }
}

/** A whole purchase under one key. */
function buy(shop: Shop, customer: string, sku: string, quantity: number, key: string): number {
  const reservation = reserveStock(shop, customer, sku, quantity, `${key}:reserve`)
  const payment = takePayment(shop, customer, reservation.id, `${key}:pay`)
  return confirmOrder(shop, customer, payment.id, `${key}:confirm`).id
}

describe('catalogue', () => {
  test('has about twenty products, each with a price, specifications, stock and reviews', () => {
    const shop = newShop()
    const products = searchProducts(shop, { limit: 100 })
    expect(products).toHaveLength(20)
    expect(new Set(products.map((it) => it.sku)).size).toBe(20)
    for (const product of products) {
      expect(product.priceCents).toBeGreaterThan(0)
      expect(product.available).toBeGreaterThan(0)
      expect(Object.keys(product.specs).length).toBeGreaterThan(1)
      expect(getReviews(shop, product.sku).count).toBeGreaterThan(0)
    }
  })

  test('finds noise-cancelling headphones under $300, and only those', () => {
    const found = searchProducts(newShop(), { text: 'noise-cancelling headphones', maxPriceCents: 30_000 })
    expect(found.map((it) => it.sku).toSorted()).toEqual(['BRZ-3', 'HAL-Q7', 'SON-XM', 'VEL-AIR'])
  })

  test('shows what comes near when no product has every word', () => {
    const found = searchProducts(newShop(), { text: 'purple headphones' })
    expect(found.map((it) => it.category)).toContain('headphones')
    expect(searchProducts(newShop(), { text: 'submarine' })).toEqual([])
  })

  test.each([
    ['the XM headphones', 'SON-XM'],
    ['xm headphone', 'SON-XM'],
    ['SON-XM', 'SON-XM'],
    ['son-xm', 'SON-XM'],
    ['Halden Quiet', 'HAL-Q7'],
    ['a Halden laptop', 'HAL-BK14'],
    ['Lumo charger', 'LUM-65'],
    ['Veltro Watch', 'VEL-W2'],
  ])('knows which product "%s" is', (name, sku) => {
    expect(findProduct(newShop(), name).product?.sku).toBe(sku)
  })

  test('suggests products for a name that fits none, or many', () => {
    expect(findProduct(newShop(), 'headphones').product).toBeNull()
    expect(findProduct(newShop(), 'headphones').suggestions.length).toBeGreaterThan(2)
    expect(findProduct(newShop(), 'zeppelin')).toEqual({ product: null, suggestions: [] })
  })

  test('compares side by side', () => {
    const shop = newShop()
    const { specs, products } = compareSpecs(shop, ['SON-XM', 'LUM-65'])
    expect(products.map((it) => it.values[specs.indexOf('Battery')])).toEqual(['38 h', '–'])
    expect(codeOf(() => compareSpecs(shop, ['NOPE']))).toBe('not-found')
  })

  test('sums up reviews', () => {
    const summary = getReviews(newShop(), 'SON-XM')
    expect(summary).toMatchObject({ count: 3, average: 4.3 })
    expect(summary.praise).toHaveLength(2)
    expect(summary.complaints).toEqual(['They do not fold, so the case is large.'])
  })
})

describe('orders', () => {
  test('every customer starts with the same three orders, and sees no others', () => {
    const shop = newShop()
    expect(listOrders(shop, 'demo').map((it) => [it.id, it.status])).toEqual([
      [1042, 'in transit'],
      [1038, 'delivered'],
      [1017, 'delivered'],
    ])
    expect(getOrder(shop, 'demo', 1042)?.tracking).toMatchObject({ carrier: 'Northline', expectedDay: '2026-11-25' })
    const mine = buy(shop, 'demo', 'SON-XM', 1, 'k')
    expect(getOrder(shop, 'demo', mine)?.status).toBe('confirmed')
    expect(getOrder(shop, 'somebody', mine)).toBeNull()
    expect(listOrders(shop, 'somebody')).toHaveLength(3)
  })

  test('a purchase holds the pieces, then sells them', () => {
    const shop = newShop()
    const reservation = reserveStock(shop, 'demo', 'SON-XM', 2, 'r')
    expect(reservation).toMatchObject({ quantity: 2, totalCents: 55_800 })
    expect(getProduct(shop, 'SON-XM')?.available).toBe(XM_STOCK - 2)
    const payment = takePayment(shop, 'demo', reservation.id, 'p')
    expect(payment).toMatchObject({ amountCents: 55_800, status: 'authorised' })
    const order = confirmOrder(shop, 'demo', payment.id, 'c')
    expect(order).toMatchObject({ id: 1043, totalCents: 55_800, lines: [{ sku: 'SON-XM', quantity: 2, unitPriceCents: 27_900 }] })
    expect(getOrder(shop, 'demo', 1043)).toEqual(order)
    expect(getProduct(shop, 'SON-XM')?.available).toBe(XM_STOCK - 2)
  })

  test('every write repeated under its key gives the first result and changes nothing', () => {
    const shop = newShop()
    const attempt = (): unknown[] => {
      const reservation = reserveStock(shop, 'demo', 'SON-XM', 1, 'r')
      const payment = takePayment(shop, 'demo', reservation.id, 'p')
      const order = confirmOrder(shop, 'demo', payment.id, 'c')
      const email = sendEmail(shop, 'demo', { subject: 's', body: 'b' }, 'e')
      const made = processReturn(shop, 'demo', 1042, 't')
      return [reservation, payment, order, email, made, createLabel(shop, 'demo', made.id, 'l')]
    }
    const first = attempt()
    expect(attempt()).toEqual(first)
    expect(getProduct(shop, 'SON-XM')?.available).toBe(XM_STOCK - 1)
    expect(listOrders(shop, 'demo')).toHaveLength(4)
    expect(listEmails(shop, 'demo')).toHaveLength(1)
  })

  test('a key that comes again for something else is refused', () => {
    const shop = newShop()
    reserveStock(shop, 'demo', 'SON-XM', 1, 'k')
    expect(codeOf(() => reserveStock(shop, 'demo', 'SON-XM', 2, 'k'))).toBe('key-reused')
    expect(codeOf(() => processReturn(shop, 'demo', 1042, 'k'))).toBe('key-reused')
    expect(codeOf(() => reserveStock(shop, 'demo', 'SON-XM', 1, ''))).toBe('bad-argument')
    expect(getProduct(shop, 'SON-XM')?.available).toBe(XM_STOCK - 1)
  })

  test('nothing is sold that is not there, and a refused write may be tried again under its key', () => {
    const shop = newShop()
    expect(codeOf(() => reserveStock(shop, 'demo', 'NOPE', 1, 'k'))).toBe('not-found')
    expect(codeOf(() => reserveStock(shop, 'demo', 'SON-XM', 0, 'k'))).toBe('bad-argument')
    expect(codeOf(() => reserveStock(shop, 'demo', 'SON-XM', 1.5, 'k'))).toBe('bad-argument')
    // 22 pieces of this one.
    reserveStock(shop, 'demo', 'KES-PRO', 20, 'a')
    expect(codeOf(() => reserveStock(shop, 'demo', 'KES-PRO', 3, 'b'))).toBe('out-of-stock')
    shop.db.exec(`update products set stock = 23 where sku = 'KES-PRO'`)
    expect(reserveStock(shop, 'demo', 'KES-PRO', 3, 'b').quantity).toBe(3)
  })

  test('a reservation that is not confirmed lapses: its pieces are on sale again and nobody is charged', () => {
    let now = MONDAY
    const shop = newShop(':memory:', () => now)
    const reservation = reserveStock(shop, 'demo', 'KES-PRO', 20, 'r')
    const payment = takePayment(shop, 'demo', reservation.id, 'p')
    now += RESERVATION_MS
    expect(getProduct(shop, 'KES-PRO')?.available).toBe(22)
    expect(codeOf(() => confirmOrder(shop, 'demo', payment.id, 'c'))).toBe('expired')
    expect(shop.db.prepare('select status from payments').get()).toEqual({ status: 'authorised' })
    // The late second attempt of the same purchase holds the pieces anew and goes through.
    expect(reserveStock(shop, 'demo', 'KES-PRO', 20, 'r')).toEqual({ ...reservation, expiresAt: now + RESERVATION_MS })
    expect(takePayment(shop, 'demo', reservation.id, 'p')).toEqual(payment)
    expect(confirmOrder(shop, 'demo', payment.id, 'c').id).toBe(1043)
    now += RESERVATION_MS
    expect(getProduct(shop, 'KES-PRO')?.available).toBe(2)
    // Sold is sold: a third attempt does not hold them again.
    expect(reserveStock(shop, 'demo', 'KES-PRO', 20, 'r').id).toBe(reservation.id)
    expect(getProduct(shop, 'KES-PRO')?.available).toBe(2)
  })

  test('a lapsed reservation is not held anew when others have taken the pieces', () => {
    let now = MONDAY
    const shop = newShop(':memory:', () => now)
    const mine = reserveStock(shop, 'ann', 'KES-PRO', 20, 'a')
    now += RESERVATION_MS
    reserveStock(shop, 'bob', 'KES-PRO', 20, 'b')
    expect(codeOf(() => reserveStock(shop, 'ann', 'KES-PRO', 20, 'a'))).toBe('out-of-stock')
    expect(codeOf(() => takePayment(shop, 'ann', mine.id, 'p'))).toBe('expired')
  })

  test('a write that fails half-way leaves nothing behind, and the next one goes through', () => {
    const shop = newShop()
    const fail = (): never => {
      write(shop, 'update products set stock = 0')
      throw new Error('half-way')
    }
    expect(() => once(shop, 'k', 'test', {}, fail)).toThrow('half-way')
    expect(getProduct(shop, 'SON-XM')?.available).toBe(XM_STOCK)
    expect(once(shop, 'k', 'test', {}, () => 'done')).toBe('done')
  })

  test("nobody pays with or confirms another customer's reservation", () => {
    const shop = newShop()
    const reservation = reserveStock(shop, 'ann', 'SON-XM', 1, 'r')
    expect(codeOf(() => takePayment(shop, 'bob', reservation.id, 'p'))).toBe('not-found')
    const payment = takePayment(shop, 'ann', reservation.id, 'p')
    expect(codeOf(() => confirmOrder(shop, 'bob', payment.id, 'c'))).toBe('not-found')
  })
})

describe('returns', () => {
  test('an order on its way is refunded less the fee, one that waits in full, an old one not at all', () => {
    const shop = newShop()
    const { windowDays, feePercent } = getReturnPolicy()
    expect([windowDays, feePercent]).toEqual([30, 10])
    expect(checkEligibility(shop, 'demo', 1042)).toMatchObject({ eligible: true, refundCents: 17_010, feeCents: 1890 })
    const fresh = buy(shop, 'demo', 'SON-XM', 1, 'k')
    expect(checkEligibility(shop, 'demo', fresh)).toMatchObject({ eligible: true, refundCents: 27_900, feeCents: 0 })
    expect(checkEligibility(shop, 'demo', 1017)).toMatchObject({ eligible: false, refundCents: 0 })
    expect(codeOf(() => processReturn(shop, 'demo', 1017, 'old'))).toBe('not-eligible')
    expect(codeOf(() => checkEligibility(shop, 'demo', 9999))).toBe('not-found')
  })

  test('"my existing order" is the one on its way, even when another was bought a moment ago', () => {
    const shop = newShop()
    buy(shop, 'demo', 'SON-XM', 1, 'k')
    expect(orderToReturn(shop, 'demo')?.id).toBe(1042)
    processReturn(shop, 'demo', 1042, 't')
    expect(orderToReturn(shop, 'demo')?.id).toBe(1038)
  })

  test('an order is returned once', () => {
    const shop = newShop()
    expect(processReturn(shop, 'demo', 1042, 'a')).toMatchObject({ orderId: 1042, refundCents: 17_010 })
    expect(codeOf(() => processReturn(shop, 'demo', 1042, 'b'))).toBe('not-eligible')
    expect(getOrder(shop, 'demo', 1042)?.status).toBe('return requested')
    expect(codeOf(() => createLabel(shop, 'somebody', 1, 'l'))).toBe('not-found')
  })
})

describe('stores and deliveries', () => {
  test('the nearest store comes first', () => {
    const shop = newShop()
    const found = nearestStores(shop, 52.52, 13.405)
    expect(found.map((it) => it.id)).toEqual(['ber-1', 'ber-2', 'ams-1'])
    expect(found[0]?.distanceKm).toBeCloseTo(1.1, 1)
    // Amsterdam is 577 km from Berlin.
    expect(found[2]?.distanceKm).toBeGreaterThan(560)
    expect(found[2]?.distanceKm).toBeLessThan(590)
    expect(codeOf(() => nearestStores(shop, 91, 0))).toBe('bad-argument')
    expect(codeOf(() => nearestStores(shop, Number.NaN, 0))).toBe('bad-argument')
  })

  test('a weekday is always the next one, never today', () => {
    for (let start = 0; start < 7; start++) {
      const today = MONDAY + start * 86_400_000
      const shop = newShop(':memory:', () => today)
      for (const weekday of WEEKDAYS) {
        const { day } = deliverySlots(shop, weekday)
        const ahead = (Date.parse(day) - Date.parse(new Date(today).toISOString().slice(0, 10))) / 86_400_000
        expect([WEEKDAYS[new Date(day).getUTCDay()], ahead >= 1 && ahead <= 7]).toEqual([weekday, true])
      }
    }
  })

  test('a delivery is booked, moved to another day and back', () => {
    const shop = newShop()
    listOrders(shop, 'demo')
    const slot = '09:00–12:00'
    expect(bookDelivery(shop, 'demo', 1042, '2026-11-24', slot)).toEqual({
      ...{ orderId: 1042, weekday: 'Tuesday', day: '2026-11-24', window: slot },
    })
    expect(bookDelivery(shop, 'demo', 1042, '2026-11-25', slot)).toMatchObject({
      weekday: 'Wednesday',
      previousDay: '2026-11-24',
    })
    expect(bookDelivery(shop, 'demo', 1042, '2026-11-24', slot).previousDay).toBe('2026-11-25')
    expect(getOrder(shop, 'demo', 1042)?.delivery).toMatchObject({ day: '2026-11-24', window: slot })
  })

  test('nobody delivers on Sunday, at no such time, or what has arrived', () => {
    const shop = newShop()
    listOrders(shop, 'demo')
    expect(deliverySlots(shop, 'Sunday').windows).toEqual([])
    expect(codeOf(() => bookDelivery(shop, 'demo', 1042, '2026-11-29', '09:00–12:00'))).toBe('bad-argument')
    expect(codeOf(() => bookDelivery(shop, 'demo', 1042, '2026-11-24', '03:00–04:00'))).toBe('bad-argument')
    expect(codeOf(() => bookDelivery(shop, 'demo', 1038, '2026-11-24', '09:00–12:00'))).toBe('not-found')
  })

  test('prices and days are written the same everywhere', () => {
    expect([5, 27_900, 119_900, 123_456_700].map(formatPrice)).toEqual(['$0.05', '$279.00', '$1,199.00', '$1,234,567.00'])
    expect(formatDay('2026-11-24')).toBe('Tuesday, November 24')
  })

  test('a pace that is no number of milliseconds is refused at once', () => {
    expect([millisFrom('X', undefined, 7), millisFrom('X', '', 7), millisFrom('X', '0', 7)]).toEqual([7, 7, 0])
    expect(() => millisFrom('X', 'fast', 7)).toThrow('X is a number of milliseconds from 0 to 60000, not "fast"')
    expect(() => millisFrom('X', '-1', 7)).toThrow(RangeError)
  })
})

describe('many writers', () => {
  test('two connections write in turn, and each sees what the other has written', () => {
    const file = newFile()
    const [a, b] = [newShop(file), newShop(file)]
    for (let n = 0; n < 20; n++) buy(n % 2 === 0 ? a : b, 'demo', 'SON-XM', 1, `k${n}`)
    // The same purchase, begun by one process and taken over by the other.
    const reservation = reserveStock(a, 'demo', 'SON-XM', 1, 'taken:r')
    expect(reserveStock(b, 'demo', 'SON-XM', 1, 'taken:r')).toEqual(reservation)
    const payment = takePayment(b, 'demo', reservation.id, 'taken:p')
    expect(confirmOrder(b, 'demo', payment.id, 'taken:c')).toEqual(confirmOrder(a, 'demo', payment.id, 'taken:c'))
    expect(listOrders(a, 'demo')).toEqual(listOrders(b, 'demo'))
    expect(listOrders(a, 'demo').map((it) => it.id)).toEqual([...Array(21).keys()].map((n) => 1063 - n).concat(1042, 1038, 1017))
    expect(getProduct(b, 'SON-XM')?.available).toBe(XM_STOCK - 21)
  })

  test('a writer waits while another holds the lock, and fails with the database, not with half a write', () => {
    const file = newFile()
    const [a, b] = [newShop(file), newShop(file)]
    b.db.exec('pragma busy_timeout = 50')
    a.db.exec('begin immediate')
    expect(() => reserveStock(b, 'demo', 'SON-XM', 1, 'k')).toThrow(/locked/)
    a.db.exec('rollback')
    expect(reserveStock(b, 'demo', 'SON-XM', 1, 'k').quantity).toBe(1)
  })

  test('opening a new shop waits while another process is at its creation', async () => {
    const file = newFile()
    // Holds the lock of a file that is not in WAL mode yet, and lets go by itself.
    const holder = spawn(process.execPath, ['-e', HOLDER, file], { stdio: ['ignore', 'pipe', 'inherit'] })
    tidy.push(() => holder.kill('SIGKILL'))
    await new Promise((held) => holder.stdout.once('data', held))
    expect(listOrders(newShop(file), 'demo')).toHaveLength(3)
  })

  test(
    'four processes open a new shop at once, sell the last pieces and race for the same purchases',
    { timeout: 60_000 },
    async () => {
      const file = newFile()
      const outcomes = await Promise.all([0, 1, 2, 3].map((worker) => runBuyer(file, worker)))
      const shop = newShop(file, Date.now)
      // 22 pieces, 40 wishes: exactly 22 came true.
      expect(outcomes.reduce((sum, it) => sum + it.own, 0)).toBe(22)
      expect(getProduct(shop, 'KES-PRO')?.available).toBe(0)
      // Each of the ten shared purchases was made once, and everybody was told the same order.
      for (const outcome of outcomes) expect(outcome.shared).toEqual(outcomes[0]?.shared)
      expect(new Set(outcomes[0]?.shared).size).toBe(10)
      expect(getProduct(shop, 'SON-XM')?.available).toBe(XM_STOCK - 10)
      expect(listOrders(shop, 'demo')).toHaveLength(3 + 22 + 10)
    },
  )
})

const HOLDER = `
const { DatabaseSync } = require('node:sqlite')
const db = new DatabaseSync(process.argv[1])
db.exec('begin immediate; create table held (n)')
console.log('held')
setTimeout(() => db.exec('rollback'), 200)
`

/** What a process of its own does: it buys one piece ten times for itself, and ten times what the others buy too. */
const BUYER = `
const [shopUrl, ordersUrl, file, worker] = process.argv.slice(1)
const { openShop } = await import(shopUrl)
const { reserveStock, takePayment, confirmOrder } = await import(ordersUrl)
process.stdout.write('ready\\n')
await new Promise((go) => process.stdin.once('data', go))
const shop = openShop(file)
const buy = (sku, key) => {
  const reservation = reserveStock(shop, 'demo', sku, 1, key + ':r')
  const payment = takePayment(shop, 'demo', reservation.id, key + ':p')
  return confirmOrder(shop, 'demo', payment.id, key + ':c').id
}
let own = 0
const shared = []
for (let n = 0; n < 10; n++) {
  try { buy('KES-PRO', 'own:' + worker + ':' + n); own++ } catch (error) { if (error.code !== 'out-of-stock') throw error }
  shared.push(buy('SON-XM', 'shared:' + n))
}
shop.close()
process.stdout.write(JSON.stringify({ own, shared }) + '\\n')
process.exit()
`

let waiting: (() => void)[] = []

/** Starts a buyer; all four begin together, so that they meet at the creation of the file too. */
async function runBuyer(file: string, worker: number): Promise<{ own: number; shared: number[] }> {
  const url = (name: string): string => new URL(`../demo/shop/${name}.ts`, import.meta.url).href
  const args = ['--input-type=module', '-e', BUYER, url('database'), url('orders'), file, String(worker)]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  tidy.push(() => child.kill('SIGKILL'))
  let out = ''
  let errors = ''
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()))
  child.stdout.on('data', (data: Buffer) => {
    const before = out
    out += data.toString()
    if (before.includes('ready\n') || !out.includes('ready\n')) return
    waiting.push(() => child.stdin.write('go\n'))
    if (waiting.length < 4) return
    for (const go of waiting) go()
    waiting = []
  })
  const code = await new Promise((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new Error(`buyer ${worker} ended with ${String(code)}: ${errors}`)
  return JSON.parse(out.split('\n')[1] ?? '') as { own: number; shared: number[] }
}

describe('routing', () => {
  test.each([
    ['Buy the XM headphones and cancel my existing order', ['orders', 'returns']],
    ['Cancel my existing order, then order two XM headphones', ['orders', 'returns']],
    ['Where is my order 1042?', ['orders']],
    ['Show me the XM headphones', ['orders']],
    ['Add the XM headphones to my cart', ['orders']],
    ["Where's the nearest store?", ['orders']],
    ['Book delivery for Tuesday', ['orders']],
    ['make it Wednesday', ['orders']],
    ['Cancel the delivery', ['orders']],
    ['Return order 1042', ['returns']],
    ['Show me your return policy', ['returns']],
    ['The refund is too low, I want a human', ['returns']],
    ['Research noise-cancelling headphones under $300', ['research']],
    ['Which headphones are the best under $1,200?', ['research']],
    ['Compare the Halden Quiet 7 and the Veltro Air, and return order 1038', ['returns', 'research']],
    ['Do you sell noise cancelling headphones?', ['orders']],
    ['Hello!', ['orders']],
    ['', ['orders']],
  ])('"%s" is for %j', (text, agents) => {
    expect(route(text)).toEqual(agents)
  })

  test('each agent gets its own part of a message', () => {
    const text = 'Buy the XM headphones and cancel my existing order'
    expect(partFor('orders', text)).toBe('Buy the XM headphones')
    expect(partFor('returns', text)).toBe('cancel my existing order')
    expect(partFor('research', text)).toBe(text)
    expect(partFor('research', 'Hello! Research laptops under $1,200')).toBe('Research laptops under $1,200')
  })
})
