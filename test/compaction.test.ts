import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import {
  IDLE_LOG_SHARE,
  IDLE_MIN_LOG_BYTES,
  LOG_SHARE,
  MIN_LOG_BYTES,
  shouldCompact,
  UPDATE_OVERHEAD_BYTES,
} from '../server/compaction.ts'
import { DamagedSession, type Store } from '../server/store.ts'
import { memoryStore } from '../server/store-memory.ts'
import { MAX_SEGMENT_CHARS } from '../shared/limits.ts'
import { append, bind, load, makeWriter, startCompactor, stateOf } from './contract/session-writer.ts'
import { freshFolder, openStore } from './contract/sqlite-file.ts'

describe('when a log is due', () => {
  test('a small log is left alone while the session is in use', () => {
    const updates = { updatesSinceSnapshot: 100, snapshotBytes: 0 }
    const due = MIN_LOG_BYTES - 100 * UPDATE_OVERHEAD_BYTES
    expect(shouldCompact({ ...updates, bytesSinceSnapshot: due - 1 })).toBe(false)
    expect(shouldCompact({ ...updates, bytesSinceSnapshot: due })).toBe(true)
  })

  test('many tiny updates count by what each costs, not by their bytes alone', () => {
    const updatesSinceSnapshot = Math.ceil(MIN_LOG_BYTES / (UPDATE_OVERHEAD_BYTES + 4))
    expect(shouldCompact({ updatesSinceSnapshot, bytesSinceSnapshot: updatesSinceSnapshot * 4, snapshotBytes: 0 })).toBe(true)
  })

  test('a large snapshot waits for a log in proportion', () => {
    const snapshotBytes = 10 * 1024 * 1024
    expect(shouldCompact({ updatesSinceSnapshot: 1, bytesSinceSnapshot: 256 * 1024, snapshotBytes })).toBe(false)
    expect(shouldCompact({ updatesSinceSnapshot: 1, bytesSinceSnapshot: snapshotBytes * LOG_SHARE, snapshotBytes })).toBe(true)
  })

  test('all compactions together write at most 3 bytes per byte logged, however large the session becomes', () => {
    let [log, logged, snapshotBytes, written] = [0, 0, 0, 0]
    const update = 1_000
    for (; logged < 200 * 1024 * 1024; logged += update) {
      log += update
      if (!shouldCompact({ updatesSinceSnapshot: log / update, bytesSinceSnapshot: log, snapshotBytes })) continue
      snapshotBytes += log
      written += snapshotBytes
      log = 0
    }
    expect(written / logged).toBeLessThan(3)
    expect(written / logged).toBeGreaterThan(1)
  })

  test('a session that nobody uses is made small, unless it is already', () => {
    const small = { updatesSinceSnapshot: 50, bytesSinceSnapshot: 2_000, snapshotBytes: 1_000 }
    expect(shouldCompact(small)).toBe(false)
    expect(shouldCompact({ ...small, idle: true })).toBe(true)
    const logBytes = small.bytesSinceSnapshot + small.updatesSinceSnapshot * UPDATE_OVERHEAD_BYTES
    expect(shouldCompact({ ...small, snapshotBytes: logBytes / IDLE_LOG_SHARE, idle: true })).toBe(true)
    expect(shouldCompact({ ...small, snapshotBytes: logBytes / IDLE_LOG_SHARE + 100, idle: true })).toBe(false)
    expect(
      shouldCompact({ updatesSinceSnapshot: 1, bytesSinceSnapshot: IDLE_MIN_LOG_BYTES - 21, snapshotBytes: 0, idle: true }),
    ).toBe(false)
  })
})

