/** What waits for a yes or no, in whichever of its two forms: a part of its own, or a tool call that needs approval. */
import type { CallState, MessagePart, ToolPart } from 'polylogue'
import { toolName } from './card-kinds.ts'
import { titleOf } from './call-state.ts'

type ApprovalState = 'requested' | 'approved' | 'denied' | 'expired' | 'cancelled'

export interface Approval {
  readonly id: string
  readonly title: string
  readonly detail: string
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
    return { id, title, detail: textOr(detail), state: known, reason: textOr(reason), call }
  }
  const { approval, call, input } = part as ToolPart
  if (approval === undefined) return null
  const answered = approval.approved === true ? 'approved' : call?.expired === true ? 'expired' : 'denied'
  return {
    id: approval.id,
    title: titleOf(toolName(part as ToolPart)),
    detail: input === undefined ? '' : JSON.stringify(input),
    state: approval.approved === undefined ? 'requested' : answered,
    reason: textOr(approval.reason),
    call,
  }
}

function textOr(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
