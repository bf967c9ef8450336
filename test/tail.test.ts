/** What lies beside the tables for a while: it is stored, it is taken over once, and one session's damage stays its own. */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openFiles } from '../server/sqlite-files.ts'
import { DamagedSession, type Store } from '../server/store.ts'
import { sqliteStore, type SqliteStoreOptions } from '../server/store-sqlite.ts'
import { freshFolder, openStore, sqlOf } from './contract/sqlite-file.ts'
import { bytes, log } from './contract/store.ts'

const fresh = (): string => join(freshFolder(), 'store.db')
const inTables = (file: string): unknown => sqlOf(file, 'select count(*) as count from updates')[0]
const valuesOf = async (store: Store, session: string): Promise<number[]> =>
  (await store.read(session)).updates.map((update) => update[0] ?? -1)
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => (index + 1) % 256)

/** What is on the disk at this moment, as a process that dies leaves it; `damage` is done to its tail. */
function afterCrash(file: string, damage?: (tail: Buffer) => void): string {
  const copy = fresh()
  for (const suffix of ['', '-wal', '-tail']) if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix)
  if (damage !== undefined) {
    const tail = readFileSync(`${copy}-tail`)
    damage(tail)
    writeFileSync(`${copy}-tail`, tail)
  }
  return copy
}

/** A store whose tail has an update of `a`, of `b` and of `c`, in this order, after those that are in the tables. */
async function withTail(options: Omit<SqliteStoreOptions, 'file'> = {}): Promise<{ file: string; store: Store }> {
  const file = fresh()
  const store = openStore(file, options)
  for (const session of ['a', 'b', 'c']) await log(store, session, 1)
  for (const [value, session] of ['a', 'b', 'c', 'a', 'b', 'c'].entries()) await log(store, session, 10 + value)
  expect(inTables(file)).toEqual({ count: 3 })
  return { file, store }
}

/** Where the record of an update is: its only byte of data is the last of a record of 45 bytes. */
const placeOf = (tail: Buffer, value: number): number => {
  for (let at = 0; at < 1_000; at += 48) if (tail[at + 44] === value) return at
  throw new Error(`No record of ${value}.`)
}

describe('what the tail holds', () => {
  test('is read like all else, and is taken over by the next transaction, or by the clock', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const file = fresh()
    const store = openStore(file)
    await log(store, 's', 1, 2, 3)
    expect(inTables(file)).toEqual({ count: 1 })
    expect(await store.read('s')).toEqual({ snapshot: null, snapshotSeq: 0, updates: [bytes(1), bytes(2), bytes(3)], lastSeq: 3 })
    await store.append({ entries: [{ session: 's', update: bytes(4) }], jobs: [], ended: ['r'] })
    expect(inTables(file)).toEqual({ count: 4 })
    await log(store, 's', 5)
    expect(inTables(file)).toEqual({ count: 4 })
    vi.advanceTimersByTime(1_000)
    expect(inTables(file)).toEqual({ count: 5 })
    expect(await store.compact('s', 4, bytes(99))).toBe(true)
    await log(store, 's', 6)
    expect(await store.compact('s', 6, bytes(98))).toBe(true)
    expect(await store.read('s')).toEqual({ snapshot: bytes(98), snapshotSeq: 6, updates: [], lastSeq: 6 })
  })

  test.each(['full', 'normal'] as const)('is there once after a crash, whenever it comes (%s, LOG-8)', async (synchronous) => {
    const file = fresh()
    const store = openStore(file, { synchronous })
    const values = upTo(700)
    for (const [index, value] of values.entries()) {
      await log(store, 's', value)
      // 256 fit in; the next one goes into the tables with them. Before, at, and after that, and somewhere else.
      if (![0, 1, 255, 256, 257, 258, 400, 512, 513, 514, 515, 699].includes(index)) continue
      const later = openStore(afterCrash(file), { synchronous })
      expect(await valuesOf(later, 's')).toEqual(values.slice(0, index + 1))
      await log(later, 's', 7)
      expect((await later.read('s')).lastSeq).toBe(index + 2)
    }
  })

  test('is taken over by whoever opens the file next, shared too', async () => {
    const { file } = await withTail()
    const copy = afterCrash(file)
    const [one, two] = [openStore(copy, { shared: true }), openStore(copy, { shared: true })]
    expect(await valuesOf(two, 'a')).toEqual([1, 10, 13])
    expect(inTables(copy)).toEqual({ count: 9 })
    await log(one, 'a', 2)
    expect(await valuesOf(two, 'a')).toEqual([1, 10, 13, 2])
  })

  test('is in the tables once the store is closed', async () => {
    const { file, store } = await withTail()
    await store.close()
    expect(inTables(file)).toEqual({ count: 9 })
  })

  test('[K2] is stored while the database is locked, until it is full; then nothing more is, and nothing is lost', async () => {
    const file = fresh()
    const store = openStore(file)
    await log(store, 's', 1)
    const other = new DatabaseSync(file)
    onTestFinished(() => other.close())
    other.exec('begin exclusive')
    const stored = upTo(257)
    await log(store, 's', ...stored.slice(1))
    await expect(log(store, 's', 42)).rejects.toThrow('database is locked')
    expect(await valuesOf(store, 's')).toEqual(stored)
    expect(await valuesOf(openStore(afterCrash(file)), 's')).toEqual(stored)
    other.exec('rollback')
    await log(store, 's', 42)
    expect(await valuesOf(store, 's')).toEqual([...stored, 42])
    expect(inTables(file)).toEqual({ count: 258 })
  })
})

