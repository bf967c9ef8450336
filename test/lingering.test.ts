/** Sessions that stay in memory after their last reader has gone. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { memoryStore, type RunningServer, type Store } from '../server/index.ts'
import { Lingering, type LingerLimits } from '../server/lingering.ts'
import { openStore } from './contract/sqlite-file.ts'
import { openLive, texts } from './support/clients.ts'

import { serveHere } from './support/in-process.ts'
import { storedTexts } from './support/stored.ts'
import { temporaryFolder } from './support/temporary.ts'
import { until } from './support/wait.ts'

const LIMITS: LingerLimits = { idleSessionMs: 10_000, idleSessions: 2, idleSessionBytes: 1_000 }

describe('which sessions stay', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  /** As the server uses it: what is to go is asked about again, and gone. */
  function start(limits: Partial<LingerLimits> = {}): { lingering: Lingering; unloaded: string[] } {
    const unloaded: string[] = []
    const lingering: Lingering = new Lingering({ ...LIMITS, ...limits }, (session) => {
      expect(lingering.stays(session, 10)).toBe(false)
      lingering.forget(session)
      unloaded.push(session)
    })
    return { lingering, unloaded }
  }

  test('one stays for its time, from when it was first idle, and then goes by itself (LIM-8)', () => {
    const { lingering, unloaded } = start()
    expect(lingering.stays('a', 10)).toBe(true)
    vi.advanceTimersByTime(9_000)
    expect(lingering.stays('a', 10)).toBe(true)
    vi.advanceTimersByTime(999)
    expect(unloaded).toEqual([])
    vi.advanceTimersByTime(1)
    expect(unloaded).toEqual(['a'])
  })

  test('one that is used again does not go, and has all of its time when it is idle the next time (LIM-8)', () => {
    const { lingering, unloaded } = start()
    lingering.stays('a', 10)
    vi.advanceTimersByTime(9_000)
    lingering.forget('a')
    vi.advanceTimersByTime(60_000)
    expect(unloaded).toEqual([])
    expect(lingering.stays('a', 10)).toBe(true)
    vi.advanceTimersByTime(9_999)
    expect(unloaded).toEqual([])
  })

  test('of too many idle sessions the one goes that has been idle for longest (LIM-8)', () => {
    const { lingering, unloaded } = start()
    for (const session of ['a', 'b']) lingering.stays(session, 10)
    lingering.forget('a')
    for (const session of ['a', 'c', 'd']) lingering.stays(session, 10)
    expect(unloaded).toEqual(['b', 'a'])
  })

  test('idle sessions have a size that all together cannot pass; what goes or is used again makes room (LIM-8)', () => {
    const { lingering, unloaded } = start({ idleSessions: 100 })
    expect(lingering.stays('too large', 1_001)).toBe(false)
    lingering.stays('a', 600)
    lingering.stays('b', 400)
    expect(unloaded).toEqual([])
    lingering.stays('c', 1)
    expect(unloaded).toEqual(['a'])
    lingering.forget('b')
    lingering.stays('d', 999)
    expect(unloaded).toEqual(['a'])
  })

  test('nothing stays without a number, a time or bytes (LIM-8)', () => {
    expect(start({ idleSessionMs: 0 }).lingering.stays('a', 10)).toBe(false)
    expect(start({ idleSessions: 0 }).lingering.stays('a', 10)).toBe(false)
    expect(start({ idleSessionBytes: 0 }).lingering.stays('a', 10)).toBe(false)
    expect(start().lingering.stays('never written', 0)).toBe(false)
  })

  test('once all are forgotten none is unloaded (LOG-6)', () => {
    const { lingering, unloaded } = start()
    lingering.stays('a', 10)
    lingering.clear()
    vi.advanceTimersByTime(60_000)
    expect(unloaded).toEqual([])
  })
})

