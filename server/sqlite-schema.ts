/** The SQLite file of a store: how it is opened, recognised and laid out. */
import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SessionError } from '../shared/errors.ts'

/**
 * Layout of the tables, kept in `user_version`.
 * 1: first. 2: `clients`. 3: `parent`, `urgent` and `held` of jobs; `blobs`. 4: `subscribers`, `notices`, `kept`.
 * 5: `tail`, `strays`.
 */
const SCHEMA_VERSION = 5
/** Marks the file as ours ("Poly"), so that the database of something else is not taken for an empty store. */
const APPLICATION_ID = 0x506f_6c79
/**
 * How long opening waits for another process that is opening the same file, in milliseconds. Later on nothing waits for a
 * lock: that would block the event loop.
 */
export const OPEN_TIMEOUT_MS = 5_000
const OPEN_PAUSE_MS = 10
/**
 * What the write-ahead log is cut back to after a large transaction, in bytes. Without large ones it stays at 4 MB: SQLite
 * checkpoints every 1,000 pages of 4 KB.
 */
const MAX_IDLE_WAL_BYTES = 8 * 1024 * 1024

/** Primary result codes of SQLite. */
const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11

/**
 * `sum` is the CRC-32 of `data` started at `seq`, as a signed number (stored in 4 bytes; unsigned takes 6 half of the time).
 * A row of `updates` takes 20 bytes beside its data. A snapshot is Zstandard-compressed where `length(data) < size`.
 * Jobs are in the order of their `id`: a new one is above all that are there.
 */
const TABLES = `
  create table sessions (
    id integer primary key,
    name text not null unique
  ) strict;
  create table updates (
    session integer not null,
    seq integer not null,
    sum integer not null,
    data blob not null,
    primary key (session, seq)
  ) strict, without rowid;
  create table snapshots (
    session integer primary key,
    seq integer not null,
    sum integer not null,
    size integer not null,
    data blob not null
  ) strict;
  create table jobs (
    id integer primary key,
    run text not null unique,
    session text not null,
    agent text not null,
    input text not null,
    generation integer not null default 0,
    worker text,
    expires_at integer not null default 0
  ) strict;
  create index jobs_of_agent on jobs (session, agent);
`

/**
 * Who writes under which Yjs client id. By the session's name, as jobs are: a binding makes no session of its own. A row takes
 * about 30 bytes.
 */
const CLIENTS = `
  create table clients (
    session text not null,
    client integer not null,
    participant text not null,
    primary key (session, client)
  ) strict, without rowid;
`

/** `blobs`: what is too large for a session's document and lies beside it. */
const QUEUES_AND_BLOBS = `
  alter table jobs add column parent text;
  alter table jobs add column urgent integer not null default 0;
  alter table jobs add column held integer not null default 0;
  create table blobs (
    session text not null,
    id text not null,
    type text not null,
    data blob not null,
    primary key (session, id)
  ) strict;
`

/** Who is to be told of a session by push, what they are still to be told (JSON), and keys that are made once. */
const PUSH = `
  create table subscribers (
    id integer primary key,
    session text not null,
    participant text not null,
    kind text not null,
    endpoint text not null,
    p256dh text not null,
    auth text not null,
    unique (session, endpoint)
  ) strict;
  create index subscribers_by_endpoint on subscribers (endpoint);
  create table notices (
    session text not null,
    id text not null,
    at integer not null,
    data text not null,
    primary key (session, id)
  ) strict, without rowid;
  create table kept (
    name text primary key,
    value text not null
  ) strict, without rowid;
`

/**
 * `tail`: the epoch of `sqlite-tail.ts`, in its one row. `strays`: updates that the tail had and `updates` could not take, for
 * its pages are damaged; kept for whoever mends them.
 */
const TAIL = `
  create table tail (
    id integer primary key check (id = 1),
    epoch integer not null
  ) strict;
  insert into tail values (1, 0);
  create table strays (
    session integer not null,
    seq integer not null,
    sum integer not null,
    data blob not null
  ) strict;
`

/** What leads from one version to the next, by the version it leads from. */
const MIGRATIONS: Readonly<Record<number, string>> = { 1: CLIENTS, 2: QUEUES_AND_BLOBS, 3: PUSH, 4: TAIL }

/**
 * Opens or creates the file. Throws when it is not a store, was written by a newer version, is locked for more than 5 s, or
 * lies on a file system that cannot hold a write-ahead log.
 */
