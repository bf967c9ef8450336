/**
 * From stock to order. A card is authorised with the reservation and charged only in the transaction that creates the order,
 * so a purchase that is cancelled or dies anywhere on the way costs nothing, and its pieces go back on sale by themselves.
 */
import { getProduct } from './catalogue.ts'
import { all, once, one, ShopError, transaction, write, type Shop } from './database.ts'
import { deliveryOf } from './delivery.ts'
import { dayOf } from './format.ts'
import type { Email, Order, OrderLine, OrderStatus, Payment, Product, Reservation, Tracking } from './types.ts'

/** How long a reservation holds its pieces, in milliseconds: several times what a purchase takes with a slow model. */
export const RESERVATION_MS: number = 10 * 60_000

const DAY_MS = 86_400_000

interface OrderRow {
  id: number
  status: OrderStatus
  placed_at: number
  delivered_at: number | null
  lines: string
  total_cents: number
  tracking: string | null
}

function toOrder(shop: Shop, customer: string, row: OrderRow): Order {
  const delivery = deliveryOf(shop, customer, row.id)
  return {
    id: row.id,
    status: row.status,
    placedAt: row.placed_at,
    ...(row.delivered_at === null ? {} : { deliveredAt: row.delivered_at }),
    lines: JSON.parse(row.lines) as OrderLine[],
    totalCents: row.total_cents,
    ...(row.tracking === null ? {} : { tracking: JSON.parse(row.tracking) as Tracking }),
    ...(delivery ? { delivery } : {}),
  }
}

/** A customer's order; null when that customer has none of this number. */
export function getOrder(shop: Shop, customer: string, id: number): Order | null {
  return listOrders(shop, customer).find((order) => order.id === id) ?? null
}

/** A customer's orders, the newest first. A customer who is new to the shop has the demo's three orders. */
export function listOrders(shop: Shop, customer: string): Order[] {
  seedOrders(shop, customer)
  const rows = all<OrderRow>(shop, 'select * from orders where customer = ? order by id desc', customer)
  return rows.map((row) => toOrder(shop, customer, row))
}

/**
 * Holds pieces for a customer. A repetition under the same key gives the same reservation, held anew if it has expired.
 * Throws `out-of-stock`, `not-found`, or `bad-argument` for a quantity outside 1 to 20.
 */
export function reserveStock(shop: Shop, customer: string, sku: string, quantity: number, key: string): Reservation {
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > 20) {
    throw new ShopError('bad-argument', `A quantity is a whole number from 1 to 20, not ${quantity}.`)
  }
  return transaction(shop, () => {
    const made = once(shop, key, 'reserveStock', { customer, sku, quantity }, () => {
      const { priceCents } = needPieces(shop, sku, quantity)
      const expiresAt = shop.now() + RESERVATION_MS
      const values = [customer, sku, quantity, priceCents, expiresAt]
      const id = write(shop, `insert into reservations values (null, ?, ?, ?, ?, 'held', ?)`, ...values)
      return { id, sku, quantity, totalCents: quantity * priceCents, expiresAt }
    })
    const row = one<ReservationRow>(shop, 'select * from reservations where id = ?', made.id)
    if (row?.status !== 'held' || row.expires_at > shop.now()) return { ...made, expiresAt: row?.expires_at ?? made.expiresAt }
    needPieces(shop, sku, quantity)
    const expiresAt = shop.now() + RESERVATION_MS
    write(shop, 'update reservations set expires_at = ? where id = ?', expiresAt, made.id)
    return { ...made, expiresAt }
  })
}

function needPieces(shop: Shop, sku: string, quantity: number): Product {
  const product = getProduct(shop, sku)
  if (!product) throw new ShopError('not-found', `There is no product ${sku}.`)
  if (product.available < quantity) throw new ShopError('out-of-stock', `Only ${product.available} of ${product.name} are left.`)
  return product
}

interface ReservationRow {
  sku: string
  quantity: number
  unit_price_cents: number
  /** `held` until its order is confirmed, then `sold`. */
  status: 'held' | 'sold'
  expires_at: number
}

function heldReservation(shop: Shop, customer: string, id: number): ReservationRow {
  const row = one<ReservationRow>(shop, 'select * from reservations where id = ? and customer = ?', id, customer)
  if (!row) throw new ShopError('not-found', `There is no reservation ${id}.`)
  if (row.status !== 'held' || row.expires_at <= shop.now()) throw new ShopError('expired', `The reservation ${id} has ended.`)
  return row
}

/** Authorises the price of a reservation on the customer's card (a mock: it always succeeds). */
export function takePayment(shop: Shop, customer: string, reservationId: number, key: string): Payment {
  return once(shop, key, 'takePayment', { customer, reservationId }, () => {
    const { quantity, unit_price_cents: unit } = heldReservation(shop, customer, reservationId)
    const amountCents = quantity * unit
    const id = write(shop, `insert into payments values (null, ?, ?, ?, 'authorised')`, customer, reservationId, amountCents)
    return { id, reservationId, amountCents, status: 'authorised' as const }
  })
}

