import { execFile } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import {
  Compactor,
  IDLE_MIN_LOG_BYTES,
  LOG_SHARE,
  MIN_LOG_BYTES,
  shouldCompact,
  UPDATE_OVERHEAD_BYTES,
} from '../server/compaction.ts'
import { DamagedSession, type Store } from '../server/store.ts'
import { memoryStore } from '../server/store-memory.ts'
import { MAX_SEGMENT_CHARS } from '../shared/limits.ts'
import { freshFolder, openStore, sqlOf } from './contract/sqlite-file.ts'

/** Workers that the compactors of a test have started. */
const workers = vi.hoisted((): Worker[] => [])

vi.mock('node:worker_threads', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:worker_threads')>()
  class RecordedWorker extends original.Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args)
      workers.push(this)
    }
  }
  return { ...original, Worker: RecordedWorker }
})

interface Report {
  readonly error: unknown
  readonly context: { readonly stage: string; readonly [detail: string]: unknown }
}

function startCompactor(store: Store): { compactor: Compactor; reports: Report[] } {
  const reports: Report[] = []
  const compactor = new Compactor({ store, report: (error, context) => reports.push({ error, context }) })
  workers.length = 0
  onTestFinished(() => compactor.close())
  return { compactor, reports }
}

const append = (store: Store, session: string, ...updates: Uint8Array[]): Promise<void> =>
  store.append({ entries: updates.map((update) => ({ session, update })), jobs: [], ended: [] })

/** The document that a session's stored bytes make. */
async function load(store: Store, session: string): Promise<Y.Doc> {
  const { snapshot, updates } = await store.read(session)
  const doc = new Y.Doc()
  for (const update of snapshot === null ? updates : [snapshot, ...updates]) Y.applyUpdate(doc, update)
  return doc
}

/** A document whose updates are kept, and something that grows it by nested, deleted, overwritten and streamed content. */
function makeWriter(clientID = 1): { doc: Y.Doc; write: (rounds: number) => Uint8Array[] } {
  const doc = new Y.Doc()
  doc.clientID = clientID
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  let round = 0
  const write = (rounds: number): Uint8Array[] => {
    updates.length = 0
    for (const end = round + rounds; round < end; round++) {
      const text = new Y.Text()
      doc.getArray('messages').push([
        new Y.Map<unknown>([
          ['head', { id: `m${round}` }],
          ['text', text],
        ]),
      ])
      for (const word of ['Hello', ', ', 'world', '! 👋']) text.insert(text.length, word)
      if (round % 3 === 0) text.delete(2, 5)
      if (round % 5 === 0) doc.getArray('messages').delete(0)
      doc.getMap('control').set('state', round)
    }
    return [...updates]
  }
  return { doc, write }
}

const stateOf = (doc: Y.Doc): string => Buffer.from(Y.encodeStateAsUpdate(doc)).toString('hex')

