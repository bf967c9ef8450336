/** The limits on what is written: how much of it may wait to be stored, whom it may ask, what it may be called, and garbage. */
import { SignJWT } from 'jose'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { memoryStore } from '../server/index.ts'
import { Traffic, type SocketMeter } from '../server/traffic.ts'
import {
  AGENT_NAME,
  LIMITS,
  MAX_AGENTS_PER_INPUT,
  MAX_FIELD_CHARS,
  MAX_ID_CHARS,
  MAX_NAME_CHARS,
  MAX_UNSTORED_BYTES,
} from '../shared/limits.ts'
import { openLive } from './support/clients.ts'
import { FaultyStore } from './support/faulty-store.ts'
import { serveHere } from './support/in-process.ts'
import { describeObject, RawClient, SYNC, updateOf } from './support/raw.ts'
import { SECRET, tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const PLENTY = { perSecond: 1e9, burst: 1e9 }

test('what is accepted and not stored has a size that it cannot pass (LOG-2)', { timeout: 60_000 }, async () => {
  const faulty = new FaultyStore(memoryStore())
  const server = await serveHere({
    store: faulty.store,
    limits: { connectionBytes: PLENTY, personBytes: PLENTY, personTimeMs: PLENTY },
  })
  const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
  faulty.appendError = new Error('The disk is full.')
  const update = (n: number): Uint8Array =>
    updateOf((doc) => {
      describeObject(doc, 'x')
      doc.getMap('object:x').set(`k${n}`, ['x'.repeat(3_900_000), 'x'.repeat(3_900_000)])
    })
  // Each in a session of its own: one session could not hold so much.
  const sessions = Array.from({ length: Math.floor(MAX_UNSTORED_BYTES / 7_800_000) + 1 }, (_, n) => `s${n}`)
  for (const [n, id] of sessions.entries()) {
    eve.authenticate(id, await tokenFor('eve'))
    await until(() => eve.frames.some(({ address }) => address === id))
    eve.sync(id, SYNC.update, update(n))
  }
  const last = sessions.at(-1) as string
  expect(await until(() => eve.refusal(last), { timeoutMs: 40_000 })).toBe('overloaded')
  expect(sessions.filter((id) => eve.refusal(id) !== null)).toEqual([last])
})

test('an input asks so many agents and no more, and none of another form (RUN-2)', async () => {
  const names = Array.from({ length: MAX_AGENTS_PER_INPUT + 4 }, (_, n) => `agent-${n}`)
  const server = await serveHere({ route: () => ['no name', 'x'.repeat(65), ...names] })
  const ada = await openLive({ url: server.url, id: 's' })
  ada.send('all of you')
  await until(() => ada.view.runs.length > 0)
  expect(ada.view.runs.map(({ agent }) => agent)).toEqual(names.slice(0, MAX_AGENTS_PER_INPUT))
  for (const name of names) expect(name).toMatch(AGENT_NAME)
})

test('names of objects and of fields have a length, here and there (LIM-1)', async () => {
  const server = await serveHere()
  const ada = await openLive({ url: server.url, id: 's' })
  expect(() => ada.object('o'.repeat(MAX_NAME_CHARS + 1))).toThrow('name is 1 to')
  expect(() => ada.object('o').set('f'.repeat(MAX_FIELD_CHARS + 1), 1)).toThrow('name is 1 to')
  ada.object('o'.repeat(MAX_NAME_CHARS)).set('f'.repeat(MAX_FIELD_CHARS), 1)
  await ada.stored()
  const forged: ((doc: Y.Doc) => void)[] = [
    (doc) => describeObject(doc, 'o'.repeat(MAX_NAME_CHARS + 1)),
    (doc) => {
      describeObject(doc, 'x')
      doc.getMap('object:x').set('f'.repeat(4 * MAX_FIELD_CHARS + 1), 1)
    },
  ]
  for (const change of forged) {
    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
    eve.sync('s', SYNC.update, updateOf(change))
    expect(['refused-update', 'too-big']).toContain(await until(() => eve.refusal('s')))
  }
})

test('a participant has an id of a limited length (ACC-1)', async () => {
  const longest = 'i'.repeat(MAX_ID_CHARS)
  await expect(tokenFor(`${longest}i`)).rejects.toThrow('id is 1 to')
  const { url } = await serveHere()
  const forged = await new SignJWT({ kind: 'user', name: 'x', sessions: ['*'] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(`${longest}i`)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET))
  const eve = await RawClient.open(url)
  eve.authenticate('s', forged)
  expect(await until(() => eve.refusal('s'))).toBe('bad-token')
  await openLive({ url, id: 's', as: longest })
})

test('[X6] from who has sent garbage nothing large is taken for a while, and from others it is (LIM-2)', () => {
  let now = 0
  const traffic = new Traffic(LIMITS, () => now)
  const open = (id: string) => {
    const ended: string[] = []
    const meter = traffic.open({ bufferedAmount: 0, isGivenUp: false, close: (_code, reason) => void ended.push(reason) })
    meter.authenticated({ id, kind: 'user', name: '' })
    return { meter, ended, connection: meter.connect({ id, kind: 'user', name: '' }, 's').meter }
  }
  const large = (meter: SocketMeter): void => {
    for (let chunk = 0; chunk < 32; chunk++) meter.arriving(65_536)
    meter.arrived(32 * 65_536)
  }
  const eve = open('eve')
  large(eve.meter)
  expect(eve.ended).toEqual([])
  eve.connection.offend()
  eve.meter.closed()
  const [again, ada] = [open('eve'), open('ada')]
  again.meter.arriving(65_536)
  again.meter.arrived(65_536)
  large(ada.meter)
  expect([again.ended, ada.ended]).toEqual([[], []])
  large(again.meter)
  expect(again.ended).toEqual(['too-fast'])
  again.meter.closed()
  now += 10_001
  const later = open('eve')
  large(later.meter)
  expect(later.ended).toEqual([])
})
