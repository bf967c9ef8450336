import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { CLOSE_REASONS, readCloseReason } from '../shared/errors.ts'
import { runIdOf } from '../shared/ids.ts'
import { cancelKey, KEY, LAYOUT_VERSION, objectRoot, ROOT, rootsOf } from '../shared/layout.ts'
import { MAX_SEGMENT_CHARS } from '../shared/limits.ts'
import { PARTICIPANT_KINDS } from '../shared/participant.ts'
import { RUN_TABLE } from '../shared/run.ts'
import { ViewBuilder } from '../shared/view.ts'
import {
  agentOfControl,
  controlDocument,
  encodeMessage,
  PROTOCOL_VERSION,
  readClientMessage,
  readServerMessage,
  type ClientMessage,
  type ServerMessage,
} from '../shared/wire.ts'
import { Chance, seeds } from './support/random.ts'

const CLIENT: readonly ClientMessage[] = [
  { t: 'mark', n: 0 },
  { t: 'mark', n: 12 },
  { t: 'worker', worker: 'w', slots: 3, leases: [{ run: 'i.a', generation: 2 }] },
  { t: 'renew', leases: [] },
]

const SERVER: readonly ServerMessage[] = [
  { t: 'marked', n: 12 },
  { t: 'stalled', stalled: true },
  { t: 'refused', reason: 'read-only' },
  { t: 'assign', run: 'i.a', session: 's', input: 'i', generation: 1, leaseMs: 10_000 },
  { t: 'lost', run: 'i.a', generation: 1 },
]

describe('messages', () => {
  test('every message comes back as it was, and only on its own side', () => {
    for (const message of CLIENT) {
      expect(readClientMessage(encodeMessage(message))).toEqual(message)
      expect(readServerMessage(encodeMessage(message))).toBeNull()
    }
    for (const message of SERVER) {
      expect(readServerMessage(encodeMessage(message))).toEqual(message)
      expect(readClientMessage(encodeMessage(message))).toBeNull()
    }
  })

  test('what is not of the expected form is none, and nothing that is not expected gets through', () => {
    const bad = ['', '{', 'null', '7', '[]', '{}', '{"t":7}', '{"t":"other"}', '{"t":"toString"}', '{"t":"mark"}']
    const mangled = ['{"t":"mark","n":-1}', '{"t":"mark","n":1.5}', '{"t":"mark","n":"1"}', '{"t":"mark","n":1e400}']
    const worker = ['{"t":"worker","worker":"w","slots":1,"leases":[7]}', '{"t":"renew","leases":[{"run":"r"}]}', '{"t":"renew","leases":{}}']
    for (const payload of [...bad, ...mangled, ...worker]) expect(readClientMessage(payload), payload).toBeNull()
    for (const payload of [...bad, '{"t":"lost"}', '{"t":"stalled"}', '{"t":"assign","run":"r"}']) {
      expect(readServerMessage(payload), payload).toBeNull()
    }
    expect(readClientMessage('{"t":"mark","n":1,"extra":{"a":1}}')).toEqual({ t: 'mark', n: 1 })
  })

  test('bytes changed at random never throw, and what is read still has its form', () => {
    const texts = [...CLIENT, ...SERVER].map(encodeMessage)
    for (const seed of seeds(2_000)) {
      const chance = new Chance(seed)
      const units = [...chance.pick(texts)]
      for (let i = chance.int(1, 4); i > 0; i--) {
        const at = chance.int(0, units.length)
        units.splice(at, chance.int(0, 2), ...(chance.bool() ? [chance.pick(['"', '{', '}', ':', '0', '-', 'e9', 'null', '\u0000', '[]'])] : []))
      }
      const payload = units.join('')
      for (const message of [readClientMessage(payload), readServerMessage(payload)]) {
        if (message !== null) expect([...CLIENT, ...SERVER].map(({ t }) => t)).toContain(message.t)
        if (message !== null && 'n' in message) expect(Number.isSafeInteger(message.n)).toBe(true)
      }
    }
  })

  test('a control document has a name that no session can have', () => {
    expect(agentOfControl(controlDocument('orders'))).toBe('orders')
    expect(agentOfControl('orders')).toBeNull()
    expect(controlDocument('orders')).toMatch(/^~/)
  })

  test('a reason that is not known counts as one that passes', () => {
    for (const reason of Object.keys(CLOSE_REASONS)) expect(readCloseReason(reason)).toBe(reason)
    for (const other of ['', 'toString', 'tomorrow', undefined]) expect(readCloseReason(other)).toBe('unavailable')
  })
})

describe('the protocol is pinned: a change of it needs a new version number, and a thought for old clients', () => {
  test('keys, statuses and messages', () => {
    const names = {
      version: [LAYOUT_VERSION, PROTOCOL_VERSION],
      roots: [ROOT, objectRoot('NAME'), controlDocument('AGENT')],
      keys: [KEY, cancelKey('TARGET'), runIdOf('INPUT', 'AGENT')],
      values: [RUN_TABLE, PARTICIPANT_KINDS, MAX_SEGMENT_CHARS],
      messages: [...CLIENT, ...SERVER].map(encodeMessage),
      reasons: Object.keys(CLOSE_REASONS),
    }
    const hash = createHash('sha256').update(JSON.stringify(names)).digest('base64url').slice(0, 16)
    expect(hash).toBe('HASH')
  })

  /** A session of layout version 1 as it was stored: a message, a reply with every kind of part, a run with steps, a hand-over. */
  const STORED = 'STORED'

  test('a session that was stored with layout version 1 still reads', () => {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, Buffer.from(STORED, 'base64'))
    const { view } = new ViewBuilder(doc, (error) => expect.unreachable(String(error)))
    expect({ ...view, participants: [...view.participants.values()] }).toMatchInlineSnapshot()
    expect(rootsOf(doc).ledger.get(KEY.version)).toBe(1)
    expect(doc.getMap(objectRoot('cart')).toJSON()).toEqual({ sku: 2 })
  })
})
