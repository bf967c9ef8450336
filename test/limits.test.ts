/** The limits on what a connection, a socket and a participant may use: what trips them, and what honest work never does. */
import * as encoding from 'lib0/encoding'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { LIMITS, MAX_FRAME_BYTES } from '../shared/limits.ts'
import type { RunningServer } from '../server/index.ts'
import { Bucket } from '../server/rate.ts'
import { Traffic, type ConnectionMeter } from '../server/traffic.ts'
import type { Participant } from '../shared/participant.ts'
import { openLive } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { describeObject, RawClient, SYNC, TYPE, updateOf } from './support/raw.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const EMPTY = Y.encodeStateVector(new Y.Doc())
/** Where something else is limited. */
const PLENTY = { perSecond: 1e9, burst: 1e9 }

describe('the bucket', () => {
  test('gives its burst at once and its rate in the long run, whatever the steps (LIM-2)', () => {
    for (const stepMs of [1, 7, 250, 5_000]) {
      let now = 1_000
      const bucket = new Bucket({ perSecond: 10, burst: 50 }, () => now)
      let taken = 0
      for (; now < 101_000; now += stepMs) while (bucket.take(1)) taken += 1
      // 50 at once, 10 a second for 100 seconds; a pause of 5 seconds is just what the burst makes up for.
      expect(Math.abs(taken - 1_050)).toBeLessThanOrEqual(50)
    }
  })

  test('gives nothing in part, nothing above its burst, and nothing for a clock that goes back (LIM-2)', () => {
    let now = 0
    const bucket = new Bucket({ perSecond: 10, burst: 50 }, () => now)
    expect([bucket.take(51), bucket.take(40), bucket.take(11), bucket.take(10), bucket.take(1)]).toEqual([
      false,
      true,
      false,
      true,
      false,
    ])
    expect(bucket.waitMs(1)).toBe(100)
    now = 99
    expect([bucket.take(1), bucket.full]).toEqual([false, false])
    now = -50_000
    expect(bucket.take(1)).toBe(false)
    now = -49_900
    expect(bucket.take(1)).toBe(true)
    now = 1_000_000
    expect([bucket.full, bucket.waitMs(50)]).toEqual([true, 0])
  })
})

describe('honest work', () => {
  let now = 0
  function meters(kind: Participant['kind'], count: number): ConnectionMeter[] {
    now = 0
    const socket = new Traffic(LIMITS, () => now).open({ bufferedAmount: 0, isGivenUp: false, close: () => {} })
    socket.authenticated({ id: 'x', kind, name: 'x' })
    return Array.from({ length: count }, (_, n) => socket.connect({ id: 'x', kind, name: 'x' }, `s${n}`).meter)
  }

  test('an agent that streams 20 sessions at 40 updates a second, and 200 at once, is never stopped (LIM-2)', () => {
    for (const count of [20, 200]) {
      const sessions = meters('agent', count)
      const refused = new Set<string | null>()
      for (; now < 120_000; now += 25) {
        for (const session of sessions) {
          refused.add(session.frame(120))
          // A mark ten times a second.
          if (now % 100 === 0) refused.add(session.frame(40))
        }
      }
      expect([...refused]).toEqual([null])
    }
  })

  test('a worker that comes back with 1,000 sessions, and a person with days of offline work, get in at once (LIM-2)', () => {
    const sessions = meters('agent', LIMITS.sessionsPerSocket)
    for (const session of sessions) {
      expect([session.state(), session.frame(100), session.frame(2_000), session.frame(300), session.frame(50)]).toEqual([
        null,
        null,
        null,
        null,
        null,
      ])
    }
    const [person] = meters('user', 1)
    // One difference at the size limit; or, from a client that keeps every update, thousands of single ones.
    expect(person?.frame(8 * 1024 * 1024)).toBeNull()
    for (let n = 0; n < 3_900; n++) expect(person?.frame(200)).toBeNull()
  })

  test('150 sessions of one worker open at once over one socket (LIM-2)', async () => {
    const server = await serveHere()
    const worker = await RawClient.open(server.url)
    const token = await tokenFor('helper', 'agent')
    for (let n = 0; n < 150; n++) {
      worker.authenticate(`s${n}`, token)
      worker.sync(`s${n}`, SYNC.step1, EMPTY)
    }
    await until(() => new Set(worker.frames.filter(({ type }) => type === TYPE.sync).map(({ address }) => address)).size === 150)
    expect(worker.closed).toBeNull()
  })
})

