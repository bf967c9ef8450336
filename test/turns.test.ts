/** Who may hold the event loop: the slices of a turn, the time of a person, and that nothing is lost or changes places. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { Answers, type Answer } from '../server/answers.ts'
import { memoryStore } from '../server/index.ts'
import { UpdateLog } from '../server/log.ts'
import { Bucket } from '../server/rate.ts'
import type { Store } from '../server/store.ts'
import { Inbox, Payer, Turns } from '../server/turns.ts'
import { LIMITS } from '../shared/limits.ts'
import { openLive, texts } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { describeObject, RawClient, stateOf, SYNC, TYPE, updateOf } from './support/raw.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'
import { WebSocket } from 'ws'
import * as Y from 'yjs'

const PLENTY = { perSecond: 1e9, burst: 1e9 }

describe('a turn of the event loop', () => {
  let now = 0
  /** What was done, and in which turn. */
  let done: { what: string; turn: number }[] = []
  let turn = 0

  function start(): { turns: Turns; open: (payer: Payer) => { inbox: Inbox; flow: string[] } } {
    now = 0
    done = []
    turn = 0
    const turns = new Turns(() => now)
    return {
      turns,
      open: (payer) => {
        const flow: string[] = []
        const inbox = new Inbox(turns, () => payer, { pause: () => flow.push('pause'), resume: () => flow.push('resume') })
        return { inbox, flow }
      },
    }
  }

  const task = (what: string, ms: number) => (): void => {
    done.push({ what, turn })
    now += ms
  }

  /** Lets turns go by until everything is done. */
  async function finish(count: number): Promise<void> {
    await until(() => {
      turn += 1
      return done.length === count
    })
  }

  test('who has used up his slice waits for the next turn, and others do not wait for him (LIM-7)', async () => {
    const { open } = start()
    const [eve, ada] = [new Payer(2, null), new Payer(2, null)]
    const [flood, other, own] = [open(eve), open(eve), open(ada)]
    for (let n = 0; n < 10; n++) flood.inbox.add(task(`flood ${n}`, 1))
    other.inbox.add(task('her other socket', 1))
    own.inbox.add(task('ada', 1))
    expect(done.map(({ what }) => what)).toEqual(['flood 0', 'flood 1', 'ada'])
    expect([flood.flow, other.flow, own.flow]).toEqual([['pause'], ['pause'], []])
    await finish(12)
    expect(done.filter(({ what }) => what.startsWith('flood')).map(({ what }) => what)).toEqual(
      Array.from({ length: 10 }, (_, n) => `flood ${n}`),
    )
    const perTurn = new Map<number, number>()
    for (const each of done.slice(3)) perTurn.set(each.turn, (perTurn.get(each.turn) ?? 0) + 1)
    expect(Math.max(...perTurn.values())).toBeLessThanOrEqual(2)
    // Who was served is behind who was not.
    expect(done.findIndex(({ what }) => what === 'her other socket')).toBeLessThan(done.length - 4)
    expect([flood.flow, other.flow]).toEqual([
      ['pause', 'resume'],
      ['pause', 'resume'],
    ])
  })

  test('a frame that takes longer than a slice is done, and what it took counts (LIM-7)', async () => {
    const { open } = start()
    const { inbox } = open(new Payer(2, null))
    for (const [n, ms] of [50, 1, 1].entries()) inbox.add(task(`${n}`, ms))
    expect(done.map(({ what }) => what)).toEqual(['0'])
    await finish(3)
    expect(done.map(({ what }) => what)).toEqual(['0', '1', '2'])
  })

  test('who has used up his time waits until some has come back, not only for the next turn (LIM-7)', async () => {
    const { open, turns } = start()
    const payer = new Payer(1_000, new Bucket({ perSecond: 500, burst: 100 }, () => now))
    const { inbox, flow } = open(payer)
    inbox.add(task('dear', 600))
    expect(payer.isRested).toBe(false)
    inbox.add(task('next', 1))
    let passed = false
    void turns.pass(payer, 1).then(() => (passed = true))
    // 100 were there, 500 are owed.
    expect(payer.waitMs(false)).toBe(1_000)
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve))
    expect([done.length, passed, flow]).toEqual([1, false, ['pause']])
    now += 1_100
    await finish(2)
    await until(() => passed)
    expect(flow).toEqual(['pause', 'resume'])
    now += 10_000
    expect(payer.isRested).toBe(true)
  })

  test('while others are at work a person has a share of the time, and all of it when they are not (LIM-7)', async () => {
    const { open, turns } = start()
    const payer = new Payer(1, null, new Bucket({ perSecond: 100, burst: 10 }, () => now))
    const [eve, ada] = [open(payer), open(new Payer(1, null))]
    ada.inbox.add(task('ada', 1))
    for (let n = 0; n < 30; n++) eve.inbox.add(task(`eve ${n}`, 1))
    for (let n = 0; n < 100; n++) await new Promise((resolve) => setImmediate(resolve))
    // As much as there is at once, the one that spends the last of it included; ten milliseconds bring one more.
    const shared = done.length - 1
    expect(shared).toBeGreaterThanOrEqual(10)
    expect(shared).toBeLessThanOrEqual(13)
    // What follows from her work later is on her account: she waits longer for it.
    turns.charge(payer, 5)
    expect(payer.waitMs(true)).toBeGreaterThan(40)
    expect(payer.waitMs(false)).toBe(0)
    // Ada has stopped.
    now += 101
    await finish(31)
    expect(done.map(({ what }) => what).slice(1)).toEqual(Array.from({ length: 30 }, (_, n) => `eve ${n}`))
  })

  test('of what is taken beyond the share only so much is held against whoever took it (LIM-7)', () => {
    const { open } = start()
    const payer = new Payer(1, null, new Bucket({ perSecond: 100, burst: 10 }, () => now))
    open(new Payer(1, null)).inbox.add(task('ada', 1))
    open(payer).inbox.add(task('a large frame', 90))
    expect(payer.waitMs(true)).toBe(800)
    open(new Payer(1, null)).inbox.add(task('ada', 1))
    open(payer).inbox.add(task('not yet', 0))
    expect(done.map(({ what }) => what)).not.toContain('not yet')
    const other = new Payer(1, null, new Bucket({ perSecond: 100, burst: 10 }, () => now))
    open(other).inbox.add(task('the largest', 5_000))
    expect(other.waitMs(true)).toBeLessThanOrEqual(1_000)
  })

  test('a task that throws holds nothing up (LIM-7)', async () => {
    const { open } = start()
    const { inbox } = open(new Payer(1, null))
    expect(() =>
      inbox.add(() => {
        now += 5
        throw new Error('broken')
      }),
    ).toThrow('broken')
    inbox.add(task('next', 1))
    await finish(1)
  })
})

