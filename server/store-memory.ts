/**
 * A store that keeps everything in memory: for tests, and for servers whose sessions may end with them. It keeps the whole
 * contract but one clause: nothing survives the process.
 */
import type { Batch, Job, NewJob, Notice, Store, StoredBlob, StoredSession, Subscriber } from './store.ts'

interface MemorySession {
  snapshot: Uint8Array | null
  snapshotSeq: number
  updates: Uint8Array[]
}

interface MemoryJob extends NewJob {
  /** Place in the order in which they came. */
  readonly order: number
  held: boolean
  generation: number
  worker: string | null
  expiresAt: number
}

export interface MemoryStoreOptions {
  /** The clock of the leases, in epoch milliseconds. Default `Date.now`. */
  readonly now?: () => number
}

/** Makes an empty store in memory. */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  return new MemoryStore(options.now ?? Date.now)
}

class MemoryStore implements Store {
  readonly #now: () => number
  readonly #sessions = new Map<string, MemorySession>()
  /** By run; a Map keeps the order in which they came. */
  readonly #jobs = new Map<string, MemoryJob>()
  #added = 0
  readonly #clients = new Map<string, Map<number, string>>()
  readonly #blobs = new Map<string, Map<string, StoredBlob>>()
  #subscribers: Subscriber[] = []
  /** By session and id. */
  readonly #notices = new Map<string, Notice>()
  readonly #kept = new Map<string, string>()
  readonly #eraseListeners: ((session: string) => void)[] = []
  #closed = false
  /** Also where it is called on what stands for this store. */
  readonly onErase: NonNullable<Store['onErase']> = (listener) => void this.#eraseListeners.push(listener)

  constructor(now: () => number) {
    this.#now = now
  }

