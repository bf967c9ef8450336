/**
 * Every limit of the system, once. The client checks before it writes, so that an honest user gets a clear error and keeps
 * the text; the server checks again, because a client may lie.
 */

/** Longest text of one message, in UTF-16 code units. Above it `send` throws; the composer keeps the text. */
export const MAX_MESSAGE_CHARS = 200_000

/** Longest name of a shared object, agent or flag target. */
export const MAX_NAME_CHARS = 128

/**
 * Largest frame that the server reads, in bytes; a larger one closes the socket with 1009. Room for the offline work of
 * days: 10,000 streamed tokens are 240 KB as single updates, 43 KB as one state difference.
 */
export const MAX_FRAME_BYTES: number = 8 * 1024 * 1024

/**
 * Largest session, in bytes of its encoded updates since it was loaded plus the loaded state. A session of 10,000 messages
 * is about 16 MB as nested types.
 */
export const MAX_SESSION_BYTES: number = 64 * 1024 * 1024

/**
 * Longest segment of a streamed text, in UTF-16 code units. One Y.Text beyond 128 KB costs 10 to 40 times more per token on
 * every peer, since the merged string is flattened for each encoded update; segments of 16 K stay flat for 0.14 % more bytes.
 */
export const MAX_SEGMENT_CHARS = 16_384

/** A socket whose unread output passes this many bytes is closed: nothing else bounds a reader that never reads. */
export const MAX_UNREAD_BYTES: number = 16 * 1024 * 1024

/** Sessions that one socket may have open at once. An agent's worker multiplexes its sessions over one socket. */
export const MAX_SESSIONS_PER_SOCKET = 1_000

/** Bytes of accepted but not yet stored updates, over all sessions, above which the server refuses further writes. */
export const MAX_UNSTORED_BYTES: number = 64 * 1024 * 1024

/** Agents that one input may ask; each gets a run and a job. */
export const MAX_AGENTS_PER_INPUT = 16

/** What an agent's name must match. */
export const AGENT_NAME: RegExp = /^[A-Za-z0-9_-]{1,64}$/

/** What a session's name must match: it stands in every frame, so it is short; 12 characters by default. */
export const SESSION_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