describe('what is patient', () => {
  test('goes with the commit that others cause, in its order, and otherwise soon by itself (LIM-7, LOG-1)', async () => {
    const commits: string[][] = []
    const memory = memoryStore()
    const store: Store = {
      ...memory,
      append: async ({ entries }) => void commits.push(entries.map(({ session }) => session)),
    }
    const log = new UpdateLog({ store, report: () => {}, onStall: () => {}, onDamaged: () => {} })
    const shown: string[] = []
    log.append('eve', new Uint8Array(2), true)
    log.after(() => shown.push('eve'))
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    expect([commits, shown]).toEqual([[], []])
    log.append('ada', new Uint8Array(2))
    log.after(() => shown.push('ada'))
    await until(() => shown.length === 2)
    expect([commits, shown]).toEqual([[['eve', 'ada']], ['eve', 'ada']])
    log.append('eve', new Uint8Array(2), true)
    await log.stored()
    expect(commits.at(-1)).toEqual(['eve'])
    expect(await log.drain(1_000)).toBe(true)
  })
})

describe('large answers', () => {
  test('are made one after the other, each when the one before has been read (LIM-5)', () => {
    let read = (): void => {}
    const outlet = { isBehind: false, whenRead: (then: () => void) => void (read = then) }
    const answers = new Answers(outlet)
    const made: string[] = []
    const dones: (() => void)[] = []
    const large =
      (name: string): Answer =>
      (done) => {
        made.push(name)
        dones.push(() => {
          outlet.isBehind = true
          done()
        })
      }
    answers.add(large('a'))
    answers.add(large('b'))
    // One is being stored; nothing has been sent yet.
    expect(made).toEqual(['a'])
    dones.shift()?.()
    expect(made).toEqual(['a'])
    outlet.isBehind = false
    read()
    expect(made).toEqual(['a', 'b'])
  })

  test('of which nothing has to wait are all made at once (LIM-5)', () => {
    const answers = new Answers({ isBehind: false, whenRead: () => {} })
    let made = 0
    for (let n = 0; n < 20_000; n++) {
      answers.add((done) => {
        made += 1
        done()
      })
    }
    expect(made).toBe(20_000)
  })
})

