/**
 * A store in one SQLite file, through `node:sqlite`. For one server; another process may read or compact the same file at
 * the same time, and even two servers cannot corrupt it.
 *
 * 1. SQLite runs on the main thread. Measured with one row per commit, synchronous FULL: 85 µs of CPU and 0.19 ms (p50) per
 *    commit, against 153 µs and 0.22 ms through a worker thread. So a method does its work in one piece, before it returns.
 * 2. Nothing waits for a lock: with another process in the middle of a write, a method rejects at once (SQLITE_BUSY).
 * 3. What is cached (numbers of sessions, last sequences) is dropped when a transaction fails or another process has written.
 */
import { constants, crc32, zstdCompress, zstdDecompress } from 'node:zlib'
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { JOB, toJob } from './sqlite-jobs.ts'
import { PushTables } from './sqlite-push.ts'
import { isCorrupt, openDatabase } from './sqlite-schema.ts'
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

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** Snapshots below this many bytes stay as they are: compression has nothing to find in them. */
const MIN_COMPRESSED_BYTES = 256
/** Sessions whose numbers are cached, about 200 bytes each. */
const MAX_CACHED_SESSIONS = 10_000
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
  /** The clock of the leases, in epoch milliseconds. Default `Date.now`. */
  readonly now?: () => number
}

/**
 * Opens or creates a store in a file. Throws when the file is something else, was written by a newer version, or stays
 * locked for 5 s.
 */
export function sqliteStore(options: SqliteStoreOptions): Store {
  const { file, synchronous = 'full', now = Date.now } = options
  return new SqliteStore(openDatabase(file, synchronous), now)
}

interface CachedSession {
  readonly id: number
  lastSeq: number
}

type Row = Record<string, SQLOutputValue>

class SqliteStore implements Store {
  readonly #db: DatabaseSync
  readonly #now: () => number
  readonly #statements: Statements
  readonly #pushTables: PushTables
  readonly #cache = new Map<string, CachedSession>()
  /** SQLite's counter of commits by other connections, as of our last transaction. */
  #dataVersion: SQLOutputValue | undefined

  constructor(db: DatabaseSync, now: () => number) {
    this.#db = db
    this.#now = now
    this.#statements = prepareStatements(db)
    this.#pushTables = new PushTables(db)
  }

  async append(batch: Batch): Promise<void> {
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
    let rows: [seq: number, sum: number, data: Uint8Array][] = []
    try {
      // One transaction: another process may compact between the two.
      this.#transaction('deferred', () => {
        const id = findSession.get(session)?.['id']
        if (id === undefined) return
        snapshotRow = readSnapshot.get(id)
        rows = readUpdates.all(id, snapshotRow?.['seq'] ?? 0) as unknown as typeof rows
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
    const size = snapshot.byteLength
    let data = snapshot
    if (size >= MIN_COMPRESSED_BYTES) {
      // In the thread pool. What is decided is decided afterwards, within the transaction.
      const packed = await compress(snapshot, { params: { [constants.ZSTD_c_compressionLevel]: 3 } })
      if (packed.byteLength < size) data = packed
    }
    const { findSession, dropUpdates, putSnapshot } = this.#sql
    return this.#transaction('immediate', () => {
      const id = findSession.get(session)?.['id']
      if (typeof id !== 'number') return false
      const { snapshotSeq, lastSeq } = this.#reach(id)
      if (seq <= snapshotSeq || seq > lastSeq) return false
      // First the updates: the snapshot then takes their pages, and the file does not grow.
      dropUpdates.run(id, seq)
      putSnapshot.run(id, seq, sumOf(data, seq), size, data)
      return true
    })
  }

  async erase(session: string): Promise<void> {
    const { findSession, dropUpdates, dropSnapshot, dropJobs, dropClients, dropBlobs, dropSession } = this.#sql
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
    if (this.#db.isOpen) this.#db.close()
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
      const result = work()
      this.#db.exec('commit')
      return result
    } catch (error) {
      this.#cache.clear()
      try {
        // After some errors, such as a full disk, SQLite has rolled back by itself.
        if (this.#db.isTransaction) this.#db.exec('rollback')
      } catch {
        // The first error is the one to tell.
      }
      throw error
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
    this.#cache.set(name, session)
    return session
  }

  #reach(id: number): { snapshotSeq: number; lastSeq: number } {
    const row = this.#sql.reach.get(id, id)
    const snapshotSeq = Number(row?.['snapshot_seq'] ?? 0)
    return { snapshotSeq, lastSeq: Math.max(snapshotSeq, Number(row?.['last_seq'] ?? 0)) }
  }
}

type Statements = ReturnType<typeof prepareStatements>

