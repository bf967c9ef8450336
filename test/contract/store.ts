/**
 * What every store must do: each MUST and MUST NOT of `server/store.ts`, as a suite that each implementation runs. Of more
 * than 400 lines: one list, by what it is about.
 */
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Batch, Job, NewJob, Notice, Store, Subscriber } from '../../server/store.ts'

export interface StoreUnderTest {
  readonly store: Store
  /** Closes the store and opens what it kept as a new one. Left out where nothing is kept. */
  readonly reopen?: () => Promise<Store>
  /** The store's clock, in epoch milliseconds, for tests to set. Left out where it cannot be set: then tests wait. */
  readonly now?: { value: number }
}

/** Where the clock cannot be set, tests wait for this to pass; long enough that a slow machine does not lose it meanwhile. */
const LEASE_MS = 500

export const bytes = (...values: number[]): Uint8Array => new Uint8Array(values)
const job = (run: string, session = 's', agent = 'orders'): NewJob => ({ run, session, agent, input: `input-of-${run}` })
const batch = (parts: Partial<Batch>): Batch => ({ entries: [], jobs: [], ended: [], ...parts })

/** Logs one update per value, each in a batch of its own. */
export async function log(store: Store, session: string, ...values: number[]): Promise<void> {
  for (const value of values) await store.append(batch({ entries: [{ session, update: bytes(value) }] }))
}

const runsOf = (jobs: readonly Job[]): string[] => jobs.map(({ run }) => run)
const EMPTY = { snapshot: null, snapshotSeq: 0, updates: [], lastSeq: 0 }

