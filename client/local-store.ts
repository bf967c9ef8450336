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
const QUARANTINE = 'quarantine:'
const GENERATION = 'generation'

/** Origin of the transactions that apply what was read from the device. */
export const LOCAL_STORE: unique symbol = Symbol('local store')

/** A replica that the server has refused, as it is kept. */
export interface KeptReplica {
  readonly key: string
  /** Its whole state. */
  readonly update: Uint8Array
  /** Ids of messages that were sent again and refused again. */
  readonly rejected: readonly string[]
  /** The rule that was broken and where, as the server said it. */
  readonly code: string | null
  readonly path: string | null
}

/** A fresh replica takes the place of a refused one. */
interface Move {
  readonly generation: number
  /** The refused one. */
  readonly old: Y.Doc
  readonly kept: KeptReplica
}

export interface LocalStoreOptions {
  readonly name: string
  readonly doc: Y.Doc
  /** True for origins whose updates the server has already. */
  readonly isRemote: (origin: unknown) => boolean
  readonly report: Report
  /** Told when the number of local writes that are not on the device yet turns to or from zero. */
  readonly onSaved: (saved: boolean) => void
  /** Another tab has put a fresh replica in the place of the one that this tab still holds. */
  readonly onSuperseded?: () => void
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
  #doc: Y.Doc
  /** Counts the fresh replicas that took the place of refused ones. */
  #generation = 0
  /** A change of replica that is not on the device yet. */
  #move: Move | null = null