describe('when a log is due', () => {
  test('a small log is left alone while the session is in use', () => {
    const updates = { updatesSinceSnapshot: 100, snapshotBytes: 0 }
    const due = MIN_LOG_BYTES - 100 * UPDATE_OVERHEAD_BYTES
    expect(shouldCompact({ ...updates, bytesSinceSnapshot: due - 1 })).toBe(false)
    expect(shouldCompact({ ...updates, bytesSinceSnapshot: due })).toBe(true)
  })

  test('many tiny updates count by what each costs, not by their bytes alone', () => {
    const updatesSinceSnapshot = MIN_LOG_BYTES / (UPDATE_OVERHEAD_BYTES + 4)
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
    expect(shouldCompact({ ...small, snapshotBytes: 1_000_000, idle: true })).toBe(false)
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
    // One worker for all of it.
    expect(workers).toHaveLength(1)
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
    const { write } = makeWriter()
    const updates = write(3)
    for (const [session, missing] of [
      ['insert', 2],
      ['first', 0],
    ] as const) {
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

describe('the compactor', () => {
  test('a session with nothing new is not written again', async () => {
    const store = memoryStore()
    const compact = vi.fn(store.compact.bind(store))
    const { compactor } = startCompactor({ ...bind(store), compact })
    await append(store, 's', ...makeWriter().write(2))
    for (let i = 0; i < 3; i++) {
      compactor.request('s')
      await compactor.idle()
    }
    expect(compact).toHaveBeenCalledTimes(1)
  })

  test('[K3] a damaged session is reported and left; the next one is compacted', async () => {
    const file = join(freshFolder(), 'store.db')
    const store = openStore(file)
    const { compactor, reports } = startCompactor(store)
    await append(store, 'bad', ...makeWriter().write(3))
    await append(store, 'good', ...makeWriter().write(3))
    sqlOf(file, `update updates set data = x'00' where session = 1 and seq = 2`)
    compactor.request('bad')
    compactor.request('good')
    await compactor.idle()
    expect(reports).toMatchObject([{ error: { name: 'DamagedSession', session: 'bad' }, context: { session: 'bad' } }])
    expect(sqlOf(file, 'select count(*) > 5 as rows_left from updates where session = 1')).toEqual([{ rows_left: 1 }])
    expect((await store.read('good')).updates).toEqual([])
  })

  test('a worker that dies is reported, and the next compaction has a fresh one', async () => {
    const store = memoryStore()
    const { compactor, reports } = startCompactor(store)
    const { doc, write } = makeWriter()
    await append(store, 's', ...write(2_000))
    compactor.request('s')
    await vi.waitUntil(() => workers.length === 1)
    await workers[0]?.terminate()
    await compactor.idle()
    expect(reports).toMatchObject([
      { error: { message: expect.stringContaining('worker ended') as string }, context: { stage: 'compaction' } },
    ])
    expect((await store.read('s')).snapshot).toBeNull()
    compactor.request('s')
    await compactor.idle()
    expect(workers).toHaveLength(2)
    expect(stateOf(await load(store, 's'))).toBe(stateOf(doc))
    expect((await store.read('s')).updates).toEqual([])
  })

  test('a store that fails is reported, and the next request tries again', async () => {
    const store = memoryStore()
    const compact = vi.fn(store.compact.bind(store)).mockRejectedValueOnce(new Error('disk full'))
    const { compactor, reports } = startCompactor({ ...bind(store), compact })
    await append(store, 's', ...makeWriter().write(2))
    compactor.request('s')
    await compactor.idle()
    expect(reports).toMatchObject([{ error: { message: 'disk full' }, context: { stage: 'compaction', session: 's' } }])
    compactor.request('s')
    await compactor.idle()
    expect((await store.read('s')).updates).toEqual([])
  })

  test('closing gives up what is under way, quietly, and uses the store no more', async () => {
    const store = memoryStore()
    const { compactor, reports } = startCompactor(store)
    await append(store, 's', ...makeWriter().write(2_000))
    compactor.request('s')
    compactor.request('waiting')
    await vi.waitUntil(() => workers.length === 1)
    const exited = new Promise((resolve) => workers[0]?.once('exit', resolve))
    await compactor.close()
    await exited
    await store.close()
    compactor.request('s')
    await compactor.idle()
    expect(reports).toEqual([])
    expect(workers).toHaveLength(1)
  })

  test('no worker is started before it is needed, and none keeps the process alive', async () => {
    startCompactor(memoryStore())
    await setImmediate()
    expect(workers).toHaveLength(0)
    const program = `
      import { Compactor } from './server/compaction.ts'
      import { memoryStore } from './server/store-memory.ts'
      import * as Y from 'yjs'
      const store = memoryStore(), doc = new Y.Doc()
      doc.getText('t').insert(0, 'abc')
      await store.append({ entries: [{ session: 's', update: Y.encodeStateAsUpdate(doc) }], jobs: [], ended: [] })
      const compactor = new Compactor({ store, report: (error) => { throw error } })
      compactor.request('s')
      const alive = setInterval(() => {}, 1000)
      await compactor.idle()
      clearInterval(alive)
      console.log((await store.read('s')).updates.length)`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 })
    expect(stdout).toBe('0\n')
  })

  test('forgetting a session waits for its compaction, so that what is erased does not return', async () => {
    const store = memoryStore()
    const { write } = makeWriter()
    const held = Promise.withResolvers<void>()
    const arrived = Promise.withResolvers<void>()
    const { compactor, reports } = startCompactor({
      ...bind(store),
      compact: async (...args) => {
        arrived.resolve()
        await held.promise
        return store.compact(...args)
      },
    })
    await append(store, 's', ...write(2))
    await append(store, 'queued', ...write(2))
    compactor.request('s')
    compactor.request('queued')
    await arrived.promise
    await compactor.forget('queued')
    let forgotten = false
    const forgetting = compactor.forget('s').then(() => (forgotten = true))
    for (let i = 0; i < 5; i++) await setImmediate()
    expect(forgotten).toBe(false)
    held.resolve()
    await forgetting
    await store.erase('s')
    await compactor.idle()
    expect(await store.sessions()).toEqual(['queued'])
    expect((await store.read('queued')).snapshot).toBeNull()
    expect(reports).toEqual([])
  })
})

test('a text of 2 MB, streamed one token per update, never takes more than 40 bytes per token on disk', async () => {
  const folder = freshFolder()
  const store = openStore(join(folder, 'store.db'), { synchronous: 'normal' })
  const { compactor, reports } = startCompactor(store)
  const onDisk = (): number => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  const doc = new Y.Doc()
  let gathered: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => gathered.push(update))
  const token = ' abc'
  const tokens = (2 * 1024 * 1024) / token.length
  let text = new Y.Text()
  const log = { updatesSinceSnapshot: 0, bytesSinceSnapshot: 0, snapshotBytes: 0 }
  let largest = 0
  for (let i = 0; i < tokens; i++) {
    if (i % (MAX_SEGMENT_CHARS / token.length) === 0) doc.getArray('segments').push([(text = new Y.Text())])
    text.insert(text.length, token)
    if (gathered.length < 100) continue
    await append(store, 's', ...gathered)
    // As the server does it: nobody tells it how large the snapshot became.
    log.updatesSinceSnapshot += gathered.length
    log.bytesSinceSnapshot += gathered.reduce((sum, update) => sum + update.byteLength, 0)
    if (shouldCompact(log)) {
      compactor.request('s')
      log.snapshotBytes += log.bytesSinceSnapshot
      log.updatesSinceSnapshot = log.bytesSinceSnapshot = 0
    }
    gathered = []
    await setImmediate()
    if (i > 10_000) largest = Math.max(largest, onDisk() / i)
  }
  await append(store, 's', ...gathered)
  await compactor.idle()
  const streamed = onDisk() / tokens
  compactor.request('s')
  await compactor.idle()
  await store.close()
  const atRest = onDisk() / tokens
  console.log(
    `bytes per token on disk: ${streamed.toFixed(1)} when streamed, ${atRest.toFixed(1)} when closed; largest ${largest.toFixed(1)}`,
  )
  expect(streamed).toBeLessThanOrEqual(40)
  expect(reports).toEqual([])
}, 60_000)

/** A store as an object whose methods can be replaced one by one. */
function bind(store: Store): Store {
  return {
    append: (batch) => store.append(batch),
    read: (session) => store.read(session),
    compact: (session, seq, snapshot) => store.compact(session, seq, snapshot),
    erase: (session) => store.erase(session),
    sessions: () => store.sessions(),
    jobs: () => store.jobs(),
    claim: (run, worker, leaseMs) => store.claim(run, worker, leaseMs),
    renew: (run, generation, leaseMs) => store.renew(run, generation, leaseMs),
    extendAll: (leaseMs) => store.extendAll(leaseMs),
    lapsed: () => store.lapsed(),
    reopen: (run, generation) => store.reopen(run, generation),
    close: () => store.close(),
  }
}
