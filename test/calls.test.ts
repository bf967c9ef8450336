/** The server's part in calls that wait, by a clock that the test turns: leases of tabs, deadlines, and both after a start. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import * as Y from 'yjs'
import { Clerk } from '../server/clerk.ts'
import { readLivePart, readWholePart } from '../shared/entries.ts'
import { arrayAt, KEY } from '../shared/layout.ts'
import { MAX_INLINE_BYTES } from '../shared/limits.ts'
import { sender, Peer, World } from './guard/world.ts'

const LEASE_MS = 10_000
const ada = sender('ada', 'user')

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A run that waits for a call, and the clerk that decides about it. */
function waiting(waits: Readonly<Record<string, unknown>>) {
  const world = new World(['bot'])
  const user = new Peer(world, ada)
  const bot = new Peer(world, sender('bot', 'agent', 'w1'))
  user.post('m1', 'Where am I?')
  world.clerk.grant('m1.bot', 'w1', 1)
  bot.pull()
  bot.set(bot.run('m1.bot'), KEY.status, 'active')
  bot.reply('m2', 'm1.bot').part({ type: 'step-start' })
  bot.doc.transact(() => {
    const part = new Y.Map(
      Object.entries({ head: { type: 'tool-where', toolCallId: 'c' }, input: {}, state: 'input-available', waits }),
    )
    arrayAt(bot.roots.messages.get(1), KEY.parts)?.push([part])
    bot.run('m1.bot').set(KEY.status, 'suspended')
    bot.run('m1.bot').set(KEY.waiting, 'Waiting')
  })
  expect(bot.refused).toEqual([])
  const part = (doc: Y.Doc = world.doc): Record<string, unknown> => {
    const [, reply] = doc.getArray<Y.Map<unknown>>('messages').toArray()
    return (arrayAt(reply!, KEY.parts)!.get(1) as Y.Map<unknown>).toJSON()
  }
  /** As a server that loads what another one has stored. */
  const load = (): { doc: Y.Doc; clerk: Clerk } => {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(world.doc))
    world.clerk.destroy()
    const clerk = new Clerk({
      session: 's',
      document: doc,
      route: () => [],
      participantOf: () => null,
      now: Date.now,
      addJob: () => {},
      endJob: () => {},
      holdJob: () => {},
      idleReturnMs: Number.POSITIVE_INFINITY,
      intentMs: Number.POSITIVE_INFINITY,
      mayCancel: undefined,
      claimMs: LEASE_MS,
      mayApprove: () => true,
      report: (error) => {
        throw error
      },
    })
    clerk.settle()
    return { doc, clerk }
  }
  return { world, user, bot, part, load }
}

test('[T1] a tab keeps its call by asking again, loses it a lease after the last time, and gets it back under a new number (TOOL-1)', () => {
  const { world, part } = waiting({ for: 'client' })
  const claim = (tab: string, from = ada): void => world.clerk.claim(from.participant, 'm2', 'c', tab)
  claim('one', sender('bob', 'user'))
  claim('one', sender('ada', 'support'))
  expect(part()['claim']).toBeUndefined()
  claim('one')
  expect(part()['claim']).toEqual({ tab: 'one', by: 'ada', n: 1, leaseMs: LEASE_MS })
  for (let n = 0; n < 5; n++) {
    vi.advanceTimersByTime(LEASE_MS - 1)
    claim('two')
    claim('one')
  }
  expect(part()['claim']).toMatchObject({ tab: 'one', n: 1 })
  vi.advanceTimersByTime(LEASE_MS)
  expect(part()['claim']).toEqual({ n: 1, leaseMs: LEASE_MS })
  claim('two')
  claim('one')
  expect(part()['claim']).toMatchObject({ tab: 'two', n: 2 })
  world.clerk.claim(ada.participant, 'm2', 'unknown', 'one')
  world.clerk.claim(ada.participant, 'm1', 'c', 'one')
  world.clerk.destroy()
})

test('a renewed claim writes nothing into the document (TOOL-1, DOC-5)', () => {
  const { world } = waiting({ for: 'client' })
  world.clerk.claim(ada.participant, 'm2', 'c', 'one')
  const updates = world.log.length
  for (let n = 0; n < 10; n++) world.clerk.claim(ada.participant, 'm2', 'c', 'one')
  expect(world.log.length).toBe(updates)
  world.clerk.destroy()
})

test('[T1] a server that loads the session gives the tab its full lease again (TOOL-1)', () => {
  const { world, part, load } = waiting({ for: 'client' })
  world.clerk.claim(ada.participant, 'm2', 'c', 'one')
  vi.advanceTimersByTime(LEASE_MS - 1)
  const { doc, clerk } = load()
  vi.advanceTimersByTime(LEASE_MS - 1)
  expect(part(doc)['claim']).toMatchObject({ tab: 'one' })
  vi.advanceTimersByTime(1)
  expect(part(doc)['claim']).toEqual({ n: 1, leaseMs: LEASE_MS })
  clerk.destroy()
})

