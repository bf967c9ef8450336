/** What people are told of a session while they do not look at it: by the server, to their browsers' service workers. */
import type { ParticipantKind } from './participant.ts'

/**
 * `done`: a run is complete; `failed`: it ended in an error, or was interrupted; `approval`: it waits for a yes; `person`: a
 * person has written, support to a customer or a customer to whoever holds the session.
 */
export type NoticeKind = 'done' | 'failed' | 'approval' | 'person'

/** The JSON that a push brings. */
export interface NoticePayload {
  readonly v: 1
  readonly kind: NoticeKind
  /** As what the one who is told takes part. */
  readonly as: ParticipantKind
  readonly session: string
  /** Id of the message that it is about: what a tap leads to. */
  readonly message: string
  /** Absent where a person has written. */
  readonly run?: string
  /** The same for all that replaces one another: one notification per run is shown. */
  readonly tag: string
  readonly title: string
  /** Beginning of the message; only where the server was told to send it. */
  readonly text?: string
  /** Epoch milliseconds of what it tells of. */
  readonly at: number
}

/** Path of a session's subscriptions, on the server's own origin. */
export function pushPath(session: string): string {
  return `/push/${encodeURIComponent(session)}`
}
