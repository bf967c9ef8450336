import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Store } from '../server/store.ts'
import { memoryStore } from '../server/store-memory.ts'
import { sqliteStore } from '../server/store-sqlite.ts'
import { openDatabase } from '../server/sqlite-schema.ts'
import { freshFolder, openStore, sqlOf } from './contract/sqlite-file.ts'
import { bytes, log, storeSuite } from './contract/store.ts'

storeSuite('memory', async () => {
  const now = { value: 1_000_000 }
  return { store: memoryStore({ now: () => now.value }), now }
})

for (const shared of [false, true]) {
  storeSuite(shared ? 'SQLite, shared' : 'SQLite', async () => {
    const now = { value: 1_000_000 }
    const file = join(freshFolder(), 'store.db')
    const open = (): Store => sqliteStore({ file, shared, now: () => now.value })
    const store = open()
    const reopen = async (): Promise<Store> => {
      await store.close()
      return open()
    }
    return { store, reopen, now }
  })
}

describe('the file', () => {
  test('a commit survives the process: the files of a store that was never closed hold it', async () => {
    const folder = freshFolder()
    const store = openStore(join(folder, 'store.db'))
    await log(store, 's', 1, 2)
    await store.compact('s', 1, bytes(1))
    for (const suffix of ['', '-wal', '-tail']) copyFileSync(join(folder, `store.db${suffix}`), join(folder, `copy.db${suffix}`))
    expect(await openStore(join(folder, 'copy.db')).read('s')).toEqual(await store.read('s'))
  })

  test('a folder that is not there is made; a path that is none is refused', async () => {
    const file = join(freshFolder(), 'a', 'b', 'store.db')
    await log(openStore(file), 's', 1)
    expect(existsSync(file)).toBe(true)
    expect(() => sqliteStore({ file: ':memory:' })).toThrow('memoryStore()')
    expect(() => sqliteStore({ file: '' })).toThrow('path of a file')
  })

  test.each([
    ['full', 2],
    ['normal', 1],
  ] as const)('synchronous %s, a write-ahead log, and no waiting for locks', (synchronous, number) => {
    const db = openDatabase(join(freshFolder(), 'store.db'), synchronous)
    onTestFinished(() => db.close())
    const settings = ['synchronous', 'journal_mode', 'busy_timeout', 'auto_vacuum', 'secure_delete']
    expect(settings.map((name) => Object.values(db.prepare(`pragma ${name}`).get() ?? {})[0])).toEqual([number, 'wal', 0, 2, 1])
  })

  test.each([
    ['of a newer version', 'pragma user_version = 6', /newer version of Polylogue \(layout 6; this one knows 5\)/],
    ['of something else', 'pragma application_id = 7', /database of something else/],
  ])('a database %s is refused and left as it is', async (_, change, message) => {
    const file = join(freshFolder(), 'store.db')
    const store = sqliteStore({ file })
    await log(store, 's', 1)
    await store.close()
    sqlOf(file, change)
    sqlOf(file, 'pragma journal_mode = delete')
    const before = readFileSync(file)
    expect(() => sqliteStore({ file })).toThrow(message)
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  test('a database of the first version gets what it lacks, and keeps what it has', async () => {
    const file = join(freshFolder(), 'store.db')
    const store = sqliteStore({ file })
    await log(store, 's', 1)
    await store.close()
    for (const column of ['parent', 'urgent', 'held']) sqlOf(file, `alter table jobs drop column ${column}`)
    for (const table of ['clients', 'blobs', 'subscribers', 'notices', 'kept', 'tail', 'strays'])
      sqlOf(file, `drop table ${table}`)
    sqlOf(file, 'pragma user_version = 1')
    const migrated = openStore(file)
    await migrated.append({ entries: [], jobs: [], ended: [], clients: [{ session: 's', client: 1, participant: 'ada' }] })
    expect([(await migrated.read('s')).lastSeq, [...(await migrated.clients('s'))]]).toEqual([1, [[1, 'ada']]])
  })

  test('a database with tables but no mark, and a file that is no database, are refused', () => {
    const folder = freshFolder()
    sqlOf(join(folder, 'shop.db'), 'create table orders (id integer primary key)')
    expect(() => sqliteStore({ file: join(folder, 'shop.db') })).toThrow(/shop\.db as a store: it is a database of something/)
    writeFileSync(join(folder, 'notes.txt'), 'Milk, bread, a sufficiently long list of things to buy. '.repeat(20))
    expect(() => sqliteStore({ file: join(folder, 'notes.txt') })).toThrow(/notes\.txt as a store: file is not a database/)
  })

  test('pages that compaction frees are used again, and erasing gives them back', async () => {
    const folder = freshFolder()
    const file = join(folder, 'store.db')
    const store = openStore(file)
    const update = new Uint8Array(500).fill(1)
    const fill = (session: string): Promise<void> =>
      store.append({ entries: Array.from({ length: 1_000 }, () => ({ session, update })), jobs: [], ended: [] })
    const size = (): number => {
      sqlOf(file, 'pragma wal_checkpoint(truncate)')
      return statSync(file).size
    }
    await fill('s')
    const afterFirst = size()
    for (let round = 1; round <= 5; round++) {
      expect(await store.compact('s', round * 1_000, update)).toBe(true)
      await fill('s')
    }
    expect(size()).toBeLessThan(afterFirst * 1.1)
    await store.erase('s')
    expect(size()).toBeLessThan(afterFirst / 5)
  })

  test('what is erased is no longer in the files, compacted away or not', async () => {
    const folder = freshFolder()
    const file = join(folder, 'store.db')
    const store = openStore(file)
    const needle = 'my card number is'
    const update = Buffer.from(`${needle} 4111 1111 1111 1111`)
    const append = (session: string): Promise<void> =>
      store.append({ entries: Array.from({ length: 200 }, () => ({ session, update })), jobs: [], ended: [] })
    const isThere = (): boolean =>
      ['', '-wal', '-tail'].some((suffix) => existsSync(file + suffix) && readFileSync(file + suffix).includes(needle))
    await log(store, 'stays', 1)
    await append('s')
    await store.compact('s', 150, Buffer.concat([update, new Uint8Array(50)]))
    await append('s')
    expect(isThere()).toBe(true)
    await store.erase('s')
    expect(isThere()).toBe(false)
    expect((await store.read('stays')).lastSeq).toBe(1)
  })
})