test('[T3] a deadline is set once, by the server’s clock, and holds over a load, however far off it is (TOOL-3)', () => {
  const days = 40 * 24 * 3_600_000
  const { world, part, load } = waiting({ for: 'approval', expiresInMs: days })
  const due = part()['due'] as number
  // The clock of this world counts calls.
  expect(due).toBeGreaterThan(days)
  expect(due).toBeLessThan(days + 1_000)
  expect(world.doc.getArray<Y.Map<unknown>>('messages').length).toBe(2)
  const { doc, clerk } = load()
  expect(part(doc)['due']).toBe(due)
  vi.advanceTimersByTime(due - Date.now() - 1)
  expect(part(doc)['answer']).toBeUndefined()
  vi.advanceTimersByTime(1)
  expect(part(doc)['answer']).toEqual({ at: due, expired: true, approved: false, reason: 'Nobody answered in time.' })
  clerk.destroy()
})

test('an answer that is too large for the document is not taken, and says so (TOOL-2, BLOB-1)', () => {
  const { world, user, part } = waiting({ for: 'client' })
  const answer = (id: string, output: unknown): void =>
    user.set(user.roots.control, `answer:${id}`, { by: 'ada', at: 1, message: 'm2', call: 'c', output })
  answer('one', 'x'.repeat(MAX_INLINE_BYTES + 2_000))
  expect(part()['answer']).toBeUndefined()
  expect(part()['verdict']).toMatchObject({ by: 'ada', reason: expect.stringMatching(/bytes in the document/) })
  answer('two', 'small')
  expect(part()['answer']).toMatchObject({ by: 'ada', output: 'small' })
  // Both asks are gone, and with them what was too large.
  expect(world.roots.control.size).toBe(0)
  expect(Y.encodeStateAsUpdate(world.doc).byteLength).toBeLessThan(3_000)
  expect(user.refused).toEqual([])
  world.clerk.destroy()
})

test('how a call stands is the server’s word: what an agent writes of it is not shown (TOOL-2)', () => {
  const forged = { for: 'client', by: 'ada', at: 1, claim: { tab: 'one', by: 'ada', n: 1, leaseMs: 1 } }
  expect(readWholePart({ type: 'tool-x', toolCallId: 'c', state: 'input-available', call: forged })).not.toHaveProperty('call')
  expect(readWholePart({ type: 'data-approval', id: 'a', data: {}, call: forged })).not.toHaveProperty('call')
  expect(readWholePart({ type: 'data-phone', call: '555' })).toEqual({ type: 'data-phone', call: '555' })
  const live = new Y.Doc().getMap('part')
  for (const [key, value] of Object.entries({
    head: { type: 'data-approval', id: 'a', call: forged },
    more: { data: { title: 'Pay?', state: 'approved' }, call: forged },
    waits: { for: 'approval' },
  })) {
    live.set(key, value)
  }
  expect(readLivePart(live, '')).toEqual({
    type: 'data-approval',
    id: 'a',
    data: { title: 'Pay?', state: 'requested' },
    call: { for: 'approval' },
  })
  live.delete('waits')
  expect(readLivePart(live, '')).not.toHaveProperty('call')
})

test('of an answer only what fits the call is taken (TOOL-2)', () => {
  const { world, user, part } = waiting({ for: 'approval' })
  const answer = (id: string, fields: Readonly<Record<string, unknown>>): void =>
    user.set(user.roots.control, `answer:${id}`, { by: 'ada', at: 1, message: 'm2', call: 'c', ...fields })
  for (const [id, fields] of Object.entries({ none: {}, output: { output: 1 }, text: { approved: 'yes' } })) answer(id, fields)
  expect(part()['answer']).toBeUndefined()
  answer('whole', { approved: true, output: 'forged', expired: true, errorText: 'x' })
  expect(part()['answer']).toEqual({ by: 'ada', at: expect.any(Number), approved: true })
  answer('second', { approved: false })
  expect(part()['answer']).toMatchObject({ approved: true })
  expect([...world.roots.control.keys()]).toEqual([])
  world.clerk.destroy()
})

test('[T3] an answer that comes at the deadline or later is too late, though the timer has not rung yet (TOOL-3)', () => {
  // The clock of this world counts calls: it passes the deadline while no timer does.
  const { world, user, part } = waiting({ for: 'approval', expiresInMs: 2 })
  user.set(user.roots.control, 'answer:one', { by: 'ada', at: 1, message: 'm2', call: 'c', approved: true })
  expect(part()['answer']).toMatchObject({ expired: true, approved: false })
  expect(part()['answer']).not.toHaveProperty('by')
  world.clerk.destroy()
})
