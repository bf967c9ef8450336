/**
 * A WebSocket that sends whatever it is told, in as little CPU as there can be, and that need not read: what an attacker has.
 * Frames are put together beforehand, many in one buffer. They are masked with zeros, which is allowed and costs nothing.
 */
import { connect, type Socket } from 'node:net'

const FINAL_BINARY = 0x82
const MASKED = 0x80

/** The head of a binary message of `size` bytes, which need never come. */
export function head(size: number): Buffer {
  const bytes = Buffer.alloc(14)
  bytes[0] = FINAL_BINARY
  if (size < 126) {
    bytes[1] = MASKED | size
    return bytes.subarray(0, 6)
  }
  if (size < 65_536) {
    bytes[1] = MASKED | 126
    bytes.writeUInt16BE(size, 2)
    return bytes.subarray(0, 8)
  }
  bytes[1] = MASKED | 127
  bytes.writeBigUInt64BE(BigInt(size), 2)
  return bytes
}

/** Whole messages as one piece. */
export function pack(bodies: readonly Uint8Array[]): Buffer {
  return Buffer.concat(bodies.flatMap((body) => [head(body.byteLength), body]))
}

export class RawSocket {
  readonly #socket: Socket
  /** The server has closed it, or it has failed. */
  isClosed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('close', () => (this.isClosed = true))
    // Without a listener nothing would be read, and the end of the connection never seen.
    socket.resume()
  }

  /** Resolves when the server has answered, whatever it says. */
  static async open(url: string): Promise<RawSocket> {
    const { hostname, port, pathname } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    const raw = new RawSocket(socket)
    const key = Buffer.from('sixteen bytes ok').toString('base64')
    socket.write(
      [
        `GET ${pathname} HTTP/1.1`,
        `Host: ${hostname}:${port}`,
        'Upgrade: websocket',
        'Connection: Upgrade',
        `Sec-WebSocket-Key: ${key}`,
        'Sec-WebSocket-Version: 13',
        '',
        '',
      ].join('\r\n'),
    )
    await raw.heard()
    return raw
  }

  /** Resolves when something comes from now on, or nothing can any more. */
  async heard(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#socket.once('data', () => resolve())
      this.#socket.once('close', () => resolve())
    })
  }

  send(bytes: Uint8Array): void {
    if (!this.isClosed) this.#socket.write(bytes)
  }

  /** From now on nothing is read. */
  stopReading(): void {
    this.#socket.pause()
  }

  end(): void {
    this.#socket.destroy()
  }
}
