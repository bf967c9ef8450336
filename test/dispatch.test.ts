/** Who is given which job, by clocks that the test turns: what takes a slot, and what becomes of leases when a clock jumps. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Dispatcher, type WorkerLink } from '../server/dispatch.ts'
import { memoryStore } from '../server/index.ts'
import type { NewJob } from '../server/store.ts'
import { cancelKey } from '../shared/layout.ts'
import type { ServerMessage } from '../shared/wire.ts'
import { Peer, sender, World } from './guard/world.ts'

const LEASE_MS = 10_000

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function setting() {
  const clocks = { wall: 1_000_000, steady: 0 }
  const store = memoryStore({ now: () => clocks.wall })
  const lapsed: string[] = []
  const over = new Set<string>()
  const dispatcher = new Dispatcher({
    store,
    leaseMs: LEASE_MS,
    clocks: { wall: () => clocks.wall, steady: () => clocks.steady },
    report: (error) => {
      throw error
    },
    grant: ({ run }) => Promise.resolve(!over.has(run)),
    lapse: ({ run }) => Promise.resolve(lapsed.push(run) > 0),
  })
  const given: string[] = []
  const worker = (agent: string): WorkerLink => ({
    participant: { id: agent },
    mayOpen: () => true,
    tell: (message: ServerMessage) => void (message.t === 'assign' && given.push(message.run)),
    forget: () => {},
  })
  const join = async (agent: string, slots: number): Promise<WorkerLink> => {
    const link = worker(agent)
    await dispatcher.join(link, { worker: `of-${agent}`, slots, leases: [] })
    return link
  }
  const add = async (job: Partial<NewJob> & Pick<NewJob, 'run'>): Promise<void> => {
    const whole = { session: job.run, agent: 'bot', input: job.run, ...job }
    expect(dispatcher.expect(whole)).toBe(true)
    await store.append({ entries: [], jobs: [whole], ended: [] })
    dispatcher.added(whole)
    await vi.advanceTimersByTimeAsync(0)
  }
  const end = async (run: string): Promise<void> => {
    await store.append({ entries: [], jobs: [], ended: [run] })
    dispatcher.ended(run)
    await vi.advanceTimersByTimeAsync(0)
  }
  /** Lets time pass in which the server looks after its leases. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 1_000) {
      clocks.wall += 1_000
      clocks.steady += 1_000
      await vi.advanceTimersByTimeAsync(1_000)
    }
  }
  return { store, clocks, dispatcher, given, lapsed, over, join, add, end, pass }
}

test('[G7] a run that waits for its child takes no slot: an agent of one slot can ask itself, and others in a ring (SUB-1)', async () => {
  const { join, add, end, given } = setting()
  await join('bot', 1)
  await join('aid', 1)
  await add({ run: 'one' })
  await add({ run: 'two' })
  expect(given, 'one slot').toEqual(['one'])
  await add({ run: 'one>aid', session: 'one', agent: 'aid', parent: 'one' })
  expect(given.toSorted(), 'while it waits there is room').toEqual(['one', 'one>aid', 'two'])
  await add({ run: 'two>aid', session: 'two', agent: 'aid', parent: 'two' })
  expect(given, 'the helper is busy').not.toContain('two>aid')
  await add({ run: 'one>aid>bot', session: 'one', parent: 'one>aid' })
  expect(given.slice(3).toSorted(), 'until it asks the first agent').toEqual(['one>aid>bot', 'two>aid'])
  await add({ run: 'three' })
  expect(given, 'the slot is the grandchild’s').not.toContain('three')
  await end('one>aid>bot')
  expect(given.at(-1)).toBe('three')
})

test('a run that is suspended takes no slot, so that what nobody answers does not stop an agent (RUN-3)', async () => {
  const { join, add, dispatcher, given } = setting()
  await join('bot', 1)
  await add({ run: 'one' })
  await add({ run: 'two' })
  dispatcher.rests('one', true)
  await vi.advanceTimersByTimeAsync(0)
  expect(given).toEqual(['one', 'two'])
  dispatcher.rests('one', false)
  await add({ run: 'three' })
  dispatcher.rests('two', true)
  await vi.advanceTimersByTimeAsync(0)
  expect(given, 'the first one goes on').toEqual(['one', 'two'])
})

test('[R7] a run that was cancelled while it was being given is not given, and does not change (RUN-1)', async () => {
  const { join, add, over, given } = setting()
  await join('bot', 1)
  over.add('one')
  await add({ run: 'one' })
  expect(given).toEqual([])
  const world = new World()
  const user = new Peer(world, sender('ada', 'user'))
  user.post('m', 'Hi')
  user.set(user.roots.control, cancelKey('m.bot'), { by: 'ada', at: 1 })
  const before = world.run('m.bot').toJSON()
  expect(before).toMatchObject({ status: 'cancelled' })
  expect(world.clerk.grant('m.bot', 'w', 1)).toBe(false)
  expect(world.run('m.bot').toJSON()).toEqual(before)
  expect(world.clerk.grant('nowhere', 'w', 1)).toBe(false)
})

test.each([
  ['the clock is set an hour forward', { wall: 3_600_000, steady: 0 }],
  ['the process stands still for a minute', { wall: 60_000, steady: 60_000 }],
  ['the machine sleeps for a minute', { wall: 60_000, steady: 0 }],
])('[G3] %s: no worker loses its run by that, and one that is gone does after its lease (RUN-4)', async (_what, jump) => {
  const { join, add, dispatcher, clocks, lapsed, pass, store } = setting()
  await dispatcher.start()
  const link = await join('bot', 5)
  await add({ run: 'alive' })
  await add({ run: 'dead' })
  clocks.wall += jump.wall
  clocks.steady += jump.steady
  await pass(1_000)
  expect(lapsed).toEqual([])
  await dispatcher.renew(link, [{ run: 'alive', generation: 1 }])
  await pass(LEASE_MS / 2)
  await dispatcher.renew(link, [{ run: 'alive', generation: 1 }])
  await pass(LEASE_MS / 2)
  expect(new Set(lapsed)).toEqual(new Set(['dead']))
  expect(await store.renew('alive', 1, LEASE_MS)).toBe(true)
  dispatcher.stop()
})

test('[G3] a heartbeat that comes first after the clock was set forward is not too late (RUN-4)', async () => {
  const { join, add, dispatcher, clocks, store } = setting()
  const link = await join('bot', 5)
  await add({ run: 'alive' })
  clocks.wall += 3_600_000
  await dispatcher.renew(link, [{ run: 'alive', generation: 1 }])
  expect(await store.renew('alive', 1, LEASE_MS)).toBe(true)
})

test('[G3] a clock that is set back keeps no dead worker’s lease alive (RUN-4)', async () => {
  const { join, add, dispatcher, clocks, lapsed, pass } = setting()
  await dispatcher.start()
  await join('bot', 5)
  await add({ run: 'dead' })
  clocks.wall -= 500_000
  await pass(LEASE_MS + 2_000)
  expect(new Set(lapsed)).toEqual(new Set(['dead']))
  dispatcher.stop()
})
