/**
 * Knows whether everything that was written here is stored at the server: counts local writes, sends marks behind them, and
 * reads the server's answers.
 */
import type * as Y from 'yjs'
import { SessionError } from '../shared/errors.ts'
import type { Connection } from './connection.ts'

const MARK_EVERY_MS = 100

export interface StoredOptions {
  /** True for origins whose updates are not this client's writes. */
  readonly isForeign: (origin: unknown) => boolean
  readonly onStored: (stored: boolean) => void
  /** At most one mark in this span; the first goes out at once, and so does one that is waited for. Default 100 ms. */
  readonly markEveryMs?: number
}

export class StoredWrites {
  readonly #options: StoredOptions
  #doc: Y.Doc | undefined
  #connection: Connection | null = null
  #written = 0
  #confirmed = 0
  /** Count in the newest mark that was sent. */
  #asked = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  /** A mark is to be sent at the end of this turn. */
  #soon = false
  #isOver = false
  #lastMarkAt = Number.NEGATIVE_INFINITY
  #waiting: { n: number; resolve: () => void; reject: (error: Error) => void }[] = []

  constructor(options: StoredOptions) {
    this.#options = options
  }

  get stored(): boolean {
    return this.#confirmed >= this.#written
  }

  /**
   * Counts what is written into a document from now on, and no more what is written into the former one, which counts as stored
   * with the next mark. Not before what is on the device has been read: for a listener Yjs would encode all of it once more.
   */
  follow(doc: Y.Doc, connection: Connection | null): void {
    this.#doc?.off('update', this.#onUpdate)
    this.#doc = doc
    doc.on('update', this.#onUpdate)
    this.#connection = connection
  }

  /** Something was written before this client knew of it: in an earlier page, by an older replica. */
  assumeWritten(): void {
    this.#count()
  }

  /** The connection has just come into step: what was written before is on its way, a mark goes behind it. */
  live(): void {
    if (!this.stored) this.#mark()
  }

  marked(n: number): void {
    if (n <= this.#confirmed) return
    this.#confirmed = n
    for (const waiting of this.#waiting) if (waiting.n <= n) waiting.resolve()
    this.#waiting = this.#waiting.filter((waiting) => waiting.n > n)
    if (this.stored) this.#options.onStored(true)
  }

  /** Resolves when everything written so far is stored; rejects when this is destroyed before. */
  async whenStored(): Promise<void> {
    if (this.stored) return
    if (this.#isOver) throw closed()
    const n = this.#written
    // A mark that goes out at the end of this turn, or is under way, asks for this already.
    if (!this.#soon && this.#asked < n) this.#mark()
    await new Promise<void>((resolve, reject) => this.#waiting.push({ n, resolve, reject }))
  }

  destroy(): void {
    clearTimeout(this.#timer)
    this.#doc?.off('update', this.#onUpdate)
    this.#isOver = true
    for (const { reject } of this.#waiting.splice(0)) reject(closed())
  }

  readonly #onUpdate = (_update: Uint8Array, origin: unknown): void => {
    if (this.#options.isForeign(origin)) return
    this.#count()
    if (this.#soon || this.#timer !== undefined) return
    const waitMs = this.#lastMarkAt + (this.#options.markEveryMs ?? MARK_EVERY_MS) - performance.now()
    if (waitMs > 0) {
      this.#timer = setTimeout(() => this.#mark(), waitMs)
      return
    }
    this.#soon = true
    queueMicrotask(() => this.#mark())
  }

  #count(): void {
    const was = this.stored
    this.#written += 1
    if (was) this.#options.onStored(false)
  }

  #mark(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#soon = false
    if (this.stored || this.#connection?.settled !== true) return
    this.#lastMarkAt = performance.now()
    if (this.#connection.send({ t: 'mark', n: this.#written })) this.#asked = this.#written
  }
}

function closed(): SessionError {
  return new SessionError('closed', 'The session was closed before all was stored.')
}
