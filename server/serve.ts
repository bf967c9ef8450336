/**
 * The server as one call: HTTP and WebSocket on one port, sessions behind them.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { WebSocketServer, type WebSocket } from 'ws'
import { SessionError, type Report } from '../shared/errors.ts'
import { AGENT_NAME, MAX_AGENTS_PER_INPUT, MAX_FRAME_BYTES } from '../shared/limits.ts'
import { createAccess, type AccessOptions } from './access.ts'
import type { Route } from './clerk.ts'
import { LEASE_MS } from './dispatch.ts'
import { Sessions } from './sessions.ts'
import { joinWrites } from './socket.ts'
import type { Store } from './store.ts'

/** Path of the WebSocket endpoint. */
const SYNC_PATH = '/sync'
/** Every socket is pinged this often, and ended when it has not answered the ping before: a silent peer is gone. */
const PING_EVERY_MS = 10_000
/** How long `close` waits for the store before it gives up, in milliseconds. */
const CLOSE_TIMEOUT_MS = 5_000

export interface ServeOptions {
  /** Where sessions are kept: `sqliteStore({ file })` or `memoryStore()`. `close` closes it. */
  readonly store: Store
  /** How tokens are verified: `{ secret }` or `{ jwks }`. */
  readonly access: AccessOptions
  /** Default 8787; 0 picks a free one. */
  readonly port?: number
  /** Default 127.0.0.1. */
  readonly host?: string
  /**
   * Which agents answer a user's message. Default: those that the message names, else the one named `assistant`. Called for
   * each accepted message of a user; must be quick and must not throw.
   */
  readonly route?: Route
  /** How long a worker holds a run without a sign of life. Default 10,000 ms, at least 1,000. */
  readonly leaseMs?: number
  /** Adds routes of your own on the same port. */
  readonly routes?: (app: Hono) => void
  /** Where background failures go. Default: one line of JSON each on standard error. */
  readonly onError?: Report
}

export interface RunningServer {
  readonly port: number
  /** Address for `openSession` and `createAgent`: `ws://HOST:PORT/sync`. */
  readonly url: string
  /**
   * Stops accepting, ends all connections, stores what is left and closes the store. Resolves to false when the store did
   * not take everything within `timeoutMs` (default 5,000); nothing of that had been acknowledged or shown to anyone.
   */
  close(timeoutMs?: number): Promise<boolean>
}

