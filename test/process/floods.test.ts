/**
 * Attacks against a server in a process of its own: its memory stays bounded, and others chat on.
 *
 * The measure of memory, for each attack:
 *
 * 1. The level before is that of a server in use: some people have done at an honest pace what the attacker then overdoes, so
 *    that the collector's generations have the size that this takes, and the garbage of such work has been there once.
 * 2. The process, as its system sees it, never has more than 1.5 times that, from the beginning of the attack on.
 * 3. What it holds at the height of the attack, with nothing left to collect, is more than before by less than half of that
 *    level: so the first figure is not only kept because the collector was quick.
 */
import * as encoding from 'lib0/encoding'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { LIMITS, MAX_FRAME_BYTES } from '../../shared/limits.ts'
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

/** Single writes to an object, as small as they come. */
function writes(count: number): Uint8Array[] {
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  describeObject(doc, 'x')
  for (let n = 0; n < count; n++) doc.getMap('object:x').set(`k${n % 10}`, n)
  return updates
}

/** Resolves at the height of the attack, with what ends it. */
type Attack = (url: string, token: string) => Promise<() => Promise<void>>

const isOver = (client: RawClient, session: string): boolean => client.refusal(session) !== null || client.closed !== null

async function small(url: string, token: string): Promise<() => Promise<void>> {
  const updates = writes(20_000)
  // Each takes seconds: while others are at work, she has a share of the time only.
  for (let round = 0; round < 2; round++) {
    const eve = await RawClient.open(url)
    eve.authenticate('flooded', token)
    for (const update of updates) eve.sync('flooded', SYNC.update, update)
    await until(() => isOver(eve, 'flooded'), { timeoutMs: 60_000 })
    eve.socket.terminate()
  }
  return async () => {}
}

async function giant(url: string, token: string): Promise<() => Promise<void>> {
  const eve = await RawClient.join(url, 'flooded', token)
  eve.sync('flooded', SYNC.update, new Uint8Array(100 * 1024 * 1024))
  return async () => {
    await until(() => eve.closed !== null)
    expect(eve.closed?.code).toBe(1009)
  }
}

async function unfinished(url: string, token: string): Promise<() => Promise<void>> {
  const sockets = await Promise.all(Array.from({ length: 60 }, () => RawClient.join(url, 'flooded', token)))
  for (const socket of sockets) socket.begin(MAX_FRAME_BYTES, MAX_FRAME_BYTES - 1)
  // What is within the limit stands; the rest of half a gigabyte is not taken.
  const most = LIMITS.participantUnfinishedBytes / MAX_FRAME_BYTES + 1
  await until(() => sockets.filter(({ closed }) => closed === null).length <= most, { timeoutMs: 60_000 })
  return async () => {}
}

async function deaf(url: string, token: string): Promise<() => Promise<void>> {
  const eve = await RawClient.join(url, 'flooded', token)
  eve.sync('flooded', SYNC.update, STATE)
  await until(() => eve.frames.some(({ type }) => type === TYPE.ack))
  eve.socket.pause()
  for (let n = 0; n < 2_000; n++) eve.sync('flooded', SYNC.step1, EMPTY)
  await until(async () => eve.socket.bufferedAmount === 0)
  return async () => {
    eve.socket.resume()
    await until(() => isOver(eve, 'flooded'))
  }
}

async function documents(url: string, token: string): Promise<() => Promise<void>> {
  const eve = await RawClient.open(url)
  for (let n = 0; n < 5_000; n++) eve.authenticate(`doc${n}`, token)
  await until(() => eve.closed !== null || eve.frames.some(({ type }) => type === TYPE.close), { timeoutMs: 60_000 })
  return async () => eve.socket.terminate()
}

async function deep(url: string, token: string): Promise<() => Promise<void>> {
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
  return async () => {}
}

async function strangers(url: string): Promise<() => Promise<void>> {
  const sockets = Array.from({ length: 700 }, () => new WebSocket(url))
  for (const socket of sockets) {
    socket.on('error', () => {})
    socket.on('open', () => socket.send(new Uint8Array(200_000)))
  }
  await until(() => sockets.filter(({ readyState }) => readyState === WebSocket.CLOSED).length > 100, { timeoutMs: 60_000 })
  return async () => sockets.forEach((socket) => socket.terminate())
}

