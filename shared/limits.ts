/**
 * Every limit of the system, once. The client checks before it writes, so that an honest user gets a clear error and keeps
 * the text; the server checks again, because a client may lie.
 */

/** Longest text of one message, in UTF-16 code units. Above it `send` throws; the composer keeps the text. */
export const MAX_MESSAGE_CHARS = 200_000

/** Longest id of a participant, in UTF-16 code units. */
export const MAX_ID_CHARS = 256

/** Longest name of a shared object, agent or flag target. */
export const MAX_NAME_CHARS = 128

/**
 * Shared objects in one session, with two descriptors of one name counted as two. Each makes a root of the document, and Yjs
 * looks for the name of a root among all of them whenever it writes the first entry of a key.
 */
export const MAX_OBJECTS = 512

/** Longest name of a field of a shared object, in UTF-16 code units. */
export const MAX_FIELD_CHARS = 256

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

/** Bytes of accepted but not yet stored updates, over all sessions, above which the server refuses further writes. */
export const MAX_UNSTORED_BYTES: number = 64 * 1024 * 1024

/**
 * Longest output of a tool that stands in the document, in bytes of its JSON. A larger one lies beside it: each replica would
 * have it whole in memory, and every tab be sent it.
 */
export const MAX_INLINE_BYTES: number = 64 * 1024

/** Longest JSON of one value that an agent's stream brings (a tool's input, an event), in UTF-16 code units; the rest is cut off. */
export const MAX_VALUE_CHARS = 1_000_000

/** Depth of nesting within one JSON value. */
export const MAX_VALUE_DEPTH = 100

/** Agents that one input may ask; each gets a run and a job. */
export const MAX_AGENTS_PER_INPUT = 16

/** Runs that one run may ask other agents for. */
export const MAX_CHILDREN = 64

/** Runs above one another: the first, the one that it asked for, and so on. */
export const MAX_SPAWN_DEPTH = 8

/** Longest data that a run gives to one that it asks for, in UTF-16 code units of its JSON. */
export const MAX_SPAWN_CHARS = 64_000

/** Answers of one agent to one input, the first included. */
export const MAX_ANSWERS = 32

/** What an agent's name must match. */
export const AGENT_NAME: RegExp = /^[A-Za-z0-9_-]{1,64}$/

/** What a session's name must match: it stands in every frame, so it is short; 12 characters by default. */
export const SESSION_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/

