/** Tools of the returns agent, in the order of a return; each reports the step that D8 names. */
import { tool, type ToolSet } from 'ai'
import { z } from 'zod'
import { ShopError, type Shop } from './database.ts'
import { formatPrice } from './format.ts'
import { getOrder, sendEmail } from './orders.ts'
import { checkEligibility, createLabel, getReturn, getReturnPolicy, orderToReturn, processReturn } from './returns.ts'
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
      description: 'Opens the return of an eligible order and promises its refund.',
      inputSchema: z.object({ orderId }),
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'process return',
          abortSignal,
          () => processReturn(shop, customer, input.orderId, `${context.key}:return:${input.orderId}`),
          (it) => `return ${it.id}, ${formatPrice(it.refundCents)}`,
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
