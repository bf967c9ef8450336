/**
 * A `ws` socket as the host takes it, with the writes of one turn joined: everything that is sent in one turn of the event
 * loop leaves in one system call, which is half of the cost of a small frame.
 */
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { WebSocketLike } from '@hocuspocus/server'
import type { SocketMeter } from './traffic.ts'

export interface JoinedSocket extends WebSocketLike {
  /** Bytes that wait to be read by the other side. */
  readonly bufferedAmount: number
}

export function joinWrites(ws: WebSocket, stream: Socket): JoinedSocket {
  let corked = false
  const uncork = (): void => {
    corked = false
    stream.uncork()
  }
  return {
    get readyState() {
      return ws.readyState
    },
    get bufferedAmount() {
      return ws.bufferedAmount
    },
    send(data) {
      if (!corked) {
        corked = true
        stream.cork()
        process.nextTick(uncork)
      }
      ws.send(data, { binary: true, compress: false })
    },
    close(code, reason) {
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
