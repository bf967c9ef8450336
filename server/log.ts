/**
 * Log before light: one queue for all sessions between what the server has accepted and what anybody may see of it.
 *
 * 1. Everything accepted is appended in order and committed in groups; while one commit runs, the next group gathers.
 * 2. `after(task)` runs a task when all that was appended before it is stored, and in order. Every acknowledgement, every
 *    broadcast and every answer to a reader goes through it; there is no other way out.
 * 3. A commit that fails is tried again, the same batch first, for as long as it takes. Meanwhile nothing is released.
 * 4. A session whose stored pages are damaged is given up, so that the others' commits go on.
 */
import type { Report } from '../shared/errors.ts'
import { DamagedSession, type ClientBinding, type Hold, type LogEntry, type NewJob, type Notice, type Store } from './store.ts'

/** First and longest pause between two tries of a failed commit. */
const RETRY_FIRST_MS = 50
const RETRY_LONGEST_MS = 2_000
/** So long what is patient waits for a commit that others cause. */
const PATIENCE_MS = 5

export interface UpdateLogOptions {
  readonly store: Store
  readonly report: Report
  /** Told when commits begin to fail and when they succeed again. */
  readonly onStall: (stalled: boolean) => void
  /**
   * Told that a session cannot be written to: what it has appended will never be stored. MUST close all that waits for that,
   * for it is released with the rest.
   */
  readonly onDamaged: (session: string) => void
}

interface Group {
  entries: LogEntry[]
  jobs: NewJob[]
  holds: Hold[]
  ended: string[]
  clients: ClientBinding[]
  notices: Notice[]
  dropped: Pick<Notice, 'session' | 'id'>[]
  tasks: (() => void)[]
}

const emptyGroup = (): Group => ({
  entries: [],
  jobs: [],
  holds: [],
  ended: [],
  clients: [],
  notices: [],
  dropped: [],
  tasks: [],
})

export class UpdateLog {
  readonly #store: Store
  readonly #report: Report
  readonly #onStall: (stalled: boolean) => void
  readonly #onDamaged: (session: string) => void
  /** Gathers what comes while `#committing` is under way. */
  #gathering: Group = emptyGroup()
  #committing: Group | null = null
  #scheduled = false
  /** Runs while something waits that is patient. */
  #patience: NodeJS.Timeout | undefined
  #retry: { timer: NodeJS.Timeout; again: () => void } | null = null
  #stalled = false
  #unstoredBytes = 0
  #stopped = false
  #idle: (() => void)[] = []

  constructor(options: UpdateLogOptions) {
    this.#store = options.store
    this.#report = options.report
    this.#onStall = options.onStall
    this.#onDamaged = options.onDamaged
  }

  /** True while commits fail. */
  get stalled(): boolean {
    return this.#stalled
  }

  /** Bytes of updates that are accepted but not stored yet. */
  get unstoredBytes(): number {
    return this.#unstoredBytes
  }

  /** @param isPatient it goes with the next commit that somebody else causes; without one, a moment later by itself. */
  append(session: string, update: Uint8Array, isPatient = false): void {
    this.#gathering.entries.push({ session, update })
    this.#unstoredBytes += update.byteLength
    if (isPatient) this.#patience ??= setTimeout(() => this.#schedule(), PATIENCE_MS)
    else this.#schedule()
  }

  /** Adds a job to the same commit as what was just appended, so that neither is ever there without the other. */
  addJob(job: NewJob): void {
    this.#gathering.jobs.push(job)
    this.#schedule()
  }

  /** Binds a client id in the same commit as what was just appended. */
  bind(binding: ClientBinding): void {
    this.#gathering.clients.push(binding)
    this.#schedule()
  }

  /** Holds or lets go jobs in the same commit as what was just appended. */
  hold(hold: Hold): void {
    this.#gathering.holds.push(hold)
    this.#schedule()
  }

  endJob(run: string): void {
    this.#gathering.ended.push(run)
    this.#schedule()
  }

  /** Keeps a notice in the same commit as what was just appended. */
  notify(notice: Notice): void {
    // A commit keeps first and drops then: of what both were asked for, the last one counts.
    this.#gathering.dropped = this.#gathering.dropped.filter((each) => !isSameNotice(each, notice))
    this.#gathering.notices.push(notice)
    this.#schedule()
  }

  /** Drops a notice in the same commit as what was just appended. */
  dropNotice(notice: Pick<Notice, 'session' | 'id'>): void {
    this.#gathering.dropped.push(notice)
    this.#schedule()
  }

