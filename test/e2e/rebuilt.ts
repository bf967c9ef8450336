/** The demo behind an address of the test's own, where it may be as if it had been built anew, and take no connections. */
import { createServer, request, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Demo } from './demo.ts'

export interface Rebuilt {
  readonly url: string
  /** Serves the page and its service worker as a later build would be: another version, and a page that says so. */
  build(): void
  /** Whether sessions can be connected to; what is connected is cut when they cannot. */
  connects(may: boolean): void
  close(): void
}

/** What the page of a later build has in its head. */
const MARK = '<meta name="build" content="later">'

export async function rebuilt(demo: Demo): Promise<Rebuilt> {
  const port = Number(new URL(demo.url).port)
  const sockets = new Set<Socket>()
  let later = false
  let open = true
  const changed = (path: string, text: string): string => {
    if (path === '/sw.js') return text.replace(/'polyshop-[0-9a-f]+'/, "'polyshop-later'")
    return text.includes('<head>') ? text.replace('<head>', `<head>${MARK}`) : text
  }
  const server = createServer((incoming, response) => {
    const { url = '/', method } = incoming
    // Nothing is `not modified`: it may be another build.
    const { 'if-none-match': _known, ...headers } = incoming.headers
    const own = { ...headers, host: `127.0.0.1:${port}`, 'accept-encoding': 'identity' }
    const onward = request({ host: '127.0.0.1', port, path: url, method, headers: own }, (answer) => {
      if (!later || !isPage(answer, url)) {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
        return
      }
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => {
        const { 'content-length': _length, etag: _etag, ...others } = answer.headers
        response.writeHead(answer.statusCode ?? 502, others)
        response.end(changed(url, text))
      })
    })
    onward.on('error', () => response.destroy())
    incoming.pipe(onward)
  })
  server.on('upgrade', (incoming: IncomingMessage, socket: Socket) => {
    if (!open) return void socket.destroy()
    const onward = connect(port, '127.0.0.1', () => {
      const lines = [`GET ${incoming.url} HTTP/1.1`]
      for (let i = 0; i < incoming.rawHeaders.length; i += 2)
        lines.push(`${incoming.rawHeaders[i]}: ${incoming.rawHeaders[i + 1]}`)
      onward.write(`${lines.join('\r\n')}\r\n\r\n`)
      onward.pipe(socket).pipe(onward)
    })
    for (const end of [socket, onward]) {
      sockets.add(end)
      end.on('error', () => end.destroy())
      end.on('close', () => {
        socket.destroy()
        onward.destroy()
        sockets.delete(end)
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    build: () => void (later = true),
    connects(may) {
      open = may
      if (!may) for (const socket of sockets) socket.destroy()
    },
    close() {
      for (const socket of sockets) socket.destroy()
      server.closeAllConnections()
      server.close()
    },
  }
}

function isPage(answer: IncomingMessage, path: string): boolean {
  return path === '/sw.js' || (answer.headers['content-type'] ?? '').startsWith('text/html')
}
