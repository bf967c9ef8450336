/**
 * What the shop's functions and tools give back: plain JSON, so that it travels in a tool's output and a card can show it.
 * No imports, so that the web app may use the types.
 *
 * Prices are US cents, instants epoch milliseconds, days `YYYY-MM-DD` in UTC.
 */

export type AgentName = 'orders' | 'returns' | 'research'

export type Category =
  | 'headphones'
  | 'earbuds'
  | 'speakers'
  | 'phones'
  | 'tablets'
  | 'laptops'
  | 'watches'
  | 'displays'
  | 'accessories'

export interface Product {
  readonly sku: string
  readonly name: string
  readonly brand: string
  readonly category: Category
  readonly priceCents: number
  /** One emoji that stands for a picture. */
  readonly icon: string
  readonly summary: string
  /** Name of a property to its value, in the order in which a card shows them. */
  readonly specs: Readonly<Record<string, string>>
  /** Pieces that can be reserved now: in the warehouse and not held by somebody else's reservation. */
  readonly available: number
}

export interface Review {
  /** 1 to 5. */
  readonly stars: number
  readonly author: string
  readonly text: string
}

export interface ReviewSummary {
  readonly sku: string
  readonly name: string
  readonly count: number
  /** Mean of the stars, one decimal; 0 without reviews. */
  readonly average: number
  /** Texts of at least 4 stars. */
  readonly praise: readonly string[]
  /** Texts of at most 3 stars. */
  readonly complaints: readonly string[]
}

export interface Comparison {
  /** Names of the properties that at least one of the products has. */
  readonly specs: readonly string[]
  /** `values[i]` belongs to `specs[i]`; an en dash where a product lacks it. */
  readonly products: readonly { sku: string; name: string; priceCents: number; values: readonly string[] }[]
}

/** What a look-up by name found: the product, or what comes near. */
export interface ProductLookup {
  readonly product: Product | null
  readonly suggestions: readonly Product[]
}

export interface StockCheck {
  /** Null when nothing of that name is sold; then `suggestions` says what comes near. */
  readonly product: Product | null
  readonly suggestions: readonly string[]
  readonly requested: number
  readonly available: number
  readonly totalCents: number
}

export interface Reservation {
  readonly id: number
  readonly sku: string
  readonly quantity: number
  readonly totalCents: number
  /** When the pieces go back on sale unless the order has been confirmed. */
  readonly expiresAt: number
}

export interface Payment {
  readonly id: number
  readonly reservationId: number
  readonly amountCents: number
  /** `authorised`: the card would be charged; `captured`: it was, with the confirmation of the order. */
  readonly status: 'authorised' | 'captured'
}

export interface OrderLine {
  readonly sku: string
  readonly name: string
  readonly quantity: number
  readonly unitPriceCents: number
}

export interface Tracking {
  readonly carrier: string
  readonly number: string
  readonly url: string
  readonly expectedDay: string
  readonly events: readonly { at: number; place: string; what: string }[]
}

export type OrderStatus = 'confirmed' | 'in transit' | 'delivered' | 'return requested'

export interface Order {
  readonly id: number
  readonly status: OrderStatus
  readonly placedAt: number
  readonly deliveredAt?: number
  readonly lines: readonly OrderLine[]
  readonly totalCents: number
  readonly tracking?: Tracking
  readonly delivery?: Delivery
}

export interface Eligibility {
  readonly orderId: number
  readonly eligible: boolean
  /** One sentence for the customer. */
  readonly reason: string
  readonly refundCents: number
  readonly feeCents: number
}

export interface ReturnPolicy {
  readonly windowDays: number
  /** Share of the price kept once an order has left the warehouse, in percent. */
  readonly feePercent: number
  readonly rules: readonly string[]
}

/** Money that was paid back without a return. */
export interface Refund {
  readonly id: number
  readonly orderId: number
  readonly amountCents: number
}

export interface ReturnCase {
  readonly id: number
  readonly orderId: number
  readonly refundCents: number
}

export interface ReturnLabel {
  readonly returnId: number
  readonly carrier: string
  readonly number: string
  readonly url: string
}

export interface Email {
  readonly id: number
  readonly to: string
  readonly subject: string
  readonly body: string
  readonly at: number
}

export interface StoreDistance {
  readonly id: string
  readonly name: string
  readonly address: string
  readonly hours: string
  readonly lat: number
  readonly lon: number
  /** Along a great circle, one decimal. */
  readonly distanceKm: number
}

export const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const
export type Weekday = (typeof WEEKDAYS)[number]

export interface DeliverySlots {
  readonly weekday: Weekday
  readonly day: string
  /** Free windows such as `09:00–12:00`; empty when nobody drives that day. */
  readonly windows: readonly string[]
}

export interface Delivery {
  readonly orderId: number
  readonly weekday: Weekday
  readonly day: string
  readonly window: string
  /** The day it replaces, when the delivery was booked before. */
  readonly previousDay?: string
}
