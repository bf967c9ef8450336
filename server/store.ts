/**
 * Where sessions are kept. One interface; memory and SQLite implement it and pass one contract suite.
 *
 * A store keeps, per session, a log of Yjs updates behind an optional snapshot, and one table of jobs: the runs that some
 * agent still owes. It knows nothing of Yjs: updates and snapshots are opaque bytes to it.
 */
import type { NoticeKind } from '../shared/notice.ts'
import type { ParticipantKind } from '../shared/participant.ts'

/** One Yjs update of one session, about to be logged. */
export interface LogEntry {
  readonly session: string
  readonly update: Uint8Array
}

/** A run that an agent owes. `run` is unique in the store. */
export interface NewJob {
  readonly run: string
  readonly session: string
  /** Name of the agent that must do it. */
  readonly agent: string
  /** Id of the message that asked for it. */
  readonly input: string
  /** The run that asked for it: it does not wait for the agent's other runs, nor they for it. */
  readonly parent?: string | undefined
  /** It goes before all of the agent's jobs in that session that are not urgent. */
  readonly urgent?: boolean | undefined
}

/** Whether an open job waits until it is let go. */
export interface Hold {
  readonly run: string
  readonly held: boolean
}

/** `open`: waits for a worker. `leased`: a worker has it. An ended job is no longer in the store. */
type JobState = 'open' | 'leased'

export interface Job extends NewJob {
  readonly state: JobState
  /** Fencing number: 0 before the first lease, one higher with every lease granted. */
  readonly generation: number
  /** Id of the worker that holds the lease; null while open. */
  readonly worker: string | null
  /** Epoch milliseconds by the store's clock; 0 while open. */
  readonly expiresAt: number
  /** It is not given to anybody until it is let go. */
  readonly held?: true
}

/** Which participant writes under a Yjs client id, in one session. */
export interface ClientBinding {
  readonly session: string
  /** 32 bits, unsigned. */
  readonly client: number
  /** Id of the participant; empty for the server itself. */
  readonly participant: string
}

/** A participant's browser that is to be told of a session, as its Push API describes itself. */
export interface Subscriber {
  readonly session: string
  /** Id of the participant. */
  readonly participant: string
  readonly kind: ParticipantKind
  /** Address at the browser's push service. Whoever knows it can push there. */
  readonly endpoint: string
  /** Public key of the browser, P-256, uncompressed, base64url. */
  readonly p256dh: string
  /** Secret that it shares with whoever pushes: 16 bytes, base64url. */
  readonly auth: string
  /** Of what the right to be told depends on besides, as the server has written it; absent: on nothing. */
  readonly via?: string
}

/** What people are still to be told. `id` is unique within the session: a run's, so that there is one per run. */
export interface Notice {
  readonly session: string
  readonly id: string
  readonly kind: NoticeKind
  /** Id of the participant who is told; null: all that the kind concerns. */
  readonly to: string | null
  /** Id of the message that it is about. */
  readonly message: string
  readonly run: string | null
  /** Beginning of that message, where it is to be told as well. */
  readonly text?: string
  /** Epoch milliseconds: when it came to be, when it is due, when it is no longer of use. */
  readonly at: number
  readonly dueAt: number
  readonly until: number
  /**
   * Endpoints that are still to be tried, and how often they were; absent: all, never. `notBefore`: those that may not yet when it is
   * due, and from when on, in epoch milliseconds.
   */
  readonly again?: {
    readonly endpoints: readonly string[]
    readonly tries: number
    readonly notBefore?: Readonly<Record<string, number>>
  }
}

/** What goes into the store in one atomic group commit. */
export interface Batch {
  readonly entries: readonly LogEntry[]
  /** Jobs to add; one whose `run` is there already is left as it is. */
  readonly jobs: readonly NewJob[]
  /** Open jobs to hold or to let go, done after `jobs` were added; others, children and unknown ones are left as they are. */
  readonly holds?: readonly Hold[]
  /** Runs whose jobs are over, those of this batch included; unknown ones are ignored. */
  readonly ended: readonly string[]
  /** Client ids to bind; one that is bound already is left as it is. */
  readonly clients?: readonly ClientBinding[]
  /** Notices to keep; each takes the place of one with its session and id. */
  readonly notices?: readonly Notice[]
  /** Notices that are not needed any more, dropped after `notices` were kept; unknown ones are ignored. */
  readonly dropped?: readonly Pick<Notice, 'session' | 'id'>[]
}

/** What is stored of one session: the snapshot (null when there is none) and the updates after it, oldest first. */
export interface StoredSession {
  readonly snapshot: Uint8Array | null
  /** Sequence of the last update that the snapshot holds; 0 without one. */
  readonly snapshotSeq: number
  readonly updates: readonly Uint8Array[]
  /** Sequence of the last update; 0 for a session never written. */
  readonly lastSeq: number
}

/**
 * Thrown by `read` when the stored bytes of one session are not what was written: a checksum that differs, or a gap in the
 * sequence; and by `append` when they cannot be written to for that reason. The store MUST leave the rows as they are, so that they can be examined and exported.
 */