/** So much per second in the long run, and so much at once after a pause. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** What one connection, socket or participant may ask of a server. `serve({ limits })` changes single ones. */
export interface Limits {
  /** Sockets that one participant may have open. A tab or a worker process has one. */
  readonly socketsPerParticipant: number
  /** Sessions that one socket may have open at once. An agent's worker multiplexes its sessions over one socket. */
  readonly sessionsPerSocket: number
  /** Times that one socket may have one session open: each gets every update of it. */
  readonly connectionsPerSession: number
  /** Frames on one connection. An agent that writes without a pause sends 42 a second and its marks. */
  readonly connectionFrames: Rate
  /** Bytes on one connection. The burst is the offline work of weeks. */
  readonly connectionBytes: Rate
  /** Frames of one person over all sockets. */
  readonly personFrames: Rate
  /** Bytes of one person over all sockets. */
  readonly personBytes: Rate
  /**
   * Milliseconds of the server's thread that the frames of one person take over all sockets; what is above waits. A small
   * frame takes a twentieth of one, 8 MB of offline work some hundreds.
   */
  readonly personTimeMs: Rate
  /** The same while others are at work. A message takes a twentieth of a millisecond, opening a session one or two. */
  readonly personShareMs: Rate
  /** The same for all sockets together that have not shown a token yet. */
  readonly strangersShareMs: Rate
  /** Frames of one agent over all its workers: 200 sessions that stream at once are 10,000 a second. */
  readonly agentFrames: Rate
  /** Bytes of one agent over all its workers. */
  readonly agentBytes: Rate
  /** Presence messages of one connection that are passed on; of those above, the newest is, when there is room again. */
  readonly presence: Rate
  /** Times that one connection may ask for the state of its session, each as dear as the session is large. */
  readonly states: Rate
  /** Frames of one socket that belong to none of its connections: to open 1,000 sessions at once takes 3,000. */
  readonly strayFrames: Rate
  /** Longest stateless message, in bytes of its frame: the leases of a worker with 1,000 runs are 100 KB. */
  readonly statelessBytes: number
  /** Bytes that may wait to be read by one socket, besides one large frame. */
  readonly unreadBytes: number
  /** Bytes that may wait to be read by all sockets of one participant. */
  readonly participantUnreadBytes: number
  /** Bytes of frames that have begun to come on all sockets of one participant: two of the largest at once. */
  readonly participantUnfinishedBytes: number
  /** Frames of one socket that may wait while its tokens are checked and its sessions are loaded. */
  readonly waitingFrames: number
  /** Bytes of the same. */
  readonly waitingBytes: number
  /** Sockets that have not shown a token yet; one more closes the oldest of them. */
  readonly unauthenticatedSockets: number
  /** Bytes that one socket may send before its first token is found valid. */
  readonly unauthenticatedBytes: number
  /** Bytes that all such sockets together may have sent; more closes the one that has sent most. */
  readonly allUnauthenticatedBytes: number
  /** Time for a new socket to show a token, in milliseconds. */
  readonly authenticateMs: number
  /**
   * A socket is pinged this often, and ended when it has not answered the ping before, in milliseconds: a peer that vanishes
   * without a word counts as here for twice as long at most.
   */
  readonly pingMs: number
  /** How long a connection stands on an expired token while its client is asked for a fresh one, in milliseconds. */
  readonly tokenGraceMs: number
  /** How long a session stays in memory after the last one who used it has gone, in milliseconds; 0: not at all. */
  readonly idleSessionMs: number
  /** Such sessions at once; of more, the one goes that has been idle for longest. */
  readonly idleSessions: number
  /** Bytes of their updates, all together; in memory they may take forty times as much. A larger session does not stay. */
  readonly idleSessionBytes: number
  /** Values beside documents that one person may put or fetch, over all sessions: a page shows some dozens at once. */
  readonly personBlobs: Rate
  /** Bytes of these. The first one above is still taken, since one may be larger than what is left. */
  readonly personBlobBytes: Rate
  /** Values that one agent may put or fetch, over all its workers. */
  readonly agentBlobs: Rate
  /** Bytes of these. */
  readonly agentBlobBytes: Rate
  /** Largest value that is stored beside a session's document, in bytes. */
  readonly blobBytes: number
  /** Bytes of all that is stored beside one session's document. */
  readonly sessionBlobBytes: number
}

/** The defaults. */
export const LIMITS: Limits = {
  socketsPerParticipant: 1_000,
  sessionsPerSocket: 1_000,
  connectionsPerSession: 8,
  connectionFrames: { perSecond: 500, burst: 4_000 },
  connectionBytes: { perSecond: 2 * 1024 * 1024, burst: 32 * 1024 * 1024 },
  personFrames: { perSecond: 1_000, burst: 8_000 },
  personBytes: { perSecond: 4 * 1024 * 1024, burst: 64 * 1024 * 1024 },
  personTimeMs: { perSecond: 500, burst: 2_000 },
  personShareMs: { perSecond: 150, burst: 50 },
  strangersShareMs: { perSecond: 150, burst: 50 },
  agentFrames: { perSecond: 10_000, burst: 40_000 },
  agentBytes: { perSecond: 32 * 1024 * 1024, burst: 128 * 1024 * 1024 },
  presence: { perSecond: 30, burst: 60 },
  states: { perSecond: 2, burst: 20 },
  strayFrames: { perSecond: 500, burst: 6_000 },
  statelessBytes: 256 * 1024,
  unreadBytes: 16 * 1024 * 1024,
  participantUnreadBytes: 128 * 1024 * 1024,
  participantUnfinishedBytes: 16 * 1024 * 1024,
  waitingFrames: 8_000,
  waitingBytes: 1024 * 1024,
  unauthenticatedSockets: 256,
  unauthenticatedBytes: 256 * 1024,
  allUnauthenticatedBytes: 8 * 1024 * 1024,
  authenticateMs: 15_000,
  pingMs: 10_000,
  tokenGraceMs: 10_000,
  idleSessionMs: 10_000,
  idleSessions: 100,
  idleSessionBytes: 4 * 1024 * 1024,
  personBlobs: { perSecond: 10, burst: 500 },
  personBlobBytes: { perSecond: 4 * 1024 * 1024, burst: 128 * 1024 * 1024 },
  agentBlobs: { perSecond: 200, burst: 4_000 },
  agentBlobBytes: { perSecond: 32 * 1024 * 1024, burst: 256 * 1024 * 1024 },
  blobBytes: 16 * 1024 * 1024,
  sessionBlobBytes: 512 * 1024 * 1024,
}
