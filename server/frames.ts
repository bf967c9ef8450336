/** Frames of the Hocuspocus protocol that the server writes itself: address, message type, body. */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

/** Message types of the Hocuspocus wire. */
export const FRAME = {
  sync: 0,
  awareness: 1,
  auth: 2,
  queryAwareness: 3,
  syncReply: 4,
  stateless: 5,
  close: 7,
  syncStatus: 8,
} as const

/** Asks a client whether its program runs, which its socket answers for in a frozen page; it sends `PONG`. They have no address. */
export const PING: Uint8Array = Uint8Array.of(9)
const PONG = 10

export function isPong(frame: Uint8Array): boolean {
  return frame.byteLength === 1 && frame[0] === PONG
}

/** Sub-types of a sync frame, as in y-protocols. */
export const SYNC = { step1: 0, step2: 1, update: 2 } as const

/** Made in one piece, since it may hold a whole session: an encoder would grow, and be copied, several times. */
export function syncFrame(address: string, sub: number, bytes: Uint8Array): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarString(encoder, address)
  encoding.writeVarUint(encoder, FRAME.sync)
  encoding.writeVarUint(encoder, sub)
  encoding.writeVarUint(encoder, bytes.byteLength)
  const headBytes = encoding.length(encoder)
  const frame = new Uint8Array(headBytes + bytes.byteLength)
  frame.set(encoding.toUint8Array(encoder))
  frame.set(bytes, headBytes)
  return frame
}

export function presenceFrame(address: string, states: Uint8Array): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarString(encoder, address)
  encoding.writeVarUint(encoder, FRAME.awareness)
  encoding.writeVarUint8Array(encoder, states)
  return encoding.toUint8Array(encoder)
}

/** The acknowledgement of one update. */
export function ackFrame(address: string): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarString(encoder, address)
  encoding.writeVarUint(encoder, FRAME.syncStatus)
  encoding.writeVarInt(encoder, 1)
  return encoding.toUint8Array(encoder)
}

export function statelessFrame(address: string, payload: string): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarString(encoder, address)
  encoding.writeVarUint(encoder, FRAME.stateless)
  encoding.writeVarString(encoder, payload)
  return encoding.toUint8Array(encoder)
}

/** True when address and type can be read, and of an authentication the token. */
export function isReadable(frame: Uint8Array): boolean {
  try {
    const decoder = decoding.createDecoder(frame)
    decoding.readVarString(decoder)
    if (decoding.readVarUint(decoder) !== FRAME.auth) return true
    decoding.readVarUint(decoder)
    decoding.readVarString(decoder)
    return true
  } catch {
    return false
  }
}

/** False also for bytes that are no frame. */
export function isAuthentication(frame: Uint8Array): boolean {
  if (!isReadable(frame)) return false
  const decoder = decoding.createDecoder(frame)
  decoding.readVarString(decoder)
  return decoding.readVarUint(decoder) === FRAME.auth
}
