/** A client that speaks the wire by hand: it sends what no honest client would, and sees every byte that it is sent. */
import type { Socket } from 'node:net'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { encodeMessage, readServerMessage, type ClientMessage, type ServerMessage } from '../../shared/wire.ts'
import { until } from './wait.ts'

export interface Frame {
  readonly address: string
  readonly type: number
  readonly bytes: Uint8Array
  readonly decoder: decoding.Decoder
}

/** Message types of the Hocuspocus wire, as numbers on it. */
export const TYPE = { sync: 0, awareness: 1, auth: 2, stateless: 5, close: 7, ack: 8 } as const
export const SYNC = { step1: 0, step2: 1, update: 2 } as const
const DENIED = 1

export class RawClient {
  readonly socket: WebSocket
  readonly received: Uint8Array[] = []
  readonly #clientId = new Y.Doc().clientID
  #clock = 0
  /** Close code and reason of the socket; null while it is open. */
  closed: { code: number; reason: string } | null = null

  private constructor(url: string) {
    this.socket = new WebSocket(url)
    this.socket.on('message', (data: Buffer) => {
      // A ping, to whoever answers it.
      if (data.byteLength > 1) this.received.push(data)
    })
    this.socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }))
    this.socket.on('error', () => {})
  }

  static async open(url: string): Promise<RawClient> {
    const client = new RawClient(url)
    onTestFinished(() => client.socket.terminate())
    await until(() => client.socket.readyState === WebSocket.OPEN, { what: 'a raw socket to open' })
    return client
  }

  /** Opens a socket, authenticates for a session and asks for its state. */
  static async join(url: string, session: string, token: string): Promise<RawClient> {
    const client = await RawClient.open(url)
    client.authenticate(session, token)
    client.sync(session, SYNC.step1, Y.encodeStateVector(new Y.Doc()))
    await until(() => client.frames.some(({ type }) => type === TYPE.sync), { what: `the state of ${session}` })
    return client
  }

  get frames(): Frame[] {
    return this.received.map((bytes) => {
      const decoder = decoding.createDecoder(bytes)
      return { address: decoding.readVarString(decoder), type: decoding.readVarUint(decoder), bytes, decoder }
    })
  }

  /** Why the server closed a session on this socket, or would not open it; null while neither has happened. */
  refusal(session: string): string | null {
    for (const { address, type, decoder } of this.frames) {
      if (address !== session) continue
      if (type === TYPE.close) return decoding.readVarString(decoder)
      if (type === TYPE.auth && decoding.readVarUint(decoder) === DENIED) return decoding.readVarString(decoder)
    }
    return null
  }

  authenticate(session: string, token: string): void {
    this.frame(session, TYPE.auth, (encoder) => {
      encoding.writeVarUint(encoder, 0)
      encoding.writeVarString(encoder, token)
    })
  }

  sync(session: string, sub: number, bytes: Uint8Array): void {
    this.frame(session, TYPE.sync, (encoder) => {
      encoding.writeVarUint(encoder, sub)
      encoding.writeVarUint8Array(encoder, bytes)
    })
  }

  /** Sends a message of ours, as workers and marks do. */
  tell(session: string, message: ClientMessage): void {
    this.frame(session, TYPE.stateless, (encoder) => encoding.writeVarString(encoder, encodeMessage(message)))
  }

  /** The messages of ours that came for a session. */
  told(session: string): ServerMessage[] {
    const frames = this.frames.filter(({ address, type }) => address === session && type === TYPE.stateless)
    return frames.map(({ decoder }) => readServerMessage(decoding.readVarString(decoder))!)
  }

  /** Shows something; `json` need not be any. */
  presence(session: string, json: string): void {
    this.frame(session, TYPE.awareness, (encoder) => {
      const states = encoding.createEncoder()
      for (const number of [1, this.#clientId, ++this.#clock]) encoding.writeVarUint(states, number)
      encoding.writeVarString(states, json)
      encoding.writeVarUint8Array(encoder, encoding.toUint8Array(states))
    })
  }

  /** Sends the beginning of a message of `size` bytes, which is never finished: its head, and `sent` bytes of it. */
  begin(size: number, sent: number): void {
    const head = Buffer.alloc(14)
    // Final and binary; masked, with the length in the next eight bytes and a mask of zeros.
    head.writeUInt16BE(0x82ff)
    head.writeBigUInt64BE(BigInt(size), 2)
    const stream = (this.socket as unknown as { _socket: Socket })._socket
    stream.write(head)
    stream.write(Buffer.alloc(sent))
  }

  frame(session: string, type: number, body: (encoder: encoding.Encoder) => void): void {
    const encoder = encoding.createEncoder()
    encoding.writeVarString(encoder, session)
    encoding.writeVarUint(encoder, type)
    body(encoder)
    this.socket.send(encoding.toUint8Array(encoder))
  }
}

/** Says that there is a shared object of this name, which users may write. */
export function describeObject(doc: Y.Doc, name: string): void {
  doc.getArray('objects').push([{ name, kind: 'map', writers: ['user', 'agent', 'support'] }])
}

/** An update that a client of its own makes. */
export function updateOf(change: (doc: Y.Doc) => void): Uint8Array {
  const doc = new Y.Doc()
  change(doc)
  return Y.encodeStateAsUpdate(doc)
}

/** What a client knows of a session from the frames that it was sent, from the n-th on. */
export function stateOf(client: RawClient, session: string, from = 0): Y.Doc {
  const doc = new Y.Doc()
  for (const { address, type, decoder } of client.frames.slice(from)) {
    if (address !== session || type !== TYPE.sync) continue
    if (decoding.readVarUint(decoder) !== SYNC.step1) Y.applyUpdate(doc, decoding.readVarUint8Array(decoder))
  }
  return doc
}
