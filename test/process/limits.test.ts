/** Readers that never read, writers that never stop: the server's memory stays bounded, and others are not harmed. */
import type { Socket } from 'node:net'
import * as encoding from 'lib0/encoding'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { LIMITS, MAX_SESSION_BYTES } from '../../shared/limits.ts'
import { openLive, texts } from '../support/clients.ts'
import { describeObject, RawClient, stateOf, SYNC, TYPE, updateOf } from '../support/raw.ts'
import { ServerProcess } from '../support/server.ts'
import { tokenFor } from '../support/tokens.ts'
import { until } from '../support/wait.ts'

const MB = 1024 * 1024
/** Here it is not the pace that is limited. */
const PLENTY = { perSecond: 1e9, burst: 1e9 }
const limits = {
  connectionFrames: PLENTY,
  connectionBytes: PLENTY,
  personFrames: PLENTY,
  personBytes: PLENTY,
  personTimeMs: PLENTY,
  presence: PLENTY,
}

/** What a server holds in buffers outside of its heap, in bytes, which is where unread output is. */
async function buffers(server: ServerProcess): Promise<number> {
  const { arrayBuffers } = await server.child.ask({ t: 'memory' })
  return arrayBuffers as number
}

/** The most memory that it has ever taken, in bytes. */
async function peakOf(server: ServerProcess): Promise<number> {
  const { peak } = await server.child.ask({ t: 'memory' })
  return peak as number
}

/**
 * Writes one field of 1 MB again and again, each time when the one before is stored. All in one document: of writes that are
 * concurrent to each other, those that lose are passed on without their content.
 */
async function write(doc: Y.Doc, client: RawClient, session: string, times: number): Promise<void> {
  client.received.length = 0
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (let n = 0; n < times; n++) {
    doc.transact(() => {
      if (!doc.share.has('objects')) describeObject(doc, 'load')
      doc.getMap('object:load').set('blob', String(n).slice(-1).repeat(MB))
    })
    client.sync(session, SYNC.update, updates.pop()!)
    await until(() => client.frames.filter(({ type }) => type === TYPE.ack).length > n || client.refusal(session) !== null, {
      timeoutMs: 10_000,
    })
    if (client.refusal(session) !== null) return
  }
}

test('who never reads is closed, and what waits for it is bounded (LIM-1)', async () => {
  const server = await ServerProcess.start({ synchronous: 'normal', limits })
  const sessions = ['s', 't']
  const lazy = await RawClient.open(server.url)
  const writers = await Promise.all(sessions.map(async (id) => await RawClient.join(server.url, id, await tokenFor('ada'))))
  for (const id of sessions) {
    lazy.authenticate(id, await tokenFor('eve'))
    lazy.sync(id, SYNC.step1, Y.encodeStateVector(new Y.Doc()))
  }
  await until(() => sessions.every((id) => lazy.frames.some(({ address, type }) => address === id && type === TYPE.sync)))
  const bob = await openLive({ url: server.url, id: 's', as: 'bob' })
  lazy.socket.pause()
  const before = await buffers(server)
  let peak = 0
  for (const [index, id] of sessions.entries()) {
    const doc = new Y.Doc()
    for (let n = 0; n < 5; n++) {
      await write(doc, writers[index]!, id, 10)
      peak = Math.max(peak, (await buffers(server)) - before)
    }
  }
  // 100 MB went to everybody: it was given up at 16 MB, and its socket is gone though it still does not read. Bob reads, but
  // in this busy process; he may be as far behind at times.
  expect(peak).toBeLessThan(2 * LIMITS.unreadBytes + 32 * MB)
  expect((await server.health()).connections).toBe(3)
  lazy.socket.resume()
  await until(() => lazy.closed, { timeoutMs: 10_000 })
  bob.send('still here')
  await bob.stored()
  expect(bob.status.connection).toBe('live')
})

test('presence of others does not fill the memory for who never reads either (LIM-1)', async () => {
  const server = await ServerProcess.start({ limits })
  const noisy = await RawClient.join(server.url, 's', await tokenFor('ada'))
  const lazy = await RawClient.join(server.url, 's', await tokenFor('eve'))
  lazy.socket.pause()
  const before = await buffers(server)
  let sent = 0
  const json = JSON.stringify({ filler: 'x'.repeat(4_000) })
  // The noisy one reads; it gets its own presence back, and that says how far the server is.
  const echoes = (): number => noisy.frames.filter(({ type }) => type === TYPE.awareness).length
  while (sent < 40 * MB && (await server.health()).connections === 2) {
    for (let n = 0; n < 500; n++) noisy.presence('s', json)
    sent += 500 * json.length
    await until(() => echoes() >= 500, { timeoutMs: 10_000 })
    noisy.received.length = 0
  }
  expect(sent).toBeLessThan(40 * MB)
  expect((await buffers(server)) - before).toBeLessThan(LIMITS.unreadBytes + 12 * MB)
})