export class DamagedSession extends Error {
  readonly session: string
  constructor(session: string, what: string) {
    super(`The stored session ${session} is damaged: ${what}.`)
    this.name = 'DamagedSession'
    this.session = session
  }
}

/** Bytes that lie beside a session's document. */
export interface StoredBlob {
  /** Media type. */
  readonly type: string
  readonly data: Uint8Array
}

export interface Store {
  /**
   * Has a listener called with each session that is about to be erased. A store has this only where nobody else writes to what it
   * keeps: a server may then keep a session in memory that nobody has open. With a store that does not have it, such a session is
   * read anew for whoever opens it next.
   */
  onErase?(listener: (session: string) => void): void

  /**
   * Writes a batch. When the promise resolves, all of the batch survives a crash of the process and (with the default
   * settings) of the machine. When it rejects, none of the batch is there, and the same batch may be tried again: after a
   * `DamagedSession` without what is of that session.
   * MUST number the updates of a session 1, 2, 3 … without a gap, in the order given. MUST NOT be called again before
   * the call before has settled (the log sees to that).
   */
  append(batch: Batch): Promise<void>

  /** Reads one session; an unknown one reads as empty. Rejects with `DamagedSession`, or with whatever the medium throws. */
  read(session: string): Promise<StoredSession>

  /** The participants of all client ids that are bound in a session; empty for an unknown one. */
  clients(session: string): Promise<ReadonlyMap<number, string>>

  /**
   * Replaces the updates up to and including `seq` by a snapshot. Compare-and-set: MUST do nothing and give false when the
   * stored snapshot already reaches `seq` or further, or when the log does not reach `seq`.
   */
  compact(session: string, seq: number, snapshot: Uint8Array): Promise<boolean>

  /**
   * Removes everything of a session: updates, snapshot, jobs, bindings, blobs, subscribers and notices; a session written again begins at sequence 1. MUST NOT be
   * called while somebody is between `read` and `compact` of that session (`Compactor.forget` sees to that): what was erased
   * would return; nor while somebody has the session open.
   */
  erase(session: string): Promise<void>

  /**
   * Keeps bytes of a session under an id; one that is there already is left as it is. When the promise resolves they are as
   * safe as an appended batch. They make no session of their own.
   */
  putBlob(session: string, id: string, type: string, data: Uint8Array): Promise<void>

  /** Bytes that were kept; null for an id that the session does not have. */
  getBlob(session: string, id: string): Promise<StoredBlob | null>

  /** How many bytes are kept beside a session's document. */
  blobBytes(session: string): Promise<number>

  /** Ids of all stored sessions, sorted. */
  sessions(): Promise<string[]>

  /** All jobs that have not ended, oldest first. */
  jobs(): Promise<Job[]>

  /**
   * Grants the lease of an open job to a worker for `leaseMs`, by the store's clock. Gives the job as leased, with its
   * generation one higher, or null when the job is unknown, is held or leased (lapsed or not), or when another job of the same
   * session and agent is leased or goes before it: an agent works on one run of a session at a time, urgent ones first, then
   * in the order of `jobs()`. Held jobs are passed over; jobs with a parent neither wait nor are waited for.
   * MUST grant one job to one caller only, however many ask at once.
   */
  claim(run: string, worker: string, leaseMs: number): Promise<Job | null>

  /** Puts off the end of a lease to `leaseMs` from now. False when this generation no longer holds it or it has lapsed. */
  renew(run: string, generation: number, leaseMs: number): Promise<boolean>

  /** Extends every lease to at least `leaseMs` from now: for a server that was down and could not hear the heartbeats. */
  extendAll(leaseMs: number): Promise<void>

  /** Jobs whose lease has run out by the store's clock. They stay leased until they are ended or reopened. */
  lapsed(): Promise<Job[]>

  /**
   * Takes the lease from a job: it is open again, its generation unchanged. False when that generation does not hold it.
   */
  reopen(run: string, generation: number): Promise<boolean>

  /**
   * Keeps a subscriber; one with its session and endpoint is replaced. An endpoint is one browser's, and a browser is one
   * person's at a time: MUST remove the endpoint from all other participants, in all sessions. Of one participant in one session
   * MUST keep the newest `most` only.
   */
  subscribe(subscriber: Subscriber, most: number): Promise<void>

  /** Removes an endpoint, from one session or (without) from all. */
  unsubscribe(endpoint: string, session?: string): Promise<void>

  /** Removes the subscribers of a participant, of a session, or of one in the other. */
  unsubscribeAll(target: { readonly participant?: string; readonly session?: string }): Promise<void>

  /** Subscribers of a session, oldest first. */
  subscribers(session: string): Promise<Subscriber[]>

  /** Ids of the sessions that have subscribers. */
  subscribed(): Promise<string[]>

  /** All notices, in the order of when they came to be. */
  notices(): Promise<Notice[]>

  /** Removes a notice. False when it is not there (any more): MUST give true to one caller only. */
  takeNotice(session: string, id: string): Promise<boolean>

  /** Keeps a value under a name unless one is there; gives the one that is kept. For keys that are made once. */
  keep(name: string, value: string): Promise<string>

  /** Lets go of the medium. Calls after it reject, but for a second `close`. */
  close(): Promise<void>
}
