/**
 * Brings jobs and workers together: each job goes to one worker of its agent, under a lease that the store grants. A worker
 * keeps its leases by heartbeat; one that lapses ends its run. The store decides and its clock counts; what is kept here is
 * who is connected.
 */
import type { Report } from '../shared/errors.ts'
import type { LeaseRef, ServerMessage } from '../shared/wire.ts'
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
  tell(message: ServerMessage): void
}

interface Worker {
  readonly id: string
  readonly agent: string
  readonly link: WorkerLink
  readonly slots: number
  readonly runs: Set<string>
}

export interface DispatcherOptions {
  readonly store: Store
  readonly report: Report
  readonly leaseMs: number
  /** Writes the lease into the session's document and resolves when that is stored. */
  readonly grant: (job: Job) => Promise<void>
  /** Ends the run of a lapsed job in the session's document; false where it was never started and may be given again. */
  readonly lapse: (job: Job) => Promise<boolean>
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
  #sweeper: NodeJS.Timeout | null = null
  #sweeping = false
  /** Since the last sweep the store could not take down that a worker lives, or give a job to one. */
  #storeFailed = false
  /** Runs that could not be ended, since their session does not load, and when that is tried again. */
  readonly #retryAt = new Map<string, number>()

  constructor(options: DispatcherOptions) {
    this.#options = options
  }

  /** Reads the jobs that an earlier process left, and gives their workers a full lease to come back. */
  async start(): Promise<void> {
    const { store, leaseMs } = this.#options
    await store.extendAll(leaseMs)
    for (const job of await store.jobs()) {
      this.#jobs.set(job.run, job)
      if (job.state === 'open') this.#open.set(job.run, job)
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
    this.#jobs.set(job.run, job)
    return true
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
  }

  /** The run of a job has ended. */
  ended(run: string): void {
    this.#jobs.delete(run)
    this.#open.delete(run)
    for (const worker of this.#workers.values()) worker.runs.delete(run)
    this.#assignAll()
  }

  /** A worker is there, for the first time or again, and says which leases it holds. */
  async join(link: WorkerLink, id: string, slots: number, leases: readonly LeaseRef[]): Promise<void> {
    const agent = link.participant.id
    // The worker's former connection may not have been found dead yet; nothing must be given to it.
    for (const [old, worker] of this.#workers) if (worker.id === id && worker.agent === agent) this.#workers.delete(old)
    const worker: Worker = { id, agent, link, slots, runs: new Set() }
    this.#workers.set(link, worker)
    await this.renew(link, leases)
    await this.#remind(worker, leases)
    this.#assign(agent)
  }

  leave(link: WorkerLink): void {
    this.#workers.delete(link)
  }

  async renew(link: WorkerLink, leases: readonly LeaseRef[]): Promise<void> {
    const worker = this.#workers.get(link)
    const { store, leaseMs, report } = this.#options
    for (const { run, generation } of leases) {
      try {
        await this.#makeUp()
        const job = this.#jobs.get(run)
        const isOwn = job === undefined || job.agent === link.participant.id
        if (isOwn && (await store.renew(run, generation, leaseMs))) worker?.runs.add(run)
        else link.tell({ t: 'lost', run, generation })
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
    for (const job of this.#open.values()) {
      if (job.agent !== agent || this.#assigning.has(job.run)) continue
      const worker = this.#freeWorker(agent)
      if (worker === null) return
      void this.#give(job, worker)
    }
  }

  /** The worker of an agent with most room. */
  #freeWorker(agent: string): Worker | null {
    let best: Worker | null = null
    for (const worker of this.#workers.values()) {
      if (worker.agent !== agent || worker.runs.size >= worker.slots) continue
      if (best === null || worker.slots - worker.runs.size > best.slots - best.runs.size) best = worker
    }
    return best
  }

  async #give(job: NewJob, worker: Worker): Promise<void> {
    const { store, leaseMs, grant, report } = this.#options
    this.#assigning.add(job.run)
    worker.runs.add(job.run)
    try {
      const claimed = await store.claim(job.run, worker.id, leaseMs)
      // Null: the agent is still busy in that session (the job stays open until that run ends), or another node has it.
      if (claimed === null) {
        worker.runs.delete(job.run)
        return
      }
      this.#open.delete(job.run)
      await grant(claimed)
      this.#tell(claimed, worker)
    } catch (error) {
      worker.runs.delete(job.run)
      this.#storeFailed = true
      report(error, { stage: 'assign', run: job.run })
    } finally {
      this.#assigning.delete(job.run)
    }
  }

  /** Tells a worker again what it was given but does not know of: the word went with its connection, or with a server. */
  async #remind(worker: Worker, leases: readonly LeaseRef[]): Promise<void> {
    const { store, leaseMs, grant, report } = this.#options
    const known = new Set(leases.map(({ run }) => run))
    for (const job of await store.jobs()) {
      if (job.worker !== worker.id || job.agent !== worker.agent || known.has(job.run) || this.#assigning.has(job.run)) continue
      try {
        if (!(await store.renew(job.run, job.generation, leaseMs))) continue
        worker.runs.add(job.run)
        // The claim may have been stored without it.
        await grant(job)
        this.#tell(job, worker)
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
        await this.#lapse(job).catch((error: unknown) => {
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

  /** After the store has failed, as after a start: time in which nobody could renew must not end anybody's run. */
  async #makeUp(): Promise<void> {
    if (!this.#storeFailed) return
    await this.#options.store.extendAll(this.#options.leaseMs)
    this.#storeFailed = false
    this.#assignAll()
  }

  async #lapse(job: Job): Promise<void> {
    const { store, lapse } = this.#options
    if ((await lapse(job)) || !(await store.reopen(job.run, job.generation))) return
    for (const worker of this.#workers.values()) worker.runs.delete(job.run)
    this.added(job)
  }
}
