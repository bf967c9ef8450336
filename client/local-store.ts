/**
 * The replica of a session in the browser's IndexedDB, in a database of its own per participant and session, so that a
 * change of account never shows or sends another's writes. Says when a write is really on the device.
 */
import { openDB, deleteDB, type DBSchema, type IDBPDatabase } from 'idb'
import * as Y from 'yjs'
import type { Report } from '../shared/errors.ts'

interface Schema extends DBSchema {
  updates: { key: number; value: Uint8Array }
  meta: { key: string; value: unknown }
}

/** Rows above which the log is folded into one. */
const FOLD_AT_ROWS = 300
/** What comes from the server is written in batches: it is there anyway. */
const REMOTE_DELAY_MS = 150
/** Pause before a write that the device refused (no room left) is tried again. */
const RETRY_MS = 3_000
const UNSTORED = 'unstored:'

/** Origin of the transactions that apply what was read from the device. */
export const LOCAL_STORE: unique symbol = Symbol('local store')

export interface LocalStoreOptions {
  readonly name: string
  readonly doc: Y.Doc
  /** True for origins whose updates the server has already. */
  readonly isRemote: (origin: unknown) => boolean
  readonly report: Report
  /** Told when the number of local writes that are not on the device yet turns to or from zero. */
  readonly onSaved: (saved: boolean) => void
}

export class LocalStore {
  readonly #options: LocalStoreOptions
  readonly #db: IDBPDatabase<Schema>
  #queue: Uint8Array[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  #writing: Promise<boolean> | null = null
  #rows = 0
  #localPending = 0
  #closed = false

  private constructor(options: LocalStoreOptions, db: IDBPDatabase<Schema>) {
    this.#options = options
    this.#db = db
  }

  /** Opens the database and puts what it holds into the document. Rejects when the browser gives no storage. */
  static async open(options: LocalStoreOptions): Promise<LocalStore> {
    const db = await openDB<Schema>(options.name, 1, {
      upgrade(database) {
        database.createObjectStore('updates', { autoIncrement: true })
        database.createObjectStore('meta')
      },
      blocking(_current, _blocked, event) {
        // Another tab erases the database: stepping aside lets it.
        ;(event.target as IDBDatabase).close()
      },
    })
    const store = new LocalStore(options, db)
    const updates = await db.getAll('updates')
    store.#rows = updates.length
    store.#apply(updates)
    options.doc.on('update', store.#onUpdate)
    if (typeof window !== 'undefined') window.addEventListener('pagehide', store.#onHide)
    return store
  }

  /** Replicas on this device, by client id, that have written something which the server has not confirmed. */
  async unstored(): Promise<string[]> {
    return (await this.#db.getAllKeys('meta')).filter((key) => key.startsWith(UNSTORED))
  }

  /** Notes whether this replica has unconfirmed writes; with `also`, that those of earlier replicas are confirmed too. */
  setUnstored(unstored: boolean, also: readonly string[]): void {
    const key = UNSTORED + this.#options.doc.clientID
    const work = unstored
      ? this.#db.put('meta', true, key)
      : Promise.all([key, ...also].map((each) => this.#db.delete('meta', each)))
    work.catch((error: unknown) => this.#options.report(error, { stage: 'local store' }))
  }

  /** Writes what waits. Resolves when that is on the device, or when the device has refused it; it is then tried again. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#queue.length > 0 || this.#writing !== null) {
      if (await (this.#writing ?? this.#write())) continue
      if (!this.#closed) this.#timer ??= setTimeout(() => void this.flush(), RETRY_MS)
      return
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#options.doc.off('update', this.#onUpdate)
    if (typeof window !== 'undefined') window.removeEventListener('pagehide', this.#onHide)
    await this.flush()
    this.#closed = true
    this.#db.close()
  }

  /** Closes and deletes the database. */
  async wipe(): Promise<void> {
    this.#options.doc.off('update', this.#onUpdate)
    this.#queue = []
    await this.close()
    await deleteDB(this.#options.name)
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === LOCAL_STORE) return
    this.#queue.push(update)
    if (this.#options.isRemote(origin)) {
      this.#timer ??= setTimeout(() => void this.flush(), REMOTE_DELAY_MS)
      return
    }
    this.#localPending += 1
    if (this.#localPending === 1) this.#options.onSaved(false)
    void this.flush()
  }

  /** What came from the server waits a moment to be written in one go; a page that goes away has no such moment. */
  readonly #onHide = (): void => void this.flush()

  #write(): Promise<boolean> {
    const updates = this.#queue.splice(0)
    const local = this.#localPending
    const work = this.#put(updates)
      .then(() => {
        this.#localPending -= local
        if (local > 0 && this.#localPending === 0) this.#options.onSaved(true)
        return true
      })
      .catch((error: unknown) => {
        this.#queue.unshift(...updates)
        this.#options.report(error, { stage: 'local store' })
        return false
      })
      .finally(() => (this.#writing = null))
    this.#writing = work
    return work
  }

  /** A row that does not decode is reported, and does not keep the others from being read. */
  #apply(rows: readonly Uint8Array[]): void {
    const { doc, report } = this.#options
    doc.transact(() => {
      for (const row of rows) {
        try {
          Y.applyUpdate(doc, row, LOCAL_STORE)
        } catch (error) {
          report(error, { stage: 'local store' })
        }
      }
    }, LOCAL_STORE)
  }

  async #put(updates: Uint8Array[]): Promise<void> {
    if (this.#closed || updates.length === 0) return
    const merged = updates.length === 1 ? (updates[0] as Uint8Array) : Y.mergeUpdates(updates)
    if (this.#rows < FOLD_AT_ROWS) {
      const transaction = this.#db.transaction('updates', 'readwrite')
      const added = transaction.store.add(merged)
      // Not when the answer is there: a page that goes away would not live to give that word.
      transaction.commit()
      await Promise.all([added, transaction.done])
      this.#rows += 1
      return
    }
    // Another tab may have added rows that this one has not seen: they are read in before the rows are replaced.
    const transaction = this.#db.transaction('updates', 'readwrite')
    const rows = await transaction.store.getAll()
    this.#apply(rows)
    await transaction.store.clear()
    await transaction.store.add(Y.encodeStateAsUpdate(this.#options.doc))
    await transaction.done
    this.#rows = 1
  }
}