test('who asks for the state again and again without reading is closed (LIM-1)', async () => {
  const server = await ServerProcess.start()
  const ada = await openLive({ url: server.url, id: 's' })
  for (let n = 0; n < 10; n++) ada.send('x'.repeat(100_000), { to: [] })
  await ada.stored()
  const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
  const before = await peakOf(server)
  eve.socket.pause()
  // Together with something that has to be stored first, and as one piece: 1,000 questions are 10 KB, their answers 1 GB.
  const stream = (eve.socket as unknown as { _socket: Socket })._socket
  stream.cork()
  eve.sync(
    's',
    SYNC.update,
    updateOf((doc) => doc.getMap('object:x').set('y', 1)),
  )
  for (let n = 0; n < 1_000; n++) eve.sync('s', SYNC.step1, Y.encodeStateVector(new Y.Doc()))
  stream.uncork()
  await until(async () => (await server.health()).connections === 1, { timeoutMs: 10_000 })
  expect((await peakOf(server)) - before).toBeLessThan(200 * MB)
  ada.send('still here')
  await ada.stored()
})

test('a session has a size that it cannot pass; a long one still opens (LIM-1)', async () => {
  const server = await ServerProcess.start({ synchronous: 'normal', limits })
  const writer = await RawClient.join(server.url, 'long', await tokenFor('ada'))
  // Content that stays, unlike a field that is overwritten: 7 MB at a time.
  let n = 0
  for (; writer.refusal('long') === null && n < 20; n++) {
    writer.sync(
      'long',
      SYNC.update,
      updateOf((doc) => {
        describeObject(doc, 'load')
        doc.getMap('object:load').set(
          `part${n}`,
          Array.from({ length: 7 }, () => 'x'.repeat(MB)),
        )
      }),
    )
    const acks = n + 1
    await until(() => writer.frames.filter(({ type }) => type === TYPE.ack).length === acks || writer.refusal('long'), {
      timeoutMs: 10_000,
    })
  }
  expect(writer.refusal('long')).toBe('session-full')
  expect(n).toBe(Math.floor(MAX_SESSION_BYTES / (7 * MB)) + 1)

  // 63 MB is more than may wait unread otherwise.
  const reader = await RawClient.open(server.url)
  reader.authenticate('long', await tokenFor('bob'))
  reader.sync('long', SYNC.step1, Y.encodeStateVector(new Y.Doc()))
  await until(() => stateOf(reader, 'long').getMap('object:load').size === n - 1 || reader.closed, { timeoutMs: 15_000 })
  const carl = await openLive({ url: server.url, id: 'long', as: 'carl' })
  carl.object('load').set('tail', 1)
  await until(
    () =>
      reader.closed ||
      stateOf(reader, 'long', reader.received.length - 1)
        .getMap('object:load')
        .get('tail') === 1,
  )
  expect(reader.closed).toBeNull()
  const other = await openLive({ url: server.url, id: 'other' })
  other.send('not concerned')
  await other.stored()
  expect(texts(other)).toEqual(['not concerned'])
})

test('a flood before the token is bounded in bytes, frames and sessions (LIM-1, LIM-6)', async () => {
  // On a machine that is busy with other things, hundreds come back while the frames are taken.
  const strayFrames = { perSecond: 1, burst: LIMITS.strayFrames.burst }
  const server = await ServerProcess.start({ limits: { strayFrames } })
  const token = await tokenFor('eve')
  const floods: [flood: (client: RawClient) => void, reason: string | RegExp][] = [
    [
      (client) => {
        for (let n = 0; n < LIMITS.strayFrames.burst + 1_000; n++) client.sync('s', SYNC.step1, new Uint8Array([0]))
      },
      'too-fast',
    ],
    [(client) => client.frame('s', TYPE.sync, (encoder) => encoding.writeVarUint8Array(encoder, new Uint8Array(MB))), 'too-big'],
    // As one piece, so that no token is checked before all have come.
    [
      (client) => {
        const stream = (client.socket as unknown as { _socket: Socket })._socket
        stream.cork()
        for (let n = 0; n <= LIMITS.sessionsPerSocket; n++) client.authenticate(`s${n}`, token)
        stream.uncork()
      },
      /Reset Connection|too-many/,
    ],
  ]
  for (const [flood, reason] of floods) {
    const client = await RawClient.open(server.url)
    flood(client)
    const last = `s${LIMITS.sessionsPerSocket}`
    expect(await until(() => client.closed?.reason ?? client.refusal(last))).toMatch(reason)
  }
})