/** Charges the card, takes the pieces from stock and creates the order: all of it or nothing. */
export function confirmOrder(shop: Shop, customer: string, paymentId: number, key: string): Order {
  seedOrders(shop, customer)
  return once(shop, key, 'confirmOrder', { customer, paymentId }, () => {
    const payment = one<{ reservation_id: number; amount_cents: number }>(
      shop,
      `select * from payments where id = ? and customer = ? and status = 'authorised'`,
      ...[paymentId, customer],
    )
    if (!payment) throw new ShopError('not-found', `There is no authorised payment ${paymentId}.`)
    const { sku, quantity, unit_price_cents: unitPriceCents } = heldReservation(shop, customer, payment.reservation_id)
    write(shop, 'update products set stock = stock - ? where sku = ?', quantity, sku)
    write(shop, `update reservations set status = 'sold' where id = ?`, payment.reservation_id)
    write(shop, `update payments set status = 'captured' where id = ?`, paymentId)
    const name = getProduct(shop, sku)?.name ?? sku
    return addOrder(shop, customer, { lines: [{ sku, name, quantity, unitPriceCents }], totalCents: payment.amount_cents })
  })
}

function addOrder(shop: Shop, customer: string, order: Pick<Order, 'lines' | 'totalCents'>): Order {
  const last = one<{ id: number }>(shop, 'select max(id) as id from orders where customer = ?', customer)
  const made: Order = { id: (last?.id ?? 1000) + 1, status: 'confirmed', placedAt: shop.now(), ...order }
  insertOrder(shop, customer, made)
  return made
}

function insertOrder(shop: Shop, customer: string, order: Order): void {
  const { id, status, placedAt, deliveredAt = null, lines, totalCents, tracking } = order
  const values = [customer, id, status, placedAt, deliveredAt, JSON.stringify(lines), totalCents]
  write(shop, 'insert into orders values (?, ?, ?, ?, ?, ?, ?, ?)', ...values, tracking ? JSON.stringify(tracking) : null)
}

/** "Sends" an e-mail to the customer: it is recorded, and `listEmails` shows it. */
export function sendEmail(shop: Shop, customer: string, mail: Pick<Email, 'subject' | 'body'>, key: string): Email {
  return once(shop, key, 'sendEmail', { customer, ...mail }, () => {
    const at = shop.now()
    const to = `${customer}@shop.example`
    const id = write(shop, 'insert into emails values (null, ?, ?, ?, ?, ?)', customer, to, mail.subject, mail.body, at)
    return { id, to, subject: mail.subject, body: mail.body, at }
  })
}

/** What was sent to a customer, the oldest first. */
export function listEmails(shop: Shop, customer: string): Email[] {
  const sql = 'select id, recipient as "to", subject, body, at from emails where customer = ? order by id'
  return all<Email>(shop, sql, customer).map((row) => ({ ...row }))
}

/**
 * Every customer starts with the same history: 1042 is on its way, 1038 was delivered and may be returned, 1017 is too old.
 * Made at the first look, so that each demo session can be a customer of its own and start fresh.
 */
function seedOrders(shop: Shop, customer: string): void {
  const known = 'select 1 from orders where customer = ? limit 1'
  if (one(shop, known, customer)) return
  transaction(shop, () => {
    if (one(shop, known, customer)) return
    const now = shop.now()
    const expectedDay = dayOf(now + 2 * DAY_MS)
    insertOrder(shop, customer, {
      ...past(1042, 'HAL-ROOM', 'Halden Room Speaker', 18_900, now - 3 * DAY_MS),
      status: 'in transit',
      tracking: {
        carrier: 'Northline',
        number: 'NL-1042-7731',
        url: 'https://northline.example/track/NL-1042-7731',
        expectedDay,
        events: [
          { at: now - 3 * DAY_MS, place: 'Online', what: 'Order received' },
          { at: now - 2 * DAY_MS, place: 'Leipzig', what: 'Left the warehouse' },
          { at: now - DAY_MS / 2, place: 'Hanover', what: 'Arrived at the sorting centre' },
        ],
      },
    })
    insertOrder(shop, customer, {
      ...past(1038, 'BRZ-3', 'Brezza 3', 12_900, now - 14 * DAY_MS),
      deliveredAt: now - 11 * DAY_MS,
    })
    insertOrder(shop, customer, {
      ...past(1017, 'LUM-65', 'Lumo Charger 65', 3_900, now - 70 * DAY_MS),
      deliveredAt: now - 67 * DAY_MS,
    })
  })
}

function past(id: number, sku: string, name: string, unitPriceCents: number, placedAt: number): Order {
  return { id, status: 'delivered', placedAt, lines: [{ sku, name, quantity: 1, unitPriceCents }], totalCents: unitPriceCents }
}