export function storeSuite(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`${name} store`, () => {
    let store: Store
    let reopen: StoreUnderTest['reopen']
    let clock: StoreUnderTest['now']
    /** Lets a lease of `LEASE_MS` run out: by the clock of the test, or by waiting for the store's own. */
    const letLapse = async (run: string): Promise<void> => {
      if (clock !== undefined) clock.value += LEASE_MS
      await vi.waitFor(async () => expect(runsOf(await store.lapsed())).toContain(run), { timeout: 5_000 })
    }
    const addJobs = (...jobs: NewJob[]): Promise<void> => store.append(batch({ jobs }))

    beforeEach(async () => {
      const made = await make()
      ;({ store, reopen, now: clock } = made)
      onTestFinished(() => made.store.close())
    })

    describe('the log', () => {
      test('an unknown session reads as empty and is not listed', async () => {
        expect(await store.read('s')).toEqual(EMPTY)
        expect(await store.sessions()).toEqual([])
      })

      test('updates are numbered per session without a gap, in the order given (LOG-4)', async () => {
        const entries = [
          { session: 'a', update: bytes(1) },
          { session: 'b', update: bytes(2) },
          { session: 'a', update: bytes(3) },
        ]
        await store.append(batch({ entries }))
        await log(store, 'a', 4)
        expect(await store.read('a')).toEqual({ ...EMPTY, updates: [bytes(1), bytes(3), bytes(4)], lastSeq: 3 })
        expect(await store.read('b')).toEqual({ ...EMPTY, updates: [bytes(2)], lastSeq: 1 })
      })

      test('any bytes come back as they were, none and many included', async () => {
        const updates = [bytes(), Uint8Array.from({ length: 256 }, (_, i) => i), new Uint8Array(300_000).fill(7)]
        await store.append(batch({ entries: updates.map((update) => ({ session: 's', update })) }))
        expect((await store.read('s')).updates).toEqual(updates)
      })

      test('neither what the caller gave nor what it got is shared with the store', async () => {
        const update = bytes(1)
        await store.append(batch({ entries: [{ session: 's', update }] }))
        update[0] = 9
        const snapshot = bytes(2)
        await store.append(batch({ entries: [{ session: 's', update: bytes(3) }] }))
        await store.compact('s', 1, snapshot)
        snapshot[0] = 9
        const read = await store.read('s')
        read.snapshot?.fill(9)
        read.updates[0]?.fill(9)
        expect(await store.read('s')).toEqual({ snapshot: bytes(2), snapshotSeq: 1, updates: [bytes(3)], lastSeq: 2 })
      })

      test('a batch that rejects leaves nothing behind, and may be tried again', async () => {
        await log(store, 's', 1)
        await store.append(batch({ jobs: [job('old')] }))
        const entries = [
          { session: 's', update: bytes(2) },
          { session: 'new', update: bytes(3) },
        ]
        const broken = { session: 's', update: null as unknown as Uint8Array }
        const whole = batch({ entries, jobs: [job('r')], ended: ['old'] })
        await expect(store.append({ ...whole, entries: [...entries, broken] })).rejects.toThrow(/null|NULL/)
        expect(await store.read('s')).toEqual({ ...EMPTY, updates: [bytes(1)], lastSeq: 1 })
        expect(await store.sessions()).toEqual(['s'])
        expect(runsOf(await store.jobs())).toEqual(['old'])
        await store.append(whole)
        expect((await store.read('s')).lastSeq).toBe(2)
        expect((await store.read('new')).updates).toEqual([bytes(3)])
        expect(runsOf(await store.jobs())).toEqual(['r'])
      })

      test('sessions are listed sorted, each once', async () => {
        for (const session of ['b', 'a-1', 'B', 'a', 'b']) await log(store, session, 1)
        expect(await store.sessions()).toEqual(['B', 'a', 'a-1', 'b'])
      })
    })

    describe('snapshots', () => {
      test('a snapshot replaces the updates up to its sequence and keeps those after it', async () => {
        await log(store, 's', 1, 2, 3)
        await log(store, 'other', 9)
        expect(await store.compact('s', 2, bytes(12))).toBe(true)
        expect(await store.read('s')).toEqual({ snapshot: bytes(12), snapshotSeq: 2, updates: [bytes(3)], lastSeq: 3 })
        expect((await store.read('other')).updates).toEqual([bytes(9)])
      })

      test('the numbering goes on after a snapshot of everything', async () => {
        await log(store, 's', 1, 2)
        expect(await store.compact('s', 2, bytes(12))).toBe(true)
        expect(await store.read('s')).toEqual({ snapshot: bytes(12), snapshotSeq: 2, updates: [], lastSeq: 2 })
        await log(store, 's', 3)
        expect(await store.read('s')).toEqual({ snapshot: bytes(12), snapshotSeq: 2, updates: [bytes(3)], lastSeq: 3 })
        expect(await store.compact('s', 3, bytes(123))).toBe(true)
        expect(await store.read('s')).toEqual({ snapshot: bytes(123), snapshotSeq: 3, updates: [], lastSeq: 3 })
      })

      test('large snapshots come back as they were, those that compress and those that do not', async () => {
        const noise = Uint8Array.from({ length: 100_000 }, (_, i) => (Math.imul(i, 2_654_435_761) >>> 13) ^ (i * i))
        for (const snapshot of [new Uint8Array(3_000_000).fill(5), noise, new Uint8Array(257), bytes()]) {
          await log(store, 's', 1)
          const { lastSeq } = await store.read('s')
          expect(await store.compact('s', lastSeq, snapshot)).toBe(true)
          expect(Buffer.compare((await store.read('s')).snapshot ?? bytes(0), snapshot)).toBe(0)
        }
      })

      test.each([
        ['that is there already', 2],
        ['that is older', 1],
        ['of nothing', 0],
        ['beyond the log', 4],
      ])('a snapshot %s changes nothing', async (_, seq) => {
        await log(store, 's', 1, 2, 3)
        await store.compact('s', 2, bytes(12))
        const before = await store.read('s')
        expect(await store.compact('s', seq, bytes(99))).toBe(false)
        expect(await store.read('s')).toEqual(before)
      })

      test('a snapshot of an unknown session changes nothing', async () => {
        expect(await store.compact('s', 1, bytes(1))).toBe(false)
        expect(await store.compact('s', 0, bytes(1))).toBe(false)
        expect(await store.sessions()).toEqual([])
      })

      test('of many snapshots at once one wins, and updates logged meanwhile stay (LOG-5)', async () => {
        await log(store, 's', 1, 2, 3)
        const compactions = Array.from({ length: 20 }, (_, i) => store.compact('s', 3, new Uint8Array(1_000).fill(i)))
        await log(store, 's', 4)
        const won = (await Promise.all(compactions)).flatMap((ok, i) => (ok ? [i] : []))
        expect(won).toHaveLength(1)
        const { snapshot, ...rest } = await store.read('s')
        expect(snapshot).toEqual(new Uint8Array(1_000).fill(won[0] ?? -1))
        expect(rest).toEqual({ snapshotSeq: 3, updates: [bytes(4)], lastSeq: 4 })
      })
    })

    describe('erasing', () => {
      test('removes updates, snapshot and jobs of one session only', async () => {
        await log(store, 's', 1, 2)
        await log(store, 'other', 3)
        await store.compact('s', 1, bytes(1))
        await addJobs(job('r1', 's'), job('r2', 'other'), job('r3', 's', 'returns'))
        await store.claim('r1', 'w', LEASE_MS)
        await store.erase('s')
        expect(await store.read('s')).toEqual(EMPTY)
        expect(await store.sessions()).toEqual(['other'])
        expect(runsOf(await store.jobs())).toEqual(['r2'])
        expect((await store.read('other')).updates).toEqual([bytes(3)])
      })

      test('a session written again begins anew', async () => {
        await log(store, 's', 1, 2)
        await store.compact('s', 2, bytes(12))
        await store.erase('s')
        await log(store, 's', 3)
        expect(await store.read('s')).toEqual({ ...EMPTY, updates: [bytes(3)], lastSeq: 1 })
      })

      test('an unknown session is no error', async () => {
        await store.erase('s')
        expect(await store.sessions()).toEqual([])
      })
    })

    describe('client bindings', () => {
      const bound = (session: string, client: number, participant: string): Batch =>
        batch({ clients: [{ session, client, participant }] })

      test('are kept as they were first written, in the same commit or alone (GRD-2)', async () => {
        expect([...(await store.clients('s'))]).toEqual([])
        await store.append({ ...bound('s', 4_294_967_295, 'ada'), entries: [{ session: 's', update: bytes(1) }] })
        await store.append(bound('s', 7, ''))
        await store.append(bound('s', 7, 'eve'))
        await store.append(bound('t', 7, 'eve'))
        expect(await store.clients('s')).toEqual(
          new Map([
            [4_294_967_295, 'ada'],
            [7, ''],
          ]),
        )
        expect(await store.clients('t')).toEqual(new Map([[7, 'eve']]))
        // A binding makes no session of its own.
        expect(await store.sessions()).toEqual(['s'])
      })

      test('compaction leaves them, erasing takes them (GRD-2)', async () => {
        await store.append({ ...bound('s', 1, 'ada'), entries: [{ session: 's', update: bytes(1) }] })
        await store.append(bound('t', 1, 'ada'))
        await store.compact('s', 1, bytes(2))
        expect((await store.clients('s')).get(1)).toBe('ada')
        await store.erase('s')
        expect([...(await store.clients('s'))]).toEqual([])
        expect((await store.clients('t')).get(1)).toBe('ada')
      })
    })

    describe('blobs', () => {
      test('come back as they were put; one that is there stays as it is (BLOB-1)', async () => {
        expect(await store.getBlob('s', 'b')).toBeNull()
        const data = bytes(1, 2, 3)
        await store.putBlob('s', 'b', 'application/json', data)
        data[0] = 9
        await store.putBlob('s', 'b', 'text/plain', bytes(7))
        const got = await store.getBlob('s', 'b')
        expect({ type: got?.type, data: [...(got?.data ?? [])] }).toEqual({ type: 'application/json', data: [1, 2, 3] })
        got?.data.fill(9)
        expect([...((await store.getBlob('s', 'b'))?.data ?? [])]).toEqual([1, 2, 3])
        expect(await store.getBlob('t', 'b')).toBeNull()
        // They make no session of their own.
        expect(await store.sessions()).toEqual([])
      })

      test('are counted by session, and erased with it (BLOB-1)', async () => {
        await log(store, 's', 1)
        for (const [session, id, size] of [
          ['s', 'a', 10],
          ['s', 'b', 5_000_000],
          ['t', 'a', 7],
        ] as const) {
          await store.putBlob(session, id, 'application/json', new Uint8Array(size).fill(size))
        }
        expect([await store.blobBytes('s'), await store.blobBytes('t'), await store.blobBytes('u')]).toEqual([5_000_010, 7, 0])
        await store.compact('s', 1, bytes(2))
        expect((await store.getBlob('s', 'b'))?.data.byteLength).toBe(5_000_000)
        await store.erase('s')
        expect([await store.getBlob('s', 'b'), await store.blobBytes('s'), await store.blobBytes('t')]).toEqual([null, 0, 7])
      })
    })

    describe('subscribers and notices', () => {
      const device = (endpoint: string, participant = 'ada', session = 's'): Subscriber => {
        return { session, participant, kind: 'user', endpoint, p256dh: `key of ${endpoint}`, auth: 'secret' }
      }
      const notice = (id: string, at: number, session = 's'): Notice => {
        return { session, id, kind: 'done', to: 'ada', message: 'm', run: id, at, dueAt: at + 5, until: at + 100 }
      }
      const endpoints = async (session: string): Promise<string[]> =>
        (await store.subscribers(session)).map(({ participant, endpoint }) => `${participant}:${endpoint}`)

      test('an endpoint is there once in a session, as it was told last, and goes from one or all (PSH-5)', async () => {
        expect([await store.subscribers('s'), await store.subscribed()]).toEqual([[], []])
        for (const each of [device('a'), device('b'), device('a', 'ada', 't')]) await store.subscribe(each, 10)
        await store.subscribe({ ...device('a'), kind: 'support', auth: 'new' }, 10)
        expect(await store.subscribers('s')).toEqual([device('b'), { ...device('a'), kind: 'support', auth: 'new' }])
        expect((await store.subscribed()).sort()).toEqual(['s', 't'])
        await store.unsubscribe('a', 't')
        await store.subscribe(device('b', 'ada', 'u'), 10)
        await store.unsubscribe('b')
        expect(await store.subscribed()).toEqual(['s'])
        // They make no session of their own.
        expect(await store.sessions()).toEqual([])
      })

      test('of one participant the newest are kept; a browser is one participant’s (PSH-5)', async () => {
        for (const endpoint of ['a', 'b', 'c']) await store.subscribe(device(endpoint), 2)
        await store.subscribe(device('x', 'bob'), 2)
        await store.subscribe(device('y', 'bob', 't'), 2)
        expect(await endpoints('s')).toEqual(['ada:b', 'ada:c', 'bob:x'])
        await store.subscribe(device('y'), 2)
        expect([await endpoints('s'), await endpoints('t')]).toEqual([['ada:c', 'bob:x', 'ada:y'], []])
      })

      test('those of a participant, of a session, or of one in the other are removed together (PSH-5)', async () => {
        const place = { via: '["key","https://shop.example"]' }
        for (const session of ['s', 't', 'u']) {
          await store.subscribe({ ...device(`a${session}`, 'ada', session), ...place }, 10)
          await store.subscribe(device(`b${session}`, 'bob', session), 10)
        }
        await store.unsubscribeAll({ participant: 'ada', session: 's' })
        expect([await endpoints('s'), await endpoints('t')]).toEqual([['bob:bs'], ['ada:at', 'bob:bt']])
        expect(await store.subscribers('t')).toEqual([{ ...device('at', 'ada', 't'), ...place }, device('bt', 'bob', 't')])
        await store.unsubscribeAll({ session: 't' })
        expect([await endpoints('s'), await endpoints('t'), await endpoints('u')]).toEqual([['bob:bs'], [], ['ada:au', 'bob:bu']])
        await store.unsubscribeAll({ participant: 'bob' })
        expect(await store.subscribed()).toEqual(['u'])
      })

      test('a notice takes the place of the one with its id, and is taken once (PSH-3)', async () => {
        await store.append(batch({ notices: [notice('r1', 2), notice('r2', 1), notice('r1', 1, 't')] }))
        const newer = { ...notice('r1', 3), kind: 'failed' as const, text: 'Well', again: { endpoints: ['a'], tries: 1 } }
        await store.append(
          batch({
            notices: [newer],
            dropped: [
              { session: 't', id: 'r1' },
              { session: 't', id: 'none' },
            ],
          }),
        )
        expect(await store.notices()).toEqual([notice('r2', 1), newer])
        const taken = await Promise.all(['r1', 'r1', 'r3'].map((id) => store.takeNotice('s', id)))
        expect(taken).toEqual([true, false, false])
        expect(await store.notices()).toEqual([notice('r2', 1)])
      })

      test('what is kept under a name is what was kept first (PSH-4)', async () => {
        const kept = await Promise.all(['one', 'two'].map((value) => store.keep('key', value)))
        expect(new Set(kept).size).toBe(1)
        expect(await store.keep('key', 'three')).toBe(kept[0])
        expect(await store.keep('other', 'four')).toBe('four')
      })

      test('erasing a session takes both (PSH-5)', async () => {
        for (const session of ['s', 't']) {
          await store.subscribe(device('a', 'ada', session), 10)
          await store.append(batch({ notices: [notice('r', 1, session)] }))
        }
        await store.erase('s')
        expect([await store.subscribed(), await store.notices()]).toEqual([['t'], [notice('r', 1, 't')]])
      })

      test('both are there after the store was opened again (PSH-3, PSH-5)', async ({ skip }) => {
        if (reopen === undefined) return skip('this store keeps nothing')
        await store.subscribe(device('a'), 10)
        await store.append(batch({ notices: [notice('r', 1)] }))
        await store.keep('key', 'one')
        const again = await reopen()
        onTestFinished(() => again.close())
        expect([await again.subscribers('s'), await again.notices()]).toEqual([[device('a')], [notice('r', 1)]])
        expect(await again.keep('key', 'two')).toBe('one')
      })
    })

    describe('jobs', () => {
      test('are open at first, oldest first', async () => {
        await addJobs(job('r2', 's', 'b'), job('r1'))
        await addJobs(job('r0', 't'))
        expect(await store.jobs()).toEqual(
          [job('r2', 's', 'b'), job('r1'), job('r0', 't')].map((added) => ({
            ...added,
            state: 'open',
            generation: 0,
            worker: null,
            expiresAt: 0,
          })),
        )
        // A job makes no session of its own.
        expect(await store.sessions()).toEqual([])
      })

      test('one that is there already is left as it is', async () => {
        await addJobs(job('r'))
        const leased = await store.claim('r', 'w', LEASE_MS)
        await addJobs({ ...job('r', 'elsewhere', 'other'), input: 'x' }, job('r2'))
        expect(await store.jobs()).toEqual([leased, { ...job('r2'), state: 'open', generation: 0, worker: null, expiresAt: 0 }])
      })

      test('ended ones are gone, leased ones and those of the same batch too; unknown ones are ignored', async () => {
        await addJobs(job('r1'), job('r2', 't'), job('r3'))
        await store.claim('r1', 'w', LEASE_MS)
        await store.append(batch({ jobs: [job('r4')], ended: ['r1', 'r2', 'r4', 'never'] }))
        expect(runsOf(await store.jobs())).toEqual(['r3'])
        expect(await store.claim('r1', 'w', LEASE_MS)).toBeNull()
        // The newest was among those that ended: what comes now is still after those that stayed.
        await addJobs(job('r0'))
        expect(runsOf(await store.jobs())).toEqual(['r3', 'r0'])
      })
    })

    describe('leases', () => {
      test('a claim gives the job as leased, and the store has it so', async () => {
        await addJobs(job('r'))
        const before = clock?.value ?? Date.now()
        const leased = await store.claim('r', 'w', 10_000)
        expect(leased).toEqual({ ...job('r'), state: 'leased', generation: 1, worker: 'w', expiresAt: expect.any(Number) })
        expect(leased?.expiresAt).toBeGreaterThanOrEqual(before + 10_000)
        expect(leased?.expiresAt).toBeLessThan(before + 15_000)
        expect(await store.jobs()).toEqual([leased])
      })

      test('no claim of a job that is unknown or leased, even lapsed', async () => {
        await addJobs(job('r'))
        expect(await store.claim('never', 'w', LEASE_MS)).toBeNull()
        const leased = await store.claim('r', 'w', LEASE_MS)
        expect(await store.claim('r', 'w2', LEASE_MS)).toBeNull()
        expect(await store.claim('r', 'w', LEASE_MS)).toBeNull()
        await letLapse('r')
        expect(await store.claim('r', 'w2', LEASE_MS)).toBeNull()
        expect(await store.jobs()).toEqual([leased])
      })

      test('an agent gets one run of a session at a time, in their order', async () => {
        await addJobs(job('r1'), job('r2'), job('r3'), job('elsewhere', 't'), job('another', 's', 'returns'))
        expect(await store.claim('r2', 'w', LEASE_MS)).toBeNull()
        expect(await store.claim('r1', 'w', LEASE_MS)).not.toBeNull()
        expect(await store.claim('r2', 'w', LEASE_MS)).toBeNull()
        expect(await store.claim('elsewhere', 'w', LEASE_MS)).not.toBeNull()
        expect(await store.claim('another', 'w', LEASE_MS)).not.toBeNull()
        await letLapse('r1')
        expect(await store.claim('r2', 'w', LEASE_MS)).toBeNull()
        await store.append(batch({ ended: ['r1'] }))
        expect(await store.claim('r3', 'w', LEASE_MS)).toBeNull()
        expect((await store.claim('r2', 'w', LEASE_MS))?.run).toBe('r2')
      })

      test('[G2] of many claims at once one is granted, of 1,000 jobs each', async () => {
        const trials = Array.from({ length: 1_000 }, (_, trial) => job(`r${trial}`, `s${trial}`))
        await addJobs(...trials)
        const asked = trials.flatMap(({ run }) => Array.from({ length: 4 }, (_, w) => store.claim(run, `w${w}`, 600_000)))
        const granted = (await Promise.all(asked)).filter((claimed) => claimed !== null)
        expect(runsOf(granted).sort()).toEqual(trials.map(({ run }) => run).sort())
        expect(await store.jobs()).toEqual(granted)
        expect(granted.every(({ generation }) => generation === 1)).toBe(true)
      })

      test('a lease is renewed from now, by its generation only, and not once it has lapsed', async () => {
        await addJobs(job('r'))
        expect(await store.renew('r', 0, LEASE_MS)).toBe(false)
        const leased = await store.claim('r', 'w', LEASE_MS)
        if (clock !== undefined) clock.value += LEASE_MS - 1
        expect(await store.renew('r', 0, 10_000)).toBe(false)
        expect(await store.renew('r', 2, 10_000)).toBe(false)
        expect(await store.renew('never', 1, 10_000)).toBe(false)
        expect(await store.jobs()).toEqual([leased])
        expect(await store.renew('r', 1, LEASE_MS)).toBe(true)
        const [renewed] = await store.jobs()
        const expiresAt = clock === undefined ? renewed?.expiresAt : clock.value + LEASE_MS
        expect(renewed).toEqual({ ...leased, expiresAt })
        await letLapse('r')
        expect(await store.renew('r', 1, 10_000)).toBe(false)
        expect(await store.lapsed()).toEqual([renewed])
      })

      test('only lapsed leases are told, and they stay until they end or are opened again', async () => {
        await addJobs(job('r1'), job('r2', 't'), job('open', 'u'))
        await store.claim('r1', 'w', LEASE_MS)
        await store.claim('r2', 'w', 100_000)
        expect(await store.lapsed()).toEqual([])
        await letLapse('r1')
        expect(runsOf(await store.lapsed())).toEqual(['r1'])
        expect(runsOf(await store.lapsed())).toEqual(['r1'])
        await store.append(batch({ ended: ['r1'] }))
        expect(await store.lapsed()).toEqual([])
      })

      test('extendAll gives every lease at least that long, lapsed ones too, and shortens none', async () => {
        await addJobs(job('r1'), job('r2', 't'), job('open', 'u'))
        await store.claim('r1', 'w', LEASE_MS)
        const long = await store.claim('r2', 'w', 100_000)
        await letLapse('r1')
        await store.extendAll(10_000)
        expect(await store.lapsed()).toEqual([])
        expect(await store.renew('r1', 1, 10_000)).toBe(true)
        const [r1, r2, open] = await store.jobs()
        expect((r2?.expiresAt ?? 0) - (r1?.expiresAt ?? 0)).toBeGreaterThan(50_000)
        expect(r2).toEqual(long)
        expect(open).toMatchObject({ state: 'open', worker: null, expiresAt: 0 })
      })

      test('a job is opened again by the generation that holds it, and the next lease fences the old one off', async () => {
        await addJobs(job('r'))
        expect(await store.reopen('r', 0)).toBe(false)
        await store.claim('r', 'w', LEASE_MS)
        expect(await store.reopen('r', 2)).toBe(false)
        expect(await store.reopen('never', 1)).toBe(false)
        await letLapse('r')
        expect(await store.reopen('r', 1)).toBe(true)
        expect(await store.reopen('r', 1)).toBe(false)
        expect(await store.jobs()).toEqual([{ ...job('r'), state: 'open', generation: 1, worker: null, expiresAt: 0 }])
        expect(await store.renew('r', 1, LEASE_MS)).toBe(false)
        expect(await store.lapsed()).toEqual([])
        expect(await store.claim('r', 'w2', LEASE_MS)).toMatchObject({ generation: 2, worker: 'w2' })
        expect(await store.renew('r', 1, LEASE_MS)).toBe(false)
        expect(await store.reopen('r', 1)).toBe(false)
        expect(await store.renew('r', 2, LEASE_MS)).toBe(true)
      })
    })

    describe('queues', () => {
      const claim = async (run: string): Promise<boolean> => (await store.claim(run, 'w', 60_000)) !== null
      /** Of these runs, the one that can be claimed; the job ends at once, so that the next one can be. */
      const nextOf = async (runs: readonly string[]): Promise<string | undefined> => {
        for (const run of runs) {
          if (!(await claim(run))) continue
          await store.append(batch({ ended: [run] }))
          return run
        }
        return undefined
      }

      test('urgent jobs go before all that are not, each kind in its order, and interrupt nothing', async () => {
        await addJobs(job('r1'), job('r2'), { ...job('u1'), urgent: true }, { ...job('u2'), urgent: true })
        await addJobs({ ...job('elsewhere', 't') })
        const all = ['r2', 'r1', 'u2', 'u1']
        expect(await nextOf(all)).toBe('u1')
        await addJobs({ ...job('u3'), urgent: true })
        expect(await claim('u2')).toBe(true)
        expect(await claim('u3')).toBe(false)
        await store.append(batch({ ended: ['u2'] }))
        expect([await nextOf([...all, 'u3']), await nextOf(all), await nextOf(all), await nextOf(all)]).toEqual([
          'u3',
          'r1',
          'r2',
          undefined,
        ])
        expect(await claim('elsewhere')).toBe(true)
      })

      test('held jobs are given to nobody and passed over until they are let go; urgent ones too', async () => {
        await addJobs(job('r1'), job('r2'), { ...job('u1'), urgent: true }, job('r3'))
        const holds = ['r1', 'r2', 'u1', 'never'].map((run) => ({ run, held: true }))
        // In one batch with a job that is added, and one that is added and held.
        await store.append(batch({ jobs: [job('r4'), job('r5')], holds: [...holds, { run: 'r5', held: true }] }))
        const heldOnes = (await store.jobs()).filter(({ held }) => held === true)
        expect(runsOf(heldOnes)).toEqual(['r1', 'r2', 'u1', 'r5'])
        expect((await store.jobs()).find(({ run }) => run === 'r4')).not.toHaveProperty('held')
        const all = ['r1', 'r2', 'r3', 'r4', 'r5', 'u1']
        expect([await nextOf(all), await nextOf(all), await nextOf(all)]).toEqual(['r3', 'r4', undefined])
        await store.append(batch({ holds: [{ run: 'r2', held: false }] }))
        expect([await nextOf(all), await nextOf(all)]).toEqual(['r2', undefined])
        await store.append(batch({ holds: ['r1', 'u1', 'r5'].map((run) => ({ run, held: false })) }))
        expect([await nextOf(all), await nextOf(all), await nextOf(all)]).toEqual(['u1', 'r1', 'r5'])
        expect(await store.jobs()).toEqual([])
      })

      test('a job that a worker has is not held, nor is it once it is open again', async () => {
        await addJobs(job('r'))
        await store.claim('r', 'w', LEASE_MS)
        await store.append(batch({ holds: [{ run: 'r', held: true }] }))
        await letLapse('r')
        expect(await store.reopen('r', 1)).toBe(true)
        expect(await claim('r')).toBe(true)
      })

      test('the jobs of children neither wait, nor are they waited for, nor held', async () => {
        await addJobs(job('r1'), job('r2'), { ...job('c1'), parent: 'r1' }, { ...job('c2'), parent: 'r1' })
        await store.append(batch({ holds: ['r2', 'c2'].map((run) => ({ run, held: true })) }))
        expect(await claim('c1')).toBe(true)
        expect(await claim('r2')).toBe(false)
        expect(await claim('r1')).toBe(true)
        // The agent is at a run of its own and at a child's.
        expect(await store.claim('c2', 'w2', 60_000)).toMatchObject({ run: 'c2', parent: 'r1', worker: 'w2' })
        await store.append(batch({ ended: ['r1'], holds: [{ run: 'r2', held: false }] }))
        expect(await claim('r2')).toBe(true)
      })
    })

    test('a closed store rejects; closing it twice is no error', async () => {
      await store.close()
      await store.close()
      await expect(store.append(batch({}))).rejects.toThrow('closed')
      await expect(store.read('s')).rejects.toThrow('closed')
      await expect(store.claim('r', 'w', LEASE_MS)).rejects.toThrow('closed')
      await expect(store.notices()).rejects.toThrow('closed')
    })

    test('all of it is there after the store was opened again', async ({ skip }) => {
      if (reopen === undefined) return skip('this store keeps nothing')
      await log(store, 's', 1, 2)
      await store.compact('s', 1, new Uint8Array(5_000).fill(1))
      await log(store, 'other', 3)
      await log(store, 'erased', 4)
      await addJobs(job('r1'), job('r2', 't'), job('r3', 'u'))
      await addJobs({ ...job('held'), urgent: true }, { ...job('child', 't'), parent: 'r2' })
      await store.claim('r2', 'w', 100_000)
      await store.append(
        batch({
          ended: ['r1'],
          holds: [{ run: 'held', held: true }],
          clients: [{ session: 's', client: 5, participant: 'ada' }],
        }),
      )
      await store.erase('erased')
      const look = async (from: Store): Promise<unknown> => [
        await from.sessions(),
        await from.jobs(),
        await from.clients('s'),
        await Promise.all(['s', 'other', 'erased'].map((session) => from.read(session))),
      ]
      const before = await look(store)
      const again = await reopen()
      onTestFinished(() => again.close())
      expect(await look(again)).toEqual(before)
      await log(again, 's', 3)
      expect((await again.read('s')).lastSeq).toBe(3)
      expect(await again.renew('r2', 1, 100_000)).toBe(true)
      expect(await again.jobs()).toContainEqual(expect.objectContaining({ run: 'held', held: true, urgent: true }))
      expect(await again.claim('held', 'w', 100_000)).toBeNull()
      expect(await again.claim('child', 'w', 100_000)).toMatchObject({ parent: 'r2' })
      await again.append(batch({ holds: [{ run: 'held', held: false }] }))
      expect(await again.claim('held', 'w', 100_000)).toMatchObject({ generation: 1 })
    })
  })
}
