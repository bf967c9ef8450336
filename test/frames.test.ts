/** How frames leave the server: put together by itself, joined per turn, and only those that somebody reads. */
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import * as encoding from 'lib0/encoding'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { joinWrites, type JoinedSocket } from '../server/socket.ts'
import { encodeMessage } from '../shared/wire.ts'
import { serveHere } from './support/in-process.ts'
import { describeObject, RawClient, SYNC, TYPE, updateOf } from './support/raw.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

/** Lengths around each way of writing a length, and around the size above which a body is not copied. */
const LENGTHS = [0, 1, 125, 126, 16_384, 16_385, 65_535, 65_536, 300_000]

interface Pair {
  readonly server: JoinedSocket
  readonly received: Buffer[]
  readonly closed: () => number | null
}

async function pair(): Promise<Pair> {
  const http = createServer()
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  const server = new Promise<JoinedSocket>((resolve) => {
    http.on('upgrade', (request, socket, rest) => {
      sockets.handleUpgrade(request, socket, rest, (ws) => resolve(joinWrites(ws, socket as Socket)))
    })
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`)
  const received: Buffer[] = []
  let closed: number | null = null
  client.on('message', (data) => received.push(data as Buffer))
  client.on('close', (code) => (closed = code))
  onTestFinished(() => {
    client.terminate()
    http.close()
  })
  await until(() => client.readyState !== WebSocket.CONNECTING)
  return { server: await server, received, closed: () => closed }
}

const bodyOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index * 7 + length)

describe('a joined socket', () => {
  test('sends every length as it is, joined and alone', async () => {
    const { server, received } = await pair()
    for (const length of LENGTHS) server.send(bodyOf(length))
    await until(() => received.length === LENGTHS.length)
    for (const [index, length] of LENGTHS.entries()) {
      server.send(bodyOf(length))
      await until(() => received.length === LENGTHS.length + index + 1)
    }
    const expected = [...LENGTHS, ...LENGTHS].map((length) => Buffer.from(bodyOf(length)))
    for (const [index, body] of expected.entries()) expect(body.equals(received[index] as Buffer), `frame ${index}`).toBe(true)
  })

  test('sends the same bytes to one after the other, and others between them', async () => {
    const [one, other] = [await pair(), await pair()]
    const [first, second] = [bodyOf(20), bodyOf(30)]
    for (const body of [first, second, first]) {
      one.server.send(body)
      other.server.send(body)
    }
    for (const { received } of [one, other]) {
      await until(() => received.length === 3)
      expect(received.map((body) => body.byteLength)).toEqual([20, 30, 20])
    }
  })

  test('counts what waits from the moment it is sent', async () => {
    const { server } = await pair()
    server.send(bodyOf(1_000))
    server.send(bodyOf(50_000))
    expect(server.bufferedAmount).toBeGreaterThanOrEqual(51_000)
    await until(() => server.bufferedAmount === 0)
  })

  test('sends before it closes, and nothing after', async () => {
    const { server, received, closed } = await pair()
    server.send(bodyOf(10))
    server.close(4205, 'over')
    server.send(bodyOf(11))
    await until(() => closed() !== null)
    expect(received.map((body) => body.byteLength)).toEqual([10])
    expect(closed()).toBe(4205)
  })
})

test('an update is acknowledged, unless its client learns by marks what is stored', async () => {
  const server = await serveHere()
  const eve = await RawClient.join(server.url, 's', await tokenFor('eve', 'user'))
  const acks = (): number => eve.frames.filter(({ type }) => type === TYPE.ack).length
  let written = 0
  const write = (): void => {
    written += 1
    eve.sync(
      's',
      SYNC.update,
      updateOf((doc) => describeObject(doc, `object-${written}`)),
    )
  }
  for (const expected of [1, 2]) {
    write()
    await until(() => acks() === expected)
  }
  const answers = (): number => eve.frames.filter(({ type }) => type === TYPE.stateless).length
  for (const n of [1, 2]) {
    const before = answers()
    eve.frame('s', TYPE.stateless, (encoder) => encoding.writeVarString(encoder, encodeMessage({ t: 'mark', n })))
    write()
    eve.frame('s', TYPE.stateless, (encoder) => encoding.writeVarString(encoder, encodeMessage({ t: 'mark', n: n + 1 })))
    await until(() => answers() === before + 2)
  }
  expect(acks()).toBe(2)
})
