/** What the guard lets through, and leaves as it is. */
import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { handoverKey, KEY, ROOT } from '../shared/layout.ts'
import { POLICY } from '../shared/policy.ts'
import { compile } from '../server/guard/place.ts'
import { ViewBuilder } from '../shared/view.ts'
import { ada, bot, eve, other, stage, type Stage } from './guard/attacks.ts'
import { contentOf } from './guard/oracle.ts'
import { gc, json, rawUpdate, type, type Id, type RawStruct } from './guard/raw-update.ts'
import { Peer, sender, World } from './guard/world.ts'
import { Random } from './guard/fuzz.ts'
import type { Sender } from '../server/guard/guard.ts'

const head = (id: string, by = 'eve'): unknown => ({ id, role: 'user', by, kind: 'user', at: 1 })
const clockOf = ({ world }: Stage, client: number): number => Y.getState(world.doc.store, client)

describe('what changes nothing is accepted and not applied (GRD-3)', () => {
  test("another's update sent again", () => {
    const here = stage()
    const update = Y.encodeStateAsUpdate(here.ada.doc)
    expect(here.world.receive(update, eve)).toMatchObject({ ok: true, update: null })
    expect(here.world.receive(update, sender('vic', 'viewer'))).toMatchObject({ ok: true, update: null })
  })

  test('a known struct with a neighbour that does not exist: Yjs would wait for it for ever', () => {
    const here = stage()
    const update = rawUpdate([{ client: here.ada.doc.clientID, clock: 0, structs: [{ ...type(1), o: [424_242, 7] }] }])
    expect(here.world.receive(update, ada)).toMatchObject({ ok: true, update: null })
    expect(here.world.doc.store.pendingStructs).toBeNull()
  })

  test('the known part of an update is cut away, whatever it says', () => {
    const here = stage()
    const client = here.eve.doc.clientID
    const clock = clockOf(here, client)
    const structs = [
      { ...type(1), o: [424_242, 7] as const },
      ...Array.from({ length: clock - 1 }, () => ({ ...json(1), o: [9, 9] as const })),
    ]
    const fresh = { ...json({ by: 'eve', at: 1 }), root: ROOT.control, key: 'cancel:m1' }
    expect(here.world.receive(rawUpdate([{ client, clock: 0, structs: [...structs, fresh] }]), eve).ok).toBe(true)
    expect(here.world.roots.control.get('cancel:m1')).toEqual({ by: 'eve', at: 1 })
  })
})

describe('order (GRD-7)', () => {
  test('a message that claims to be older than others is accepted, and comes last all the same', () => {
    const here = stage()
    const first = here.world.roots.messages._start as Y.Item
    const structs = [
      { ...type(1), o: [first.id.client, first.id.clock] as const },
      { ...json(head('past')), parent: [5, 0] as const, key: KEY.head },
      { ...type(0), parent: [5, 0] as const, key: KEY.parts },
    ]
    expect(here.world.receive(rawUpdate([{ client: 5, clock: 0, structs }]), eve).ok).toBe(true)
    expect(new ViewBuilder(here.world.doc, () => {}).messageIds.at(-1)).toBe('past')
  })

  test("a message under another's id never takes its place", () => {
    const here = stage()
    const view = new ViewBuilder(here.world.doc, () => {})
    const before = JSON.stringify(view.message('m1'))
    here.eve.post('m1', 'something else')
    expect(here.eve.refused).toEqual([])
    expect(JSON.stringify(view.message('m1'))).toBe(before)
  })

  test('messages that several wrote offline, each a chain, are merged alike by all', () => {
    const world = new World([])
    const peers = Array.from({ length: 6 }, (_, n) => new Peer(world, sender(`p${n}`, 'user'), 100 + ((n * 37) % 6)))
    for (let round = 0; round < 5; round++) {
      for (const peer of peers) peer.online = false
      for (const [n, peer] of peers.entries()) for (let each = 0; each < 4; each++) peer.post(`${round}-${n}-${each}`, 'x')
      // Some see others' before their own are handed in, and write on behind them.
      for (const [n, peer] of peers.entries()) {
        if (n % 2 === 0) {
          peer.pull()
          peer.post(`${round}-${n}-last`, 'y')
        }
        expect(peer.reconnect()).toMatchObject({ ok: true })
      }
    }
    for (const peer of peers) peer.pull()
    expect(new Set(peers.map((peer) => contentOf(peer.doc))).size).toBe(1)
  })
})

