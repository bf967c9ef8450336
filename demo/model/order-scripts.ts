/** What the orders agent does. */
import { formatDay, formatPrice } from '../shop/format.ts'
import { partFor } from '../shop/routing.ts'
import type {
  Delivery,
  DeliverySlots,
  Order,
  Payment,
  Product,
  ProductLookup,
  Reservation,
  StockCheck,
  StoreDistance,
} from '../shop/types.ts'
import { askHuman, chat, longAnswer } from './common-scripts.ts'
import { ToolFailed, use, type Call } from './script.ts'
import type { Turn } from './turn.ts'
import { orderIn, shorten, wantsHuman, weekdayIn, wishAfter } from './words.ts'

type Steps = Generator<Call, string, unknown>

const BUY = /\b(?:buy|purchase|order(?= (?:me|the|a|an|one|two|three|\d{1,2})\b))\b/i
const ADD = /\b(?:add|put)\b/i
const SHOW = /\b(?:show me|tell me about|do you have|how much (?:is|are|do|does))\b/i
const EVERYTHING = /\btell me everything about\b\s*/i
const TRACK = /\b(?:where|track|status|when)\b.*\b(?:order|package|parcel)\b/i
const STORE = /\b(?:stores?|shops?)\b/i
const NEAR = /\b(?:near(?:est|by)?|closest|where)\b/i

export function* orderScript(turn: Turn): Steps {
  if (wantsHuman(turn.text)) return yield* askHuman(turn)
  const text = partFor('orders', turn.text)
  if (EVERYTHING.test(text)) return longAnswer(shorten(text.split(EVERYTHING)[1] ?? '', 60) || 'headphones')
  if (/\b(?:cart|basket)\b/i.test(text) && ADD.test(text)) return yield* fillCart(text)
  if (BUY.test(text)) return yield* buy(text)
  if (/\bdeliver/i.test(text)) return yield* deliver(weekdayIn(text), turn)
  if (weekdayIn(text) && [...turn.earlier, turn.offer].some((it) => /\bdeliver/i.test(it)))
    return yield* deliver(weekdayIn(text), turn)
  if (STORE.test(text) && NEAR.test(text)) return yield* findStore()
  if (TRACK.test(text) || orderIn(text) !== null) return yield* track(text)
  if (SHOW.test(text)) return yield* show(text)
  return chat('orders', turn)
}

function* track(text: string): Steps {
  const orderId = orderIn(text)
  const { order } = yield* use<{ order: Order | null }>('getOrder', orderId === null ? {} : { orderId }, 'Let me look that up.')
  if (!order) return `I could not find order **${orderId ?? ''}** on your account. Is the number right?`
  const lines = order.lines.map((line) => `- ${line.quantity} × **${line.name}**, ${formatPrice(line.unitPriceCents)} each`)
  const delivery = order.delivery && `It comes on **${formatDay(order.delivery.day)}**, ${order.delivery.window}.`
  const { tracking } = order
  if (!tracking) {
    const arrived = order.deliveredAt === undefined ? '' : ` since ${formatDay(order.deliveredAt)}`
    return [`Order **${order.id}** is **${order.status}**${arrived}.`, delivery, '', ...lines]
      .filter((it) => it !== undefined)
      .join('\n')
  }
  const last = tracking.events.at(-1)
  return [
    `Order **${order.id}** is **${order.status}** with ${tracking.carrier}.`,
    delivery ?? `It should arrive on **${formatDay(tracking.expectedDay)}**.`,
    '',
    ...lines,
    ...(last ? [`- Last seen in **${last.place}**: ${last.what}`] : []),
    '',
    `You can [follow the parcel](${tracking.url}) under number \`${tracking.number}\`.`,
  ].join('\n')
}

function* show(text: string): Steps {
  const product = wishAfter(SHOW, text)?.product ?? text
  const found = yield* use<ProductLookup>('getProduct', { product })
  return found.product
    ? describe(found.product)
    : notFound(
        product,
        found.suggestions.map((it) => it.name),
      )
}

function describe(product: Product): string {
  const { name, sku, summary, priceCents, available, specs } = product
  return [
    `**${name}**, **${formatPrice(priceCents)}**. ${summary}`,
    '',
    '| | |',
    '|:--|:--|',
    ...Object.entries(specs).map(([key, value]) => `| ${key} | ${value} |`),
    '',
    `${available > 0 ? `**${available}** in stock.` : 'Sold out for now.'} [Product page](https://shop.example/products/${sku})`,
  ].join('\n')
}