  /** Runs `task` when all that was appended so far is stored: at once when it is already. */
  after(task: () => void): void {
    if (this.#hasWrites(this.#gathering)) this.#gathering.tasks.push(task)
    else if (this.#committing !== null) this.#committing.tasks.push(task)
    else this.#run(task)
  }

  /** Resolves when all that was appended so far is stored. */
  stored(): Promise<void> {
    return new Promise((resolve) => this.after(resolve))
  }

  /** Tries a failed commit again at once. For shutdown: a pause must not use up the time that is left. */
  retryNow(): void {
    this.#retry?.again()
  }

  /**
   * Resolves when nothing is left to store, or gives false when `timeoutMs` have passed before. From then on nothing is
   * stored or released any more.
   */
  async drain(timeoutMs: number): Promise<boolean> {
    const drained = await this.#drained(timeoutMs)
    this.#stopped = true
    this.retryNow()
    return drained
  }

  async #drained(timeoutMs: number): Promise<boolean> {
    if (this.#committing === null && !this.#hasWrites(this.#gathering)) return true
    const drained = new Promise<true>((resolve) => this.#idle.push(() => resolve(true)))
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), timeoutMs)))
    this.retryNow()
    const result = await Promise.race([drained, late])
    clearTimeout(timer)
    return result
  }

  #hasWrites(group: Group): boolean {
    const { entries, jobs, holds, ended, clients, notices, dropped } = group
    return [entries, jobs, holds, ended, clients, notices, dropped].some((list) => list.length > 0)
  }

  #schedule(): void {
    // setImmediate: all that the sockets bring in one turn of the event loop goes into one commit.
    if (this.#committing !== null || this.#scheduled || this.#stopped) return
    this.#scheduled = true
    setImmediate(this.#commit)
  }

  readonly #commit = (): void => {
    this.#scheduled = false
    clearTimeout(this.#patience)
    this.#patience = undefined
    const group = this.#gathering
    this.#gathering = emptyGroup()
    this.#committing = group
    void this.#persist(group).then((stored) => {
      if (!stored) return
      this.#committing = null
      for (const entry of group.entries) this.#unstoredBytes -= entry.update.byteLength
      for (const task of group.tasks) this.#run(task)
      if (this.#hasWrites(this.#gathering)) this.#schedule()
      else for (const resolve of this.#idle.splice(0)) resolve()
    })
  }

  /** Never rejects: it tries until the batch is stored; false when the log was stopped before that. */
  async #persist(batch: Group): Promise<boolean> {
    for (let pauseMs = RETRY_FIRST_MS; !this.#stopped; pauseMs = Math.min(pauseMs * 2, RETRY_LONGEST_MS)) {
      try {
        await this.#store.append(batch)
        if (this.#stalled) this.#setStalled(false)
        return true
      } catch (error) {
        if (error instanceof DamagedSession && this.#giveUp(batch, error.session)) {
          this.#report(error, { stage: 'commit', session: error.session })
          continue
        }
        if (!this.#stalled) {
          this.#report(error, { stage: 'commit' })
          this.#setStalled(true)
        }
        await this.#pause(pauseMs)
      }
    }
    return false
  }

  /** Takes out of a batch what is of a damaged session; false when nothing is. */
  #giveUp(batch: Group, session: string): boolean {
    const others = <T extends { readonly session: string }>(entries: T[]): T[] =>
      entries.filter((entry) => entry.session !== session)
    const given = batch.entries.filter((entry) => entry.session === session)
    if (given.length === 0) return false
    for (const { update } of given) this.#unstoredBytes -= update.byteLength
    batch.entries = others(batch.entries)
    batch.jobs = others(batch.jobs)
    // Holds stay: they name runs, and one whose job is not stored has no effect.
    batch.clients = others(batch.clients)
    batch.notices = others(batch.notices)
    this.#run(() => this.#onDamaged(session))
    return true
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const again = (): void => {
        clearTimeout(this.#retry?.timer)
        this.#retry = null
        resolve()
      }
      this.#retry = { timer: setTimeout(again, ms), again }
    })
  }

  #setStalled(stalled: boolean): void {
    this.#stalled = stalled
    this.#run(() => this.#onStall(stalled))
  }

  #run(task: () => void): void {
    try {
      task()
    } catch (error) {
      this.#report(error, { stage: 'release' })
    }
  }
}

function isSameNotice(a: Pick<Notice, 'session' | 'id'>, b: Pick<Notice, 'session' | 'id'>): boolean {
  return a.session === b.session && a.id === b.id
}
