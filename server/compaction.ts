/**
 * Compaction: when the log of a session has become long, a snapshot takes its place. It is made in a worker thread, since a
 * large session takes a second of CPU, and swapped in by compare-and-set, so that whatever was logged meanwhile stays.
 */
import { Worker } from 'node:worker_threads'
import type { Report } from '../shared/errors.ts'
import type { MergeReply, MergeRequest } from './compaction-worker.ts'
import { DamagedSession, type Store, type StoredSession } from './store.ts'

/** What an update costs beside its own bytes, wherever it is stored: a row of SQLite's. */
export const UPDATE_OVERHEAD_BYTES = 20
/**
 * A log below this size is left alone while the session is in use. At one token per update it holds 6,000 tokens and adds
 * 20 ms to opening the session.
 */
export const MIN_LOG_BYTES: number = 256 * 1024
/**
 * Size of the log, as a share of its snapshot, at which it is compacted. Each compaction costs as much as the whole session
 * (a second of the worker's CPU at 16 MB of nested types), so it must become rarer as that grows. At one half, compactions
 * write 2 to 3 bytes for each byte logged, whatever the size, and log and snapshot take at most 1.5 × the snapshot.
 */
export const LOG_SHARE = 0.5
/** The same for a session that nobody uses: it may stay as it is for years, so it is made small, unless it is already. */
export const IDLE_MIN_LOG_BYTES: number = 2 * 1024
export const IDLE_LOG_SHARE = 0.1
/** A compaction without a result after this time is given up and its worker ended; the next one gets a fresh worker. */
const MERGE_TIMEOUT_MS = 60_000

export interface LogMeasure {
  readonly updatesSinceSnapshot: number
  readonly bytesSinceSnapshot: number
  /** Encoded size of the snapshot; 0 without one. */
  readonly snapshotBytes: number
  /** Nobody has the session open any more. Default false. */
  readonly idle?: boolean
}

/** Whether the log of a session is due to become a snapshot. */
export function shouldCompact({ updatesSinceSnapshot, bytesSinceSnapshot, snapshotBytes, idle = false }: LogMeasure): boolean {
  const logBytes = bytesSinceSnapshot + updatesSinceSnapshot * UPDATE_OVERHEAD_BYTES
  return idle
    ? logBytes >= Math.max(IDLE_MIN_LOG_BYTES, snapshotBytes * IDLE_LOG_SHARE)
    : logBytes >= Math.max(MIN_LOG_BYTES, snapshotBytes * LOG_SHARE)
}

export interface CompactorOptions {
  readonly store: Store
  readonly report: Report
  /** Told when a session has a new snapshot, with its encoded size. */
  readonly onCompacted?: (session: string, snapshotBytes: number) => void
}

/** So many updates are copied in one turn of the event loop. */
const PACKED_AT_ONCE = 1_000

interface Pending {
  readonly resolve: (reply: MergeReply) => void
  readonly reject: (error: Error) => void
}

/**
 * Compacts sessions one after the other, in the order of the requests. Failures are reported with the stage `compaction` and
 * leave the log as it is. Its worker starts with the first request and does not keep the process alive.
 */
export class Compactor {
  readonly #store: Store
  readonly #report: Report
  readonly #onCompacted: (session: string, snapshotBytes: number) => void
  readonly #queue = new Set<string>()
  #worker: Worker | null = null
  /** The merge that the worker is at. */
  #pending: Pending | null = null
  /** Ends when the queue is empty. */
  #working: Promise<void> | null = null
  #current: { readonly session: string; readonly done: Promise<void> } | null = null
  #closed = false

  constructor(options: CompactorOptions) {
    this.#store = options.store
    this.#report = options.report
    this.#onCompacted = options.onCompacted ?? (() => {})
  }