  private constructor(options: LocalStoreOptions, db: IDBPDatabase<Schema>) {
    this.#options = options
    this.#doc = options.doc
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
    store.#generation = await generationIn(db)
    const updates = await db.getAll('updates')
    store.#rows = updates.length
    options.doc.transact(() => {
      for (const update of updates) {
        try {
          Y.applyUpdate(options.doc, update, LOCAL_STORE)
        } catch (error) {
          options.report(error, { stage: 'local store' })
        }
      }
    }, LOCAL_STORE)
    options.doc.on('update', store.#onUpdate)
    if (typeof window !== 'undefined') window.addEventListener('pagehide', store.#onHide)
    return store
  }

  get generation(): number {
    return this.#generation
  }

  /** Replicas that were refused, and of which not everything has found its place again. */
  async kept(): Promise<KeptReplica[]> {
    const keys = (await this.#db.getAllKeys('meta')).filter((key) => key.startsWith(QUARANTINE))
    return (await Promise.all(keys.map((key) => this.#db.get('meta', key)))).filter((row) => row !== undefined) as KeptReplica[]
  }

  keep(kept: KeptReplica): void {
    this.#later(this.#db.put('meta', kept, QUARANTINE + kept.key))
  }

  forget(key: string): void {
    this.#later(this.#db.delete('meta', QUARANTINE + key))
  }

  /**
   * Goes on with a fresh document, and keeps the former one aside, in one step: whenever the page ends, the device has all
   * of the one or all of the other. What other tabs have written into the former one meanwhile is added to it.
   */
  moveTo(doc: Y.Doc, generation: number, kept: KeptReplica): void {
    const old = this.#doc
    this.#doc.off('update', this.#onUpdate)
    this.#doc = doc
    doc.on('update', this.#onUpdate)
    this.#queue = []
    this.#move = { generation, old, kept }
    this.#localPending += 1
    this.#options.onSaved(false)
    void this.flush()
  }

  /** Replicas on this device, by client id, that have written something which the server has not confirmed. */
  async unstored(): Promise<string[]> {
    return (await this.#db.getAllKeys('meta')).filter((key) => key.startsWith(UNSTORED))
  }

  /** Notes whether this replica has unconfirmed writes; with `also`, that those of earlier replicas are confirmed too. */
  setUnstored(unstored: boolean, also: readonly string[]): void {
    const key = UNSTORED + this.#doc.clientID
    this.#later(
      unstored ? this.#db.put('meta', true, key) : Promise.all([key, ...also].map((each) => this.#db.delete('meta', each))),
    )
  }

  /** Writes what waits. Resolves when that is on the device, or when the device has refused it; it is then tried again. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#queue.length > 0 || this.#move !== null || this.#writing !== null) {
      if (await (this.#writing ?? this.#write())) continue
      if (!this.#closed) this.#timer ??= setTimeout(() => void this.flush(), RETRY_MS)
      return
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#doc.off('update', this.#onUpdate)
    if (typeof window !== 'undefined') window.removeEventListener('pagehide', this.#onHide)
    await this.flush()
    this.#closed = true
    this.#db.close()
  }

  /** Closes and deletes the database. */
  async wipe(): Promise<void> {
    this.#doc.off('update', this.#onUpdate)
    this.#queue = []
    this.#move = null
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

  #later(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#options.report(error, { stage: 'local store' }))
  }

  #write(): Promise<boolean> {
    const updates = this.#queue.splice(0)
    const local = this.#localPending
    const move = this.#move
    const doc = this.#doc
    this.#move = null
    const work = (move === null ? this.#put(updates) : this.#replace(move))
      .then(() => {
        this.#localPending -= local
        if (local > 0 && this.#localPending === 0) this.#options.onSaved(true)
        return true
      })
      .catch((error: unknown) => {
        // What was meant for a former document is kept with it.
        if (doc === this.#doc) {
          this.#queue.unshift(...updates)
          this.#move ??= move
        }
        this.#options.report(error, { stage: 'local store' })
        return false
      })
      .finally(() => (this.#writing = null))
    this.#writing = work
    return work
  }

  async #put(updates: Uint8Array[]): Promise<void> {
    if (this.#closed || updates.length === 0) return
    const merged = updates.length === 1 ? (updates[0] as Uint8Array) : Y.mergeUpdates(updates)
    if (this.#rows < FOLD_AT_ROWS) await this.#add(merged)
    else await this.#fold()
  }

  async #add(update: Uint8Array): Promise<void> {
    const transaction = this.#db.transaction(['updates', 'meta'], 'readwrite')
    const rows = transaction.objectStore('updates')
    const asked = Promise.all([transaction.objectStore('meta').get(GENERATION), rows.add(update)])
    // Not when the answers are there: a page that goes away would not live to give that word.
    transaction.commit()
    const [[generation, key]] = await Promise.all([asked, transaction.done])
    if (Number(generation ?? 0) === this.#generation) this.#rows += 1
    else await this.#putAside(key)
  }

  async #fold(): Promise<void> {
    const transaction = this.#db.transaction(['updates', 'meta'], 'readwrite')
    const rows = transaction.objectStore('updates')
    if (Number((await transaction.objectStore('meta').get(GENERATION)) ?? 0) !== this.#generation) {
      await transaction.done
      return this.#putAside(null)
    }
    // Another tab may have added rows that this one has not seen: they are read in before the rows are replaced.
    for (const row of await rows.getAll()) Y.applyUpdate(this.#doc, row, LOCAL_STORE)
    await rows.clear()
    await rows.add(Y.encodeStateAsUpdate(this.#doc))
    await transaction.done
    this.#rows = 1
  }

  /** The rows are another replica's by now. What was written here goes aside until this tab has a fresh one too. */
  async #putAside(row: number | null): Promise<void> {
    const transaction = this.#db.transaction(['updates', 'meta'], 'readwrite')
    const kept = keptReplica(this.#doc)
    await transaction.objectStore('meta').put(kept, QUARANTINE + kept.key)
    if (row !== null) await transaction.objectStore('updates').delete(row)
    await transaction.done
    this.#options.onSuperseded?.()
  }

  async #replace({ generation, old, kept }: Move): Promise<void> {
    const transaction = this.#db.transaction(['updates', 'meta'], 'readwrite')
    const rows = transaction.objectStore('updates')
    const meta = transaction.objectStore('meta')
    const stored = Number((await meta.get(GENERATION)) ?? 0)
    // Another tab may have been first: what is there is of the fresh replica then.
    const target = stored < generation ? old : this.#doc
    for (const row of await rows.getAll()) Y.applyUpdate(target, row, LOCAL_STORE)
    if (stored < generation) await rows.clear()
    await meta.put({ ...kept, update: Y.encodeStateAsUpdate(old) }, QUARANTINE + kept.key)
    await rows.add(Y.encodeStateAsUpdate(this.#doc))
    await meta.put(Math.max(stored, generation), GENERATION)
    await meta.delete(UNSTORED + kept.key)
    await meta.put(true, UNSTORED + this.#doc.clientID)
    this.#rows = await rows.count()
    await transaction.done
    this.#generation = Math.max(stored, generation)
  }
}

/** A replica as it is kept aside. */
export function keptReplica(doc: Y.Doc, why: Partial<Pick<KeptReplica, 'rejected' | 'code' | 'path'>> = {}): KeptReplica {
  const { rejected = [], code = null, path = null } = why
  return { key: String(doc.clientID), update: Y.encodeStateAsUpdate(doc), rejected, code, path }
}

async function generationIn(db: IDBPDatabase<Schema>): Promise<number> {
  return Number((await db.get('meta', GENERATION)) ?? 0)
}