describe('honest traffic that looks odd (GRD-8)', () => {
  test('values of a key that an undo manager kept travel as one struct', () => {
    const world = new World([])
    const peer = new Peer(world, ada)
    peer.object('cart', { a: 0 })
    const undo = new Y.UndoManager(peer.doc.getMap('object:cart'), { trackedOrigins: new Set([null]), captureTimeout: 0 })
    peer.online = false
    for (let n = 1; n < 6; n++) peer.object('cart', { a: n })
    undo.undo()
    undo.undo()
    undo.redo()
    expect(peer.reconnect()).toMatchObject({ ok: true })
    expect(contentOf(world.doc)).toBe(contentOf(peer.doc))
  })

  test('a cancel that two have set, and the delete set of the one who lost', () => {
    const world = new World([])
    const peers = [new Peer(world, ada, 1), new Peer(world, eve, 9)]
    for (const peer of peers) peer.online = false
    for (const peer of peers) peer.set(peer.roots.control, 'cancel:x', { by: peer.sender.participant.id, at: 1 })
    for (const peer of [...peers, ...peers]) expect(peer.reconnect()).toMatchObject({ ok: true })
    expect(world.roots.control.get('cancel:x')).toEqual({ by: 'eve', at: 1 })
  })

  test('parts that were written and dropped while offline, and a run that ends in the same update', () => {
    const here = stage()
    here.bot.online = false
    const reply = here.bot.reply('new', 'm1.bot')
    reply.text('dead attempt')
    reply.tool('t', { rows: [] })
    reply.drop(0)
    reply.text('the answer')
    here.bot.set(here.bot.run('m1.bot'), KEY.status, 'complete')
    expect(here.bot.reconnect()).toMatchObject({ ok: true })
    expect(here.world.run('m1.bot').get(KEY.status)).toBe('complete')
    expect(JSON.stringify(here.world.message('new'))).toContain('the answer')
    // From now on it is closed (GRD-6).
    expect(here.bot.send(Y.encodeStateAsUpdate(here.bot.doc))).toMatchObject({ ok: true, update: null })
    here.bot.set(here.bot.run('m1.bot'), KEY.status, 'error')
    expect(here.bot.refused).toMatchObject([{ code: 'forbidden', path: 'tasks/[]/status' }])
  })

  test('a worker whose process was replaced: the new one writes where the old one began (GRD-6)', () => {
    const here = stage()
    here.world.clerk.grant('m1.bot', 'w7', 2)
    here.bot.step('m1.bot', 'late')
    expect(here.bot.refused).toMatchObject([{ code: 'forbidden' }])
    const next = new Peer(here.world, sender('bot', 'agent', 'w7'))
    next.step('m1.bot', 'taken over')
    expect(next.refused).toEqual([])
    expect(other.participant.id).toBe('other')
    expect(bot.worker).toBe('w1')
  })
})

describe('what waits (GRD-5)', () => {
  test('is due as soon as it would be taken, whatever the order in which the rest comes', () => {
    let waited = 0
    for (let seed = 1; seed <= 8; seed++) {
      const random = new Random(seed)
      const sent = chatter(random)
      for (let at = sent.length - 1; at > 0; at--) {
        const other = random.below(at + 1)
        ;[sent[at], sent[other]] = [sent[other] as Sent, sent[at] as Sent]
      }
      const world = new World([])
      const waiting = new Set<Sent & { isDue: () => boolean; checks: number }>()
      for (const { update, from } of sent) {
        const verdict = world.receive(update, from)
        if (!verdict.ok) {
          if (verdict.code !== 'missing') throw new Error(`Refused: ${JSON.stringify(verdict)}`)
          waiting.add({ update, from, isDue: verdict.isDue ?? fail, checks: 1 })
          waited += 1
        }
        for (let moved = verdict.ok; moved;) {
          moved = false
          for (const held of waiting) {
            if (!held.isDue()) {
              const early = world.guard.check(held.update, held.from)
              if (early.ok || early.code !== 'missing') throw new Error(`Not due, but ${JSON.stringify(early)}`)
              continue
            }
            const again = world.receive(held.update, held.from)
            held.checks += 1
            if (again.ok) moved = waiting.delete(held)
            else held.isDue = again.isDue ?? fail
          }
        }
      }
      expect([...waiting]).toEqual([])
    }
    expect(waited).toBeGreaterThan(100)
  })
})

interface Sent {
  readonly update: Uint8Array
  readonly from: Sender
}

const fail = (): never => {
  throw new Error('An update that waits must say for what.')
}

/** What two people, each with two tabs that hear of each other late, send while they write and edit. */
function chatter(random: Random): Sent[] {
  const world = new World([])
  const sent: Sent[] = []
  const peers = [ada, ada, eve, eve].map((from, n) => {
    const peer = new Peer(world, from, random.below(2) * 1_000 + n + 1)
    peer.doc.on('update', (update: Uint8Array, origin: unknown) => origin !== peer && sent.push({ update, from }))
    return peer
  })
  for (let n = 0; n < 60; n++) {
    const peer = random.pick(peers)
    if (random.is(0.5)) peer.pull()
    if (random.is(0.4)) peer.post(`m${n}`, 'x')
    else if (random.is(0.8))
      peer.object(random.pick(['cart', 'form']), { [random.pick(['a', 'b'])]: random.is(0.2) ? undefined : n })
    else peer.set(peer.roots.control, `cancel:${random.below(3)}`, { by: peer.sender.participant.id, at: n })
  }
  return sent
}

