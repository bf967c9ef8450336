/**
 * The shop's database: one SQLite file that several agent processes open at once.
 *
 * Rules for everything above this file: a write is one short `BEGIN IMMEDIATE` transaction with no waiting inside, and a
 * write of money or stock goes through `once`, so that an agent that takes over from a dead one may simply do it again.
 */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { ICONS, PRODUCTS } from './catalogue-data.ts'
import { STORES } from './stores-data.ts'

/** How long a writer waits for another process's transaction, in milliseconds. Transactions take well under 10. */
const BUSY_TIMEOUT_MS = 2000

/** Set in `user_version` by the transaction that creates and fills the tables. */
const SCHEMA_VERSION = 2

/** What version 1 lacked. */
const REFUNDS = `create table refunds (id integer primary key, customer text not null, order_id integer not null,
  amount_cents integer not null, reason text not null) strict;
`

const SCHEMA = `
create table products (sku text primary key, name text not null, brand text not null, category text not null,
  price_cents integer not null, icon text not null, summary text not null, specs text not null, stock integer not null) strict;
create table reviews (sku text not null, stars integer not null, author text not null, text text not null) strict;
create table stores (id text primary key, name text not null, address text not null, hours text not null,
  lat real not null, lon real not null) strict;
create table reservations (id integer primary key, customer text not null, sku text not null, quantity integer not null,
  unit_price_cents integer not null, status text not null, expires_at integer not null) strict;
create index reservations_by_sku on reservations (sku, status);
create table payments (id integer primary key, customer text not null, reservation_id integer not null,
  amount_cents integer not null, status text not null) strict;
create table orders (customer text not null, id integer not null, status text not null, placed_at integer not null,
  delivered_at integer, lines text not null, total_cents integer not null, tracking text, primary key (customer, id)) strict;
create table returns (id integer primary key, customer text not null, order_id integer not null, refund_cents integer not null,
  unique (customer, order_id)) strict;
create table deliveries (customer text not null, order_id integer not null, day text not null, time_window text not null,
  primary key (customer, order_id)) strict;
create table emails (id integer primary key, customer text not null, recipient text not null, subject text not null,
  body text not null, at integer not null) strict;
create table writes (key text primary key, what text not null, request text not null, result text not null) strict;
${REFUNDS}`

/** Why the shop refused. The message is a sentence for the customer. */
export type ShopErrorCode = 'not-found' | 'out-of-stock' | 'expired' | 'not-eligible' | 'key-reused' | 'bad-argument'

export class ShopError extends Error {
  readonly code: ShopErrorCode
  constructor(code: ShopErrorCode, message: string) {
    super(message)
    this.name = 'ShopError'
    this.code = code
  }
}

export interface Shop {
  readonly db: DatabaseSync
  /** Epoch milliseconds. */
  readonly now: () => number
  close(): void
}

/**
 * Opens the shop; creates and fills it if it is new.
 * @param path the database's file, in an existing directory; `:memory:` for one of this process alone.
 * @param now the clock; `Date.now` by default.
 */
export function openShop(path: string, now: () => number = Date.now): Shop {
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
  const shop: Shop = { db, now, close: () => db.close() }
  try {
    useWal(db)
    // A lost power cord may lose the demo's last order, but never damages the file.
    db.exec('pragma synchronous = normal')
    transaction(shop, () => {
      const version = one<{ user_version: number }>(shop, 'pragma user_version')?.user_version
      if (version === SCHEMA_VERSION) return
      if (version === 1) db.exec(REFUNDS)
      else {
        db.exec(SCHEMA)
        seed(shop)
      }
      db.exec(`pragma user_version = ${SCHEMA_VERSION}`)
    })
  } catch (error) {
    db.close()
    throw error
  }
  return shop
}

/**
 * Processes that change the mode of a new file at once collide (4 of 40 tries with six processes): the loser would have to wait
 * for a lock while it holds one, and SQLite refuses that without regard to the busy timeout.
 */
function useWal(db: DatabaseSync): void {
  const asleep = new Int32Array(new SharedArrayBuffer(4))
  for (let waitedMs = 0; ; waitedMs += 10) {
    try {
      db.exec('pragma journal_mode = wal')
      return
    } catch (error) {
      if (waitedMs >= BUSY_TIMEOUT_MS || !/locked|busy/.test(String(error))) throw error
      Atomics.wait(asleep, 0, 0, 10)
    }
  }
}

function seed(shop: Shop): void {
  for (const it of PRODUCTS) {
    write(
      shop,
      'insert into products values (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ...[
        it.sku,
        it.name,
        it.brand,
        it.category,
        it.priceCents,
        ICONS[it.category],
        it.summary,
        JSON.stringify(it.specs),
        it.stock,
      ],
    )
    for (const { stars, author, text } of it.reviews)
      write(shop, 'insert into reviews values (?, ?, ?, ?)', it.sku, stars, author, text)
  }
  for (const it of STORES) {
    write(shop, 'insert into stores values (?, ?, ?, ?, ?, ?)', it.id, it.name, it.address, it.hours, it.lat, it.lon)
  }
}

/** All rows of a query. The caller's type is what the schema above says. */
export function all<Row>(shop: Shop, sql: string, ...values: SQLInputValue[]): Row[] {
  return shop.db.prepare(sql).all(...values) as Row[]
}

/** The first row of a query. */
export function one<Row>(shop: Shop, sql: string, ...values: SQLInputValue[]): Row | undefined {
  return shop.db.prepare(sql).get(...values) as Row | undefined
}

/** Runs one statement that writes; gives the id of the new row. */
export function write(shop: Shop, sql: string, ...values: SQLInputValue[]): number {
  return Number(shop.db.prepare(sql).run(...values).lastInsertRowid)
}

/** Runs `work` in a transaction that holds the write lock from its start, or inside the one that is already open. */
export function transaction<T>(shop: Shop, work: () => T): T {
  if (shop.db.isTransaction) return work()
  shop.db.exec('begin immediate')
  try {
    const result = work()
    shop.db.exec('commit')
    return result
  } catch (error) {
    if (shop.db.isTransaction) shop.db.exec('rollback')
    throw error
  }
}

/**
 * Does a write once, however often and from however many processes it is asked for; a repetition gives the first result.
 * A write that throws leaves no trace and may be tried again.
 * @param key names the write; the same for every attempt at it, and for nothing else.
 * @param what the kind of write and `request` its arguments: a key that comes again with others throws `key-reused`.
 */
export function once<T>(shop: Shop, key: string, what: string, request: unknown, work: () => T): T {
  if (key === '') throw new ShopError('bad-argument', `a key is needed for ${what}`)
  const asked = JSON.stringify(request)
  return transaction(shop, () => {
    const before = one<{ what: string; request: string; result: string }>(shop, 'select * from writes where key = ?', key)
    if (before) {
      if (before.what === what && before.request === asked) return JSON.parse(before.result) as T
      throw new ShopError('key-reused', `the key ${key} belongs to ${before.what} ${before.request}, not to ${what} ${asked}`)
    }
    const result = work()
    write(shop, 'insert into writes values (?, ?, ?, ?)', key, what, asked, JSON.stringify(result))
    return result
  })
}
