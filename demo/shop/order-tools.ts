/** Tools of the orders agent. Those of a purchase report the steps that D8 names; a mere look-up shows as its own card. */
import { tool, type ToolSet } from 'ai'
import { z } from 'zod'
import { findProduct } from './catalogue.ts'
import { ShopError, type Shop } from './database.ts'
import { bookDelivery, deliverySlots } from './delivery.ts'
import { formatDay, formatPrice } from './format.ts'
import { confirmOrder, getOrder, listOrders, reserveStock, sendEmail, takePayment } from './orders.ts'
import { nearestStores } from './stores.ts'
import { asStep, customerOf, quietly, type ToolContext } from './tool-context.ts'
import { WEEKDAYS, type Order, type StockCheck } from './types.ts'

const orderId = z.number().int().describe('number of the order')
const product = z.string().describe('name or SKU of a product, for instance "XM headphones"')
const quantity = z.number().int().min(1).max(20).default(1)

export function orderTools(shop: Shop, context: ToolContext): ToolSet {
  return { ...lookUpTools(shop, context), ...purchaseTools(shop, context), ...placeTools(shop, context) }
}

function lookUpTools(shop: Shop, context: ToolContext): ToolSet {
  const customer = customerOf(context)
  return {
    getOrder: tool({
      description: "An order of the customer's with its tracking; without a number, the newest.",
      inputSchema: z.object({ orderId: orderId.optional() }),
      execute: (input, { abortSignal }) =>
        quietly(context, abortSignal, () => {
          const order = input.orderId === undefined ? listOrders(shop, customer)[0] : getOrder(shop, customer, input.orderId)
          return { order: order ?? null }
        }),
    }),
    getProduct: tool({
      description: 'A product with price, specifications and stock.',
      inputSchema: z.object({ product }),
      execute: (input, { abortSignal }) => quietly(context, abortSignal, () => findProduct(shop, input.product)),
    }),
    addToCart: tool({
      description: 'Puts a product into the cart that everybody in the session shares.',
      inputSchema: z.object({ product, quantity }),
      execute: async (input, { abortSignal }) => {
        const found = await quietly(context, abortSignal, () => findProduct(shop, input.product))
        if (found.product) await context.addToCart(found.product.sku, input.quantity)
        return { ...found, quantity: found.product ? input.quantity : 0 }
      },
    }),
  }
}

function purchaseTools(shop: Shop, context: ToolContext): ToolSet {
  const customer = customerOf(context)
  return {
    checkStock: tool({
      description: 'Tells whether so many pieces of a product can be had, and their price. The first step of a purchase.',
      inputSchema: z.object({ product, quantity }),
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'check stock',
          abortSignal,
          () => stockOf(shop, input.product, input.quantity),
          (stock) => (stock.product ? `${stock.available} available` : 'not found'),
        ),
    }),
    reserveStock: tool({
      description: 'Holds the pieces for ten minutes.',
      inputSchema: z.object({ sku: z.string(), quantity }),
      execute: ({ sku, quantity: pieces }, { abortSignal }) =>
        asStep(
          context,
          'reserve',
          abortSignal,
          () => reserveStock(shop, customer, sku, pieces, `${context.key}:reserve:${sku}:${pieces}`),
          (it) => `${it.quantity} × ${it.sku}`,
        ),
    }),
    takePayment: tool({
      description: "Authorises the customer's card. It is charged when the order is confirmed.",
      inputSchema: z.object({ reservationId: z.number().int() }),
      execute: ({ reservationId }, { abortSignal }) =>
        asStep(
          context,
          'payment',
          abortSignal,
          () => takePayment(shop, customer, reservationId, `${context.key}:payment:${reservationId}`),
          (payment) => formatPrice(payment.amountCents),
        ),
    }),
    confirmOrder: tool({
      description: 'Charges the card and places the order.',
      inputSchema: z.object({ paymentId: z.number().int() }),
      execute: ({ paymentId }, { abortSignal }) =>
        asStep(
          context,
          'confirmation',
          abortSignal,
          () => ({ order: confirmOrder(shop, customer, paymentId, `${context.key}:confirm:${paymentId}`) }),
          ({ order }) => `order ${order.id}`,
        ),
    }),
    sendEmail: tool({
      description: 'Sends the customer an e-mail about an order: its confirmation, or the booked delivery.',
      inputSchema: z.object({ orderId, about: z.enum(['order', 'delivery']) }),
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'email',
          abortSignal,
          () => {
            const order = getOrder(shop, customer, input.orderId)
            if (!order) throw new ShopError('not-found', `There is no order ${input.orderId}.`)
            const mail = input.about === 'order' ? orderMail(order) : deliveryMail(order)
            // The body is part of the key: moved to another day, the delivery is worth a second letter.
            return { email: sendEmail(shop, customer, mail, `${context.key}:email:${mail.subject}:${mail.body}`) }
          },
          ({ email }) => `sent to ${email.to}`,
        ),
    }),
  }
}