/** Starts a server. Rejects when the port is taken or the store cannot be read. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { store, host = '127.0.0.1', port = 8787, leaseMs = LEASE_MS } = options
  if (leaseMs < 1_000) throw new SessionError('bad-argument', `leaseMs must be at least 1000; it is ${leaseMs}.`)
  const report = guardReport(options.onError ?? reportToStderr)
  const sessions = new Sessions({
    store,
    access: createAccess(options.access),
    route: guardRoute(options.route ?? routeByName, report),
    report,
    leaseMs,
    now: Date.now,
  })
  await sessions.start()
  const answer = getRequestListener(createApp(sessions, options.routes).fetch)
  const http = createServer((request, response) => void answer(request, response))
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false })
  // Also those that http itself has let go of: upgraded, or refused while their other side stays open.
  const connections = new Set<Socket>()
  http.on('connection', (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  http.on('upgrade', (request, socket, head) => upgrade(sessions, sockets, report, request, socket, head))
  const pings = setInterval(() => pingAll(sockets), PING_EVERY_MS)
  await listen(http, port, host).catch(async (error: unknown) => {
    clearInterval(pings)
    await sessions.close(0)
    throw error
  })
  const address = http.address() as AddressInfo
  let closing: Promise<boolean> | null = null
  return {
    port: address.port,
    url: `ws://${host.includes(':') ? `[${host}]` : host}:${address.port}${SYNC_PATH}`,
    close: (timeoutMs = CLOSE_TIMEOUT_MS) => {
      clearInterval(pings)
      return (closing ??= close(http, connections, sessions, store, timeoutMs))
    },
  }
}

function createApp(sessions: Sessions, routes: ((app: Hono) => void) | undefined): Hono {
  const app = new Hono()
  app.get('/health', (context) => {
    const counts = sessions.counts
    return context.json({ status: counts.stalled ? 'stalled' : 'ok', ...counts }, counts.stalled ? 503 : 200)
  })
  routes?.(app)
  return app
}

function upgrade(
  sessions: Sessions,
  sockets: WebSocketServer,
  report: Report,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  socket.on('error', () => socket.destroy())
  const asked = toRequest(request)
  if (asked === null || new URL(asked.url).pathname !== SYNC_PATH) {
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
    return
  }
  sockets.handleUpgrade(request, socket, head, (ws) => {
    const client = sessions.accept(joinWrites(ws, socket as Socket), asked)
    ws.on('message', (data, isBinary) => {
      // Text frames are not part of the protocol; `ws` gives each binary message as one Buffer.
      if (isBinary) client.handleMessage(data as Uint8Array)
      else ws.close(1003, 'malformed')
    })
    ws.on('close', (code, reason) => client.handleClose({ code, reason: reason.toString() }))
    // Oversize and malformed frames end here; `ws` closes the socket with the fitting code (1009, 1002, 1007) by itself.
    ws.on('error', (error) => report(error, { stage: 'socket' }))
  })
}

const unanswered = new WeakSet<WebSocket>()

function pingAll(sockets: WebSocketServer): void {
  for (const ws of sockets.clients) {
    if (unanswered.has(ws)) {
      ws.terminate()
      continue
    }
    unanswered.add(ws)
    ws.once('pong', () => unanswered.delete(ws))
    ws.ping()
  }
}

/** Null for a request that no `Request` can stand for: the parser of HTTP lets through addresses that are none. */
function toRequest(request: IncomingMessage): Request | null {
  const headers = new Headers()
  try {
    for (const [name, value] of Object.entries(request.headers)) if (value !== undefined) headers.set(name, String(value))
    return new Request(new URL(request.url ?? '/', 'http://localhost'), { headers })
  } catch {
    return null
  }
}

function listen(http: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', reject)
    http.listen(port, host, () => {
      http.off('error', reject)
      resolve()
    })
  })
}

async function close(
  http: Server,
  connections: ReadonlySet<Socket>,
  sessions: Sessions,
  store: Store,
  timeoutMs: number,
): Promise<boolean> {
  const stopped = new Promise<void>((resolve) => http.close(() => resolve()))
  const stored = await sessions.close(timeoutMs)
  for (const socket of connections) socket.destroy()
  await stopped
  await store.close()
  return stored
}

const routeByName: Route = ({ to }) => to ?? ['assistant']

const isAgentName = (name: unknown): name is string => typeof name === 'string' && AGENT_NAME.test(name)

/**
 * A routing function that throws, or gives something else than a list, must not undo an accepted message: it then asks
 * nobody, and is reported.
 */
function guardRoute(route: Route, report: Report): Route {
  return (input) => {
    try {
      const agents: unknown = route(input)
      if (Array.isArray(agents)) return agents.filter(isAgentName).slice(0, MAX_AGENTS_PER_INPUT)
      throw new TypeError(`route must give a list of agents' names; it gave ${typeof agents}.`)
    } catch (error) {
      report(error, { stage: 'route', session: input.session })
      return []
    }
  }
}

/** A reporter that throws must not become a second failure, in a place that expects none. */
function guardReport(report: Report): Report {
  return (error, context) => {
    try {
      report(error, context)
    } catch (second) {
      reportToStderr(second, { stage: 'report' })
      reportToStderr(error, context)
    }
  }
}

const reportToStderr: Report = (error, { stage, ...details }) => {
  const message = error instanceof Error ? error.message : String(error)
  console.error(JSON.stringify({ level: 'error', stage, ...details, message }))
}
