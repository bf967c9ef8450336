/** Files of SQLite stores, for tests: fresh ones, and what somebody else would do to them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { onTestFinished } from 'vitest'
import type { Store } from '../../server/store.ts'
import { sqliteStore, type SqliteStoreOptions } from '../../server/store-sqlite.ts'

/** A folder that goes with the test. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'polylogue-store-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A store that is closed with the test. */
export function openStore(file: string, options: Omit<SqliteStoreOptions, 'file'> = {}): Store {
  const store = sqliteStore({ file, ...options })
  onTestFinished(() => store.close())
  return store
}

/** Runs one statement through a connection of its own, as somebody else would. */
export function sqlOf(file: string, sql: string): unknown[] {
  const db = new DatabaseSync(file)
  try {
    return db
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }))
  } finally {
    db.close()
  }
}