describe('on a server', () => {
  interface Health {
    readonly sessions: number
    readonly connections: number
  }

  async function health({ port }: RunningServer): Promise<Health> {
    const response = await fetch(`http://127.0.0.1:${port}/health`)
    return (await response.json()) as Health
  }

  /** How many sessions it says that it has in memory. */
  const loaded = async (server: RunningServer): Promise<number> => (await health(server)).sessions

  /** Counts how often a session is read. */
  function counted(store: Store): { store: Store; reads: () => number } {
    const read = vi.spyOn(store, 'read')
    return { store, reads: () => read.mock.calls.length }
  }

  async function say(url: string, id: string, text: string): Promise<readonly string[]> {
    const session = await openLive({ url, id })
    session.send(text)
    await session.stored()
    const all = texts(session)
    await session.close()
    return all
  }

  test('a session that nobody has open stays in memory for a while, with all that was written to it (LIM-8)', async () => {
    const file = join(temporaryFolder(), 'store.db')
    const { store, reads } = counted(openStore(file))
    const server = await serveHere({ store, route: () => [], limits: { idleSessionMs: 60_000 } })
    expect(await say(server.url, 's', 'one')).toEqual(['one'])
    await until(async () => (await loaded(server)) === 1)
    expect(await say(server.url, 's', 'two')).toEqual(['one', 'two'])
    expect(reads()).toBe(1)
    expect(await server.close()).toBe(true)
    const next = await serveHere({ store: openStore(file), route: () => [] })
    expect(await say(next.url, 's', 'three')).toEqual(['one', 'two', 'three'])
  })

  test('and is read anew after that (LIM-8)', async () => {
    const { store, reads } = counted(memoryStore())
    const server = await serveHere({ store, route: () => [], limits: { idleSessionMs: 50 } })
    await say(server.url, 's', 'one')
    await until(async () => (await loaded(server)) === 0)
    expect(await say(server.url, 's', 'two')).toEqual(['one', 'two'])
    expect(reads()).toBe(2)
  })

  test('one that was never written does not stay (LIM-8)', async () => {
    const server = await serveHere({ route: () => [], limits: { idleSessionMs: 60_000 } })
    const session = await openLive({ url: server.url, id: 's' })
    expect(await loaded(server)).toBe(1)
    await session.close()
    await until(async () => (await loaded(server)) === 0)
  })

  test.each([
    ['SQLite', (): Store => openStore(join(temporaryFolder(), 'store.db'))],
    ['memory', (): Store => memoryStore()],
  ])('one that is erased is gone, from %s too (LIM-8)', async (_name, open) => {
    const store = open()
    const server = await serveHere({ store, route: () => [], limits: { idleSessionMs: 60_000 } })
    await say(server.url, 's', 'one')
    await until(async () => (await health(server)).connections === 0)
    expect(await loaded(server)).toBe(1)
    await store.erase('s')
    expect(await say(server.url, 's', 'two')).toEqual(['two'])
    expect(await storedTexts(store, 's')).toEqual(['two'])
  })

  test('with a store that does not say what it erases, nothing stays (LIM-8)', async () => {
    const store: Store = Object.create(memoryStore(), { onErase: { value: undefined } }) as Store
    const inner = Object.getPrototypeOf(store) as Store
    for (const name of ['append', 'read', 'clients', 'jobs', 'extendAll', 'lapsed', 'close', 'compact'] as const)
      Object.defineProperty(store, name, { value: (inner[name] as (...args: unknown[]) => unknown).bind(inner) })
    const server = await serveHere({ store, route: () => [], limits: { idleSessionMs: 60_000 } })
    await say(server.url, 's', 'one')
    await until(async () => (await loaded(server)) === 0)
    expect(await say(server.url, 's', 'two')).toEqual(['one', 'two'])
  })

  test('where other processes may write, nothing stays (LIM-8, LOG-8)', async () => {
    const file = join(temporaryFolder(), 'store.db')
    const limits = { idleSessionMs: 60_000 }
    const [one, two] = [
      await serveHere({ store: openStore(file, { shared: true }), route: () => [], limits }),
      await serveHere({ store: openStore(file, { shared: true }), route: () => [], limits }),
    ]
    expect(await say(one.url, 's', 'one')).toEqual(['one'])
    await until(async () => (await loaded(one)) === 0)
    expect(await say(two.url, 's', 'two')).toEqual(['one', 'two'])
    await until(async () => (await loaded(two)) === 0)
    expect(await say(one.url, 's', 'three')).toEqual(['one', 'two', 'three'])
  })
})
