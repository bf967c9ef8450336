/** Tools of the returns agent, in the order of a return; each reports the step that D8 names. */
import { tool, type ToolSet } from 'ai'
import { z } from 'zod'
import { ShopError, type Shop } from './database.ts'
import { formatPrice } from './format.ts'
import { getOrder, sendEmail } from './orders.ts'
import { ASKED, REFUND_ASKS_ABOVE_CENTS, RETURN_ASKS_ABOVE_CENTS, whatIs } from './asked.ts'
import { checkEligibility, createLabel, getReturn, getReturnPolicy, orderToReturn, payBack, processReturn } from './returns.ts'
import { asStep, customerOf, type ToolContext } from './tool-context.ts'

const orderId = z.number().int().describe('number of the order')
const returnId = z.number().int().describe('number of the return, from processReturn')

export function returnTools(shop: Shop, context: ToolContext): ToolSet {
  const customer = customerOf(context)
  return {
    lookUpOrder: tool({
      description: "Finds the customer's order; without a number, the one that they most likely want to return.",
      inputSchema: z.object({ orderId: orderId.optional() }),
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'look up',
          abortSignal,
          () => ({
            order: input.orderId === undefined ? orderToReturn(shop, customer) : getOrder(shop, customer, input.orderId),
          }),
          ({ order }) => (order ? `order ${order.id}` : 'not found'),
        ),
    }),
    checkEligibility: tool({
      description: 'Tells whether an order can be returned, and for how much.',
      inputSchema: z.object({ orderId }),
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'eligibility',
          abortSignal,
          () => checkEligibility(shop, customer, input.orderId),
          (it) => (it.eligible ? 'eligible' : 'not eligible'),
        ),
    }),
    getReturnPolicy: tool({
      description: 'The rules for returns.',
      inputSchema: z.object({}),
      execute: (_input, { abortSignal }) =>
        asStep(context, 'policy', abortSignal, getReturnPolicy, (policy) => `${policy.windowDays} days`),
    }),
    processReturn: tool({
      description: ASKED.processReturn.description,
      inputSchema: z.object({ orderId }),
      needsApproval: (input) => refundOf(shop, customer, input.orderId) > RETURN_ASKS_ABOVE_CENTS,
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'process return',
          abortSignal,
          () => processReturn(shop, customer, input.orderId, `${context.key}:return:${input.orderId}`),
          (it) => `return ${it.id}, ${formatPrice(it.refundCents)}`,
        ),
    }),
    refund: tool({
      description: ASKED.refund.description,
      inputSchema: z.object({
        orderId,
        amountCents: z.number().int().positive().describe(whatIs('refund', 'amountCents')),
        reason: z.string().describe(whatIs('refund', 'reason')),
      }),
      needsApproval: ({ amountCents }) => amountCents > REFUND_ASKS_ABOVE_CENTS && amountCents > approvedCents(context),
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'refund',
          abortSignal,
          () => {
            const { orderId: order, amountCents, reason } = input
            return payBack(shop, customer, order, amountCents, reason, `${context.key}:refund:${order}:${amountCents}`)
          },
          (it) => formatPrice(it.amountCents),
        ),
    }),
    createLabel: tool({
      description: 'Makes the prepaid label for sending a return back.',
      inputSchema: z.object({ returnId }),
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'prepaid label',
          abortSignal,
          () => createLabel(shop, customer, input.returnId, `${context.key}:label:${input.returnId}`),
          (label) => label.number,
        ),
    }),
    confirmReturn: tool({
      description: 'Sends the customer the confirmation of a return.',
      inputSchema: z.object({ returnId }),
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'confirmation',
          abortSignal,
          () => {
            const found = getReturn(shop, customer, input.returnId)
            if (!found) throw new ShopError('not-found', `There is no return ${input.returnId}.`)
            const subject = `Return of order ${found.orderId}`
            const body = `We refund ${formatPrice(found.refundCents)} as soon as the parcel is scanned.`
            return { email: sendEmail(shop, customer, { subject, body }, `${context.key}:return-email:${found.id}`) }
          },
          ({ email }) => `sent to ${email.to}`,
        ),
    }),
  }
}

/** What an order would bring back; 0 for one that cannot be returned, which the tool itself then says. */
function refundOf(shop: Shop, customer: string, order: number): number {
  return getOrder(shop, customer, order) === null ? 0 : checkEligibility(shop, customer, order).refundCents
}

/** Up to how much people have said yes for the whole conversation. */
function approvedCents({ approved }: ToolContext): number {
  const amounts = approved?.('refund').map((input) => (input as { amountCents?: unknown } | null)?.amountCents) ?? []
  return Math.max(0, ...amounts.filter((amount) => typeof amount === 'number'))
}
