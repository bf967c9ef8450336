/**
 * What a session is doing, in the words of the AI SDK's chats: `submitted`, `streaming`, `ready` or `error`. A chat has one
 * status and a session any number of runs, so the busiest one counts.
 */
import type { Run } from '../shared/entries.ts'
import { CLOSE_REASONS } from '../shared/errors.ts'
import { asRecord } from '../shared/layout.ts'
import type { Message, MessagePart } from '../shared/message.ts'
import { hasEnded } from '../shared/run.ts'
import type { Session } from './session.ts'

export interface Activity {
  readonly status: 'submitted' | 'streaming' | 'ready' | 'error'
  /** What failed, while nothing goes on: a run of the last input, or the connection. */
  readonly failure?: { readonly id: string; readonly text: string }
}

/** `streaming` while a reply grows, `submitted` while one is on its way, `ready` also while a run waits for somebody's answer. */
export function activityOf(session: Session): Activity {
  // What goes on in another branch is not this chat's.
  const going = session.view.runs.filter(
    (run) => !hasEnded(run.status) && session.isShown(run.id) && !waitsForPerson(session, run),
  )
  if (going.some((run) => run.status !== 'pending' && (replyOf(session, run.id)?.parts.length ?? 0) > 0)) {
    return { status: 'streaming' }
  }
  if (going.length > 0 || isSending(session)) return { status: 'submitted' }
  const failure = failureOf(session)
  return failure === undefined ? { status: 'ready' } : { status: 'error', failure }
}

/** The message that a run writes; undefined until it has written something. */
export function replyOf(session: Session, run: string): Message | undefined {
  return session.view.messages.findLast(({ metadata }) => metadata.run === run)
}

/** True while a run cannot go on before somebody has answered an approval or a client's tool. */
export function waitsForPerson(session: Session, run: Run, answered: ReadonlySet<string> = new Set()): boolean {
  return run.status === 'suspended' && replyOf(session, run.id)?.parts.some((part) => isOpen(part, answered)) === true
}

/** True for a part that waits for an answer; those in `answered` have one that is on its way. */
function isOpen(part: MessagePart, answered: ReadonlySet<string>): boolean {
  const { state, toolCallId, id, approval, call, data } = part as Readonly<Record<string, unknown>>
  if ([toolCallId, id, asRecord(approval)?.['id']].some((each) => typeof each === 'string' && answered.has(each))) return false
  if (part.type === 'data-approval') return asRecord(data)?.['state'] === 'requested'
  return state === 'approval-requested' || (state === 'input-available' && asRecord(call)?.['for'] === 'client')
}

/** A message of this client that asks for a run is on its way; without a connection it waits, and more may be written. */
function isSending({ status, me, view }: Session): boolean {
  if (status.connection !== 'live') return false
  return view.messages.some(
    ({ role, metadata: { by, seq, to } }) => role === 'user' && by === me?.id && seq === undefined && to?.length !== 0,
  )
}

function failureOf(session: Session): Activity['failure'] {
  const { status, view } = session
  if (status.connection === 'refused') {
    const { says } = CLOSE_REASONS[status.reason ?? 'unavailable']
    return { id: `refused:${status.reason}`, text: `The server refused the connection: ${says}.` }
  }
  const isShown = (run: Run): boolean => run.parent === undefined && session.isShown(run.id)
  const last = view.runs.findLast(isShown)
  const failed = view.runs.findLast(
    (run) => isShown(run) && run.input === last?.input && (run.status === 'error' || run.status === 'interrupted'),
  )
  return failed === undefined ? undefined : { id: failed.id, text: failureText(failed) }
}

export function failureText(run: Run): string {
  if (run.status === 'interrupted') return `The run was interrupted: ${run.agent} was lost.`
  return run.error?.message ?? `The run of ${run.agent} failed.`
}