describe('damage', () => {
  test('[K3] a damaged record harms the session that misses it, and no other', async () => {
    const { file } = await withTail()
    const damaged = afterCrash(file, (tail) => void (tail[placeOf(tail, 11) + 44] = 99))
    const store = openStore(damaged)
    expect([await valuesOf(store, 'a'), await valuesOf(store, 'c')]).toEqual([
      [1, 10, 13],
      [1, 12, 15],
    ])
    await expect(store.read('b')).rejects.toThrow(DamagedSession)
  })

  test('the last record, begun and not finished, is not there, nor a part of it', async () => {
    const { file, store } = await withTail()
    const [one, two] = [bytes(20), bytes(21)].map((update, index) => ({ session: index === 0 ? 'a' : 'b', update }))
    await store.append({ entries: [one!, two!], jobs: [], ended: [] })
    const torn = openStore(afterCrash(file, (tail) => void tail.fill(0, placeOf(tail, 20) + 46)))
    expect([await valuesOf(torn, 'a'), await valuesOf(torn, 'b')]).toEqual([
      [1, 10, 13],
      [1, 11, 14],
    ])
    const whole = openStore(afterCrash(file))
    expect([(await valuesOf(whole, 'a')).at(-1), (await valuesOf(whole, 'b')).at(-1)]).toEqual([20, 21])
  })

  test('without syncs, power that was lost takes an end away, and not a piece out of the middle', async () => {
    const { file } = await withTail({ synchronous: 'normal' })
    const damaged = afterCrash(file, (tail) => void tail.fill(0, placeOf(tail, 12), placeOf(tail, 13)))
    const store = openStore(damaged, { synchronous: 'normal' })
    expect(await Promise.all(['a', 'b', 'c'].map((session) => valuesOf(store, session)))).toEqual([[1, 10], [1, 11], [1]])
    // What was after it is not found later on either, when new records stand where the piece was.
    await log(store, 'a', 2, 3, 4, 5)
    const later = openStore(afterCrash(damaged))
    expect(await Promise.all(['a', 'b', 'c'].map((session) => valuesOf(later, session)))).toEqual([
      [1, 10, 2, 3, 4, 5],
      [1, 11],
      [1],
    ])
  })

  test('[K3] a session that cannot take its updates does not keep others from theirs; they are laid aside', async () => {
    const { file, store } = await withTail()
    sqlOf(file, "insert into updates select id, 2, 0, x'00' from sessions where name = 'b'")
    await store.append({ entries: [], jobs: [], ended: ['r'] })
    expect([await valuesOf(store, 'a'), await valuesOf(store, 'c')]).toEqual([
      [1, 10, 13],
      [1, 12, 15],
    ])
    await expect(store.read('b')).rejects.toThrow(DamagedSession)
    expect(sqlOf(file, 'select seq, data from strays')).toEqual([
      { seq: 2, data: bytes(11) },
      { seq: 3, data: bytes(14) },
    ])
  })

  test('[K3] a session whose pages are broken takes updates until the tables have said so, and they are laid aside', async () => {
    const file = fresh()
    const first = openStore(file)
    const needle = Buffer.from('book me a flight '.repeat(20))
    const entries = Array.from({ length: 100 }, () => ({ session: 'b', update: needle }))
    await log(first, 'a', 1)
    await first.append({ entries, jobs: [], ended: [] })
    await first.close()
    const store = openStore(file)
    // Known to the store, so that the next ones go to the tail.
    for (const session of ['a', 'b']) await log(store, session, 2)
    sqlOf(file, 'pragma wal_checkpoint(truncate)')
    const content = readFileSync(file)
    const page = content.lastIndexOf(needle) & ~4_095
    content.fill(0xff, page, page + 4_096)
    writeFileSync(file, content)
    sqlOf(file, "insert into kept values ('somebody', 'wrote')")
    for (const session of ['b', 'a']) await log(store, session, 3)
    const crashed = afterCrash(file)
    await store.append({ entries: [], jobs: [], ended: ['r'] })
    expect(await valuesOf(store, 'a')).toEqual([1, 2, 3])
    expect(sqlOf(file, 'select seq, data from strays')).toEqual([{ seq: 102, data: bytes(3) }])
    // Also with something of others in the tail: they are not kept from it by that.
    await log(store, 'a', 4)
    await expect(log(store, 'b', 4)).rejects.toThrow(DamagedSession)
    await log(store, 'a', 5)
    expect(await valuesOf(store, 'a')).toEqual([1, 2, 3, 4, 5])
    expect(await valuesOf(openStore(crashed), 'a')).toEqual([1, 2, 3])
    expect(sqlOf(crashed, 'select seq from strays')).toEqual([{ seq: 102 }])
  })
})

test('one server at a time has a file, unless all share it (LOG-8)', () => {
  const file = fresh()
  const first = openFiles(file, 'full', false)
  for (const shared of [false, true]) expect(() => openFiles(file, 'full', shared, 0)).toThrow('another server has it open')
  first.close()
  const sharing = openFiles(file, 'full', true, 0)
  expect(() => openFiles(file, 'full', false, 0)).toThrow('another server has it open')
  sharing.close()
  expect(sqliteStore({ file }).close()).toBeInstanceOf(Promise)
})
