/**
 * The control of `floods.ts`: where an attack goes that no server has to bear. It takes every byte and does nothing with it, and
 * sends a reader as much as the server would, so that what others notice then is what the attack costs the machine.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { answer } from './children.ts'

/** What it answers to whoever has upgraded: a text frame without a text, which is enough to be heard. */
const SOMETHING = Buffer.from([0x81, 0])

let server: Server | null = null

/** Writes one piece after the other, as fast as they are taken. */
function feed(socket: Socket, piece: Buffer, pieces: number): void {
  if (pieces === 0 || socket.destroyed) return
  const isTaken = socket.write(piece)
  if (isTaken) feed(socket, piece, pieces - 1)
  else socket.once('drain', () => feed(socket, piece, pieces - 1))
}

answer({
  /** Resolves with where it is. Each socket that goes on after its first message is sent so many pieces of so many bytes. */
  async start(pieces: number, bytes: number): Promise<string> {
    const piece = Buffer.alloc(bytes)
    server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => {})
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
        socket.once('data', () => {
          socket.write(SOMETHING)
          socket.once('data', () => feed(socket, piece, pieces))
        })
      })
      // Without a listener that stays, reading would stop between two of those above.
      socket.on('data', () => {})
    })
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/sync`
  },
  async stop() {
    await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)))
  },
})