  /** Puts a session into the queue, unless it is there already. Never throws; without effect after `close`. */
  request(session: string): void {
    if (this.#closed) return
    this.#queue.add(session)
    this.#working ??= this.#work()
  }

  /** Resolves when no session is waiting or being compacted. */
  async idle(): Promise<void> {
    while (this.#working !== null) await this.#working
  }

  /**
   * Takes a session out of the queue, and waits for its compaction if it has begun. To be called before `store.erase`: a
   * snapshot made before must not arrive after it.
   */
  async forget(session: string): Promise<void> {
    this.#queue.delete(session)
    if (this.#current?.session === session) await this.#current.done
  }

  /** Gives up what is under way, ends the worker and waits until the store is no longer used. */
  async close(): Promise<void> {
    this.#closed = true
    this.#queue.clear()
    await this.#worker?.terminate()
    await this.idle()
  }

  async #work(): Promise<void> {
    // A session requested while it is being compacted comes to the end of the set, and is done once more.
    for (const session of this.#queue) {
      this.#queue.delete(session)
      const done = this.#compact(session).catch((error: unknown) => {
        if (!this.#closed) this.#report(error, { stage: 'compaction', session })
      })
      this.#current = { session, done }
      await done
    }
    this.#current = null
    this.#working = null
  }

  async #compact(session: string): Promise<void> {
    const stored = await this.#store.read(session)
    if (stored.updates.length === 0 || this.#closed) return
    const request = await pack(stored)
    if (this.#closed) return
    const reply = await this.#merge(request)
    if (this.#closed) return
    switch (reply.t) {
      case 'merged':
        // False when another process was quicker: then its snapshot is the newer one.
        if (await this.#store.compact(session, stored.lastSeq, reply.state)) {
          this.#onCompacted(session, reply.state.byteLength)
        }
        return
      case 'incomplete':
        throw new DamagedSession(session, 'an update is missing')
      case 'failed':
        throw new DamagedSession(session, `an update does not decode (${reply.message})`)
    }
  }

  #merge(request: MergeRequest): Promise<MergeReply> {
    const { promise, resolve, reject } = Promise.withResolvers<MergeReply>()
    const worker = (this.#worker ??= this.#startWorker())
    const timer = setTimeout(() => {
      reject(new Error(`The compaction gave no result within ${MERGE_TIMEOUT_MS} ms.`))
      this.#drop(worker)
      void worker.terminate()
    }, MERGE_TIMEOUT_MS)
    timer.unref()
    this.#pending = { resolve, reject }
    worker.postMessage(request, [request.bytes.buffer, request.ends.buffer])
    return promise.finally(() => {
      clearTimeout(timer)
      this.#pending = null
    })
  }

  #startWorker(): Worker {
    // Node runs the sources as they are, but the build does not rewrite names within strings.
    const file = import.meta.url.endsWith('.ts')
      ? new URL('./compaction-worker.ts', import.meta.url)
      : new URL('./compaction-worker.js', import.meta.url)
    // Not the flags of the process: some of them, such as --input-type, stop a worker from starting.
    const worker = new Worker(file, { execArgv: [] })
    worker.on('message', (reply: MergeReply) => {
      if (this.#worker === worker) this.#pending?.resolve(reply)
    })
    // What crashes the worker, memory that runs out included, ends in both events; the first one tells why.
    worker.on('error', (error) => this.#lose(worker, error))
    worker.on('exit', (code) => this.#lose(worker, new Error(`The compaction worker ended with code ${code}.`)))
    // Only now: listening for messages makes a worker keep the process alive again.
    worker.unref()
    return worker
  }

  #lose(worker: Worker, reason: unknown): void {
    if (!this.#drop(worker)) return
    this.#pending?.reject(reason instanceof Error ? reason : new Error(String(reason)))
  }

  /** True when it was the worker in use. */
  #drop(worker: Worker): boolean {
    if (this.#worker !== worker) return false
    this.#worker = null
    return true
  }
}

/** In turns of the event loop: there may be ten thousand pieces. */
async function pack({ snapshot, updates }: StoredSession): Promise<MergeRequest> {
  const pieces = snapshot === null ? updates : [snapshot, ...updates]
  const ends = new Uint32Array(pieces.length)
  let length = 0
  for (const [index, piece] of pieces.entries()) ends[index] = length += piece.byteLength
  const bytes = new Uint8Array(length)
  for (const [index, piece] of pieces.entries()) {
    bytes.set(piece, (ends[index] ?? 0) - piece.byteLength)
    if (index % PACKED_AT_ONCE === PACKED_AT_ONCE - 1) await new Promise((resolve) => setImmediate(resolve))
  }
  return { bytes, ends }
}
