/** Returns and refunds. */
import { once, one, ShopError, write, type Shop } from './database.ts'
import { formatPrice } from './format.ts'
import { getOrder, listOrders } from './orders.ts'
import type { Eligibility, Order, Refund, ReturnCase, ReturnLabel, ReturnPolicy } from './types.ts'

const DAY_MS = 86_400_000

const POLICY: ReturnPolicy = {
  windowDays: 30,
  feePercent: 10,
  rules: [
    'An order can be returned until 30 days after its delivery.',
    'An order that has not left the warehouse is refunded in full.',
    'Once it has left, 10 % of the price is kept for handling.',
    'The label for sending it back is prepaid.',
  ],
}

export function getReturnPolicy(): ReturnPolicy {
  return POLICY
}

/** The order that a customer means by "my order": the newest that can be returned, or simply the newest. */
export function orderToReturn(shop: Shop, customer: string): Order | null {
  // An order made a moment ago is not the "existing" one, so those that are on their way or delivered come first.
  const orders = listOrders(shop, customer)
  const eligible = orders.filter((order) => checkEligibility(shop, customer, order.id).eligible)
  return eligible.find((order) => order.status !== 'confirmed') ?? eligible[0] ?? orders[0] ?? null
}

/** Whether and for how much an order can be returned. Throws `not-found` when the customer has no such order. */
export function checkEligibility(shop: Shop, customer: string, orderId: number): Eligibility {
  const order = getOrder(shop, customer, orderId)
  if (!order) throw new ShopError('not-found', `There is no order ${orderId}.`)
  const no = (reason: string): Eligibility => ({ orderId, eligible: false, reason, refundCents: 0, feeCents: 0 })
  if (order.status === 'return requested') return no(`A return of order ${orderId} is already under way.`)
  if (order.deliveredAt !== undefined && shop.now() - order.deliveredAt > POLICY.windowDays * DAY_MS) {
    return no(`Order ${orderId} was delivered more than ${POLICY.windowDays} days ago.`)
  }
  const feeCents = order.status === 'confirmed' ? 0 : Math.round((order.totalCents * POLICY.feePercent) / 100)
  const refundCents = order.totalCents - feeCents
  return {
    orderId,
    eligible: true,
    reason: `Order ${orderId} can be returned for ${formatPrice(refundCents)}.`,
    refundCents,
    feeCents,
  }
}

/** Opens the return and promises the refund. Throws `not-eligible` with the reason. */
export function processReturn(shop: Shop, customer: string, orderId: number, key: string): ReturnCase {
  return once(shop, key, 'processReturn', { customer, orderId }, () => {
    const { eligible, reason, refundCents } = checkEligibility(shop, customer, orderId)
    if (!eligible) throw new ShopError('not-eligible', reason)
    const id = write(shop, 'insert into returns values (null, ?, ?, ?)', customer, orderId, refundCents)
    write(shop, `update orders set status = 'return requested' where customer = ? and id = ?`, customer, orderId)
    return { id, orderId, refundCents }
  })
}

/** A return of the customer's; null when there is none of this number. */
export function getReturn(shop: Shop, customer: string, id: number): ReturnCase | null {
  const sql = 'select id, order_id as orderId, refund_cents as refundCents from returns where id = ? and customer = ?'
  const row = one<ReturnCase>(shop, sql, id, customer)
  return row ? { ...row } : null
}

/** A prepaid label for sending a return back. Throws `not-found` for a return that is not the customer's. */
export function createLabel(shop: Shop, customer: string, returnId: number, key: string): ReturnLabel {
  return once(shop, key, 'createLabel', { customer, returnId }, () => {
    const found = getReturn(shop, customer, returnId)
    if (!found) throw new ShopError('not-found', `There is no return ${returnId}.`)
    const number = `RT-${found.orderId}-${String(returnId).padStart(4, '0')}`
    return { returnId, carrier: 'Northline', number, url: `https://northline.example/label/${number}.pdf` }
  })
}

/**
 * Pays back a part of what an order cost. Throws `not-found`, `bad-argument` for what is no amount, and `not-eligible` for more
 * than is left of its price.
 */
export function payBack(shop: Shop, customer: string, orderId: number, amountCents: number, reason: string, key: string): Refund {
  return once(shop, key, 'payBack', { customer, orderId, amountCents, reason }, () => {
    const order = getOrder(shop, customer, orderId)
    if (!order) throw new ShopError('not-found', `There is no order ${orderId}.`)
    if (!Number.isInteger(amountCents) || amountCents <= 0) throw new ShopError('bad-argument', 'A refund is at least one cent.')
    const paid = one<{ cents: number | null }>(
      shop,
      'select sum(amount_cents) as cents from refunds where customer = ? and order_id = ?',
      customer,
      orderId,
    )
    const leftCents = order.totalCents - (paid?.cents ?? 0)
    if (amountCents > leftCents) {
      throw new ShopError('not-eligible', `At most ${formatPrice(leftCents)} of order ${orderId} can be paid back.`)
    }
    const id = write(shop, 'insert into refunds values (null, ?, ?, ?, ?)', customer, orderId, amountCents, reason)
    return { id, orderId, amountCents }
  })
}
