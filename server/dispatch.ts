/**
 * Brings jobs and workers together: each job goes to one worker of its agent, under a lease that the store grants. A worker
 * keeps its leases by heartbeat; one that lapses ends its run. The store decides and its clock counts; what is kept here is
 * who is connected.
 *
 * More than 400 lines: jobs, workers and leases are matched in one place, so that no job is ever between two of them.
 */
import type { Report } from '../shared/errors.ts'
import type { LapseTerms, LeaseRef, ServerMessage } from '../shared/wire.ts'
import { ClockWatch, type Clocks } from './clock-watch.ts'
import { Slots } from './slots.ts'
import type { Job, NewJob, Store } from './store.ts'

/** How long a worker holds a run without a sign of life. Workers renew three times in that span. */
export const LEASE_MS = 10_000
/** How often lapsed leases are looked for. */
const SWEEP_MS = 1_000
/** Pause before a lapsed run is looked at again whose session did not load: a damaged one stays so. */
const RETRY_LAPSE_MS = 10_000

/** A worker's connection to the control document of its agent. */
export interface WorkerLink {
  readonly participant: { readonly id: string }
  /** Whether its token opens a session. */
  mayOpen(session: string): boolean
  tell(message: ServerMessage): void
  /** A run has ended: nobody writes it any more. */
  forget(run: string): void
}

/** What a worker says of itself. */
export interface WorkerIntroduction extends LapseTerms {
  readonly worker: string
  readonly slots: number
  readonly leases: readonly LeaseRef[]
}

interface Worker {
  readonly id: string
  readonly agent: string
  readonly link: WorkerLink
  readonly slots: number
  readonly terms: LapseTerms
  readonly runs: Set<string>
  /** It has let a lease lapse and not been heard of since: it may be stuck, and would keep what it is given. Or it is new. */
  isSilent: boolean
}

