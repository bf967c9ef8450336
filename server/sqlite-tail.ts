/**
 * The tail of the log: the newest updates lie in a small file beside the database, until the next transaction takes them over
 * into the tables, many at once. Measured per token that survives loss of power: 18 µs of CPU and 80 µs in all, against 52 and
 * 190 µs for a transaction of SQLite's.
 */
import type { DatabaseSync } from 'node:sqlite'
import { isCorrupt } from './sqlite-schema.ts'
import { newEpoch, TailFile, type TailRow } from './sqlite-tail-file.ts'

/** What the tail takes; more goes into the tables, and takes the tail along. The tables take 256 rows in about 1 ms. */
const MAX_ROWS = 256
const MAX_BYTES = 128 * 1024
/** Rows of a batch: from here on a transaction of their own costs no more. */
const MAX_BATCH = 32

export class Tail {
  readonly #file: TailFile
  readonly #taker: Taker
  #rows: TailRow[] = []
  #bytes = 0
  /** A transaction was begun that takes the rows over, and it is not known to be committed: the epoch may be over. */
  #isPouring = false

  private constructor(file: TailFile, taker: Taker) {
    this.#file = file
    this.#taker = taker
  }

  /**
   * Opens or makes the file, and puts what it holds into the tables. `synced`: what is added survives loss of power. Throws
   * what SQLite and the file system throw, also when there is no room.
   */
  static open(file: string, synced: boolean, db: DatabaseSync): Tail {
    const epoch = Number(db.prepare('select epoch from tail').get()?.['epoch'])
    const { tail, rows } = TailFile.open(file, synced, epoch)
    try {
      const taker = takerOf(db)
      const next = newEpoch()
      takeAll(db, taker, rows, next)
      taker.astray.clear()
      tail.begin(next)
      return new Tail(tail, taker)
    } catch (error) {
      tail.close()
      throw error
    }
  }

  /** Stores rows, all or none; false when they must go into the tables. */
  add(rows: readonly TailRow[]): boolean {
    let bytes = this.#bytes
    for (const { data } of rows) bytes += data.byteLength
    if (this.#isPouring || rows.length > MAX_BATCH || this.#rows.length + rows.length > MAX_ROWS || bytes > MAX_BYTES)
      return false
    try {
      if (!this.#file.add(rows)) return false
    } catch {
      // Whatever the file has: the tables are tried, and they tell what is wrong.
      return false
    }
    for (const row of rows) this.#rows.push(row)
    this.#bytes = bytes
    return true
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0
  }

  /** What the tail holds of a session, oldest first. */
  of(session: number): TailRow[] {
    return this.#rows.filter(({ id }) => id === session)
  }

  /**
   * Within a transaction: puts all into the tables; throws `PagesBroken` where it is to be tried once more. What is given is to be called once that is committed, and gives the
   * sessions that could not take theirs.
   */
  pour(): () => ReadonlySet<number> {
    if (this.isEmpty) return () => new Set()
    const epoch = newEpoch()
    this.#isPouring = true
    this.#taker.take(this.#rows, epoch)
    return () => {
      const astray = new Set(this.#taker.astray)
      this.#taker.astray.clear()
      this.#isPouring = false
      this.#file.begin(epoch)
      this.#rows = []
      this.#bytes = 0
      return astray
    }
  }

  /** Overwrites the file, once all that it held is in the tables. Throws what the file system throws. */
  wipe(): void {
    if (this.isEmpty) this.#file.wipe()
  }

  close(): void {
    this.#file.close()
  }
}

/** Also without rows: two lives of a server do not have the same epoch. */
function takeAll(db: DatabaseSync, taker: Taker, rows: readonly TailRow[], epoch: number): void {
  try {
    db.exec('begin immediate')
    taker.take(rows, epoch)
    db.exec('commit')
  } catch (error) {
    if (db.isTransaction) db.exec('rollback')
    if (!(error instanceof PagesBroken)) throw error
    takeAll(db, taker, rows, epoch)
  }
}

/** The pages of a session's rows are broken. After that error SQLite does nothing more in the same transaction. */
export class PagesBroken extends Error {}

/** Puts rows into the tables, and the epoch that begins with that; `astray`: the sessions that could not take theirs. */
interface Taker {
  /** Throws `PagesBroken` once for each session of which that is found: after a rollback, it is to be called again. */
  take(rows: readonly TailRow[], epoch: number): void
  readonly astray: Set<number>
}

function takerOf(db: DatabaseSync): Taker {
  const add = db.prepare('insert or ignore into updates (session, seq, sum, data) values (?, ?, ?, ?)')
  const find = db.prepare('select sum from updates where session = ? and seq = ?')
  const addStray = db.prepare('insert into strays (session, seq, sum, data) values (?, ?, ?, ?)')
  const begin = db.prepare('update tail set epoch = ?')
  const astray = new Set<number>()
  const put = ({ id, seq, sum, data }: TailRow): void => {
    try {
      if (add.run(id, seq, sum, data).changes === 1 || find.get(id, seq)?.['sum'] === sum) return
    } catch (error) {
      if (!isCorrupt(error)) throw error
      astray.add(id)
      throw new PagesBroken(`The pages of session ${id} are broken.`, { cause: error })
    }
    // The tables have another row in its place.
    astray.add(id)
  }
  return {
    take(rows, epoch) {
      for (const row of rows) {
        if (!astray.has(row.id)) put(row)
        // One session that is damaged must not keep all others out of the tables.
        if (astray.has(row.id)) addStray.run(row.id, row.seq, row.sum, row.data)
      }
      begin.run(epoch)
    },
    astray,
  }
}
