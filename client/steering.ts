/**
 * What a run's agent is to know: what was said before, and what steers it. As the AI SDK's models take it, declared
 * structurally, so that the core needs no `ai`.
 */
import type * as Y from 'yjs'
import { runIdOf } from '../shared/ids.ts'
import { arrayAt, asRecord, KEY } from '../shared/layout.ts'
import { textOf, type Message } from '../shared/message.ts'
import type { Session } from './session.ts'

/** Ids of the messages that have steered a run, by whichever worker had it, in the order in which they were taken. */
export function steeredIn(run: Y.Map<unknown>): string[] {
  const taken = arrayAt(run, KEY.steered)?.toArray() ?? []
  return taken.map((entry) => asRecord(entry)?.['message']).filter((id) => typeof id === 'string')
}

/** Says of a message whether it was said before an agent turns to an input. */
export function saidBefore(input: Message, agent: string, session: Pick<Session, 'run'>): (message: Message) => boolean {
  const last = input.metadata.seq ?? Number.POSITIVE_INFINITY
  return ({ id, role, metadata: { verdict, seq = Number.POSITIVE_INFINITY } }) => {
    if (id === input.id) return false
    if (role !== 'user') return true
    if (verdict?.state === 'removed' || verdict?.state === 'asks' || verdict?.state === 'steering') return false
    const run = session.run(runIdOf(id, agent))
    // One whose turn is still to come is not said yet; one that was answered before is, though it was written later.
    if (run !== undefined && run.status === 'pending') return false
    const isAnswered = run !== undefined && run.status !== 'cancelled'
    return isAnswered || verdict?.step !== undefined || seq <= last
  }
}

/** Says of a message whether it belongs to a turn that is not behind that of an input: by what it answers, else by its own place. */
export function turnsUpTo(input: Message, session: Pick<Session, 'message'>): (message: Message) => boolean {
  const seqOf = (message: Message): number => message.metadata.seq ?? Number.POSITIVE_INFINITY
  return (message) => {
    const { kind, parent = '' } = message.metadata
    const asked = kind === 'agent' ? session.message(parent) : undefined
    return seqOf(asked ?? message) <= seqOf(input)
  }
}

/** Those of some messages that are there. */
export function messagesOf(session: Pick<Session, 'message'>, ids: readonly string[]): Message[] {
  return ids.map((id) => session.message(id)).filter((message) => message !== undefined)
}

type Content =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'file'; readonly data: string; readonly mediaType: string }

export interface SteeringModelMessage {
  readonly role: 'user'
  readonly content: string | Content[]
}

/** Text and files; what else a message may hold is for the app. */
export function asUserMessage(message: Message): SteeringModelMessage {
  const files = message.parts.flatMap((part): Content[] => {
    const { url, mediaType } = part as { url?: unknown; mediaType?: unknown }
    const isFile = part.type === 'file' && typeof url === 'string' && typeof mediaType === 'string'
    return isFile ? [{ type: 'file', data: url, mediaType }] : []
  })
  const text = textOf(message)
  return {
    role: 'user',
    content: files.length === 0 ? text : [...(text === '' ? [] : [{ type: 'text' as const, text }]), ...files],
  }
}
