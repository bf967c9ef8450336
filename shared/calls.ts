/**
 * Calls that wait for somebody outside the agent's process: tools that run in a person's browser, and approvals. The agent
 * says at the part that it waits (`waits`); what the server decides stands beside it (`due`, `claim`, `verdict`, `answer`).
 */
import type * as Y from 'yjs'
import { asRecord, KEY, recordAt } from './layout.ts'
import type { CallState, MessagePart, OtherPart, ToolPart } from './message.ts'

/** What a part waits for, at `waits`; written by the agent. */
export interface Waits {
  /** `client`: for what a tool in the browser gives; `approval`: for a yes or no. */
  readonly for: 'client' | 'approval'
  /** How long, in milliseconds, from when the server sees it. Absent: for as long as the run lasts. */
  readonly expiresInMs?: number
  /** Asked once: a later attempt of the run finds it, and what was answered meanwhile. */
  readonly once?: true
}

export function readWaits(value: unknown): Waits | undefined {
  const waits = asRecord(value)
  const kind = waits?.['for']
  if (kind !== 'client' && kind !== 'approval') return undefined
  const ms = waits?.['expiresInMs']
  return {
    for: kind,
    ...(typeof ms === 'number' && ms >= 0 ? { expiresInMs: ms } : {}),
    ...(waits?.['once'] === true ? { once: true } : {}),
  }
}

/** The server's word on which tab does a client's call, at `claim`. Without `tab`: the one that had it was not heard of in time. */
export interface Claim {
  readonly tab?: string
  readonly by?: string
  /** One higher with each tab that gets it. */
  readonly n: number
  /** How long the tab has it without asking again, in milliseconds. */
  readonly leaseMs: number
}

export function readClaim(value: unknown): Claim | undefined {
  const claim = asRecord(value)
  if (claim === undefined || typeof claim['n'] !== 'number' || typeof claim['leaseMs'] !== 'number') return undefined
  const { n, leaseMs, tab, by } = claim as unknown as Claim
  return { n, leaseMs, ...(typeof tab === 'string' && typeof by === 'string' ? { tab, by } : {}) }
}

/** What came of a call, at `answer`: an output or an error of a client's tool, or a yes or no. What it says is the person's. */
export interface Answer {
  /** Id of the participant; absent when nobody answered in time. */
  readonly by?: string
  /** Epoch milliseconds by the server's clock. */
  readonly at: number
  readonly output?: unknown
  readonly errorText?: string
  readonly approved?: boolean
  readonly reason?: string
  /** The time was up. */
  readonly expired?: boolean
}

export function readAnswer(value: unknown): Answer | undefined {
  const answer = asRecord(value)
  if (answer === undefined || typeof answer['at'] !== 'number') return undefined
  const { output, errorText, approved } = answer
  if (output === undefined && typeof errorText !== 'string' && typeof approved !== 'boolean') return undefined
  return answer as unknown as Answer
}

/** What a person asks the server to take as the answer, at `control["answer:ID"]`; ID is new for each. */
export interface AnswerAsk extends Omit<Answer, 'expired'> {
  readonly by: string
  /** Id of the message that has the part. */
  readonly message: string
  /** Id of the tool call, or of the part. */
  readonly call: string
  /** The number of the claim under which a tab did the call. Absent: it is answered by hand. */
  readonly claim?: number
}

export function readAnswerAsk(value: unknown): AnswerAsk | undefined {
  const ask = asRecord(value)
  if (ask === undefined || typeof ask['by'] !== 'string') return undefined
  if (typeof ask['message'] !== 'string' || typeof ask['call'] !== 'string') return undefined
  return readAnswer(ask) === undefined ? undefined : (ask as unknown as AnswerAsk)
}

/** The id by which a part is answered; undefined for a part that has none. */
export function callIdOf(part: Y.Map<unknown>): string | undefined {
  const head = recordAt(part, KEY.head)
  const id = head?.['toolCallId'] ?? head?.['id']
  return typeof id === 'string' ? id : undefined
}

/** A part of which nothing was decided: nobody but the server says how a call stands. */
export function withoutCall<T extends MessagePart>(part: T): T {
  if (!('call' in part) || !('toolCallId' in part || part.type === 'data-approval')) return part
  const { call: _, ...rest } = part
  return rest as T
}

/** A part as it is shown, with what the server decided about it laid over what the agent wrote. */
export function withAnswer(part: MessagePart, map: Y.Map<unknown>, waits: Waits): MessagePart {
  const answer = readAnswer(map.get(KEY.answer))
  const call = callState(map, waits, answer)
  return 'toolCallId' in part ? answeredTool(part as ToolPart, call, answer) : answeredData(part as OtherPart, call, answer)
}

function callState(map: Y.Map<unknown>, waits: Waits, answer: Answer | undefined): CallState {
  const due = map.get(KEY.due)
  const { by, at, reason } = recordAt(map, KEY.verdict) ?? {}
  const claim = readClaim(map.get(KEY.claim))
  return {
    for: waits.for,
    ...(typeof due === 'number' ? { expiresAt: due } : {}),
    ...(claim === undefined || answer !== undefined ? {} : { claim }),
    ...(typeof by === 'string' && typeof at === 'number'
      ? { refused: { by, at, ...(typeof reason === 'string' ? { reason } : {}) } }
      : {}),
    ...(answer === undefined ? {} : { at: answer.at }),
    ...(typeof answer?.by === 'string' ? { by: answer.by } : {}),
    ...(answer?.expired === true ? { expired: true } : {}),
  }
}

function answeredTool(part: ToolPart, call: CallState, answer: Answer | undefined): ToolPart {
  if (answer === undefined) return { ...part, call }
  if (call.for === 'client') {
    // What the agent wrote itself is the result: it had the answer when it did.
    if (part.output !== undefined) return { ...part, call }
    const { errorText: _, ...rest } = part
    if (answer.output !== undefined) return { ...rest, state: 'output-available', output: answer.output, call }
    return { ...rest, state: 'output-error', errorText: answer.errorText ?? '', call }
  }
  const { approval } = part
  if (approval === undefined || approval.approved !== undefined) return { ...part, call }
  const { approved = false, reason } = answer
  const state = part.state === 'approval-requested' ? 'approval-responded' : part.state
  return { ...part, state, approval: { ...approval, approved, ...(typeof reason === 'string' ? { reason } : {}) }, call }
}

function answeredData(part: OtherPart, call: CallState, answer: Answer | undefined): OtherPart {
  const data = asRecord(part['data'])
  // Only that it was given up is the agent's to say.
  const state = data?.['state'] === 'cancelled' ? 'cancelled' : 'requested'
  if (answer === undefined) return { ...part, data: { ...data, state }, call }
  const { reason } = answer
  const result = answer.expired === true ? 'expired' : answer.approved === true ? 'approved' : 'denied'
  return { ...part, data: { ...data, state: result, ...(typeof reason === 'string' ? { reason } : {}) }, call }
}