export function openDatabase(file: string, synchronous: 'full' | 'normal'): DatabaseSync {
  if (file === '' || file === ':memory:') {
    throw new SessionError('bad-argument', `file must be the path of a file; it is '${file}'. In memory: memoryStore().`)
  }
  mkdirSync(dirname(resolve(file)), { recursive: true })
  const deadline = performance.now() + OPEN_TIMEOUT_MS
  for (;;) {
    const db = new DatabaseSync(file, { timeout: OPEN_TIMEOUT_MS })
    try {
      prepare(db, synchronous)
      return db
    } catch (error) {
      db.close()
      // SQLite does not wait where two connections turn a fresh file to WAL at once: it could wait for ever.
      if (!isBusy(error) || performance.now() > deadline) {
        const reason = error instanceof Error ? error.message : String(error)
        throw new Error(`Cannot open ${file} as a store: ${reason}`, { cause: error })
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, OPEN_PAUSE_MS)
    }
  }
}

/** Whether SQLite found pages of the file to be not what they must be. */
export function isCorrupt(error: unknown): boolean {
  return isResult(error, SQLITE_CORRUPT)
}

/** Whether somebody else held a lock that SQLite needed. */
export function isBusy(error: unknown): boolean {
  return isResult(error, SQLITE_BUSY)
}

function isResult(error: unknown, primary: number): boolean {
  // The lower byte is the primary code, the rest says more.
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' && (error.errcode & 0xff) === primary
}

function prepare(db: DatabaseSync, synchronous: 'full' | 'normal'): void {
  // Before anything that writes: a file that we do not know is left exactly as it is.
  const isNew = checkVersion(db)
  // Only has an effect before the first table: it lets `erase` give space back to the file system.
  if (isNew) db.exec('pragma auto_vacuum = incremental')
  const mode = pragma(db, 'journal_mode = wal')
  if (mode !== 'wal') throw new Error(`its file system cannot hold a write-ahead log (journal mode ${String(mode)}).`)
  db.exec(`
    pragma synchronous = ${synchronous};
    pragma journal_size_limit = ${MAX_IDLE_WAL_BYTES};
    -- What is erased is overwritten: nothing of an erased session stays in unused pages. A compaction takes a fifth longer.
    pragma secure_delete = on;
    -- Damage is found when a page is read, before anything is done by it.
    pragma cell_size_check = on;
  `)
  if (isNew) createTables(db)
  migrate(db)
  db.exec('pragma busy_timeout = 0')
}

/** True when the file has no tables yet. */
function checkVersion(db: DatabaseSync): boolean {
  const version = pragma(db, 'user_version')
  const tables = db.prepare('select count(*) as count from sqlite_schema').get()?.['count']
  if (version === 0 && tables === 0) return true
  if (pragma(db, 'application_id') !== APPLICATION_ID) throw new Error('it is a database of something else.')
  if (typeof version !== 'number' || version > SCHEMA_VERSION) {
    throw new Error(
      `it was written by a newer version of Polylogue (layout ${String(version)}; this one knows ${SCHEMA_VERSION}). ` +
        'Open it with that version or a later one.',
    )
  }
  return false
}

function createTables(db: DatabaseSync): void {
  db.exec('begin immediate')
  try {
    // Another process may have been quicker.
    if (checkVersion(db)) {
      db.exec(
        `${TABLES}; ${CLIENTS}; ${QUEUES_AND_BLOBS}; ${PUSH}; ${TAIL}; pragma application_id = ${APPLICATION_ID}; pragma user_version = ${SCHEMA_VERSION}`,
      )
    }
    db.exec('commit')
  } catch (error) {
    if (db.isTransaction) db.exec('rollback')
    throw error
  }
}

/** Brings the tables of an older version up to this one, all at once or not at all. */
function migrate(db: DatabaseSync): void {
  if (pragma(db, 'user_version') === SCHEMA_VERSION) return
  db.exec('begin immediate')
  try {
    for (let version = Number(pragma(db, 'user_version')); version < SCHEMA_VERSION; version++) db.exec(MIGRATIONS[version] ?? '')
    db.exec(`pragma user_version = ${SCHEMA_VERSION}; commit`)
  } catch (error) {
    if (db.isTransaction) db.exec('rollback')
    throw error
  }
}

/** The value that a pragma gives. */
function pragma(db: DatabaseSync, text: string): unknown {
  return Object.values(db.prepare(`pragma ${text}`).get() ?? {})[0]
}
