/** Booking the day on which an order comes. */
import { one, ShopError, transaction, write, type Shop } from './database.ts'
import { dayOf, formatDay } from './format.ts'
import { WEEKDAYS, type Delivery, type DeliverySlots, type Weekday } from './types.ts'

const DAY_MS = 86_400_000

const WINDOWS = ['09:00–12:00', '12:00–15:00', '17:00–20:00'] as const

/** Deliveries that one window takes: more than a demo books, few enough that a window is not endless. */
const WINDOW_CAPACITY = 1000

function weekdayOf(day: string): Weekday {
  return WEEKDAYS[new Date(day).getUTCDay()] ?? 'Sunday'
}

/** The free windows of the next such weekday; today does not count, since the vans have left. */
export function deliverySlots(shop: Shop, weekday: Weekday): DeliverySlots {
  const today = new Date(shop.now()).getUTCDay()
  const ahead = (WEEKDAYS.indexOf(weekday) - today + 6) % 7
  const day = dayOf(shop.now() + (ahead + 1) * DAY_MS)
  if (weekday === 'Sunday') return { weekday, day, windows: [] }
  return { weekday, day, windows: WINDOWS.filter((window) => booked(shop, day, window) < WINDOW_CAPACITY) }
}

function booked(shop: Shop, day: string, window: string): number {
  const sql = 'select count(*) as n from deliveries where day = ? and time_window = ?'
  return one<{ n: number }>(shop, sql, day, window)?.n ?? 0
}

/** What is booked for an order; null when nothing is. */
export function deliveryOf(shop: Shop, customer: string, orderId: number): Delivery | null {
  const sql = 'select day, time_window from deliveries where customer = ? and order_id = ?'
  const row = one<{ day: string; time_window: string }>(shop, sql, customer, orderId)
  return row ? { orderId, weekday: weekdayOf(row.day), day: row.day, window: row.time_window } : null
}

/**
 * Books the delivery of an order, or moves it. An order has one delivery, so a repetition changes nothing and needs no key;
 * with one, moving it to Wednesday and back to Tuesday would find "Tuesday" done. Throws `bad-argument` for a window that is
 * not free, and `not-found` when the customer has no such order on its way.
 */
export function bookDelivery(shop: Shop, customer: string, orderId: number, day: string, window: string): Delivery {
  return transaction(shop, () => {
    const order = one<{ status: string }>(shop, 'select status from orders where customer = ? and id = ?', customer, orderId)
    if (!order || (order.status !== 'confirmed' && order.status !== 'in transit')) {
      throw new ShopError('not-found', `There is no order ${orderId} to deliver.`)
    }
    const free = deliverySlots(shop, weekdayOf(day))
    if (free.day !== day || !free.windows.includes(window)) {
      throw new ShopError('bad-argument', `There is no free window ${window} on ${formatDay(day)}.`)
    }
    const before = deliveryOf(shop, customer, orderId)
    const moved = before && before.day !== day ? { previousDay: before.day } : {}
    write(shop, 'insert or replace into deliveries values (?, ?, ?, ?)', customer, orderId, day, window)
    return { orderId, weekday: free.weekday, day, window, ...moved }
  })
}