export interface DispatcherOptions {
  readonly store: Store
  readonly report: Report
  readonly leaseMs: number
  /** Writes the lease into the session's document and resolves when that is stored; to false for a run that has ended. */
  readonly grant: (job: Job, terms: LapseTerms) => Promise<boolean>
  /**
   * Decides in the session's document about the run of a job that lapsed or was released; false where it is to be given again.
   * Resolves when that is stored.
   */
  readonly lapse: (job: Job, isReleased: boolean) => Promise<boolean>
  /** Default: the process's. */
  readonly clocks?: Clocks
  /** Told of agents whose jobs may have found no worker. */
  readonly onWaiting?: (agent: string) => void
}

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #workers = new Map<WorkerLink, Worker>()
  /**
   * All jobs that have not ended, by run. A run's id is made of what authors choose, and a lease is renewed by whoever names it:
   * only the session and the agent whose job it is are heard about it.
   */
  readonly #jobs = new Map<string, NewJob>()
  /** Jobs that wait for a worker, oldest first. */
  readonly #open = new Map<string, NewJob>()
  readonly #assigning = new Set<string>()
  /** Jobs that some worker has, by run: while it does, its agent gets no other one of that session. */
  readonly #leased = new Map<string, NewJob>()
  /** Jobs that were passed over while they were being assigned: what has changed since may let the store grant them. */
  readonly #passedOver = new Set<string>()
  #sweeper: NodeJS.Timeout | null = null
  #sweeping = false
  /** Since the last sweep the store could not take down that a worker lives, or give a job to one. */
  #storeFailed = false
  readonly #slots = new Slots()
  readonly #clock: ClockWatch
  /** Runs that could not be ended, since their session does not load, and when that is tried again. */
  readonly #retryAt = new Map<string, number>()

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#clock = new ClockWatch(options.leaseMs / 2 + SWEEP_MS, options.clocks)
  }

  /** Reads the jobs that an earlier process left, and gives their workers a full lease to come back. */
  async start(): Promise<void> {
    const { store } = this.#options
    await this.#leaseAnew()
    for (const job of await store.jobs()) {
      this.#learn(job)
      const jobs = job.state === 'open' ? this.#open : this.#leased
      jobs.set(job.run, job)
    }
    this.#sweeper = setInterval(() => void this.#sweep(), SWEEP_MS)
  }

  stop(): void {
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    this.#sweeper = null
    this.#workers.clear()
  }

  /** Takes note of a job that is about to be stored; false when there is one of that name already. */
  expect(job: NewJob): boolean {
    if (this.#jobs.has(job.run)) return false
    this.#learn(job)
    return true
  }

  #learn(job: NewJob): void {
    this.#jobs.set(job.run, job)
    this.#slots.learn(job)
  }

  /** A run waits for somebody (it is suspended), or goes on. */
  rests(run: string, isResting: boolean): void {
    const job = this.#jobs.get(run)
    if (job !== undefined && this.#slots.rests(run, isResting)) this.#assign(job.agent)
  }

  /** Whether the job of a run is another session's. */
  isOfAnother(session: string, run: string): boolean {
    const job = this.#jobs.get(run)
    return job !== undefined && job.session !== session
  }

  /** A job is in the store. */
  added(job: NewJob): void {
    this.#open.set(job.run, job)
    this.#assign(job.agent)
    // The run that has asked for it takes no slot any more.
    const above = this.#jobs.get(job.parent ?? '')?.agent
    if (above !== undefined && above !== job.agent) this.#assign(above)
  }

  /** The run of a job has ended. */
  ended(run: string): void {
    const job = this.#jobs.get(run)
    if (job !== undefined) this.#slots.forget(job)
    this.#jobs.delete(run)
    this.#open.delete(run)
    this.#leased.delete(run)
    this.#passedOver.delete(run)
    for (const worker of this.#workers.values()) {
      worker.runs.delete(run)
      worker.link.forget(run)
    }
    this.#assignAll()
  }

  /** Jobs that were held may be given out again. */
  released(): void {
    this.#assignAll()
  }

  /** A worker is there, for the first time or again, and says which leases it holds. */
  async join(link: WorkerLink, { worker: id, slots, leases, onLapse, maxAttempts }: WorkerIntroduction): Promise<void> {
    const agent = link.participant.id
    const terms = { ...(onLapse === undefined ? {} : { onLapse }), ...(maxAttempts === undefined ? {} : { maxAttempts }) }
    // The worker's former connection may not have been found dead yet; nothing must be given to it.
    for (const [old, worker] of this.#workers) if (worker.id === id && worker.agent === agent) this.#workers.delete(old)
    const worker: Worker = { id, agent, link, slots, terms, runs: new Set(), isSilent: true }
    this.#workers.set(link, worker)
    try {
      await this.#renewAll(link, leases)
      await this.#remind(worker, leases)
    } finally {
      this.#heard(worker)
    }
  }

  leave(link: WorkerLink): void {
    const worker = this.#workers.get(link)
    if (this.#workers.delete(link) && worker !== undefined) this.#options.onWaiting?.(worker.agent)
  }

  /** A worker gives up runs that it holds. */
  async release(link: WorkerLink, leases: readonly LeaseRef[]): Promise<void> {
    const worker = this.#workers.get(link)
    if (worker === undefined) return
    const generations = new Map(leases.map(({ run, generation }) => [run, generation]))
    for (const job of await this.#options.store.jobs()) {
      if (job.worker === worker.id && generations.get(job.run) === job.generation) await this.#lapse(job, true)
    }
  }

  /** Whether a job that is open finds a worker that is there, has room and may have it. */
  hasWorkerFor(job: NewJob): boolean {
    return this.#freeWorker(job) !== null
  }

  async renew(link: WorkerLink, leases: readonly LeaseRef[]): Promise<void> {
    await this.#renewAll(link, leases)
    const worker = this.#workers.get(link)
    if (worker?.isSilent === true) this.#heard(worker)
  }

  /** It lives, and knows what it has lost: it may be given something. */
  #heard(worker: Worker): void {
    worker.isSilent = false
    this.#assign(worker.agent)
  }

  async #renewAll(link: WorkerLink, leases: readonly LeaseRef[]): Promise<void> {
    const worker = this.#workers.get(link)
    const { store, leaseMs, report } = this.#options
    for (const { run, generation } of leases) {
      try {
        await this.#makeUp()
        const job = this.#jobs.get(run)
        const isOwn = job === undefined || job.agent === link.participant.id
        if (isOwn && (await store.renew(run, generation, leaseMs))) {
          // It may have ended meanwhile.
          if (this.#jobs.has(run)) worker?.runs.add(run)
        } else link.tell({ t: 'lost', run, generation })
      } catch (error) {
        // Not an answer: the worker keeps its lease until the store says otherwise.
        this.#storeFailed = true
        report(error, { stage: 'renew', run })
      }
    }
  }

  #assignAll(): void {
    for (const agent of new Set([...this.#open.values()].map((job) => job.agent))) this.#assign(agent)
  }

  #assign(agent: string): void {
    let isWaiting = false
    for (const jobs of this.#assignable(agent)) {
      const worker = this.#freeWorker(jobs[0])
      if (worker !== null) void this.#giveFirst(jobs, worker)
      else {
        isWaiting = true
        if (!this.#hasRoom(agent)) break
      }
    }
    if (isWaiting) this.#options.onWaiting?.(agent)
  }

  /**
   * Open jobs of an agent of which one can be given, each list in the order in which the store may grant them: a session's, or
   * one that waits for no other.
   */
  #assignable(agent: string): Iterable<[NewJob, ...NewJob[]]> {
    const busy = new Set<string>()
    for (const job of this.#leased.values()) if (job.agent === agent && job.parent === undefined) busy.add(job.session)
    const groups = new Map<string, [NewJob, ...NewJob[]]>()
    for (const job of this.#open.values()) {
      if (job.agent !== agent || (job.parent === undefined && busy.has(job.session))) continue
      if (this.#assigning.has(job.run)) {
        this.#passedOver.add(job.run)
        continue
      }
      const key = job.parent === undefined ? `session ${job.session}` : `run ${job.run}`
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [job])
      else if (job.urgent === true) group.unshift(job)
      else group.push(job)
    }
    return groups.values()
  }

  /** Gives one of some jobs, the first that the store grants. */
  async #giveFirst(jobs: readonly NewJob[], worker: Worker): Promise<void> {
    for (const { run } of jobs) {
      this.#assigning.add(run)
      this.#passedOver.delete(run)
    }
    let isGiven = false
    for (const job of jobs) {
      isGiven ||= this.#open.has(job.run) && (await this.#give(job, worker))
      this.#assigning.delete(job.run)
    }
    if (isGiven) return
    // Only these again: a pass over all would pass over others that are being assigned, and they over these, without end.
    const missed = jobs.filter(({ run }) => this.#passedOver.has(run) && this.#open.has(run))
    const next = missed[0] === undefined ? null : this.#freeWorker(missed[0])
    if (next !== null) await this.#giveFirst(missed, next)
  }

  /** The worker with most room of those that may have a job. */
  #freeWorker({ agent, session }: NewJob): Worker | null {
    let best: Worker | null = null
    for (const worker of this.#workers.values()) {
      if (worker.agent !== agent || !this.#isFree(worker) || !worker.link.mayOpen(session)) continue
      if (best === null || this.#roomOf(worker) > this.#roomOf(best)) best = worker
    }
    return best
  }

  #hasRoom(agent: string): boolean {
    for (const worker of this.#workers.values()) if (worker.agent === agent && this.#isFree(worker)) return true
    return false
  }

  #isFree(worker: Worker): boolean {
    return !worker.isSilent && this.#roomOf(worker) > 0
  }

  /** Slots that a worker has left. */
  #roomOf({ slots, runs }: Worker): number {
    return slots - this.#slots.taken(runs)
  }

  /** False when the store does not grant it. */
  async #give(job: NewJob, worker: Worker): Promise<boolean> {
    const { store, leaseMs, grant, report } = this.#options
    worker.runs.add(job.run)
    try {
      const claimed = await store.claim(job.run, worker.id, leaseMs)
      // Null: it is held, the agent is busy in that session (the job stays open until that run ends), or it is not there.
      if (claimed === null) {
        worker.runs.delete(job.run)
        return false
      }
      // It may have ended meanwhile.
      if (this.#open.delete(job.run)) this.#leased.set(job.run, job)
      if (await grant(claimed, worker.terms)) this.#tell(claimed, worker)
      else worker.runs.delete(job.run)
    } catch (error) {
      worker.runs.delete(job.run)
      this.#storeFailed = true
      report(error, { stage: 'assign', run: job.run })
    }
    return true
  }

  /** Tells a worker again what it was given but does not know of: the word went with its connection, or with a server. */
  async #remind(worker: Worker, leases: readonly LeaseRef[]): Promise<void> {
    const { store, leaseMs, grant, report } = this.#options
    // One that it held before, under another generation, is news to it.
    const known = new Map(leases.map(({ run, generation }) => [run, generation]))
    for (const job of await store.jobs()) {
      if (job.worker !== worker.id || job.agent !== worker.agent || this.#assigning.has(job.run)) continue
      if (known.get(job.run) === job.generation) continue
      try {
        if (!(await store.renew(job.run, job.generation, leaseMs))) continue
        worker.runs.add(job.run)
        // The claim may have been stored without it.
        if (await grant(job, worker.terms)) this.#tell(job, worker)
        else worker.runs.delete(job.run)
      } catch (error) {
        report(error, { stage: 'assign', run: job.run })
      }
    }
  }

  #tell({ run, session, input, generation }: Job, worker: Worker): void {
    // It may have come back over another connection since.
    const now = [...this.#workers.values()].find(({ id, agent }) => id === worker.id && agent === worker.agent) ?? worker
    now.link.tell({ t: 'assign', run, session, input, generation, leaseMs: this.#options.leaseMs })
  }

  async #sweep(): Promise<void> {
    if (this.#sweeping) return
    this.#sweeping = true
    const { store, report } = this.#options
    try {
      await this.#makeUp()
      for (const job of await store.lapsed()) {
        if ((this.#retryAt.get(job.run) ?? 0) > performance.now()) continue
        this.#retryAt.delete(job.run)
        // One session that cannot be loaded must not keep the others' runs alive.
        await this.#lapse(job, false).catch((error: unknown) => {
          this.#retryAt.set(job.run, performance.now() + RETRY_LAPSE_MS)
          report(error, { stage: 'lapse', run: job.run })
        })
      }
    } catch (error) {
      report(error, { stage: 'sweep' })
    } finally {
      this.#sweeping = false
    }
  }

  /**
   * After the store has failed, as after a start: time in which nobody could renew must not end anybody's run. Nor must time in
   * which this process stood still, or by which somebody has set the clock.
   */
  async #makeUp(): Promise<void> {
    if (this.#clock.hasJumped()) this.#storeFailed = true
    if (!this.#storeFailed) return
    await this.#leaseAnew()
    this.#storeFailed = false
    this.#assignAll()
  }

  /** Gives every lease its full time from now, and no more: by a clock that went back it would last for as long as that. */
  async #leaseAnew(): Promise<void> {
    const { store, leaseMs } = this.#options
    await store.extendAll(leaseMs)
    for (const { run, generation, worker } of await store.jobs()) if (worker !== null) await store.renew(run, generation, leaseMs)
  }

  async #lapse(job: Job, isReleased: boolean): Promise<void> {
    const { store, lapse } = this.#options
    // Silent first: its end may be what gives the next job to somebody.
    for (const worker of this.#workers.values()) if (worker.id === job.worker && !isReleased) worker.isSilent = true
    if ((await lapse(job, isReleased)) || !(await store.reopen(job.run, job.generation))) return
    for (const worker of this.#workers.values()) worker.runs.delete(job.run)
    this.#leased.delete(job.run)
    this.added(job)
  }
}
