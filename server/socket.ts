/**
 * A `ws` socket as the host takes it, with two savings for small frames:
 *
 * 1. Everything that is sent in one turn of the event loop leaves in one system call.
 * 2. A frame is put together here, in one buffer, and once for all sockets that are sent the same bytes one after the other,
 *    as a broadcast does. `ws` itself writes a head and a body for each of them.
 */
import type { Socket } from 'node:net'
import type { WebSocketLike } from '@hocuspocus/server'
import { WebSocket } from 'ws'
import type { SocketMeter } from './traffic.ts'

export interface JoinedSocket extends WebSocketLike {
  /** Bytes that wait to be read by the other side. */
  readonly bufferedAmount: number
}

/** What the frames of one socket are given to. */
export interface AcceptedSocket {
  handleMessage(data: Uint8Array): void
  handleClose(event?: { code: number; reason: string }): void
}

/** A larger body is not copied behind its head. */
const MAX_COPIED_BYTES = 16 * 1024

/** The frame that was made last, and of what. */
let last: { readonly body: Uint8Array; readonly frame: Uint8Array } | null = null

/** A whole binary message as RFC 6455 has it, unmasked. */
function framesOf(body: Uint8Array): Uint8Array[] {
  if (last?.body === body) return [last.frame]
  const size = body.byteLength
  if (size > MAX_COPIED_BYTES) return [head(size), body]
  const frame = Buffer.concat([head(size), body])
  last = { body, frame }
  return [frame]
}

function head(size: number): Uint8Array {
  const FINAL_BINARY = 0x82
  if (size < 126) return Uint8Array.of(FINAL_BINARY, size)
  if (size < 65_536) return Uint8Array.of(FINAL_BINARY, 126, size >>> 8, size & 0xff)
  const bytes = new Uint8Array(10)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, (FINAL_BINARY << 8) | 127)
  view.setBigUint64(2, BigInt(size))
  return bytes
}

/** Sockets with frames that wait for the end of this turn. */
let unflushed: (() => void)[] = []

function flushAll(): void {
  const flushes = unflushed
  unflushed = []
  for (const flush of flushes) flush()
}

/** `stream` must be the socket under `ws`, which must not compress. */
export function joinWrites(ws: WebSocket, stream: Socket): JoinedSocket {
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  const flush = (): void => {
    const frames = waiting
    waiting = []
    waitingBytes = 0
    if (ws.readyState !== WebSocket.OPEN) return
    if (frames.length > 1) stream.cork()
    for (const frame of frames) stream.write(frame)
    if (frames.length > 1) stream.uncork()
  }
  return {
    get readyState() {
      return ws.readyState
    },
    get bufferedAmount() {
      return ws.bufferedAmount + waitingBytes
    },
    send(data) {
      if (ws.readyState !== WebSocket.OPEN) return
      if (waiting.length === 0 && unflushed.push(flush) === 1) process.nextTick(flushAll)
      for (const frame of framesOf(data as Uint8Array)) {
        waiting.push(frame)
        waitingBytes += frame.byteLength
      }
    },
    close(code, reason) {
      flush()
      ws.close(code, reason)
      // A peer that does not answer the close would keep the socket, and what is queued in it, for ever.
      setTimeout(() => ws.terminate(), 5_000).unref()
    },
  }
}

/** The socket as the host writes to it: what is not read piles up to a limit, whoever sends it. */
export function metered(socket: JoinedSocket, meter: SocketMeter): WebSocketLike {
  return {
    get readyState() {
      return socket.readyState
    },
    send(data) {
      if (meter.mayQueue((data as Uint8Array).byteLength)) socket.send(data)
    },
    close: (code, reason) => socket.close(code, reason),
  }
}
