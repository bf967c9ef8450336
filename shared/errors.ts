/**
 * Errors that a caller can meet, and the closed set of reasons for which the server refuses.
 */

/** What was misused or failed. */
export type ErrorCode =
  /** An argument is not what the function takes. */
  | 'bad-argument'
  /** Text, object or update above a limit of `limits.ts`. */
  | 'too-big'
  /** The session, run or connection is closed or has ended. */
  | 'closed'
  /** The participant's kind may not do this. */
  | 'forbidden'
  /** No message, run or object of that id. */
  | 'not-found'
  /** The run was cancelled, or its lease went to another worker. */
  | 'cancelled'

/** Misuse of the library; thrown at once, with what was expected and what came. */
export class SessionError extends Error {
  readonly code: ErrorCode
  constructor(code: ErrorCode, message: string) {
    super(message)
    this.name = 'SessionError'
    this.code = code
  }
}

export type CloseReason =
  | 'bad-token'
  | 'bad-session-name'
  | 'forbidden'
  | 'damaged'
  | 'session-full'
  | 'too-big'
  | 'malformed'
  | 'read-only'
  | 'refused-update'
  | 'overloaded'
  | 'too-fast'
  | 'too-many'
  | 'slow-reader'
  | 'unavailable'
  | 'going-away'

/**
 * Why the server refused a connection or closed it. `transient` reasons are retried by the client with back-off; the others
 * end in the status `refused`.
 */
export const CLOSE_REASONS: Readonly<Record<CloseReason, { readonly transient: boolean; readonly says: string }>> = {
  'bad-token': { transient: false, says: 'the token is missing, malformed, expired or signed by somebody else' },
  'bad-session-name': { transient: false, says: 'the session name is not of the allowed form' },
  forbidden: { transient: false, says: 'the token does not name this session' },
  damaged: { transient: false, says: 'the stored session is damaged' },
  'session-full': { transient: false, says: 'the session has reached its size limit' },
  'too-big': { transient: false, says: 'an update is larger than allowed' },
  malformed: { transient: false, says: 'a frame could not be decoded' },
  'read-only': { transient: false, says: 'this participant may not write' },
  'refused-update': { transient: false, says: 'an update writes what this participant may not write' },
  overloaded: { transient: true, says: 'the server has more unstored writes than it may hold' },
  'too-fast': { transient: true, says: 'more was sent than is allowed at a time' },
  'too-many': { transient: true, says: 'this participant or this socket has too many connections' },
  'slow-reader': { transient: true, says: 'the connection did not read what was sent to it' },
  unavailable: { transient: true, says: 'the session cannot be loaded at the moment' },
  'going-away': { transient: true, says: 'the server is shutting down' },
}

/** Reads a reason as it came over the wire; anything unknown counts as `unavailable`, which is retried. */
export function readCloseReason(text: string | undefined): CloseReason {
  return text !== undefined && Object.hasOwn(CLOSE_REASONS, text) ? (text as CloseReason) : 'unavailable'
}

/** The one place where background failures go. `stage` names the activity that failed, in the vocabulary of the caller. */
export type Report = (error: unknown, context: { stage: string; [detail: string]: unknown }) => void