function stockOf(shop: Shop, name: string, requested: number): StockCheck {
  const found = findProduct(shop, name)
  return {
    product: found.product,
    suggestions: found.suggestions.map((it) => it.name),
    requested,
    available: found.product?.available ?? 0,
    totalCents: requested * (found.product?.priceCents ?? 0),
  }
}

function orderMail(order: Order): { subject: string; body: string } {
  const lines = order.lines.map((line) => `${line.quantity} × ${line.name}`).join(', ')
  return { subject: `Your order ${order.id}`, body: `Thank you for ${lines}: ${formatPrice(order.totalCents)}.` }
}

function deliveryMail(order: Order): { subject: string; body: string } {
  if (!order.delivery) throw new ShopError('not-found', `No delivery is booked for order ${order.id}.`)
  return {
    subject: `Delivery of order ${order.id}`,
    body: `We come on ${formatDay(order.delivery.day)}, ${order.delivery.window}.`,
  }
}

function placeTools(shop: Shop, context: ToolContext): ToolSet {
  const customer = customerOf(context)
  const { getLocation } = context
  return {
    ...(getLocation && { getLocation: locationTool(getLocation) }),
    nearestStores: tool({
      description: 'The stores next to a point.',
      inputSchema: z.object({ lat: z.number().min(-90).max(90), lon: z.number().min(-180).max(180) }),
      execute: ({ lat, lon }, { abortSignal }) =>
        quietly(context, abortSignal, () => ({ stores: nearestStores(shop, lat, lon) })),
    }),
    findDeliverySlots: tool({
      description: 'The free delivery windows of the next such weekday. The first step of booking or moving a delivery.',
      inputSchema: z.object({ weekday: z.enum(WEEKDAYS), orderId: orderId.optional() }),
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'finding a slot',
          abortSignal,
          () => ({ ...deliverySlots(shop, input.weekday), orderId: input.orderId ?? orderToDeliver(shop, customer) }),
          (slots) => `${formatDay(slots.day)}: ${slots.windows.length} free`,
        ),
    }),
    bookDelivery: tool({
      description: 'Books the delivery of an order, or moves it to another day.',
      inputSchema: z.object({ orderId, day: z.iso.date(), window: z.string().describe('from findDeliverySlots') }),
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'booking the delivery',
          abortSignal,
          () => bookDelivery(shop, customer, input.orderId, input.day, input.window),
          (delivery) => formatDay(delivery.day),
        ),
    }),
  }
}

function locationTool(getLocation: NonNullable<ToolContext['getLocation']>): ToolSet[string] {
  const what = {
    description: "Asks the customer's browser where they are. They may decline.",
    inputSchema: z.object({}),
    outputSchema: z.object({ lat: z.number(), lon: z.number() }),
  }
  if (getLocation === 'client') return tool(what)
  return tool({ ...what, execute: (_input, { abortSignal }) => getLocation(abortSignal) })
}

/** The newest order that has not arrived; null when there is none. */
function orderToDeliver(shop: Shop, customer: string): number | null {
  const open = listOrders(shop, customer).find((order) => order.status === 'confirmed' || order.status === 'in transit')
  return open?.id ?? null
}
