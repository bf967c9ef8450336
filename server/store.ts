/**
 * Where sessions are kept. One interface; memory and SQLite implement it and pass one contract suite.
 *
 * A store keeps, per session, a log of Yjs updates behind an optional snapshot, and one table of jobs: the runs that some
 * agent still owes. It knows nothing of Yjs: updates and snapshots are opaque bytes to it.
 */

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

/** Whether an agent's open jobs in a session wait until somebody says to go on; new ones do not. */
export interface Hold {
  readonly session: string
  readonly agent: string
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

/** What goes into the store in one atomic group commit. */
export interface Batch {
  readonly entries: readonly LogEntry[]
  /** Jobs to add; one whose `run` is there already is left as it is. */
  readonly jobs: readonly NewJob[]
  /** Open jobs to hold or to let go, done after `jobs` were added. */
  readonly holds?: readonly Hold[]
  /** Runs whose jobs are over, those of this batch included; unknown ones are ignored. */
  readonly ended: readonly string[]
  /** Client ids to bind; one that is bound already is left as it is. */
  readonly clients?: readonly ClientBinding[]
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

export interface Store {
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
   * Removes everything of a session: updates, snapshot, jobs and bindings; a session written again begins at sequence 1. MUST NOT be
   * called while somebody is between `read` and `compact` of that session (`Compactor.forget` sees to that): what was erased
   * would return.
   */
  erase(session: string): Promise<void>

  /** Ids of all stored sessions, sorted. */
  sessions(): Promise<string[]>

  /** All jobs that have not ended, oldest first. */
  jobs(): Promise<Job[]>

  /**
   * Grants the lease of an open job to a worker for `leaseMs`, by the store's clock. Gives the job as leased, with its
   * generation one higher, or null when the job is unknown, is leased (lapsed or not), or when another job of the same
   * session and agent is leased or stands before it in `jobs()`: an agent works on one run of a session at a time, in that
   * order.
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

  /** Lets go of the medium. Calls after it reject, but for a second `close`. */
  close(): Promise<void>
}
