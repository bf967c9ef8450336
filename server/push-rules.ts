/**
 * What people are told by push, and whom: decisions only, no clock, no store, no network.
 */
import type { Holder } from '../shared/control.ts'
import type { NoticeKind, NoticePayload } from '../shared/notice.ts'
import type { Participant, ParticipantKind } from '../shared/participant.ts'
import type { RunStatus } from '../shared/run.ts'
import type { Notice, Subscriber } from './store.ts'

/** A run that has changed its status, or what it waits for. */
export interface RunFacts {
  /** Id of the run; of one that another run asked for, that of the first: what is told is told of that one. */
  readonly id: string
  readonly isChild: boolean
  readonly status: RunStatus
  /** It waits for somebody's yes. */
  readonly asksApproval: boolean
  /** Id of the participant who wrote the first run's input. */
  readonly asker: string | undefined
  /** Id of its reply, or of its input while there is none. */
  readonly message: string
}

/** What becomes of what people are to be told: `keep` takes the place of what was to be told of the same id. */
export type Decision =
  | { readonly keep: Pick<Notice, 'id' | 'kind' | 'to' | 'message' | 'run'> }
  | { readonly drop: string; readonly only?: NoticeKind }

/**
 * The end of a run is told to whoever asked for it, unless it was cancelled; that it waits for a yes, to all who may give it. What
 * goes on needs nobody any more. Runs that other runs asked for are their askers' affair, but for what they need a yes for.
 */
export function decideOnRun({ id, isChild, status, asksApproval, asker, message }: RunFacts): Decision | null {
  if (asksApproval) return { keep: { id, kind: 'approval', to: null, message, run: id } }
  switch (status) {
    case 'complete':
    case 'error':
    case 'interrupted':
      if (isChild) return { drop: id, only: 'approval' }
      if (asker === undefined) return { drop: id }
      return { keep: { id, kind: status === 'complete' ? 'done' : 'failed', to: asker, message, run: id } }
    case 'cancelled':
      return isChild ? { drop: id, only: 'approval' } : { drop: id }
    case 'active':
    case 'suspended':
      return { drop: id, only: 'approval' }
    case 'pending':
      return null
    default:
      return status satisfies never
  }
}

/** Id of what is told of people's messages: one for the session, however many they write meanwhile. */
const PERSON = 'person'

/** What support writes is told to the customers; what a customer writes, to the supporter who holds the session. */
export function decideOnMessage(from: Participant, message: string, hasText: boolean, holder: Holder): Decision | null {
  if (!hasText) return null
  const notice = { id: PERSON, kind: 'person' as const, message, run: null }
  if (from.kind === 'support') return { keep: { ...notice, to: null } }
  if (from.kind === 'user' && holder.state === 'human') return { keep: { ...notice, to: holder.by } }
  return null
}

const CONCERNED: Readonly<Record<NoticeKind, readonly ParticipantKind[]>> = {
  done: ['user', 'support'],
  failed: ['user', 'support'],
  approval: ['user', 'support'],
  person: ['user'],
}

/**
 * Who of a session's subscribers is told: whom it concerns, and who has had no window in sight since it came to be.
 *
 * @param lastSeenAt when a participant last had a window in sight, in epoch milliseconds; `Infinity` while there is one.
 */
export function recipients(
  notice: Notice,
  subscribers: readonly Subscriber[],
  lastSeenAt: (participant: string) => number,
): Subscriber[] {
  return subscribers.filter(({ participant, kind, endpoint }) => {
    if (notice.to === null ? !CONCERNED[notice.kind].includes(kind) : notice.to !== participant) return false
    if (notice.again !== undefined && !notice.again.endpoints.includes(endpoint)) return false
    return lastSeenAt(participant) < notice.at
  })
}

/** What became of one try to push. */
export type Outcome =
  | { readonly kind: 'sent' }
  /** The browser has given the subscription up. */
  | { readonly kind: 'gone' }
  /** Another try may succeed; not before `afterMs`, where the push service says so. */
  | { readonly kind: 'later'; readonly why: string; readonly afterMs: number | null }
  /** Another try would fail as well. */
  | { readonly kind: 'refused'; readonly why: string }

/** Reads the answer of a push service (RFC 8030). */
export function readAnswer(status: number, retryAfter: string | undefined, nowMs: number): Outcome {
  if (status >= 200 && status < 300) return { kind: 'sent' }
  if (status === 404 || status === 410) return { kind: 'gone' }
  const why = `It answered ${status}.`
  if (status === 429 || status >= 500) return { kind: 'later', why, afterMs: readRetryAfter(retryAfter, nowMs) }
  return { kind: 'refused', why }
}

/** Seconds or a date, in milliseconds from now; null for anything else. */
function readRetryAfter(value: string | undefined, nowMs: number): number | null {
  if (value === undefined) return null
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000
  const at = Date.parse(value)
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs)
}

/** First pause before another try; it doubles. */
const RETRY_FIRST_MS = 1_000
const RETRY_LONGEST_MS = 600_000
/** With these pauses that is half an hour; a browser that cannot be told for so long costs nothing more. */
const MAX_TRIES = 12

/** An endpoint that is to be tried again; not before `afterMs`, where its push service says so. */
export interface Again {
  readonly endpoint: string
  readonly afterMs: number | null
}

/**
 * The notice for another try; null when it would come too late. Each endpoint waits for its own push service: what one of them says
 * puts off nobody else. One that has to wait until it is of no use is left out.
 */
export function retryNotice(notice: Notice, endpoints: readonly Again[], nowMs: number): Notice | null {
  const tries = (notice.again?.tries ?? 0) + 1
  const pauseMs = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** (tries - 1))
  const due = endpoints
    .map(({ endpoint, afterMs }) => ({ endpoint, at: nowMs + Math.max(afterMs ?? 0, pauseMs) }))
    .filter(({ at }) => at < notice.until)
  if (tries > MAX_TRIES || due.length === 0) return null
  const dueAt = Math.min(...due.map(({ at }) => at))
  const later = due.filter(({ at }) => at > dueAt)
  return {
    ...notice,
    dueAt,
    again: {
      endpoints: due.map(({ endpoint }) => endpoint),
      tries,
      ...(later.length === 0 ? {} : { notBefore: Object.fromEntries(later.map(({ endpoint, at }) => [endpoint, at])) }),
    },
  }
}

/** What a push brings to somebody of a kind. */
export function payloadOf(notice: Notice, as: ParticipantKind, title: string): NoticePayload {
  const { kind, session, message, run, id, text, at } = notice
  return {
    v: 1,
    kind,
    as,
    session,
    message,
    ...(run === null ? {} : { run }),
    tag: run ?? `${session}.${id}`,
    title,
    ...(text === undefined ? {} : { text }),
    at,
  }
}
