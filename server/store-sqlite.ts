/**
 * A store in one SQLite file, through `node:sqlite`. It is one server's alone, unless it was opened as `shared`: then other
 * processes may use it at the same time.
 *
 * 1. SQLite runs on the main thread. Measured with one row per commit, synchronous FULL: 85 µs of CPU and 0.19 ms (p50) per
 *    commit, against 153 µs and 0.22 ms through a worker thread. So a method does its work in one piece, before it returns.
 * 2. Nothing waits for a lock: with another process in the middle of a write, a method rejects at once (SQLITE_BUSY).
 * 3. A small batch of updates of known sessions goes to the tail, a file beside the database (`sqlite-tail.ts`). The next
 *    transaction takes it over, the latest by a timer. A shared store has no tail: others would not see what is in it.
 * 4. What is cached (numbers of sessions, last sequences) is dropped when a transaction fails or another process has written.
 */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { toJob } from './sqlite-jobs.ts'
import { PushTables } from './sqlite-push.ts'
import { openFiles, type OpenFiles } from './sqlite-files.ts'
import { openSnapshot, packSnapshot, sumOf } from './sqlite-rows.ts'
import { isCorrupt } from './sqlite-schema.ts'
import { prepareStatements, type Statements } from './sqlite-statements.ts'
import { PagesBroken, type Tail } from './sqlite-tail.ts'
import type { TailRow } from './sqlite-tail-file.ts'
import {
  DamagedSession,
  type Batch,
  type Job,
  type Notice,
  type Store,
  type StoredBlob,
  type StoredSession,
  type Subscriber,
} from './store.ts'

/** Sessions whose numbers are cached, about 200 bytes each. */
const MAX_CACHED_SESSIONS = 10_000
/** After this time without another transaction, the tables take what is in the tail. */
const POUR_AFTER_MS = 1_000
/** Pages of 4 KB that one `erase` gives back to the file system; 500 take about 5 ms. The rest is used again. */
const MAX_FREED_PAGES = 500

export interface SqliteStoreOptions {
  /** Path of the database; it and its folder are made when they are not there. `-wal` and `-shm` files lie beside it. */
  readonly file: string
  /**
   * `full` (default): a commit survives loss of power. `normal`: it survives `kill -9` of the process, but the last commits
   * before a loss of power may be gone; saves a write to the disk per commit.
   */
  readonly synchronous?: 'full' | 'normal'
  /**
   * Other processes may have the file open too, if they also say so. Every batch is then a transaction of SQLite's, which takes
   * three times the CPU for a streamed token. Default false: opening throws while somebody else has the file.
   */
  readonly shared?: boolean
  /** The clock of the leases, in epoch milliseconds. Default `Date.now`. */
  readonly now?: () => number
}

/**
 * Opens or creates a store in a file. Throws when the file is something else, was written by a newer version, or stays
 * locked or in somebody else's hands for 5 s.
 */
export function sqliteStore(options: SqliteStoreOptions): Store {
  const { file, synchronous = 'full', shared = false, now = Date.now } = options
  return new SqliteStore(openFiles(file, synchronous, shared), shared, now)
}

interface CachedSession {
  readonly id: number
  lastSeq: number
}

type Row = Record<string, SQLOutputValue>
type UpdateRow = [seq: number, sum: number, data: Uint8Array]

class SqliteStore implements Store {
  readonly onErase?: NonNullable<Store['onErase']>
  readonly #eraseListeners: ((session: string) => void)[] = []
  readonly #db: DatabaseSync
  readonly #files: OpenFiles
  readonly #tail: Tail | null
  readonly #now: () => number
  readonly #statements: Statements
  readonly #pushTables: PushTables
  readonly #cache = new Map<string, CachedSession>()
  /** SQLite's counter of commits by other connections, as of our last transaction. */
  #dataVersion: SQLOutputValue | undefined
  #pouring: NodeJS.Timeout | undefined

