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
import type { Outlet } from './answers.ts'
import type { SocketMeter } from './traffic.ts'
import type { Flow, Inbox } from './turns.ts'

export interface JoinedSocket extends WebSocketLike, Flow, Outlet {
  /** Bytes that wait to be read by the other side. */
  readonly bufferedAmount: number
  /** It was closed from this side. */
  readonly isGivenUp: boolean
}

/** What the frames of one socket are given to. */
export interface AcceptedSocket {
  /** So many bytes have come of a frame that may not be whole yet; called before `handleMessage`. */
  handleBytes(bytes: number): void
  handleMessage(data: Uint8Array): void
  handleClose(event?: { code: number; reason: string }): void
}

/** A larger body is not copied behind its head. */
const MAX_COPIED_BYTES = 16 * 1024

/** A socket that is being closed is gone after this time, whether the other side answers or not. */
const LEAVE_MS = 5_000
/** The same when the other side goes on sending instead: what has come of a frame is in memory until then. */
const LEAVE_SENDING_MS = 1_000
/** So much of what the other side still sends is read, for its answer to the close. */
const LEAVE_BYTES = 8 * 1024

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
  let isGivenUp = false
  let read: (() => void) | null = null
  const isBehind = (): boolean => ws.bufferedAmount + waitingBytes >= stream.writableHighWaterMark
  const tellRead = (): void => {
    if (read === null || isBehind()) return
    const task = read
    read = null
    task()
  }
  stream.on('drain', tellRead)
  const flush = (): void => {
    const frames = waiting
    waiting = []
    waitingBytes = 0
    if (ws.readyState !== WebSocket.OPEN) return
    if (frames.length > 1) stream.cork()
    for (const frame of frames) stream.write(frame)
    if (frames.length > 1) stream.uncork()
    // The stream tells of what it had to keep, and only of that.
    tellRead()
  }
  return {
    get readyState() {
      return ws.readyState
    },
    get bufferedAmount() {
      return ws.bufferedAmount + waitingBytes
    },
    get isGivenUp() {
      return isGivenUp
    },
    get isBehind() {
      return isBehind()
    },
    whenRead(task) {
      read = task
    },
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    send(data) {
      if (ws.readyState !== WebSocket.OPEN) return
      if (waiting.length === 0 && unflushed.push(flush) === 1) process.nextTick(flushAll)
      for (const frame of framesOf(data as Uint8Array)) {
        waiting.push(frame)
        waitingBytes += frame.byteLength
      }
    },
    close(code, reason) {
      isGivenUp = true
      flush()
      ws.close(code, reason)
      leave(ws, stream)
    },
  }
}

/**
 * Sees to it that a socket which is being closed goes. A peer that does not answer would keep it, and what is queued in it, for
 * ever; one that goes on sending would have all of that read and kept for nothing.
 */
export function leave(ws: WebSocket, stream: Socket): void {
  let leftBytes = LEAVE_BYTES
  stream.on('data', (chunk: Buffer) => {
    leftBytes -= chunk.byteLength
    if (leftBytes >= 0 || stream.isPaused()) return
    stream.pause()
    setTimeout(() => ws.terminate(), LEAVE_SENDING_MS).unref()
  })
  setTimeout(() => ws.terminate(), LEAVE_MS).unref()
}

/**
 * The socket as the host sees it: what is not read piles up to a limit, whoever sends it, and it is open as long as something
 * waits that came before the other side closed it.
 */
export function metered(socket: JoinedSocket, meter: SocketMeter, inbox: Inbox): WebSocketLike {
  return {
    get readyState() {
      return inbox.isEmpty || socket.isGivenUp ? socket.readyState : WebSocket.OPEN
    },
    send(data) {
      if (meter.mayQueue((data as Uint8Array).byteLength)) socket.send(data)
    },
    close: (code, reason) => socket.close(code, reason),
  }
}
