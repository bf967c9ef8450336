/** What the returns agent does. */
import { formatPrice } from '../shop/format.ts'
import { partFor } from '../shop/routing.ts'
import type { Eligibility, Order, ReturnCase, ReturnLabel, ReturnPolicy } from '../shop/types.ts'
import { askHuman, chat } from './common-scripts.ts'
import { use, type Call } from './script.ts'
import type { Turn } from './turn.ts'
import { orderIn, wantsHuman } from './words.ts'

type Steps = Generator<Call, string, unknown>

export function* returnScript(turn: Turn): Steps {
  if (wantsHuman(turn.text)) return yield* askHuman(turn)
  const text = partFor('returns', turn.text)
  if (/\b(?:policy|rules?|conditions?|how long)\b/i.test(text)) return yield* explain()
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
  const made = yield* use<ReturnCase>('processReturn', { orderId })
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
