/** What waits for a yes or no, in whichever of its two forms: a part of its own, or a tool call that needs approval. */
import type { CallState, MessagePart, ToolPart } from 'polylogue'
import { toolName } from './card-kinds.ts'
import { titleOf } from './call-state.ts'
import { ASKED, type AskedInput, type AskedTool } from '../../shop/asked.ts'
import { formatPrice } from '../../shop/format.ts'

type ApprovalState = 'requested' | 'approved' | 'denied' | 'expired' | 'cancelled'

export interface Approval {
  readonly id: string
  readonly title: string
  readonly detail: string
  /** What it is to be done with, each with what it means. */
  readonly inputs: readonly { readonly name: string; readonly what: string; readonly value: string }[]
  /** A yes may count for the whole conversation. */
  readonly forSession: boolean
  readonly state: ApprovalState
  /** Why, as whoever answered said. */
  readonly reason: string
  readonly call: CallState | undefined
}

const STATES: readonly unknown[] = ['requested', 'approved', 'denied', 'expired', 'cancelled'] satisfies ApprovalState[]

/** Null for a part that waits for nobody's word. */
export function approvalOf(part: MessagePart): Approval | null {
  if (part.type === 'data-approval') {
    const { id, data, call } = part as unknown as { id?: unknown; data?: Record<string, unknown>; call?: CallState }
    const { title, detail, state, reason } = data ?? {}
    if (typeof id !== 'string' || typeof title !== 'string') return null
    const known = STATES.includes(state) ? (state as ApprovalState) : 'requested'
    return { id, title, detail: textOr(detail), inputs: [], forSession: false, state: known, reason: textOr(reason), call }
  }
  const { approval, call, input } = part as ToolPart
  if (approval === undefined) return null
  const answered = approval.approved === true ? 'approved' : call?.expired === true ? 'expired' : 'denied'
  const name = toolName(part as ToolPart)
  const words = (ASKED as Readonly<Record<string, AskedTool | undefined>>)[name]
  return {
    id: approval.id,
    title: words?.title ?? titleOf(name),
    detail: words?.description ?? '',
    inputs: inputsOf(input, words?.inputs ?? []),
    forSession: words?.forSession === true,
    state: approval.approved === undefined ? 'requested' : answered,
    reason: textOr(approval.reason),
    call,
  }
}

/** Of a tool that is not known here, inputs go by their names. */
function inputsOf(input: unknown, known: readonly AskedInput[]): Approval['inputs'] {
  if (typeof input !== 'object' || input === null) return []
  return Object.entries(input).map(([key, value]) => {
    const words = known.find(({ name }) => name === key)
    const isMoney = words?.as === 'cents' && typeof value === 'number'
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return {
      name: titleOf(key).replace(/ (?:cents|id)$/, ''),
      what: words?.what ?? '',
      value: isMoney ? formatPrice(value) : text,
    }
  })
}

function textOr(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