describe.each([
  ['memory', (): Store => memoryStore()],
  ['SQLite', (): Store => openStore(join(freshFolder(), 'store.db'))],
])('compaction of a %s store', (_, makeStore) => {
  test('leaves the state as it was, the first time and the next', async () => {
    const store = makeStore()
    const { compactor, reports } = startCompactor(store)
    const { doc, write } = makeWriter()
    for (const rounds of [40, 25, 1]) {
      await append(store, 's', ...write(rounds))
      const { lastSeq } = await store.read('s')
      compactor.request('s')
      await compactor.idle()
      const stored = await store.read('s')
      expect(stored).toMatchObject({ snapshotSeq: lastSeq, lastSeq, updates: [] })
      expect(stored.snapshot?.byteLength).toBe(Y.encodeStateAsUpdate(doc).byteLength)
      const loaded = await load(store, 's')
      expect(stateOf(loaded)).toBe(stateOf(doc))
      expect(loaded.getArray('messages').toJSON()).toEqual(doc.getArray('messages').toJSON())
    }
    expect(reports).toEqual([])
  })

  test('keeps what is logged meanwhile', async () => {
    const store = makeStore()
    const { doc, write } = makeWriter()
    await append(store, 's', ...write(10))
    const late = write(1)
    // The worst moment: the snapshot is made and about to be written.
    const { compactor, reports } = startCompactor({
      ...bind(store),
      compact: async (...args) => {
        await append(store, 's', ...late)
        return store.compact(...args)
      },
    })
    compactor.request('s')
    await compactor.idle()
    const { snapshot, updates } = await store.read('s')
    expect(snapshot).not.toBeNull()
    expect(updates).toEqual(late)
    expect(stateOf(await load(store, 's'))).toBe(stateOf(doc))
    expect(reports).toEqual([])
  })

  test('of two compactors at once the one that saw less changes nothing', async () => {
    const store = makeStore()
    const { doc, write } = makeWriter()
    await append(store, 's', ...write(10))
    const held = Promise.withResolvers<void>()
    const arrived = Promise.withResolvers<void>()
    const results: boolean[] = []
    const slow = startCompactor({
      ...bind(store),
      compact: async (...args) => {
        arrived.resolve()
        await held.promise
        results.push(await store.compact(...args))
        return true
      },
    })
    slow.compactor.request('s')
    await arrived.promise
    await append(store, 's', ...write(5))
    const quick = startCompactor(store)
    quick.compactor.request('s')
    await quick.compactor.idle()
    const afterQuick = await store.read('s')
    expect(afterQuick.updates).toEqual([])
    held.resolve()
    await slow.compactor.idle()
    expect(results).toEqual([false])
    expect(await store.read('s')).toEqual(afterQuick)
    expect(stateOf(await load(store, 's'))).toBe(stateOf(doc))
    expect([...slow.reports, ...quick.reports]).toEqual([])
  })

  test('two compactors and a writer at once, many times: the state stays', async () => {
    const store = makeStore()
    const [one, two] = [startCompactor(store), startCompactor(store)]
    const { doc, write } = makeWriter()
    for (let round = 0; round < 20; round++) {
      await append(store, 's', ...write(3))
      one.compactor.request('s')
      two.compactor.request('s')
      for (let i = 0; i < round % 4; i++) {
        await setImmediate()
        await append(store, 's', ...write(1))
      }
      await (round % 2 === 0 ? one : two).compactor.idle()
    }
    await Promise.all([one.compactor.idle(), two.compactor.idle()])
    expect(stateOf(await load(store, 's'))).toBe(stateOf(doc))
    expect([...one.reports, ...two.reports]).toEqual([])
  })

  test('a log whose updates build on one that is missing is left as it is, and reported', async () => {
    const store = makeStore()
    const { compactor, reports } = startCompactor(store)
    const doc = new Y.Doc()
    const updates: Uint8Array[] = []
    doc.on('update', (update: Uint8Array) => updates.push(update))
    for (const word of ['one ', 'two ', 'three']) doc.getText('t').insert(doc.getText('t').length, word)
    for (const missing of [0, 1]) {
      const session = `without-${missing}`
      await append(store, session, ...updates.filter((_update, index) => index !== missing))
      const before = await store.read(session)
      compactor.request(session)
      await compactor.idle()
      expect(await store.read(session)).toEqual(before)
      expect(reports.pop()).toEqual({
        error: new DamagedSession(session, 'an update is missing'),
        context: { stage: 'compaction', session },
      })
    }
  })

  test('so is one that deletes what is missing', async () => {
    const store = makeStore()
    const { compactor, reports } = startCompactor(store)
    const doc = new Y.Doc()
    const updates: Uint8Array[] = []
    doc.getText('t').insert(0, 'abc')
    doc.on('update', (update: Uint8Array) => updates.push(update))
    doc.getText('t').delete(0, 1)
    await append(store, 's', ...updates)
    compactor.request('s')
    await compactor.idle()
    expect((await store.read('s')).snapshot).toBeNull()
    expect(reports).toMatchObject([{ context: { stage: 'compaction', session: 's' } }])
  })

  test('an update that does not decode is reported, and stops no other session', async () => {
    const store = makeStore()
    const { compactor, reports } = startCompactor(store)
    const { doc, write } = makeWriter()
    await append(store, 'bad', new Uint8Array([1, 2, 3, 255, 255]))
    await append(store, 'good', ...write(3))
    for (const session of ['bad', 'good', 'never-written']) compactor.request(session)
    await compactor.idle()
    expect(reports).toMatchObject([{ error: { name: 'DamagedSession', session: 'bad' }, context: { stage: 'compaction' } }])
    expect((await store.read('bad')).updates).toHaveLength(1)
    expect(await store.read('good')).toMatchObject({ updates: [] })
    expect(stateOf(await load(store, 'good'))).toBe(stateOf(doc))
  })
})