  constructor(files: OpenFiles, isShared: boolean, now: () => number) {
    if (!isShared) this.onErase = (listener) => void this.#eraseListeners.push(listener)
    this.#files = files
    this.#db = files.db
    this.#tail = files.tail
    this.#now = now
    this.#statements = prepareStatements(files.db)
    this.#pushTables = new PushTables(files.db)
  }

  async append(batch: Batch): Promise<void> {
    if (this.#addToTail(batch)) return
    const { addUpdate, addJob, hold, endJob, bindClient } = this.#sql
    this.#transaction('immediate', () => {
      for (const { session, update } of batch.entries) {
        try {
          const known = this.#session(session)
          const seq = known.lastSeq + 1
          addUpdate.run(known.id, seq, sumOf(update, seq), update)
          known.lastSeq = seq
        } catch (error) {
          throw isCorrupt(error) ? pagesOf(session) : error
        }
      }
      for (const { run, session, agent, input, parent, urgent } of batch.jobs) {
        addJob.run(run, session, agent, input, parent ?? null, urgent === true ? 1 : 0)
      }
      for (const { run, held } of batch.holds ?? []) hold.run(held ? 1 : 0, run)
      for (const run of batch.ended) endJob.run(run)
      for (const { session, client, participant } of batch.clients ?? []) bindClient.run(session, client, participant)
      for (const notice of batch.notices ?? []) this.#push.put(notice)
      for (const { session, id } of batch.dropped ?? []) this.#push.take(session, id)
    })
  }

  async clients(session: string): Promise<ReadonlyMap<number, string>> {
    return new Map(this.#sql.listClients.all(session).map((row) => [Number(row['client']), String(row['participant'])]))
  }

  async read(session: string): Promise<StoredSession> {
    const { findSession, readSnapshot, readUpdates } = this.#sql
    let snapshotRow: Row | undefined
    let rows: UpdateRow[] = []
    try {
      // One transaction: another process may compact between the two.
      this.#transaction('deferred', () => {
        const id = findSession.get(session)?.['id']
        if (typeof id !== 'number') return
        snapshotRow = readSnapshot.get(id)
        rows = readUpdates.all(id, snapshotRow?.['seq'] ?? 0) as unknown as UpdateRow[]
        for (const row of this.#tail?.of(id) ?? []) rows.push([row.seq, row.sum, row.data])
      })
    } catch (error) {
      throw isCorrupt(error) ? pagesOf(session) : error
    }
    const { snapshot, snapshotSeq } = await openSnapshot(session, snapshotRow)
    let lastSeq = snapshotSeq
    for (const [seq, sum, data] of rows) {
      if (seq !== lastSeq + 1) throw new DamagedSession(session, `after update ${lastSeq} comes update ${seq}`)
      if (sumOf(data, seq) !== sum) throw new DamagedSession(session, `update ${seq} does not match its checksum`)
      lastSeq = seq
    }
    return { snapshot, snapshotSeq, updates: rows.map((row) => row[2]), lastSeq }
  }

  async compact(session: string, seq: number, snapshot: Uint8Array): Promise<boolean> {
    // What is decided is decided afterwards, within the transaction.
    const data = await packSnapshot(snapshot)
    const { findSession, dropUpdates, putSnapshot } = this.#sql
    return this.#transaction('immediate', () => {
      const id = findSession.get(session)?.['id']
      if (typeof id !== 'number') return false
      const { snapshotSeq, lastSeq } = this.#reach(id)
      if (seq <= snapshotSeq || seq > lastSeq) return false
      // First the updates: the snapshot then takes their pages, and the file does not grow.
      dropUpdates.run(id, seq)
      putSnapshot.run(id, seq, sumOf(data, seq), snapshot.byteLength, data)
      return true
    })
  }

  async erase(session: string): Promise<void> {
    const { findSession, dropUpdates, dropSnapshot, dropJobs, dropClients, dropBlobs, dropSession } = this.#sql
    for (const listener of this.#eraseListeners) listener(session)
    this.#transaction('immediate', () => {
      dropJobs.run(session)
      dropClients.run(session)
      dropBlobs.run(session)
      this.#push.erase(session)
      const id = findSession.get(session)?.['id']
      if (id === undefined) return
      dropUpdates.run(id, Number.MAX_SAFE_INTEGER)
      dropSnapshot.run(id)
      dropSession.run(id)
      this.#cache.delete(session)
    })
    try {
      // The write-ahead log still has the old pages: it is emptied, unless another process is reading from it.
      this.#tail?.wipe()
      this.#db.exec(`pragma incremental_vacuum(${MAX_FREED_PAGES}); pragma wal_checkpoint(truncate)`)
    } catch {
      // The session is erased; space and log are cleared by a later transaction.
    }
  }

  async putBlob(session: string, id: string, type: string, data: Uint8Array): Promise<void> {
    this.#sql.putBlob.run(session, id, type, data)
  }

  async getBlob(session: string, id: string): Promise<StoredBlob | null> {
    const row = this.#sql.getBlob.get(session, id)
    return row === undefined ? null : { type: String(row['type']), data: row['data'] as Uint8Array }
  }

  async blobBytes(session: string): Promise<number> {
    return Number(this.#sql.blobBytes.get(session)?.['bytes'])
  }

  async sessions(): Promise<string[]> {
    return this.#sql.listSessions
      .all()
      .map((row) => String(row['name']))
      .sort()
  }

  async jobs(): Promise<Job[]> {
    return this.#sql.listJobs.all().map(toJob)
  }

  async claim(run: string, worker: string, leaseMs: number): Promise<Job | null> {
    // `all`, here and below: `get` stops after the first row, and a commit that fails then would go unnoticed.
    const [row] = this.#sql.claim.all(worker, this.#now() + leaseMs, run)
    return row === undefined ? null : toJob(row)
  }

  async renew(run: string, generation: number, leaseMs: number): Promise<boolean> {
    const now = this.#now()
    return this.#sql.renew.run(now + leaseMs, run, generation, now).changes === 1
  }

  async extendAll(leaseMs: number): Promise<void> {
    const until = this.#now() + leaseMs
    this.#sql.extendAll.run(until, until)
  }

  async lapsed(): Promise<Job[]> {
    return this.#sql.lapsed.all(this.#now()).map(toJob)
  }

  async reopen(run: string, generation: number): Promise<boolean> {
    return this.#sql.reopen.run(run, generation).changes === 1
  }

  async subscribe(subscriber: Subscriber, most: number): Promise<void> {
    this.#transaction('immediate', () => this.#push.subscribe(subscriber, most))
  }

  async unsubscribe(endpoint: string, session?: string): Promise<void> {
    this.#push.unsubscribe(endpoint, session)
  }

  async unsubscribeAll(target: { participant?: string; session?: string }): Promise<void> {
    this.#push.unsubscribeAll(target)
  }

  async subscribers(session: string): Promise<Subscriber[]> {
    return this.#push.subscribers(session)
  }

  async subscribed(): Promise<string[]> {
    return this.#push.subscribed()
  }

  async notices(): Promise<Notice[]> {
    return this.#push.notices()
  }

  async takeNotice(session: string, id: string): Promise<boolean> {
    return this.#push.take(session, id)
  }

  async keep(name: string, value: string): Promise<string> {
    return this.#push.keep(name, value)
  }

  async close(): Promise<void> {
    if (!this.#db.isOpen) return
    this.#pour()
    clearTimeout(this.#pouring)
    this.#files.close()
  }

  get #sql(): Statements {
    if (!this.#db.isOpen) throw new Error('The store is closed.')
    return this.#statements
  }

  get #push(): PushTables {
    if (!this.#db.isOpen) throw new Error('The store is closed.')
    return this.#pushTables
  }

  /** Runs `work` as a whole or not at all, and gives the error that stopped it. */
  #transaction<T>(kind: 'immediate' | 'deferred', work: () => T): T {
    // A rollback that failed, as on a broken disk: without this, nothing could ever be written again.
    if (this.#db.isTransaction) this.#db.exec('rollback')
    try {
      this.#db.exec(`begin ${kind}`)
      if (kind === 'immediate') this.#checkCache()
      const onPoured = kind === 'immediate' ? this.#tail?.pour() : undefined
      const result = work()
      this.#db.exec('commit')
      for (const id of onPoured?.() ?? []) this.#forget(id)
      return result
    } catch (error) {
      this.#cache.clear()
      try {
        // After some errors, such as a full disk, SQLite has rolled back by itself.
        if (this.#db.isTransaction) this.#db.exec('rollback')
      } catch {
        // The first error is the one to tell.
      }
      if (error instanceof PagesBroken) return this.#transaction(kind, work)
      throw error
    }
  }

  /** True when the batch is stored in the tail; false when it must go into the tables. */
  #addToTail(batch: Batch): boolean {
    if (this.#tail === null || !this.#db.isOpen || !hasOnlyUpdates(batch)) return false
    const reached = new Map<CachedSession, number>()
    const rows: TailRow[] = []
    for (const { session, update } of batch.entries) {
      const known = this.#cache.get(session)
      if (known === undefined) return false
      const seq = (reached.get(known) ?? known.lastSeq) + 1
      reached.set(known, seq)
      // A copy: what the caller gave is not ours, and a view would keep the frame alive that it is in.
      rows.push({ id: known.id, seq, sum: sumOf(update, seq), data: new Uint8Array(update) })
    }
    if (!this.#tail.add(rows)) return false
    for (const [known, seq] of reached) known.lastSeq = seq
    this.#pourLater()
    return true
  }

  #pourLater(): void {
    this.#pouring ??= setTimeout(() => {
      this.#pouring = undefined
      this.#pour()
    }, POUR_AFTER_MS).unref()
  }

  /** Puts into the tables what the tail holds. Never throws: what fails is tried again, and a full tail makes batches fail. */
  #pour(): void {
    if (this.#tail === null || this.#tail.isEmpty) return
    try {
      this.#transaction('immediate', () => {})
    } catch {
      this.#pourLater()
    }
  }

  #checkCache(): void {
    const dataVersion = this.#sql.dataVersion.get()?.['data_version']
    if (dataVersion !== this.#dataVersion || this.#cache.size > MAX_CACHED_SESSIONS) this.#cache.clear()
    this.#dataVersion = dataVersion
  }

  /** Number and last sequence of a session, which is made when it is not there. */
  #session(name: string): CachedSession {
    const cached = this.#cache.get(name)
    if (cached !== undefined) return cached
    const { findSession, addSession } = this.#sql
    const found = findSession.get(name)?.['id']
    const id = Number(found ?? addSession.run(name).lastInsertRowid)
    const session: CachedSession = { id, lastSeq: found === undefined ? 0 : this.#reach(id).lastSeq }
    session.lastSeq = this.#tail?.of(id).at(-1)?.seq ?? session.lastSeq
    this.#cache.set(name, session)
    return session
  }

  /** The next batch for that session goes to the tables, and is told that they are damaged. */
  #forget(id: number): void {
    for (const [name, session] of this.#cache) if (session.id === id) this.#cache.delete(name)
  }

  #reach(id: number): { snapshotSeq: number; lastSeq: number } {
    const row = this.#sql.reach.get(id, id)
    const snapshotSeq = Number(row?.['snapshot_seq'] ?? 0)
    return { snapshotSeq, lastSeq: Math.max(snapshotSeq, Number(row?.['last_seq'] ?? 0)) }
  }
}

function hasOnlyUpdates({ entries, jobs, ended, holds = [], clients = [], notices = [], dropped = [] }: Batch): boolean {
  return entries.length > 0 && jobs.length + ended.length + holds.length + clients.length + notices.length + dropped.length === 0
}

function pagesOf(session: string): DamagedSession {
  return new DamagedSession(session, 'SQLite finds its pages corrupt')
}
