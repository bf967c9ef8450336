import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Store } from '../server/store.ts'
import { memoryStore } from '../server/store-memory.ts'
import { append, bind, load, makeWriter, startCompactor, stateOf } from './contract/session-writer.ts'
import { freshFolder, openStore, sqlOf } from './contract/sqlite-file.ts'

/** Workers that the compactors have started. Files before this one have loaded the compactor with the real ones. */
const workers = vi.hoisted((): Worker[] => {
  vi.resetModules()
  return []
})

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

beforeEach(() => {
  workers.length = 0
})

// Nor do the files after this one get the recorded ones.
afterAll(() => void vi.resetModules())

describe('the compactor', () => {
  test('a session with nothing new is not written again', async () => {
    const store = memoryStore()
    const compact = vi.fn<Store['compact']>(store.compact.bind(store))
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
    await vi.waitUntil(() => workers.length === 1, { interval: 1 })
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
    const compact = vi.fn<Store['compact']>(store.compact.bind(store)).mockRejectedValueOnce(new Error('disk full'))
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
    await vi.waitUntil(() => workers.length === 1, { interval: 1 })
    const exited = new Promise((resolve) => workers[0]?.once('exit', resolve))
    await compactor.close()
    await exited
    await store.close()
    compactor.request('s')
    await compactor.idle()
    expect(reports).toEqual([])
    expect(workers).toHaveLength(1)
  })

  test('one worker serves all sessions', async () => {
    const store = memoryStore()
    const { compactor } = startCompactor(store)
    for (const session of ['a', 'b', 'c']) {
      await append(store, session, ...makeWriter().write(2))
      compactor.request(session)
    }
    await compactor.idle()
    expect(workers).toHaveLength(1)
    for (const session of ['a', 'b', 'c']) expect((await store.read(session)).updates).toEqual([])
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
    const cwd = fileURLToPath(new URL('..', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      cwd,
      timeout: 20_000,
    })
    expect(stdout).toBe('0\n')
  }, 30_000)

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