test('a text of 2 MB, streamed one token per update, takes at most 40 bytes per token on disk', async () => {
  const folder = freshFolder()
  const store = openStore(join(folder, 'store.db'), { synchronous: 'normal' })
  const { compactor, reports } = startCompactor(store)
  const onDisk = (): number => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  const doc = new Y.Doc()
  let gathered: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => gathered.push(update))
  const tokens = (2 * 1024 * 1024) / 4
  const perSegment = MAX_SEGMENT_CHARS / 4
  let text = new Y.Text()
  const log = { updatesSinceSnapshot: 0, bytesSinceSnapshot: 0, snapshotBytes: 0 }
  let largest = 0
  for (let i = 0; i < tokens; i++) {
    if (i % perSegment === 0) doc.getArray('segments').push([(text = new Y.Text())])
    // Letters that hardly compress: a text that repeats itself would make the figure too good.
    text.insert((i % perSegment) * 4, (Math.imul(i + 1, 2_654_435_761) >>> 11).toString(32).slice(-3).padStart(4))
    if (gathered.length < 100) continue
    await append(store, 's', ...gathered)
    // As the server does it: nobody tells it how large the snapshot became.
    log.updatesSinceSnapshot += gathered.length
    log.bytesSinceSnapshot += gathered.reduce((sum, update) => sum + update.byteLength, 0)
    if (shouldCompact(log)) {
      largest = Math.max(largest, onDisk())
      compactor.request('s')
      log.snapshotBytes += log.bytesSinceSnapshot
      log.updatesSinceSnapshot = log.bytesSinceSnapshot = 0
    }
    gathered = []
    await setImmediate()
  }
  await append(store, 's', ...gathered)
  await compactor.idle()
  largest = Math.max(largest, onDisk())
  await store.close()
  const figures = { whileStreaming: largest / tokens, atRest: onDisk() / tokens }
  console.log(`Bytes on disk per token: ${figures.whileStreaming.toFixed(1)}, ${figures.atRest.toFixed(1)} when closed`)
  expect(figures.whileStreaming).toBeLessThanOrEqual(40)
  expect(figures.atRest).toBeLessThanOrEqual(20)
  const stored = await load(openStore(join(folder, 'store.db')), 's')
  expect(stored.getArray('segments').toArray().join('')).toBe(doc.getArray('segments').toArray().join(''))
  expect(reports).toEqual([])
}, 60_000)
