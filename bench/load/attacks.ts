/**
 * What `floods.ts` sets upon a server while others chat on it. Each attack is bounded: so many sockets, so many bytes, one
 * participant. What it sends is put together beforehand, so that it takes the server's time and not the machine's.
 */
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { head, pack, RawSocket } from './raw-socket.ts'

export const ATTACKS = ['small', 'reader', 'giant', 'garbage', 'strangers', 'documents'] as const
export type AttackName = (typeof ATTACKS)[number]

/** Where to, and who. */
export interface Target {
  readonly url: string
  readonly token: string
}

/** One attack, ready. It goes on until it is stopped. */
export interface Attack {
  /** Called again and again, `everyMs` after the last one was done; gives the sockets that it has opened. */
  readonly strike: () => Promise<RawSocket[]>
  readonly everyMs: number
  /** As many of its sockets may be open at once; of more, the oldest are closed. */
  readonly sockets: number
}

const FRAME = { sync: 0, auth: 2 } as const
const SYNC = { step1: 0, update: 2 } as const
const SESSION = 'attacked'
const EMPTY = Y.encodeStateVector(new Y.Doc())
const MEGABYTE = 1024 * 1024

function frame(session: string, type: number, body: (encoder: encoding.Encoder) => void): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarString(encoder, session)
  encoding.writeVarUint(encoder, type)
  body(encoder)
  return encoding.toUint8Array(encoder)
}

function authentication(session: string, token: string): Uint8Array {
  return frame(session, FRAME.auth, (encoder) => {
    encoding.writeVarUint(encoder, 0)
    encoding.writeVarString(encoder, token)
  })
}

function sync(session: string, sub: number, bytes: Uint8Array): Uint8Array {
  return frame(session, FRAME.sync, (encoder) => {
    encoding.writeVarUint(encoder, sub)
    encoding.writeVarUint8Array(encoder, bytes)
  })
}

/** Opens a session on a socket of its own; resolves when the server has said something. */
async function enter({ url, token }: Target, session: string): Promise<RawSocket> {
  const socket = await RawSocket.open(url)
  socket.send(pack([authentication(session, token)]))
  await socket.heard()
  return socket
}

/** Says that there is a shared object, so that it may be written. */
function describe(doc: Y.Doc, name: string): Y.Map<unknown> {
  doc.getArray('objects').push([{ name, kind: 'map', writers: ['user'] }])
  return doc.getMap(`object:${name}`)
}

const MAKERS: Readonly<Record<AttackName, (target: Target) => Promise<Attack>>> = {
  small,
  reader,
  giant,
  garbage,
  strangers,
  documents,
}

export async function prepare(name: AttackName, target: Target): Promise<Attack> {
  return await MAKERS[name](target)
}

/** Small updates, each valid, as fast as they go: more at once than a connection may send, then from another socket. */
async function small({ url, token }: Target): Promise<Attack> {
  const SETS = 8
  const UPDATES = 4_200
  const sets = Array.from({ length: SETS }, () => {
    const doc = new Y.Doc()
    const bodies: Uint8Array[] = []
    doc.on('update', (update: Uint8Array) => bodies.push(sync(SESSION, SYNC.update, update)))
    const map = describe(doc, 'x')
    for (let n = 0; n < UPDATES; n++) map.set(`k${n % 10}`, n)
    return pack(bodies)
  })
  let next = 0
  const strike = async (): Promise<RawSocket[]> => {
    const socket = await enter({ url, token }, SESSION)
    socket.send(sets[next++ % SETS] as Buffer)
    return [socket]
  }
  return { strike, everyMs: 250, sockets: 8 }
}

/** Asks for a megabyte again and again, and reads nothing. */
async function reader({ url, token }: Target): Promise<Attack> {
  const doc = new Y.Doc()
  const map = describe(doc, 'x')
  for (let n = 0; n < 20; n++) map.set(`k${n}`, 'x'.repeat(MEGABYTE / 20))
  const writer = await enter({ url, token }, 'large')
  writer.send(pack([sync('large', SYNC.update, Y.encodeStateAsUpdate(doc))]))
  const asking = pack(Array.from({ length: 20 }, () => sync('large', SYNC.step1, EMPTY)))
  const strike = async (): Promise<RawSocket[]> => {
    const socket = await enter({ url, token }, 'large')
    socket.stopReading()
    socket.send(asking)
    return [socket]
  }
  return { strike, everyMs: 200, sockets: 20 }
}

/** A message of 100 MB, as much of it as is taken. */
async function giant({ url, token }: Target): Promise<Attack> {
  const beginning = head(100 * MEGABYTE)
  const piece = Buffer.alloc(4 * MEGABYTE)
  const strike = async (): Promise<RawSocket[]> => {
    const socket = await enter({ url, token }, SESSION)
    socket.send(beginning)
    socket.send(piece)
    return [socket]
  }
  return { strike, everyMs: 100, sockets: 8 }
}

/** Messages just below what a frame may have, that are no update: half of them for a session that is not open any more. */
async function garbage({ url, token }: Target): Promise<Attack> {
  const body = sync(SESSION, SYNC.update, new Uint8Array(7 * MEGABYTE).fill(0xff))
  const bytes = pack([body, body])
  const strike = async (): Promise<RawSocket[]> => {
    const socket = await enter({ url, token }, SESSION)
    socket.send(bytes)
    return [socket]
  }
  return { strike, everyMs: 250, sockets: 8 }
}

/** Sockets without a token, by the dozen, each with as much as it may send. */
async function strangers({ url }: Target): Promise<Attack> {
  const bytes = pack([new Uint8Array(200_000)])
  const strike = async (): Promise<RawSocket[]> => {
    const sockets = await Promise.all(Array.from({ length: 20 }, () => RawSocket.open(url)))
    for (const socket of sockets) socket.send(bytes)
    return sockets
  }
  return { strike, everyMs: 100, sockets: 400 }
}

/** As many sessions on one socket as may be open, and one more; then the same again. */
async function documents({ url, token }: Target): Promise<Attack> {
  const DOCUMENTS = 1_001
  const bytes = pack(Array.from({ length: DOCUMENTS }, (_, n) => authentication(`doc${n}`, token)))
  const strike = async (): Promise<RawSocket[]> => {
    const socket = await RawSocket.open(url)
    socket.send(bytes)
    return [socket]
  }
  return { strike, everyMs: 1_000, sockets: 2 }
}