function notFound(product: string, suggestions: readonly string[]): string {
  const others = suggestions.map((name) => `- ${name}`).join('\n')
  return others === ''
    ? `I could not find “${shorten(product, 60)}” in our catalogue.`
    : `I am not sure which one you mean by “${shorten(product, 60)}”. Perhaps one of these?\n\n${others}`
}

function* fillCart(text: string): Steps {
  const wish = wishAfter(ADD, text)
  if (!wish) return 'What shall I put into your cart?'
  const found = yield* use<ProductLookup>('addToCart', { product: wish.product, quantity: wish.quantity })
  if (!found.product)
    return notFound(
      wish.product,
      found.suggestions.map((it) => it.name),
    )
  const { name, priceCents } = found.product
  return `I have put **${wish.quantity} × ${name}** into your cart (${formatPrice(wish.quantity * priceCents)}). You can change it there at any time.`
}

function* buy(text: string): Steps {
  const wish = wishAfter(BUY, text)
  if (!wish) return 'Gladly! Which product would you like to buy?'
  const stock = yield* use<StockCheck>(
    'checkStock',
    { product: wish.product, quantity: wish.quantity },
    `Let me see about **${wish.product}**.`,
  )
  if (!stock.product) return notFound(wish.product, stock.suggestions)
  if (stock.available < wish.quantity) {
    return `I am sorry: only **${stock.available}** of the ${stock.product.name} are left. Nothing was ordered or charged.`
  }
  const { sku, name } = stock.product
  const reservation = yield* use<Reservation>('reserveStock', { sku, quantity: wish.quantity })
  const payment = yield* use<Payment>('takePayment', { reservationId: reservation.id })
  const { order } = yield* use<{ order: Order }>('confirmOrder', { paymentId: payment.id })
  yield* use('sendEmail', { orderId: order.id, about: 'order' })
  return [
    `Done! Order **${order.id}** is confirmed.`,
    '',
    `- **${wish.quantity} × ${name}**`,
    `- Paid: **${formatPrice(order.totalCents)}**`,
    '- The confirmation is in your mailbox.',
    '',
    'Which **day** would you like for the delivery?',
  ].join('\n')
}

function* deliver(asked: Delivery['weekday'] | null, turn: Turn): Steps {
  const changed = turn.steers.map(weekdayIn).findLast((day) => day !== null) ?? null
  const weekday = changed ?? asked
  if (!weekday) return 'Gladly! Which **day of the week** suits you?'
  const before = changed
    ? asked
    : /\bdeliver/i.test(turn.text)
      ? null
      : turn.earlier.map(weekdayIn).findLast((day) => day !== null)
  const slots = yield* use<DeliverySlots & { orderId: number | null }>('findDeliverySlots', { weekday })
  const { orderId, day } = slots
  const [window] = slots.windows
  if (orderId === null) return 'You have no order that is still to be delivered.'
  if (window === undefined) return `We do not deliver on **${formatDay(day)}**. Would another day suit you?`
  const delivery = yield* use<Delivery>('bookDelivery', { orderId, day, window })
  yield* use('sendEmail', { orderId, about: 'delivery' })
  const booked = `order **${orderId}** comes on **${formatDay(delivery.day)}**, ${delivery.window}`
  if (!before || before === weekday) return `Booked: ${booked}. A confirmation is in your mailbox.`
  return `Your change came in time: **${weekday}** instead of ${before}. So ${booked}. A confirmation is in your mailbox.`
}

function* findStore(): Steps {
  let here: { lat: number; lon: number }
  try {
    here = yield* use<{ lat: number; lon: number }>('getLocation', {}, 'May I know where you are?')
  } catch (error) {
    if (!(error instanceof ToolFailed)) throw error
    return 'Without your location I cannot tell which store is the nearest. [All our stores](https://shop.example/stores) are on the map, or ask me again and allow it.'
  }
  const { stores } = yield* use<{ stores: StoreDistance[] }>('nearestStores', { lat: here.lat, lon: here.lon })
  const [nearest] = stores
  if (!nearest) return 'I could not find a store of ours.'
  return [
    `Your nearest store is **${nearest.name}**, ${nearest.distanceKm} km away: ${nearest.address} (${nearest.hours}).`,
    '',
    '| Store | Address | Distance |',
    '|:--|:--|--:|',
    ...stores.map((it) => `| ${it.name} | ${it.address} | ${it.distanceKm} km |`),
  ].join('\n')
}
