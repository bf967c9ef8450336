/** The files of a store: the database, the tail beside it, and the lock that says whose they are. */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { isBusy, OPEN_TIMEOUT_MS, openDatabase } from './sqlite-schema.ts'
import { Tail } from './sqlite-tail.ts'

export interface OpenFiles {
  readonly db: DatabaseSync
  /** Null when the files are shared, or the disk has no room for it. */
  readonly tail: Tail | null
  close(): void
}

/**
 * Opens or creates them. Throws as `openDatabase`, and when somebody else keeps them for more than `waitMs` (5 s): anybody, or,
 * `shared`, somebody who does not share them.
 */
export function openFiles(
  file: string,
  synchronous: 'full' | 'normal',
  shared: boolean,
  waitMs: number = OPEN_TIMEOUT_MS,
): OpenFiles {
  // First: it says what is wrong with a path, or with a file that is none of ours.
  const db = openDatabase(file, synchronous)
  let lock: DatabaseSync | null = null
  try {
    db.exec(`pragma busy_timeout = ${OPEN_TIMEOUT_MS}`)
    lock = lockFiles(file, shared, waitMs, () => {
      // A server that did not share them, and died, may have left something.
      if (existsSync(tailOf(file))) Tail.open(tailOf(file), false, db).close()
    })
    const tail = shared ? null : openTail(file, synchronous === 'full', db)
    db.exec('pragma busy_timeout = 0')
    const held = lock
    const close = (): void => {
      tail?.close()
      db.close()
      held.close()
    }
    return { db, tail, close }
  } catch (error) {
    db.close()
    lock?.close()
    throw error
  }
}

const tailOf = (file: string): string => `${file}-tail`

function openTail(file: string, synced: boolean, db: DatabaseSync): Tail | null {
  try {
    return Tail.open(tailOf(file), synced, db)
  } catch (error) {
    // It works without, only slower.
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return null
    throw error
  }
}

/**
 * Locks an empty database beside the file, for the system frees SQLite's locks when the process dies, in whatever way. Who
 * shares the files is alone with them at first, for `whileAlone`, unless others share them already.
 */
function lockFiles(file: string, shared: boolean, waitMs: number, whileAlone: () => void): DatabaseSync {
  const lock = new DatabaseSync(`${file}-lock`, { timeout: shared ? 0 : waitMs })
  try {
    if (!shared) {
      lock.exec('begin exclusive')
      return lock
    }
    try {
      lock.exec('begin exclusive')
      whileAlone()
      lock.exec('commit')
    } catch (error) {
      if (!isBusy(error)) throw error
    }
    // Reading locks; `begin` alone does not.
    lock.exec(`pragma busy_timeout = ${waitMs}; begin; select count(*) from sqlite_schema`)
    return lock
  } catch (error) {
    lock.close()
    if (isBusy(error)) throw new Error(`Cannot open ${file} as a store: another server has it open.`, { cause: error })
    throw error
  }
}