/** How many connections the server says that it has. */
async function connections({ port }: RunningServer): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/health`)
  return ((await response.json()) as { connections: number }).connections
}

describe('too much', () => {
  const push = (client: RawClient, session: string, n: number): void => {
    client.sync(
      session,
      SYNC.update,
      updateOf((doc) => {
        describeObject(doc, 'x')
        doc.getMap('object:x').set('k', n)
      }),
    )
  }

  test('[X6] too many frames end that connection with a reason, and the client heals (LIM-2)', async () => {
    const server = await serveHere({ limits: { connectionFrames: { perSecond: 5, burst: 100 } } })
    const ada = await openLive({ url: server.url, id: 's' })
    const other = await openLive({ url: server.url, id: 'other', as: 'bob' })
    for (let n = 0; n < 300; n++) ada.object('x').set('n', n)
    await until(() => ada.status.connection !== 'live')
    await until(() => ada.status.connection === 'live')
    await ada.stored()
    const bob = await openLive({ url: server.url, id: 's', as: 'bob' })
    expect(bob.object('x').get('n')).toBe(299)
    expect(other.status.connection).toBe('live')

    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
    for (let n = 0; n < 200; n++) push(eve, 's', n)
    expect(await until(() => eve.refusal('s'))).toBe('too-fast')
  })

  test('[X6] too many bytes end that connection with a reason (LIM-2)', async () => {
    const server = await serveHere({ limits: { connectionBytes: { perSecond: 1_000, burst: 100_000 } } })
    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
    for (let n = 0; n < 3; n++)
      eve.sync(
        's',
        SYNC.update,
        updateOf((doc) => doc.getMap('object:x').set('k', 'x'.repeat(40_000))),
      )
    expect(await until(() => eve.refusal('s'))).toBe('too-fast')
  })

  test('[X6] the frames and bytes of a person count over all sockets, also over those that are closed (LIM-2)', async () => {
    for (const limits of [{ personFrames: { perSecond: 0.1, burst: 60 } }, { personBytes: { perSecond: 1, burst: 2_500 } }]) {
      const server = await serveHere({ limits })
      const token = await tokenFor('eve')
      const reasons: (string | null)[] = []
      for (let socket = 0; socket < 4; socket++) {
        const eve = await RawClient.open(server.url)
        eve.authenticate('s', token)
        for (let n = 0; n < 25; n++) push(eve, 's', n)
        eve.frame('s', TYPE.stateless, (encoder) => encoding.writeVarString(encoder, '{"t":"mark","n":1}'))
        await until(() => eve.refusal('s') !== null || eve.frames.some(({ type }) => type === TYPE.stateless))
        reasons.push(eve.refusal('s'))
        eve.socket.terminate()
      }
      expect(reasons[0]).toBeNull()
      expect(reasons[3]).toBe('too-fast')
      // An agent has an account of its own, and so has everybody else.
      await RawClient.join(server.url, 's', await tokenFor('eve', 'agent'))
      await RawClient.join(server.url, 's', await tokenFor('bob'))
    }
  })

  test('[X6] an agent has a limit over all its workers too (LIM-2)', async () => {
    for (const limits of [{ agentFrames: { perSecond: 1, burst: 30 } }, { agentBytes: { perSecond: 1, burst: 1_500 } }]) {
      const server = await serveHere({ limits })
      const workers = await Promise.all(
        [1, 2].map(async () => await RawClient.join(server.url, 's', await tokenFor('helper', 'agent'))),
      )
      for (let n = 0; n < 30; n++) for (const worker of workers) push(worker, 's', n)
      for (const worker of workers) expect(await until(() => worker.refusal('s'))).toBe('too-fast')
      await RawClient.join(server.url, 's', await tokenFor('bob'))
    }
  })

  test('[X6] who asks for the state again and again is refused (LIM-3)', async () => {
    const server = await serveHere({ limits: { states: { perSecond: 1, burst: 5 } } })
    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
    for (let n = 0; n < 10; n++) eve.sync('s', SYNC.step1, EMPTY)
    expect(await until(() => eve.refusal('s'))).toBe('too-fast')
    const bob = await RawClient.join(server.url, 's', await tokenFor('bob'))
    for (let n = 0; n < 10; n++) bob.frame('s', 3, () => {})
    expect(await until(() => bob.refusal('s'))).toBe('too-fast')
  })

  test('presence that comes too fast is thinned, and the last of it arrives (LIM-3)', async () => {
    const server = await serveHere({ limits: { presence: { perSecond: 20, burst: 5 } } })
    const ada = await openLive({ url: server.url, id: 's' })
    const bob = await openLive({ url: server.url, id: 's', as: 'bob' })
    let seen = 0
    ada.presence.subscribe(() => (seen += 1))
    for (let n = 1; n <= 200; n++) bob.presence.set({ x: n })
    await until(() => ada.presence.others[0]?.state['x'] === 200)
    expect(seen).toBeLessThan(20)
    expect(bob.status.connection).toBe('live')
  })

  test('a stateless message above the limit ends that connection (LIM-3)', async () => {
    const server = await serveHere()
    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
    const deep = `{"t":"mark","n":${'['.repeat(LIMITS.statelessBytes)}}`
    eve.frame('s', TYPE.stateless, (encoder) => encoding.writeVarString(encoder, deep))
    expect(await until(() => eve.refusal('s'))).toBe('too-big')
  })

  test('[X6] one session is open on one socket a few times only, under whatever address (LIM-4)', async () => {
    const server = await serveHere()
    const eve = await RawClient.open(server.url)
    const token = await tokenFor('eve')
    const addresses = Array.from({ length: 50 }, (_, n) => `s\0tab${n}`)
    for (const address of addresses) {
      eve.authenticate(address, token)
      eve.sync(address, SYNC.step1, EMPTY)
    }
    await until(
      () => addresses.filter((address) => eve.refusal(address) === 'too-many').length === 50 - LIMITS.connectionsPerSession,
    )
    const answered = new Set(eve.frames.filter(({ type }) => type === TYPE.sync).map(({ address }) => address))
    expect(answered.size).toBe(LIMITS.connectionsPerSession)
    // One that is closed makes room for another.
    const [first = ''] = answered
    eve.frame(first, TYPE.close, () => {})
    await until(() => eve.refusal(first) !== null)
    eve.authenticate('s\0new', token)
    eve.sync('s\0new', SYNC.step1, EMPTY)
    await until(() => eve.frames.some(({ address, type }) => address === 's\0new' && type === TYPE.sync))
  })

  test('[X6] sessions per socket and sockets per participant are limited, with a reason (LIM-4)', async () => {
    const server = await serveHere({ limits: { sessionsPerSocket: 3, socketsPerParticipant: 2 } })
    const token = await tokenFor('eve')
    const first = await RawClient.open(server.url)
    for (const session of ['a', 'b', 'c']) first.authenticate(session, token)
    await until(() => first.frames.length === 3)
    first.authenticate('d', token)
    expect(await until(() => first.refusal('d'))).toBe('too-many')
    const second = await RawClient.join(server.url, 'a', token)
    const third = await RawClient.open(server.url)
    third.authenticate('a', token)
    expect(await until(() => third.refusal('a'))).toBe('too-many')
    expect([first.refusal('a'), second.refusal('a')]).toEqual([null, null])
    await RawClient.join(server.url, 'a', await tokenFor('bob'))
    // The socket that was refused is one of hers until it is closed.
    second.socket.terminate()
    third.socket.terminate()
    await until(async () => {
      const again = await RawClient.open(server.url)
      again.authenticate('a', token)
      await until(() => again.frames.length > 0)
      again.sync('a', SYNC.step1, EMPTY)
      await until(() => again.refusal('a') !== null || again.frames.some(({ type }) => type === TYPE.sync))
      again.socket.terminate()
      return again.refusal('a') === null
    })
  })

  test(
    '[X6] a socket that never reads is closed, with a reason, and what waits for it is dropped (LIM-5)',
    { timeout: 30_000 },
    async () => {
      const server = await serveHere({ limits: { unreadBytes: 200_000, connectionBytes: PLENTY, personBytes: PLENTY } })
      const ada = await openLive({ url: server.url, id: 's' })
      const slow = await RawClient.join(server.url, 's', await tokenFor('eve'))
      slow.socket.pause()
      // More than what the system itself keeps for a reader, on both sides; at last it is given up.
      for (let n = 0; n < 40 && (await connections(server)) === 2; n++) {
        ada.object('x').set('k', `${n}`.repeat(500_000))
        await ada.stored()
      }
      const received = slow.received.length
      slow.socket.resume()
      await until(() => slow.closed !== null)
      expect(slow.closed).toMatchObject({ code: 4408, reason: 'slow-reader' })
      expect(slow.received.length - received).toBeLessThan(40)
      expect(ada.status.connection).toBe('live')
    },
  )

  test('[X6] frames that are never whole may not have much of them here, on all sockets of a participant, and from who has sent garbage less (LIM-2)', async () => {
    const server = await serveHere({ limits: { participantUnfinishedBytes: 5 * 1024 * 1024 } })
    const [ada, bob] = await Promise.all(['ada', 'bob'].map((as) => tokenFor(as)))
    const sockets = await Promise.all([ada, ada, bob].map((token) => RawClient.join(server.url, 's', token as string)))
    for (const socket of sockets) socket.begin(MAX_FRAME_BYTES, 3 * 1024 * 1024)
    const [first, second, other] = sockets as [RawClient, RawClient, RawClient]
    const garbage = async (): Promise<void> => {
      const token = await tokenFor('eve')
      const [eve, again] = await Promise.all([0, 1].map(async () => await RawClient.join(server.url, 's', token)))
      if (eve === undefined || again === undefined) throw new Error('There are two.')
      eve.sync('s', SYNC.update, new Uint8Array(3_000).fill(0xff))
      expect(await until(() => eve.refusal('s'))).toBe('malformed')
      again.begin(MAX_FRAME_BYTES, 2 * 1024 * 1024)
      expect(await until(() => again.closed)).toMatchObject({ code: 4429, reason: 'too-fast' })
    }
    await Promise.all([garbage(), until(() => first.closed ?? second.closed)])
    // What is being closed counts until it is gone, so that it may be both.
    expect([first.closed, second.closed]).toContainEqual({ code: 4429, reason: 'too-fast' })
    expect(other.closed).toBeNull()
  })

  test('a socket is gone once it is closed, by either side: nothing that waits on it is opened any more (LIM-4)', () => {
    const traffic = new Traffic(LIMITS, () => 0)
    const socket = { bufferedAmount: 0, isGivenUp: false, close: () => {} }
    const [mine, theirs] = [traffic.open(socket), traffic.open({ ...socket })]
    expect([mine.isGone, theirs.isGone]).toEqual([false, false])
    socket.isGivenUp = true
    theirs.closed()
    expect([mine.isGone, theirs.isGone]).toEqual([true, true])
  })

  test('[X6] many beginnings count together, however small each of them is, and what is whole counts no more (LIM-2)', () => {
    const ended: number[] = []
    const traffic = new Traffic({ ...LIMITS, participantUnfinishedBytes: 1_000_000 }, () => 0)
    const eve = { id: 'eve', kind: 'user', name: '' } as const
    const meters = Array.from({ length: 30 }, (_, n) => {
      const meter = traffic.open({ bufferedAmount: 0, isGivenUp: false, close: () => void ended.push(n) })
      meter.authenticated(eve)
      return meter
    })
    for (let chunk = 0; chunk < 100; chunk++) {
      for (const meter of meters) {
        meter.arriving(30_000)
        meter.arrived(30_000)
      }
    }
    expect(ended).toEqual([])
    for (const meter of meters) meter.arriving(60_000)
    expect(ended).toEqual(Array.from({ length: 14 }, (_, n) => n + 16))
    for (const meter of meters.slice(16)) meter.closed()
    meters[0]?.arriving(30_000)
    expect(ended.length).toBe(14)
  })

  test('a slow reader gets a state that is larger than what may be unread (LIM-5)', async () => {
    const server = await serveHere({ limits: { unreadBytes: 100_000 } })
    const ada = await openLive({ url: server.url, id: 's' })
    for (let n = 0; n < 40; n++) ada.object('x').set(`k${n}`, 'x'.repeat(150_000))
    await ada.stored()
    const slow = await RawClient.open(server.url)
    slow.socket.pause()
    slow.authenticate('s', await tokenFor('slow'))
    slow.sync('s', SYNC.step1, EMPTY)
    ada.object('x').set('last', 1)
    await ada.stored()
    ada.object('x').set('last', 2)
    await ada.stored()
    slow.socket.resume()
    await until(() => slow.received.some((bytes) => bytes.byteLength > 6_000_000))
    await until(() => slow.frames.filter(({ type }) => type === TYPE.sync).length >= 2)
    expect(slow.closed).toBeNull()
  })

  test('all sockets of a participant together may not have much unread either (LIM-5)', () => {
    const ended: string[] = []
    const traffic = new Traffic({ ...LIMITS, unreadBytes: 16e6, participantUnreadBytes: 30e6 }, () => 0)
    const sockets = Array.from({ length: 4 }, (_, n) => {
      const socket = {
        bufferedAmount: 0,
        isGivenUp: false,
        close: (_code: number, reason: string) => void ended.push(`${n} ${reason}`),
      }
      const meter = traffic.open(socket)
      meter.connect({ id: n < 3 ? 'eve' : 'bob', kind: 'user', name: '' }, 's')
      return { socket, meter }
    })
    for (const { socket } of sockets) socket.bufferedAmount = 12e6
    const [first, second, , bob] = sockets
    expect(bob?.meter.mayQueue(10)).toBe(true)
    expect(first?.meter.mayQueue(10)).toBe(false)
    if (first !== undefined) first.socket.bufferedAmount = 0
    expect(second?.meter.mayQueue(10)).toBe(true)
    expect(ended).toEqual(['0 slow-reader'])
  })
})