describe('who is who (GRD-2)', () => {
  test('the id of this copy of the document is nobody else’s, also before the server has written under it', () => {
    const here = stage()
    here.world.doc.clientID = 4_711
    const flag = { ...json({ by: 'eve', at: 1 }), root: ROOT.control, key: 'cancel:x' }
    const update = rawUpdate([{ client: 4_711, clock: 0, structs: [flag] }])
    expect(here.world.receive(update, eve)).toMatchObject({ ok: false, code: 'foreign-client' })
  })

  test('a hand-over that has lost against another one is not decided with the rights of who sent it (RUN-7)', () => {
    const world = new World([])
    const sams = new Peer(world, sender('sam', 'support'), 1)
    sams.online = false
    // No connection could bring it; it lies in the store, as something else may have written it there.
    const stray = new Y.Doc()
    stray.clientID = 9
    const key = handoverKey('sam')
    stray.getMap(ROOT.control).set(key, { action: 'take', by: 'eve', at: 1 })
    Y.applyUpdate(world.doc, Y.encodeStateAsUpdate(stray))
    sams.set(sams.roots.control, key, { action: 'return', by: 'sam', at: 1 })
    expect(sams.reconnect()).toMatchObject({ ok: true })
    expect(world.roots.control.get(key)).toMatchObject({ by: 'eve' })
    expect(world.roots.ledger.get(KEY.holder)).toBeUndefined()
  })
})

/** Time of the processor that none of these may take. Each took half a minute or more before it was bounded. */
const MOST_MS = 10_000

describe('what one update may cost (GRD-9)', () => {
  const judged = (here: Stage, update: Uint8Array, from = eve): unknown => {
    const before = process.cpuUsage()
    const verdict = here.world.guard.check(update, from)
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(MOST_MS)
    return verdict
  }

  test('delete ranges over as many structs', () => {
    const count = 60_000
    const structs = Array.from({ length: 2 * count }, () => gc(1))
    const ranges = Array.from({ length: count }, (_, n) => [2 * n, 1] as const)
    expect(judged(stage(), rawUpdate([{ client: 5, clock: 0, structs }], [[5, ranges]]))).toMatchObject({ ok: true })
  })

  test('two clients whose structs follow each other, while all other clients of their participant wait for the last', () => {
    const here = stage()
    const [clients, each] = [2_000, 20_000]
    for (let n = 0; n < clients; n++) here.world.bindings.bind(6_000 + n, 'eve')
    const [one, two]: RawStruct[][] = [[], []]
    for (let n = 0; n < each; n++) {
      one?.push({ ...json(n), ...(n === 0 ? { root: 'object:cart', key: 'x' } : { o: [6_001, n - 1] as Id }) })
      two?.push({ ...json(n), o: [6_000, n] })
    }
    const rest = Array.from({ length: clients - 2 }, (_, n) => ({
      client: 6_002 + n,
      clock: 0,
      structs: [{ ...json(n), o: (n === 0 ? [6_001, each - 1] : [6_001 + n, 0]) as Id }],
    }))
    const update = rawUpdate([
      { client: 6_000, clock: 0, structs: one ?? [] },
      { client: 6_001, clock: 0, structs: two ?? [] },
      ...rest,
    ])
    expect(judged(here, update)).toMatchObject({ ok: true })
  })

  test('messages of one run among thousands', () => {
    const here = stage()
    const runs = Array.from({ length: 6_000 }, (_, n) => {
      const run = new Y.Map<unknown>([
        [KEY.head, { id: `q${n}.bot`, agent: 'bot', input: `q${n}`, attempt: 1, at: 1 }],
        [KEY.status, 'active'],
        [KEY.lease, { worker: 'w1', generation: 1 }],
      ])
      return run
    })
    here.world.doc.transact(() => here.world.roots.tasks.push(runs))
    const last = here.world.roots.messages.get(here.world.roots.messages.length - 1)._item as Y.Item
    const structs = Array.from({ length: 10_000 }, (_, n): RawStruct[] => [
      { ...type(1), o: n === 0 ? [last.id.client, last.id.clock] : [5, 3 * (n - 1)] },
      {
        ...json({ id: `r${n}`, role: 'assistant', by: 'bot', kind: 'agent', at: 1, run: 'q5999.bot' }),
        parent: [5, 3 * n],
        key: KEY.head,
      },
      { ...type(0), parent: [5, 3 * n], key: KEY.parts },
    ])
    expect(judged(here, rawUpdate([{ client: 5, clock: 0, structs: structs.flat() }]), bot)).toMatchObject({ ok: true })
  })
})

describe('the policy (GRD-1)', () => {
  test('is a tree: a row has a row above it, and only words that are known', () => {
    expect(() => compile(POLICY)).not.toThrow()
    expect(() => compile({ 'a/b': { is: 'map' } })).toThrow('no row above a/b')
    expect(() => compile({ a: { is: 'map', add: 'everybody' } })).toThrow('a word that is not known: everybody')
  })

  test('names no place that the server alone writes as anybody else’s', () => {
    const open = Object.entries(POLICY).filter(([, row]) => row.add ?? row.change ?? row.remove)
    for (const [path] of open) expect(path).not.toMatch(/^ledger|stamp$|lease$|^tasks\/\[\]$|^tasks\/\[\]\/head$/)
  })
})