const attacks: Record<string, Attack> = {
  'a flood of small updates': small,
  'updates of 100 MB': giant,
  'frames that are never whole': unfinished,
  'a reader that asks for megabytes and reads nothing': deaf,
  'thousands of documents on one socket': documents,
  'content that is nested very deeply': deep,
  'hundreds of sockets without a token': strangers,
}

/** Some people write a lot, by and by and in small pieces, and write and read a megabyte; a worker opens a hundred sessions. */
async function use(url: string): Promise<void> {
  const updates = writes(2_000)
  const person = async (as: string): Promise<void> => {
    const own = await openLive({ url, id: `of-${as}`, as })
    for (let n = 0; n < 1_500; n++) {
      own.object('x').set(`k${n % 10}`, n)
      if (n % 50 === 0) await own.stored()
    }
    await own.stored()
    await own.close()
    const writer = await RawClient.join(url, `small-${as}`, await tokenFor(as))
    const states = (): number => writer.frames.filter(({ type }) => type === TYPE.sync).length
    const before = states()
    for (const update of updates) writer.sync(`small-${as}`, SYNC.update, update)
    // What is asked behind them is answered behind them.
    writer.sync(`small-${as}`, SYNC.step1, EMPTY)
    await until(() => states() > before, { timeoutMs: 20_000 })
    writer.socket.terminate()
    const large = await RawClient.join(url, `large-${as}`, await tokenFor(as))
    large.sync(`large-${as}`, SYNC.update, STATE)
    await until(() => large.frames.some(({ type }) => type === TYPE.ack))
    large.sync(`large-${as}`, SYNC.step1, EMPTY)
    await until(() => large.frames.some(({ type, bytes }) => type === TYPE.sync && bytes.length > 1_000_000))
    large.socket.terminate()
  }
  const worker = async (): Promise<void> => {
    const helper = await RawClient.open(url)
    const token = await tokenFor('helper', 'agent')
    for (let n = 0; n < 100; n++) {
      helper.authenticate(`of-helper-${n}`, token)
      helper.sync(`of-helper-${n}`, SYNC.step1, EMPTY)
    }
    await until(() => new Set(helper.frames.filter(({ type }) => type === TYPE.sync).map(({ address }) => address)).size === 100)
    helper.socket.terminate()
  }
  await Promise.all([...['p', 'q', 'r', 's'].map(person), worker()])
}

interface Memory {
  /** What the system says that the process has. */
  readonly level: number
  /** The most of that since `forget peak`. */
  readonly peak: number
  /** What is in use after a collection, in the heap and in buffers. */
  readonly held: number
}

async function memory(server: ServerProcess): Promise<Memory> {
  const { rss, peak, heapUsed, arrayBuffers } = await server.child.ask({ t: 'memory' })
  return { level: rss as number, peak: peak as number, held: (heapUsed as number) + (arrayBuffers as number) }
}

test.for(Object.entries(attacks))('[X6] %s: memory within 1.5 ×, and others are not affected (LIM-2)', async ([, attack]) => {
  const server = await ServerProcess.start()
  const ada = await openLive({ url: server.url, id: 'honest' })
  const bob = await openLive({ url: server.url, id: 'honest', as: 'bob' })
  await use(server.url)
  const before = await memory(server)
  await server.child.ask({ t: 'forget peak' })
  let atHeight = false
  const attacking = attack(server.url, await tokenFor('eve')).finally(() => (atHeight = true))
  attacking.catch(() => {})
  for (let n = 0; !atHeight; n++) {
    ada.send(`during ${n}`)
    await ada.stored()
  }
  const end = await attacking
  const after = await memory(server)
  expect(after.peak).toBeLessThan(1.5 * before.level)
  expect(after.held - before.held).toBeLessThan(0.5 * before.level)
  await end()
  ada.send('after')
  await until(() => texts(bob).at(-1) === 'after')
  expect([ada.status.connection, bob.status.connection]).toEqual(['live', 'live'])
  expect((await server.health()).status).toBe('ok')
})