describe('on a socket', () => {
  /** Many small updates of one document, in their order. */
  function updates(count: number): Uint8Array[] {
    const doc = new Y.Doc()
    const made: Uint8Array[] = []
    doc.on('update', (update: Uint8Array) => made.push(update))
    describeObject(doc, 'x')
    for (let n = 0; n < count; n++) doc.getMap('object:x').set(`k${n}`, n)
    return made
  }

  test('what was sent before the end of a socket is taken, however much it is (LIM-7, LIM-2)', async () => {
    const server = await serveHere({ limits: { connectionFrames: PLENTY, personFrames: PLENTY } })
    const ada = await openLive({ url: server.url, id: 's' })
    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
    for (const update of updates(2_000)) eve.sync('s', SYNC.update, update)
    eve.socket.close()
    await until(() => ada.object('x').get('k1999') === 1_999)
    for (const n of [0, 1, 700, 1_998]) expect(ada.object('x').get(`k${n}`)).toBe(n)
  })

  test('[X6] who has no time left waits, is not refused, and nobody else waits with him (LIM-7)', async () => {
    // Some milliseconds per second: what she sends would take her a minute.
    const server = await serveHere({
      limits: { connectionFrames: PLENTY, personFrames: PLENTY, personTimeMs: { perSecond: 10, burst: 10 } },
    })
    const watcher = await openLive({ url: server.url, id: 's', as: 'watcher', kind: 'agent' })
    const eve = await RawClient.open(server.url)
    eve.authenticate('s', await tokenFor('eve'))
    for (const update of updates(5_000)) eve.sync('s', SYNC.update, update)
    await until(() => watcher.object('x').get('k0') === 0)
    for (let n = 0; n < 20; n++) watcher.object('y').set('n', n)
    await watcher.stored()
    expect(watcher.object('x').get('k4999')).toBeUndefined()
    expect([eve.closed, eve.refusal('s')]).toEqual([null, null])
  })

  test('who has shown no token is let in at a pace while others are at work (LIM-7)', async () => {
    const server = await serveHere({ limits: { strangersShareMs: { perSecond: 0.1, burst: 0 } } })
    const ada = await openLive({ url: server.url, id: 's', as: 'ada', kind: 'agent' })
    let letIn = 0
    const sockets = Array.from({ length: 20 }, () => new WebSocket(server.url))
    for (const socket of sockets) socket.on('open', () => (letIn += 1)).on('error', () => {})
    onTestFinished(() => sockets.forEach((socket) => socket.terminate()))
    for (let n = 0; n < 50; n++) {
      ada.object('x').set('n', n)
      await ada.stored()
    }
    expect(letIn).toBeLessThan(10)
    await until(() => letIn === 20)
  })

  test('a reader that is slow gets large states one after the other, and all of them (LIM-5)', async () => {
    const server = await serveHere({ limits: { unreadBytes: 1_000_000, personBytes: PLENTY, personTimeMs: PLENTY } })
    const sessions = Array.from({ length: 20 }, (_, n) => `s${n}`)
    const state = updateOf((doc) => {
      describeObject(doc, 'x')
      for (let n = 0; n < 8; n++) doc.getMap('object:x').set(`k${n}`, 'x'.repeat(100_000))
    })
    const writer = await RawClient.open(server.url)
    for (const id of sessions) {
      writer.authenticate(id, await tokenFor('ada'))
      await until(() => writer.frames.some(({ address }) => address === id))
      writer.sync(id, SYNC.update, state)
    }
    await until(() => writer.frames.filter(({ type }) => type === TYPE.ack).length === sessions.length)
    const slow = await RawClient.open(server.url)
    slow.socket.pause()
    const token = await tokenFor('eve')
    for (const id of sessions) {
      slow.authenticate(id, token)
      slow.sync(id, SYNC.step1, Y.encodeStateVector(new Y.Doc()))
    }
    const other = await openLive({ url: server.url, id: 'other', as: 'bob' })
    other.send('not concerned')
    await other.stored()
    slow.socket.resume()
    const states = (): string[] =>
      slow.frames.filter(({ type, bytes }) => type === TYPE.sync && bytes.length > 800_000).map(({ address }) => address)
    await until(() => states().length === 20)
    expect(states().toSorted()).toEqual(sessions.toSorted())
    expect(stateOf(slow, 's19').getMap('object:x').size).toBe(8)
    expect([slow.closed, texts(other)]).toEqual([null, ['not concerned']])
  })
})

test('the time of a person is enough for what a person may send (LIM-7)', () => {
  // As the comment on the limit says: a twentieth of a millisecond for a small frame.
  expect(LIMITS.personFrames.burst / 20).toBeLessThan(LIMITS.personTimeMs.burst)
  expect(LIMITS.personFrames.perSecond / 20).toBeLessThan(LIMITS.personTimeMs.perSecond)
})
