/** One line of the list of conversations, from what is known of the session here. */
import { hasEnded, textOf, type Message, type SessionView } from 'polylogue'
import { approvalOf } from '../cards/approval.ts'

export interface Summary {
  readonly id: string
  /** Beginning of the first thing that was said. */
  readonly title: string
  /** The last thing that was said, in one line. */
  readonly snippet: string
  /** Who said it: `You`, a name, or nobody. */
  readonly by: string
  /** Epoch milliseconds of it; 0 where nothing was said. */
  readonly at: number
  /** Messages of others that were not seen on this device. */
  readonly unread: number
  /** `running`: an agent is at it; `human`: a person answers; `waiting`: for a person, or for an answer of mine. */
  readonly state: 'running' | 'waiting' | 'human' | null
  /** Messages of mine that are on this device only. */
  readonly unsent: number
  /** Text in the composer that was not sent. */
  readonly draft: string
  /** All of it is known to be at the server. */
  readonly confirmed: boolean
}

export interface Reading {
  readonly id: string
  /** Id of the participant who reads. */
  readonly me: string
  /** Id of the last message that was seen; null: none. */
  readonly seen: string | null
  readonly draft: string
  readonly confirmed: boolean
}

const MAX_CHARS = 120

export function summaryOf({ messages, runs, participants, holder }: SessionView, reading: Reading): Summary {
  const { id, me, seen, draft, confirmed } = reading
  const said = messages.filter((message) => lineOf(message) !== '')
  const last = said.at(-1)
  const by = last?.metadata.by ?? ''
  const open = new Map(runs.filter(({ status }) => !hasEnded(status)).map((run) => [run.id, run]))
  const asks = messages.some(
    ({ parts, metadata }) => open.has(metadata.run ?? '') && parts.some((part) => approvalOf(part)?.state === 'requested'),
  )
  return {
    id,
    title: said[0] === undefined ? '' : lineOf(said[0]),
    snippet: last === undefined ? '' : lineOf(last),
    by: by === me ? 'You' : (participants.get(by)?.name ?? ''),
    at: last?.metadata.at ?? 0,
    unread: unreadIn(messages, me, seen),
    state: asks || holder.state === 'waiting' ? 'waiting' : holder.state === 'human' ? 'human' : open.size > 0 ? 'running' : null,
    unsent: messages.filter(({ metadata }) => metadata.by === me && metadata.seq === undefined).length,
    draft: draft.trim(),
    confirmed,
  }
}

/**
 * Messages of others behind the last one that was seen. What I wrote myself I have seen, and all before it. A reply counts
 * once there is something to read.
 */
export function unreadIn(messages: readonly Message[], me: string, seen: string | null): number {
  const from = messages.findLastIndex(({ id, metadata }) => id === seen || metadata.by === me)
  return messages.slice(from + 1).filter((message) => message.metadata.by !== me && lineOf(message) !== '').length
}

/** Latest first; those where nothing was said last. */
export function byTime(a: Summary, b: Summary): number {
  return b.at - a.at || (a.id < b.id ? -1 : 1)
}

/** A message in one line; empty while there is nothing to read. */
function lineOf(message: Message): string {
  // What was said before and after a call are two pieces, with nothing between them.
  const text = message.parts
    .map((part) => textOf({ parts: [part] }))
    .join(' ')
    .slice(0, 4 * MAX_CHARS)
    .replaceAll(/[*_`#>|]+|\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/\s+/g, ' ')
    .trim()
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text
}
