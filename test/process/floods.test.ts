/** Floods against a server in a process of its own: its memory stays bounded, and others chat on. */
import * as encoding from 'lib0/encoding'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { openLive, texts } from '../support/clients.ts'
import { describeObject, RawClient, SYNC, TYPE, updateOf } from '../support/raw.ts'
import { ServerProcess } from '../support/server.ts'
import { tokenFor } from '../support/tokens.ts'
import { until } from '../support/wait.ts'

const EMPTY = Y.encodeStateVector(new Y.Doc())
/** A megabyte of content in a session, so that each question for its state is dear. */
const STATE = updateOf((doc) => {
  describeObject(doc, 'x')
  for (let n = 0; n < 20; n++) doc.getMap('object:x').set(`k${n}`, 'x'.repeat(50_000))
})

type Attack = (url: string, token: string) => Promise<void>

async function small(url: string, token: string): Promise<void> {
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  describeObject(doc, 'x')
  for (let n = 0; n < 20_000; n++) doc.getMap('object:x').set(`k${n % 10}`, n)
  for (let round = 0; round < 5; round++) {
    const eve = await RawClient.open(url)
    eve.authenticate('flooded', token)
    for (const update of updates) eve.sync('flooded', SYNC.update, update)
    await until(() => eve.refusal('flooded') !== null || eve.closed !== null, { timeoutMs: 30_000 })
    eve.socket.terminate()
  }
}

async function giant(url: string, token: string): Promise<void> {
  const eve = await RawClient.join(url, 'flooded', token)
  eve.sync('flooded', SYNC.update, new Uint8Array(100 * 1024 * 1024))
  await until(() => eve.closed !== null)
  expect(eve.closed?.code).toBe(1009)
}

async function deaf(url: string, token: string): Promise<void> {
  const eve = await RawClient.join(url, 'flooded', token)
  eve.sync('flooded', SYNC.update, STATE)
  await until(() => eve.frames.some(({ type }) => type === TYPE.ack))
  eve.socket.pause()
  for (let n = 0; n < 2_000; n++) eve.sync('flooded', SYNC.step1, EMPTY)
  await until(async () => eve.socket.bufferedAmount === 0)
  eve.socket.resume()
  await until(() => eve.refusal('flooded') !== null || eve.closed !== null)
}

async function documents(url: string, token: string): Promise<void> {
  const eve = await RawClient.open(url)
  for (let n = 0; n < 5_000; n++) eve.authenticate(`doc${n}`, token)
  await until(() => eve.closed !== null || eve.frames.some(({ type }) => type === TYPE.close), { timeoutMs: 30_000 })
  eve.socket.terminate()
}

async function deep(url: string, token: string): Promise<void> {
  const nested = (depth: number): Uint8Array => {
    // One array within another, as lib0 writes them: 117 is an array, 1 its length.
    const value = new Uint8Array(depth * 2 + 1).fill(117)
    for (let n = 1; n < value.length; n += 2) value[n] = 1
    value[value.length - 1] = 126
    const encoder = encoding.createEncoder()
    for (const n of [1, 1, 4711, 0]) encoding.writeVarUint(encoder, n)
    encoding.writeUint8(encoder, 8 | 32)
    encoding.writeVarUint(encoder, 1)
    encoding.writeVarString(encoder, 'object:x')
    encoding.writeVarString(encoder, 'k')
    encoding.writeVarUint(encoder, 1)
    encoding.writeUint8Array(encoder, value)
    encoding.writeVarUint(encoder, 0)
    return encoding.toUint8Array(encoder)
  }
  for (const depth of [100_000, 3_000_000]) {
    const eve = await RawClient.join(url, 'flooded', token)
    eve.sync('flooded', SYNC.update, nested(depth))
    expect(await until(() => eve.refusal('flooded'))).toBe('too-big')
  }
}

async function strangers(url: string): Promise<void> {
  const sockets = Array.from({ length: 700 }, () => new WebSocket(url))
  for (const socket of sockets) {
    socket.on('error', () => {})
    socket.on('open', () => socket.send(new Uint8Array(200_000)))
  }
  await until(() => sockets.filter(({ readyState }) => readyState === WebSocket.CLOSED).length > 100, { timeoutMs: 30_000 })
  for (const socket of sockets) socket.terminate()
}

const attacks: Record<string, Attack> = {
  'a flood of small updates': small,
  'updates of 100 MB': giant,
  'a reader that asks for megabytes and reads nothing': deaf,
  'thousands of documents on one socket': documents,
  'content that is nested very deeply': deep,
  'hundreds of sockets without a token': strangers,
}

test.for(Object.entries(attacks))('[X6] %s: bounded memory, and others are not affected (LIM-2)', async ([, attack]) => {
  const server = await ServerProcess.start()
  const ada = await openLive({ url: server.url, id: 'honest' })
  const bob = await openLive({ url: server.url, id: 'honest', as: 'bob' })
  const memory = async (): Promise<number> => (await server.child.ask({ t: 'memory' }))['rss'] as number
  for (let n = 0; n < 200; n++) ada.send(`before ${n}`)
  await ada.stored()
  const before = await memory()
  let peak = 0
  let over = false
  const flood = attack(server.url, await tokenFor('eve')).finally(() => (over = true))
  flood.catch(() => {})
  while (!over) {
    peak = Math.max(peak, await memory())
    ada.send(`during ${peak}`)
    await ada.stored()
  }
  await flood
  ada.send('after')
  await until(() => texts(bob).at(-1) === 'after')
  expect([ada.status.connection, bob.status.connection]).toEqual(['live', 'live'])
  expect((await server.health()).status).toBe('ok')
  peak = Math.max(peak, await memory())
  // Most of the growth is garbage that the collector has had no reason to look at yet, and 256 strangers may hold 64 MB. Each
  // of these attacks would cost hundreds of megabytes more without its limit.
  expect(peak).toBeLessThan(before * 1.5 + 160e6)
})
