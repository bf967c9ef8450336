/** What the returns agent does. */
import { formatPrice } from '../shop/format.ts'
import { partFor } from '../shop/routing.ts'
import type { Eligibility, Order, Refund, ReturnCase, ReturnLabel, ReturnPolicy } from '../shop/types.ts'
import { askHuman, chat } from './common-scripts.ts'
import { ToolFailed, use, type Call } from './script.ts'
import type { Turn } from './turn.ts'
import { amountIn, orderIn, wantsHuman } from './words.ts'

type Steps = Generator<Call, string, unknown>

export function* returnScript(turn: Turn): Steps {
  if (wantsHuman(turn.text)) return yield* askHuman(turn)
  const text = partFor('returns', turn.text)
  if (/\b(?:policy|rules?|conditions?|how long)\b/i.test(text)) return yield* explain()
  const amount = amountIn(text)
  if (amount !== null && /\b(?:refund|money|pay|give)\b/i.test(text)) return yield* payBack(amount, orderIn(text))
  if (/\b(?:cancel|return|send|give|refund|money)\b/i.test(text)) return yield* takeBack(orderIn(text))
  return chat('returns', turn)
}

function* explain(): Steps {
  const policy = yield* use<ReturnPolicy>('getReturnPolicy', {})
  return ['This is our **return policy**:', '', ...policy.rules.map((rule) => `- ${rule}`)].join('\n')
}

function* takeBack(asked: number | null): Steps {
  const { order } = yield* use<{ order: Order | null }>(
    'lookUpOrder',
    asked === null ? {} : { orderId: asked },
    'I will take care of your return.',
  )
  if (!order) return asked === null ? 'You have no orders yet.' : `I could not find order **${asked}** on your account.`
  const orderId = order.id
  const eligibility = yield* use<Eligibility>('checkEligibility', { orderId })
  if (!eligibility.eligible) return `I am sorry, this cannot be returned. ${eligibility.reason}`
  const policy = yield* use<ReturnPolicy>('getReturnPolicy', {})
  let made: ReturnCase
  try {
    made = yield* use<ReturnCase>('processReturn', { orderId })
  } catch (error) {
    if (!(error instanceof ToolFailed)) throw error
    return `Order **${orderId}** stays as it is, nothing was cancelled: ${error.message}`
  }
  const label = yield* use<ReturnLabel>('createLabel', { returnId: made.id })
  yield* use('confirmReturn', { returnId: made.id })
  const fee = eligibility.feeCents > 0 ? ` (${policy.feePercent} % is kept for handling, since the parcel has left us)` : ''
  return [
    `Order **${orderId}** is cancelled, and return **${made.id}** is open.`,
    '',
    ...order.lines.map((line) => `- ${line.quantity} × ${line.name}`),
    `- Refund: **${formatPrice(made.refundCents)}**${fee}`,
    `- Your [prepaid label](${label.url}), number \`${label.number}\``,
    '',
    'The money is on its way as soon as the parcel is scanned. The confirmation is in your mailbox.',
  ].join('\n')
}

/** Money back, and the things stay. */
function* payBack(amountCents: number, asked: number | null): Steps {
  const { order } = yield* use<{ order: Order | null }>('lookUpOrder', asked === null ? {} : { orderId: asked })
  if (!order) return asked === null ? 'You have no orders yet.' : `I could not find order **${asked}** on your account.`
  try {
    const input = { orderId: order.id, amountCents, reason: 'the customer asked for it' }
    const made = yield* use<Refund>(
      'refund',
      input,
      `I will see about **${formatPrice(amountCents)}** for order **${order.id}**.`,
    )
    return `**${formatPrice(made.amountCents)}** of order **${made.orderId}** are on their way back to your card.`
  } catch (error) {
    if (!(error instanceof ToolFailed)) throw error
    return `I have **not** paid anything back: ${error.message} Is there something else that I can do?`
  }
}