  async append(batch: Batch): Promise<void> {
    this.#open()
    // Copies, since the caller may use its buffers again; all of them first, so that a bad entry leaves nothing behind.
    const copies = batch.entries.map(({ session, update }) => ({ session, update: update.slice() }))
    for (const { session, update } of copies) {
      const stored = this.#sessions.get(session)
      if (stored === undefined) this.#sessions.set(session, { snapshot: null, snapshotSeq: 0, updates: [update] })
      else stored.updates.push(update)
    }
    for (const { run, session, agent, input, parent, urgent = false } of batch.jobs) {
      if (this.#jobs.has(run)) continue
      const job = { run, session, agent, input, parent, urgent, order: this.#added++, held: false }
      this.#jobs.set(run, { ...job, generation: 0, worker: null, expiresAt: 0 })
    }
    for (const { run, held } of batch.holds ?? []) {
      const job = this.#jobs.get(run)
      if (job?.worker === null && job.parent === undefined) job.held = held
    }
    for (const run of batch.ended) this.#jobs.delete(run)
    for (const { session, client, participant } of batch.clients ?? []) {
      let clients = this.#clients.get(session)
      if (clients === undefined) this.#clients.set(session, (clients = new Map()))
      if (!clients.has(client)) clients.set(client, participant)
    }
    for (const notice of batch.notices ?? []) this.#notices.set(noticeKey(notice.session, notice.id), notice)
    for (const { session, id } of batch.dropped ?? []) this.#notices.delete(noticeKey(session, id))
  }

  async clients(session: string): Promise<ReadonlyMap<number, string>> {
    this.#open()
    return new Map(this.#clients.get(session))
  }

  async read(session: string): Promise<StoredSession> {
    this.#open()
    const stored = this.#sessions.get(session)
    if (stored === undefined) return { snapshot: null, snapshotSeq: 0, updates: [], lastSeq: 0 }
    const { snapshot, snapshotSeq, updates } = stored
    return {
      snapshot: snapshot?.slice() ?? null,
      snapshotSeq,
      updates: updates.map((update) => update.slice()),
      lastSeq: snapshotSeq + updates.length,
    }
  }

  async compact(session: string, seq: number, snapshot: Uint8Array): Promise<boolean> {
    this.#open()
    const stored = this.#sessions.get(session)
    if (stored === undefined || seq <= stored.snapshotSeq || seq > stored.snapshotSeq + stored.updates.length) return false
    stored.updates.splice(0, seq - stored.snapshotSeq)
    stored.snapshot = snapshot.slice()
    stored.snapshotSeq = seq
    return true
  }

  async erase(session: string): Promise<void> {
    this.#open()
    for (const listener of this.#eraseListeners) listener(session)
    this.#sessions.delete(session)
    this.#clients.delete(session)
    this.#blobs.delete(session)
    for (const job of this.#jobs.values()) if (job.session === session) this.#jobs.delete(job.run)
    this.#subscribers = this.#subscribers.filter((each) => each.session !== session)
    for (const [key, notice] of this.#notices) if (notice.session === session) this.#notices.delete(key)
  }

  async putBlob(session: string, id: string, type: string, data: Uint8Array): Promise<void> {
    this.#open()
    let blobs = this.#blobs.get(session)
    if (blobs === undefined) this.#blobs.set(session, (blobs = new Map()))
    if (!blobs.has(id)) blobs.set(id, { type, data: Uint8Array.from(data) })
  }

  async getBlob(session: string, id: string): Promise<StoredBlob | null> {
    this.#open()
    const blob = this.#blobs.get(session)?.get(id)
    return blob === undefined ? null : { type: blob.type, data: blob.data.slice() }
  }

  async blobBytes(session: string): Promise<number> {
    this.#open()
    let bytes = 0
    for (const { data } of this.#blobs.get(session)?.values() ?? []) bytes += data.byteLength
    return bytes
  }

  async sessions(): Promise<string[]> {
    this.#open()
    return [...this.#sessions.keys()].sort()
  }

  async jobs(): Promise<Job[]> {
    this.#open()
    return [...this.#jobs.values()].map(toJob)
  }

  async claim(run: string, worker: string, leaseMs: number): Promise<Job | null> {
    this.#open()
    const wanted = this.#jobs.get(run)
    if (wanted === undefined || wanted.worker !== null || wanted.held) return null
    if (wanted.parent === undefined && [...this.#jobs.values()].some((job) => goesBefore(job, wanted))) return null
    wanted.worker = worker
    wanted.generation += 1
    wanted.expiresAt = this.#now() + leaseMs
    return toJob(wanted)
  }

  async renew(run: string, generation: number, leaseMs: number): Promise<boolean> {
    this.#open()
    const job = this.#jobs.get(run)
    const now = this.#now()
    if (job === undefined || job.worker === null || job.generation !== generation || job.expiresAt <= now) return false
    job.expiresAt = now + leaseMs
    return true
  }

  async extendAll(leaseMs: number): Promise<void> {
    this.#open()
    const until = this.#now() + leaseMs
    for (const job of this.#jobs.values()) if (job.worker !== null) job.expiresAt = Math.max(job.expiresAt, until)
  }

  async lapsed(): Promise<Job[]> {
    this.#open()
    const now = this.#now()
    return [...this.#jobs.values()].filter((job) => job.worker !== null && job.expiresAt <= now).map(toJob)
  }

  async reopen(run: string, generation: number): Promise<boolean> {
    this.#open()
    const job = this.#jobs.get(run)
    if (job === undefined || job.worker === null || job.generation !== generation) return false
    job.worker = null
    job.expiresAt = 0
    return true
  }

  async subscribe(subscriber: Subscriber, most: number): Promise<void> {
    this.#open()
    const { session, participant, endpoint } = subscriber
    const others = this.#subscribers.filter(
      (each) => each.endpoint !== endpoint || (each.participant === participant && each.session !== session),
    )
    const own = others.filter((each) => each.session === session && each.participant === participant)
    const tooMany = new Set(own.slice(0, Math.max(0, own.length + 1 - most)))
    this.#subscribers = [...others.filter((each) => !tooMany.has(each)), { ...subscriber }]
  }

  async unsubscribe(endpoint: string, session?: string): Promise<void> {
    this.#open()
    const isMeant = (each: Subscriber): boolean =>
      each.endpoint === endpoint && (session === undefined || each.session === session)
    this.#subscribers = this.#subscribers.filter((each) => !isMeant(each))
  }

  async unsubscribeAll({ participant, session }: { participant?: string; session?: string }): Promise<void> {
    this.#open()
    this.#subscribers = this.#subscribers.filter(
      (each) => (participant ?? each.participant) !== each.participant || (session ?? each.session) !== each.session,
    )
  }

  async subscribers(session: string): Promise<Subscriber[]> {
    this.#open()
    return this.#subscribers.filter((each) => each.session === session)
  }

  async subscribed(): Promise<string[]> {
    this.#open()
    return [...new Set(this.#subscribers.map(({ session }) => session))]
  }

  async notices(): Promise<Notice[]> {
    this.#open()
    return [...this.#notices.values()].sort((a, b) => a.at - b.at)
  }

  async takeNotice(session: string, id: string): Promise<boolean> {
    this.#open()
    return this.#notices.delete(noticeKey(session, id))
  }

  async keep(name: string, value: string): Promise<string> {
    this.#open()
    if (!this.#kept.has(name)) this.#kept.set(name, value)
    return this.#kept.get(name) ?? value
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #open(): void {
    if (this.#closed) throw new Error('The store is closed.')
  }
}

function noticeKey(session: string, id: string): string {
  return JSON.stringify([session, id])
}

/** Whether an agent must be at `job`, or be done with it, before it takes up `wanted`. */
function goesBefore(job: MemoryJob, wanted: MemoryJob): boolean {
  if (job === wanted || job.session !== wanted.session || job.agent !== wanted.agent || job.parent !== undefined) return false
  if (job.worker !== null) return true
  if (job.held) return false
  if (job.urgent !== wanted.urgent) return job.urgent === true
  return job.order < wanted.order
}

function toJob(job: MemoryJob): Job {
  const { parent, urgent, held, order: _, ...rest } = job
  return {
    ...rest,
    ...(parent === undefined ? {} : { parent }),
    ...(urgent === true ? { urgent } : {}),
    ...(held ? { held } : {}),
    state: job.worker === null ? 'open' : 'leased',
  }
}
