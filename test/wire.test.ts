import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { CLOSE_REASONS, readCloseReason } from '../shared/errors.ts'
import { runIdOf } from '../shared/ids.ts'
import { cancelKey, handoverKey, KEY, LAYOUT_VERSION, objectRoot, ROOT, rootsOf } from '../shared/layout.ts'
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
import { Chance } from './support/random.ts'

const CLIENT: readonly ClientMessage[] = [
  { t: 'mark', n: 0 },
  { t: 'mark', n: 12 },
  { t: 'worker', worker: 'w', slots: 3, leases: [{ run: 'i.a', generation: 2 }] },
  { t: 'worker', worker: 'w', slots: 3, leases: [], onLapse: 'retry', maxAttempts: 2 },
  { t: 'renew', leases: [] },
  { t: 'claim', message: 'm', call: 'c', tab: 't' },
  { t: 'release', leases: [{ run: 'i.a', generation: 2 }] },
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
    const worker = [
      '{"t":"worker","worker":"w","slots":1,"leases":[7]}',
      '{"t":"renew","leases":[{"run":"r"}]}',
      '{"t":"renew","leases":{}}',
      '{"t":"claim","message":"m","call":7,"tab":"t"}',
      `{"t":"claim","message":"m","call":"c","tab":"${'t'.repeat(129)}"}`,
    ]
    for (const payload of [...bad, ...mangled, ...worker]) expect(readClientMessage(payload), payload).toBeNull()
    for (const payload of [...bad, '{"t":"lost"}', '{"t":"stalled"}', '{"t":"assign","run":"r"}']) {
      expect(readServerMessage(payload), payload).toBeNull()
    }
    expect(readClientMessage('{"t":"mark","n":1,"extra":{"a":1}}')).toEqual({ t: 'mark', n: 1 })
    const odd = '{"t":"worker","worker":"w","slots":1,"leases":[],"onLapse":"again","maxAttempts":-1}'
    expect(readClientMessage(odd)).toEqual({ t: 'worker', worker: 'w', slots: 1, leases: [] })
  })

  test('bytes changed at random never throw, and what is read still has its form', () => {
    const texts = [...CLIENT, ...SERVER].map(encodeMessage)
    const types = [...CLIENT, ...SERVER].map(({ t }): string | null => t).concat(null)
    for (let seed = 1; seed <= 2_000; seed++) {
      const chance = new Chance(seed)
      const units = chance.pick(texts).split('')
      for (let i = chance.int(1, 4); i > 0; i--) {
        const at = chance.int(0, units.length)
        units.splice(
          at,
          chance.int(0, 2),
          ...(chance.bool() ? [chance.pick(['"', '{', '}', ':', '0', '-', 'e9', 'null', '\u0000', '[]'])] : []),
        )
      }
      const payload = units.join('')
      for (const message of [readClientMessage(payload), readServerMessage(payload)]) {
        expect(types, payload).toContain(message?.t ?? null)
        expect(Number.isSafeInteger(message !== null && 'n' in message ? message.n : 0), payload).toBe(true)
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
      keys: [KEY, cancelKey('TARGET'), handoverKey('BY'), runIdOf('INPUT', 'AGENT')],
      values: [RUN_TABLE, PARTICIPANT_KINDS, MAX_SEGMENT_CHARS],
      messages: [...CLIENT, ...SERVER].map(encodeMessage),
      reasons: Object.keys(CLOSE_REASONS),
    }
    const hash = createHash('sha256').update(JSON.stringify(names)).digest('base64url').slice(0, 16)
    expect(hash, 'it has changed: raise the version, and say in a comment there what is new').toBe('Jq003kaQF9Fnzacj')
  })

  /** A session of layout version 1 as it was stored: a message, a reply with every kind of part, a run with steps, a hand-over. */
  const STORED = `
    ATsHAAcBCG1lc3NhZ2VzASgABwAEaGVhZAF2BgJpZHcGaW5wdXQxBHJvbGV3BHVzZXICYnl3A2FkYQRraW5kdwR1c2VyAmF0fagP
    AnRvdQF3Bm9yZGVycycABwAFcGFydHMACAAHAgF2AgR0eXBldwR0ZXh0BHRleHR3DFdoZXJlIGlzIGl0PygBBmxlZGdlcgd2ZXJz
    aW9uAX0BJwEGbGVkZ2VyDHBhcnRpY2lwYW50cwEoAAcFA2FkYQF2AwJpZHcDYWRhBGtpbmR3BHVzZXIEbmFtZXcDQWRhKAAHBQZv
    cmRlcnMBdgMCaWR3Bm9yZGVycwRraW5kdwVhZ2VudARuYW1ldwZPcmRlcnMoAAcABXN0YW1wAXYDA3NlcX0BAmF0fYwRAmJ5dwNh
    ZGEHAQV0YXNrcwEoAAcJBGhlYWQBdgUCaWR3DWlucHV0MS5vcmRlcnMFYWdlbnR3Bm9yZGVycwVpbnB1dHcGaW5wdXQxB2F0dGVt
    cHR9AQJhdH2MESEABwkGc3RhdHVzAScABwkFc3RlcHMAKAAHCQVsZWFzZQF2AgZ3b3JrZXJ3AXcKZ2VuZXJhdGlvbn0BoQcLAQcA
    BwwBKAAHDwRoZWFkAXYBBXRpdGxldwdMb29raW5nIQAHDwZzdGF0dXMBhwcAASgABxIEaGVhZAF2BwJpZHcGcmVwbHkxBHJvbGV3
    CWFzc2lzdGFudAJieXcGb3JkZXJzBGtpbmR3BWFnZW50AmF0fbASBnBhcmVudHcGaW5wdXQxA3J1bncNaW5wdXQxLm9yZGVycycA
    BxIFcGFydHMACAAHFAF2AQR0eXBldwpzdGVwLXN0YXJ0hwcVASgABxYEaGVhZAF2AgR0eXBldwlyZWFzb25pbmcCaWR3AXInAAcW
    BHRleHQABwAHGAIEAAcZA0htLigABxYFc3RhdGUBdwRkb25lhwcWASgABx4EaGVhZAF2AgR0eXBldwl0b29sLWZpbmQKdG9vbENh
    bGxJZHcBYyEABx4EdGV4dAEACCgABx4FaW5wdXQBdgEBbn0BIQAHHgVzdGF0ZQEoAAceBm91dHB1dAF2AQVwbGFjZXcEQm9ubqgH
    KgF3EG91dHB1dC1hdmFpbGFibGWHBx4BKAAHLQRoZWFkAXYCBHR5cGV3CWRhdGEtY2FyZAJpZHcBZCgABy0EbW9yZQF2AQRkYXRh
    dgEBYX0BhwctASgABzAEaGVhZAF2AQR0eXBldwR0ZXh0JwAHMAR0ZXh0AAcABzICBAAHMxNJdCBpcyBpbiBCb25uIPCfmIAuKAAH
    EgVzdGFtcAF2AwNzZXF9AgJhdH2UFAJieXcGb3JkZXJzqAcRAXcJY2FuY2VsbGVkKAAHDwhwcm9ncmVzcwF8PwAAACgABw8GZGV0
    YWlsAXcEaGFsZqgHDgF3CWNhbmNlbGxlZCgABzAFc3RhdGUBdwRkb25lKAEHY29udHJvbA1jYW5jZWw6aW5wdXQxAXYDAmJ5dwNi
    b2ICYXR9uBUGcmVhc29udwZlbm91Z2goAQdjb250cm9sCGhhbmRvdmVyAXYEBmFjdGlvbncHcmVxdWVzdAJieXcDYWRhAmF0fZwX
    BnJlYXNvbncEaGVscCgBBmxlZGdlcgZob2xkZXIBdgQFc3RhdGV3B3dhaXRpbmcCYnl3A2FkYQJhdH2cFwZyZWFzb253BGhlbHAI
    AQdvYmplY3RzAXYDBG5hbWV3BGNhcnQEa2luZHcDbWFwB3dyaXRlcnN1A3cEdXNlcncFYWdlbnR3B3N1cHBvcnQoAQtvYmplY3Q6
    Y2FydANza3UBfQKHBxIBKAAHUARoZWFkAXYFAmlkdwRsYXRlBHJvbGV3BHVzZXICYnl3A2FkYQRraW5kdwR1c2VyAmF0fYQOJwAH
    UAVwYXJ0cwAIAAdSAXYCBHR5cGV3BHRleHQEdGV4dHcOTm90IHN0b3JlZCB5ZXQBBwULAQ4BEQEgCSoB`

  test('a session that was stored with layout version 1 still reads', () => {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, Buffer.from(STORED, 'base64'))
    const { view } = new ViewBuilder(doc, (error) => expect.unreachable(String(error)))
    expect({ ...view, participants: [...view.participants.values()] }).toMatchInlineSnapshot(`
      {
        "holder": {
          "at": 1500,
          "by": "ada",
          "reason": "help",
          "state": "waiting",
        },
        "messages": [
          {
            "id": "input1",
            "metadata": {
              "at": 1100,
              "by": "ada",
              "kind": "user",
              "seq": 1,
              "to": [
                "orders",
              ],
            },
            "parts": [
              {
                "text": "Where is it?",
                "type": "text",
              },
            ],
            "role": "user",
          },
          {
            "id": "reply1",
            "metadata": {
              "at": 1300,
              "by": "orders",
              "kind": "agent",
              "parent": "input1",
              "run": "input1.orders",
              "seq": 2,
            },
            "parts": [
              {
                "type": "step-start",
              },
              {
                "id": "r",
                "state": "done",
                "text": "Hm.",
                "type": "reasoning",
              },
              {
                "input": {
                  "n": 1,
                },
                "output": {
                  "place": "Bonn",
                },
                "state": "output-available",
                "toolCallId": "c",
                "type": "tool-find",
              },
              {
                "data": {
                  "a": 1,
                },
                "id": "d",
                "type": "data-card",
              },
              {
                "state": "done",
                "text": "It is in Bonn 😀.",
                "type": "text",
              },
            ],
            "role": "assistant",
          },
          {
            "id": "late",
            "metadata": {
              "at": 900,
              "by": "ada",
              "kind": "user",
            },
            "parts": [
              {
                "text": "Not stored yet",
                "type": "text",
              },
            ],
            "role": "user",
          },
        ],
        "participants": [
          {
            "id": "ada",
            "kind": "user",
            "name": "Ada",
          },
          {
            "id": "orders",
            "kind": "agent",
            "name": "Orders",
          },
        ],
        "paused": Map {},
        "runs": [
          {
            "agent": "orders",
            "at": 1100,
            "attempt": 1,
            "cancel": {
              "at": 1400,
              "by": "bob",
              "reason": "enough",
            },
            "id": "input1.orders",
            "input": "input1",
            "status": "cancelled",
            "steps": [
              {
                "detail": "half",
                "progress": 0.5,
                "status": "cancelled",
                "title": "Looking",
              },
            ],
          },
        ],
      }
    `)
    expect(rootsOf(doc).ledger.get(KEY.version)).toBe(1)
    expect(doc.getMap(objectRoot('cart')).toJSON()).toEqual({ sku: 2 })
  })
})