function prepareStatements(db: DatabaseSync) {
  const readUpdates = db.prepare('select seq, sum, data from updates where session = ? and seq > ? order by seq')
  // Twice as fast as an object per row.
  readUpdates.setReturnArrays(true)
  return {
    dataVersion: db.prepare('pragma data_version'),
    findSession: db.prepare('select id from sessions where name = ?'),
    addSession: db.prepare('insert into sessions (name) values (?)'),
    dropSession: db.prepare('delete from sessions where id = ?'),
    listSessions: db.prepare('select name from sessions'),
    reach: db.prepare(`
      select (select seq from snapshots where session = ?) as snapshot_seq,
             (select max(seq) from updates where session = ?) as last_seq`),
    readUpdates,
    addUpdate: db.prepare('insert into updates (session, seq, sum, data) values (?, ?, ?, ?)'),
    dropUpdates: db.prepare('delete from updates where session = ? and seq <= ?'),
    readSnapshot: db.prepare('select seq, sum, size, data from snapshots where session = ?'),
    putSnapshot: db.prepare('insert or replace into snapshots (session, seq, sum, size, data) values (?, ?, ?, ?, ?)'),
    dropSnapshot: db.prepare('delete from snapshots where session = ?'),
    addJob: db.prepare(`
      insert into jobs (run, session, agent, input, parent, urgent) values (?, ?, ?, ?, ?, ?) on conflict (run) do nothing`),
    hold: db.prepare('update jobs set held = ? where run = ? and worker is null and parent is null'),
    endJob: db.prepare('delete from jobs where run = ?'),
    dropJobs: db.prepare('delete from jobs where session = ?'),
    bindClient: db.prepare(`
      insert into clients (session, client, participant) values (?, ?, ?) on conflict (session, client) do nothing`),
    listClients: db.prepare('select client, participant from clients where session = ?'),
    dropClients: db.prepare('delete from clients where session = ?'),
    putBlob: db.prepare('insert into blobs (session, id, type, data) values (?, ?, ?, ?) on conflict (session, id) do nothing'),
    getBlob: db.prepare('select type, data from blobs where session = ? and id = ?'),
    blobBytes: db.prepare('select coalesce(sum(length(data)), 0) as bytes from blobs where session = ?'),
    dropBlobs: db.prepare('delete from blobs where session = ?'),
    listJobs: db.prepare(`select ${JOB} from jobs order by id`),
    claim: db.prepare(`
      update jobs set generation = generation + 1, worker = ?, expires_at = ?
      where run = ? and worker is null and held = 0 and (parent is not null or not exists (
        -- What the agent must be done with before: the one that it is at, and those that go before this one.
        select 1 from jobs as other
        where other.session = jobs.session and other.agent = jobs.agent and other.parent is null and other.id <> jobs.id
          and (other.worker is not null or (other.held = 0
            and (other.urgent > jobs.urgent or (other.urgent = jobs.urgent and other.id < jobs.id))))))
      returning ${JOB}`),
    renew: db.prepare(`
      update jobs set expires_at = ? where run = ? and generation = ? and worker is not null and expires_at > ?`),
    extendAll: db.prepare('update jobs set expires_at = ? where worker is not null and expires_at < ?'),
    lapsed: db.prepare(`select ${JOB} from jobs where worker is not null and expires_at <= ? order by id`),
    reopen: db.prepare(`
      update jobs set worker = null, expires_at = 0 where run = ? and generation = ? and worker is not null`),
  } satisfies Record<string, StatementSync>
}

function pagesOf(session: string): DamagedSession {
  return new DamagedSession(session, 'SQLite finds its pages corrupt')
}

/** Checksum of a row. It starts at `seq`, so that a row in the place of another one is found as well. */
function sumOf(data: Uint8Array, seq: number): number {
  return crc32(data, seq >>> 0) | 0
}

async function openSnapshot(
  session: string,
  row: Row | undefined,
): Promise<{ snapshot: Uint8Array | null; snapshotSeq: number }> {
  if (row === undefined) return { snapshot: null, snapshotSeq: 0 }
  const { seq, sum, size, data } = row as { seq: number; sum: number; size: number; data: Uint8Array }
  if (sumOf(data, seq) !== sum) throw new DamagedSession(session, 'the snapshot does not match its checksum')
  if (data.byteLength === size) return { snapshot: data, snapshotSeq: seq }
  try {
    const { buffer, byteOffset, byteLength } = await decompress(data, { maxOutputLength: size })
    if (byteLength === size) return { snapshot: new Uint8Array(buffer, byteOffset, byteLength), snapshotSeq: seq }
  } catch {
    // Told below, like a result of another length.
  }
  throw new DamagedSession(session, `the snapshot does not expand to its ${size} bytes`)
}
