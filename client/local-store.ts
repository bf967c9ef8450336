/**
 * The replica of a session in the browser's IndexedDB, in a database of its own per participant and session, so that a
 * change of account never shows or sends another's writes. Says when a write is really on the device.
 */
import * as Y from 'yjs'
import type { Choices } from '../shared/branches.ts'
import type { Report } from '../shared/errors.ts'
import { done, openDatabase, result } from './indexed-db.ts'

/** An update; those of replicas that took the place of refused ones bear their generation. */
type Row = Uint8Array | { readonly generation: number; readonly update: Uint8Array }

/** Rows above which the log is folded into one. */
const FOLD_AT_ROWS = 300
/** What comes from the server is written in batches: it is there anyway. */
const REMOTE_DELAY_MS = 150
/** Pause before a write that the device refused (no room left) is tried again. */
const RETRY_MS = 3_000
const UNSTORED = 'unstored:'
const QUARANTINE = 'quarantine:'
const GENERATION = 'generation'
const LEFTOVERS = 'leftovers'
const CHOICES = 'choices'

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
  readonly #db: IDBDatabase
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

  private constructor(options: LocalStoreOptions, db: IDBDatabase) {
    this.#options = options
    this.#doc = options.doc
    this.#db = db
  }

  /** Opens the database and puts what it holds into the document. Rejects when the browser gives no storage. */
  static async open(options: LocalStoreOptions): Promise<LocalStore> {
    const db = await openDatabase(options.name, createStores)
    const store = new LocalStore(options, db)
    const [generation = 0, updates] = await Promise.all([
      store.#read<number | undefined>('meta', (meta) => meta.get(GENERATION)),
      store.#read<Row[]>('updates', (rows) => rows.getAll()),
    ])
    store.#generation = generation
    store.#rows = updates.length
    store.#apply(updates, options.doc, store.#generation)
    options.doc.on('update', store.#onUpdate)
    if (typeof window !== 'undefined') window.addEventListener('pagehide', store.#onHide)
    return store
  }

  get generation(): number {
    return this.#generation
  }

  /** Replicas that were refused, and of which not everything has found its place again. */
  async kept(): Promise<KeptReplica[]> {
    const { meta, rows, stored } = this.#begin()
    const kept: KeptReplica[] = []
    for (const key of (await result(meta.getAllKeys())) as string[]) {
      if (key.startsWith(QUARANTINE) && key !== QUARANTINE + LEFTOVERS) kept.push((await result(meta.get(key))) as KeptReplica)
    }
    // What a tab wrote into a refused replica after another one had replaced it. It builds on the replicas that are kept.
    const known = (await result(meta.get(QUARANTINE + LEFTOVERS))) as KeptReplica | undefined
    const updates = known === undefined ? [] : [known.update]
    for (const key of await result(rows.getAllKeys())) {
      const row = (await result(rows.get(key))) as Row | undefined
      if (row === undefined || generationOf(row) === this.#generation) continue
      updates.push(updateOf(row))
      await result(rows.delete(key))
    }
    if (updates.length > 0) {
      const update = Y.mergeUpdates([...kept.map((replica) => replica.update), ...updates])
      const rejected = [...kept, ...(known === undefined ? [] : [known])].flatMap((replica) => replica.rejected)
      kept.push({ key: LEFTOVERS, update, rejected, code: null, path: null })
      await result(meta.put(kept.at(-1), QUARANTINE + LEFTOVERS))
    }
    await stored
    return kept
  }

  /** The branches that were last chosen on this device. */
  async choices(): Promise<Choices> {
    return (await this.#read<Choices | undefined>('meta', (meta) => meta.get(CHOICES))) ?? new Map()
  }

  keepChoices(choices: Choices): void {
    this.#later((meta) => meta.put(choices, CHOICES))
  }

  keep(kept: KeptReplica): void {
    this.#later((meta) => meta.put(kept, QUARANTINE + kept.key))
  }

  forget(key: string): void {
    this.#later((meta) => meta.delete(QUARANTINE + key))
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
    const keys = await this.#read('meta', (meta) => meta.getAllKeys())
    return (keys as string[]).filter((key) => key.startsWith(UNSTORED))
  }

  /** Notes whether this replica has unconfirmed writes; with `also`, that those of earlier replicas are confirmed too. */
  setUnstored(unstored: boolean, also: readonly string[]): void {
    const key = UNSTORED + this.#doc.clientID
    this.#later((meta) => {
      if (unstored) meta.put(true, key)
      else for (const each of [key, ...also]) meta.delete(each)
    })
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
    await result(indexedDB.deleteDatabase(this.#options.name))
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

  #later(write: (meta: IDBObjectStore) => void): void {
    const work = async (): Promise<void> => {
      const { transaction, meta, stored } = this.#begin()
      write(meta)
      // At once: a page that ends now loses what it has not asked to be committed.
      transaction.commit()
      await stored
    }
    work().catch((error: unknown) => this.#options.report(error, { stage: 'local store' }))
  }

  #read<T>(store: 'updates' | 'meta', request: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    return result(request(this.#db.transaction(store).objectStore(store)))
  }

  /** A transaction over all; `stored` settles with it. */
  #begin(): { transaction: IDBTransaction; rows: IDBObjectStore; meta: IDBObjectStore; stored: Promise<void> } {
    const transaction = this.#db.transaction(['updates', 'meta'], 'readwrite')
    const [rows, meta] = [transaction.objectStore('updates'), transaction.objectStore('meta')]
    return { transaction, rows, meta, stored: done(transaction) }
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
    const { transaction, rows, meta, stored } = this.#begin()
    const generation = result(meta.get(GENERATION))
    // Where the transaction fails, that is said by `stored`.
    generation.catch(() => {})
    if (this.#rows < FOLD_AT_ROWS) {
      const added = result(rows.add(tagged(merged, this.#generation)))
      // Not when the answers are there: a page that goes away would not live to give that word.
      transaction.commit()
      await Promise.all([added, stored])
      this.#rows += 1
      if (((await generation) ?? 0) !== this.#generation) await this.#setAside(await added)
      return
    }
    if (((await generation) ?? 0) !== this.#generation) return await this.#setAside(null)
    // Another tab may have added rows that this one has not seen: they are read in before the rows are replaced.
    const others = this.#apply((await result(rows.getAll())) as Row[], this.#doc, this.#generation)
    rows.clear()
    for (const other of others) rows.add(other)
    rows.add(tagged(Y.encodeStateAsUpdate(this.#doc), this.#generation))
    await stored
    this.#rows = 1 + others.length
  }

  /** The rows are another replica's by now. What is written here goes aside until this tab has a fresh one too. */
  async #setAside(row: IDBValidKey | null): Promise<void> {
    const { rows, meta, stored } = this.#begin()
    const kept = keptReplica(this.#doc)
    meta.put(kept, QUARANTINE + kept.key)
    if (row !== null) rows.delete(row)
    await stored
    this.#options.onSuperseded?.()
  }

  /** Puts the rows of a generation into a document; gives the others. One that does not decode is reported, and keeps no other back. */
  #apply(rows: readonly Row[], doc: Y.Doc, generation: number): Row[] {
    doc.transact(() => {
      for (const row of rows) {
        if (generationOf(row) !== generation) continue
        try {
          Y.applyUpdate(doc, updateOf(row), LOCAL_STORE)
        } catch (error) {
          this.#options.report(error, { stage: 'local store' })
        }
      }
    }, LOCAL_STORE)
    return rows.filter((row) => generationOf(row) !== generation)
  }

  async #replace({ generation, old, kept }: Move): Promise<void> {
    const { rows, meta, stored: isStored } = this.#begin()
    const stored: number = (await result<number | undefined>(meta.get(GENERATION))) ?? 0
    const isFirst = stored < generation
    const before = (await result(rows.getAll())) as Row[]
    const next = Math.max(stored, generation)
    // Another tab may have been first: what is there is of the fresh replica then, or waits for `kept`.
    if (isFirst) for (const each of new Set(before.map(generationOf))) this.#apply(before, old, each)
    else this.#apply(before, this.#doc, stored)
    if (isFirst) rows.clear()
    meta.put({ ...kept, update: Y.encodeStateAsUpdate(old) }, QUARANTINE + kept.key)
    rows.add(tagged(Y.encodeStateAsUpdate(this.#doc), next))
    meta.put(next, GENERATION)
    meta.delete(UNSTORED + kept.key)
    meta.put(true, UNSTORED + this.#doc.clientID)
    const count = await result(rows.count())
    await isStored
    this.#rows = count
    this.#generation = next
  }
}

/** What the device has of a session, without opening it: the updates of its replica, and whether all of it is known to be stored. */
export async function readReplica(name: string): Promise<{ readonly updates: Uint8Array[]; readonly confirmed: boolean }> {
  const db = await openDatabase(name, createStores)
  try {
    const transaction = db.transaction(['updates', 'meta'])
    const meta = transaction.objectStore('meta')
    const [rows, keys, generation = 0] = await Promise.all([
      result<Row[]>(transaction.objectStore('updates').getAll()),
      result(meta.getAllKeys()),
      result<number | undefined>(meta.get(GENERATION)),
    ])
    const updates = rows.filter((row) => generationOf(row) === generation).map(updateOf)
    return { updates, confirmed: !keys.map(String).some((key) => key.startsWith(UNSTORED) || key.startsWith(QUARANTINE)) }
  } finally {
    db.close()
  }
}

function createStores(database: IDBDatabase): void {
  database.createObjectStore('updates', { autoIncrement: true })
  database.createObjectStore('meta')
}

/** A replica as it is kept aside. */
export function keptReplica(doc: Y.Doc, why: Partial<Pick<KeptReplica, 'rejected' | 'code' | 'path'>> = {}): KeptReplica {
  const { rejected = [], code = null, path = null } = why
  return { key: String(doc.clientID), update: Y.encodeStateAsUpdate(doc), rejected, code, path }
}

function tagged(update: Uint8Array, generation: number): Row {
  return generation === 0 ? update : { generation, update }
}

function generationOf(row: Row): number {
  return row instanceof Uint8Array ? 0 : row.generation
}

function updateOf(row: Row): Uint8Array {
  return row instanceof Uint8Array ? row : row.update
}
