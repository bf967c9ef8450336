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
import { AGENT_NAME, LIMITS, MAX_AGENTS_PER_INPUT, MAX_FRAME_BYTES, type Limits } from '../shared/limits.ts'
import { createAccess, type AccessOptions } from './access.ts'
import { addBlobRoutes } from './blobs.ts'
import type { MayApprove } from './calls.ts'
import type { MayCancel } from './cancels.ts'
import type { Route } from './clerk.ts'
import { LEASE_MS } from './dispatch.ts'
import { acceptPlain, GATEWAY_PATH } from './gateway.ts'
import type { RevokeTarget } from './grants.ts'
import { PING } from './frames.ts'
import { IDLE_RETURN_MS } from './holding.ts'
import { Sessions } from './sessions.ts'
import { Push, checkPushOptions, type PushOptions } from './push.ts'
import { vapidKeys } from './push-keys.ts'
import { addPushRoutes } from './push-routes.ts'
import { joinWrites, leave, type JoinedSocket } from './socket.ts'
import type { Store } from './store.ts'
import { Waker, type WakeTargets } from './wake.ts'
import { Widget, type WidgetOptions } from './widget.ts'
import type { WidgetKey } from './widget-keys.ts'

/** Path of the WebSocket endpoint. */
const SYNC_PATH = '/sync'
/** How long `close` waits for the store before it gives up, in milliseconds. */
const CLOSE_TIMEOUT_MS = 5_000
/** How old an input may be when it arrives and still start an agent by itself. */
const INTENT_MS = 3_600_000

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
  /**
   * Says whether an answer to an approval counts: true, or false or why not, which whoever answered is shown. Default: that of
   * any user or supporter of the session does. Must be quick; when it throws the answer does not count.
   */
  readonly mayApprove?: MayApprove
  /**
   * Agents that are not always running, by name: each is sent a signed webhook with a token when a run waits for it and no
   * worker has room, again and again until one comes. See `WakeTarget`.
   */
  readonly wake?: WakeTargets
  /**
   * Tells people by Web Push what happens while they have no window in sight: that a run has ended or waits for a yes, that a
   * person has answered. Default: nobody is told. Pages subscribe with `polylogue/push`.
   */
  readonly push?: PushOptions
  /**
   * How long a worker holds a run, and a tab a client's call, without a sign of life. Default 10,000 ms, at least 1,000.
   */
  readonly leaseMs?: number
  /**
   * How long support may be silent while it holds a session, or be waited for, before the agents answer again. Default 600,000
   * ms, at least 1,000; `Infinity`: for ever.
   */
  readonly idleReturnMs?: number
  /**
   * Whether a run may be cancelled, or interrupted by another input. Default: always. Called for each run that somebody asks
   * to end; must be quick and must not throw. A run that it protects goes on, and shows its `verdict` to the one who asked.
   */
  readonly mayCancel?: MayCancel
  /**
   * How old an input may be when it arrives and still start an agent by itself, in milliseconds, by its author's clock: what
   * was written offline longer ago asks its author first (`session.confirm`). Default one hour.
   */
  readonly intentMs?: number
  /**
   * Origins of the pages that may connect, such as `https://shop.example.com`; others are refused with 403. Programs, which
   * send no origin, are not affected. Default: any, since a page gets nothing from a browser that opens a session: the token
   * is not a cookie.
   */
  readonly origins?: readonly string[]
  /** Limits other than the defaults of `LIMITS`. */
  readonly limits?: Partial<Limits>
  /** A chat for pages of other origins, by one script tag. Where `origins` are given, this server's own must be among them. */
  readonly widget?: WidgetOptions
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
   * Ends the connections of a participant, of a session, or of one in the other, and refuses their tokens that were issued
   * until now (`iat`, whole seconds) for as long as this process lives; tokens without `iat` count as old. Throws
   * `SessionError` when it is given neither.
   */
  revoke(target: RevokeTarget): void
  /**
   * Puts these keys of the widget in the place of all. What was begun with a key that is gone, or at an origin that its key is not
   * for any more, ends at once: frames, tokens, and connections. Throws `SessionError` for a key that is not of the form, or when
   * the server has no widget; nothing is changed then.
   */
  setWidgetKeys(keys: readonly WidgetKey[]): void
  /**
   * Stops accepting, ends all connections, stores what is left and closes the store. Resolves to false when the store did
   * not take everything within `timeoutMs` (default 5,000); nothing of that had been acknowledged or shown to anyone.
   */
  close(timeoutMs?: number): Promise<boolean>
}

/** Starts a server. Rejects when the port is taken or the store cannot be read. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { store, host = '127.0.0.1', port = 8787, leaseMs = LEASE_MS, wake, push } = options
  const { idleReturnMs = IDLE_RETURN_MS, intentMs = INTENT_MS } = options
  if (leaseMs < 1_000) throw new SessionError('bad-argument', `leaseMs must be at least 1000; it is ${leaseMs}.`)
  if (!(idleReturnMs >= 1_000))
    throw new SessionError('bad-argument', `idleReturnMs must be at least 1000; it is ${idleReturnMs}.`)
  if (!(intentMs >= 0)) throw new SessionError('bad-argument', `intentMs must be 0 or more; it is ${intentMs}.`)
  const report = guardReport(options.onError ?? reportToStderr)
  const limits = { ...LIMITS, ...options.limits }
  const verify = createAccess(options.access)
  const widget = options.widget && new Widget(options.widget, { access: options.access, verify, now: Date.now })
  if (push !== undefined) checkPushOptions(push)
  const keys = push === undefined ? null : await vapidKeys(push.keys, store)
  let pushing: Push | undefined
  const sessions = new Sessions({
    store,
    access: widget?.access ?? verify,
    route: guardRoute(options.route ?? routeByName, report),
    report,
    leaseMs,
    idleReturnMs,
    intentMs,
    mayCancel: options.mayCancel === undefined ? undefined : guardMayCancel(options.mayCancel, report),
    mayApprove: options.mayApprove ?? (() => true),
    wake: wake && ((hasWorkerFor) => new Waker({ targets: wake, access: options.access, store, hasWorkerFor, report })),
    push:
      push === undefined || keys === null
        ? undefined
        : (log) => (pushing = new Push(push, { store, keys, log, report, now: Date.now })),
    limits,
    now: Date.now,
  })
  await sessions.start()
  const answer = getRequestListener(createApp(sessions, options, limits, report, pushing, widget).fetch)
  const http = createServer((request, response) => void answer(request, response))
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false })
  // Also those that http itself has let go of: upgraded, or refused while their other side stays open.
  const connections = new Set<Socket>()
  http.on('connection', (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  const endpoint: Endpoint = { sessions, sockets, report, origins: options.origins }
  http.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    sessions.admit(() => upgrade(endpoint, request, socket, head))
  })
  const pings = setInterval(() => pingAll(sockets), limits.pingMs)
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
    revoke: (target) => sessions.revoke(target),
    setWidgetKeys: (keys) => {
      if (widget === undefined) throw new SessionError('bad-argument', 'This server was started without a widget.')
      widget.setKeys(keys)
      sessions.recheck()
    },
    close: (timeoutMs = CLOSE_TIMEOUT_MS) => {
      clearInterval(pings)
      return (closing ??= close(http, connections, sessions, store, timeoutMs))
    },
  }
}

function createApp(
  sessions: Sessions,
  { store, origins, routes }: ServeOptions,
  limits: Limits,
  report: Report,
  push: Push | undefined,
  widget: Widget | undefined,
): Hono {
  const app = new Hono()
  app.get('/health', (context) => {
    const counts = sessions.counts
    return context.json({ status: counts.stalled ? 'stalled' : 'ok', ...counts }, counts.stalled ? 503 : 200)
  })
  addBlobRoutes(app, { store, limits, origins, report, check: (token, session) => sessions.check(token, session) })
  // Before the app's own routes, whose headers are for its own pages.
  widget?.addRoutes(app, (token, session) => sessions.check(token, session))
  if (push !== undefined) {
    addPushRoutes(app, { push, origins, report, check: (token, session) => sessions.check(token, session) })
  }
  routes?.(app)
  return app
}

interface Endpoint {
  readonly sessions: Sessions
  readonly sockets: WebSocketServer
  readonly report: Report
  /** Undefined: all. */
  readonly origins: readonly string[] | undefined
}

function upgrade({ sessions, sockets, report, origins }: Endpoint, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const url = URL.parse(request.url ?? '/', 'http://localhost')
  const asked = url === null ? null : toRequest(request, url)
  const { origin } = request.headers
  const isPlain = url?.pathname.startsWith(GATEWAY_PATH) === true
  if (url === null || asked === null || (url.pathname !== SYNC_PATH && !isPlain)) {
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
    return
  }
  if (origin !== undefined && origins?.includes(origin) === false) {
    socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n')
    return
  }
  sockets.handleUpgrade(request, socket, head, (ws) => {
    const joined = joinWrites(ws, socket as Socket)
    if (!isPlain) programs.set(ws, joined)
    const client = isPlain ? acceptPlain(sessions, joined, url, asked) : sessions.accept(joined, asked)
    // Before `ws` sees them, which then calls for the frames that these bytes complete.
    socket.prependListener('data', (chunk: Buffer) => client.handleBytes(chunk.byteLength))
    ws.on('message', (data, isBinary) => {
      // Text frames are not part of the protocol; `ws` gives each binary message as one Buffer.
      if (isBinary) client.handleMessage(data as Uint8Array)
      else ws.close(1003, 'malformed')
    })
    ws.on('close', (code, reason) => client.handleClose({ code, reason: reason.toString() }))
    ws.on('error', (error) => {
      report(error, { stage: 'socket' })
      // Oversize and malformed frames end here; `ws` closes the socket with the fitting code (1009, 1002, 1007) by itself.
      leave(ws, socket as Socket)
    })
  })
}

const unanswered = new WeakSet<WebSocket>()
/** Those whose clients answer for themselves as well. */
const programs = new WeakMap<WebSocket, JoinedSocket>()

function pingAll(sockets: WebSocketServer): void {
  for (const ws of sockets.clients) {
    // A socket that is not read at the moment may have answered.
    if (ws.isPaused) continue
    if (unanswered.has(ws)) {
      ws.terminate()
      continue
    }
    unanswered.add(ws)
    ws.once('pong', () => unanswered.delete(ws))
    ws.ping()
    programs.get(ws)?.send(PING)
  }
}

/** Null for a request that no `Request` can stand for: the parser of HTTP lets through headers that are none. */
function toRequest(request: IncomingMessage, url: URL): Request | null {
  const headers = new Headers()
  try {
    for (const [name, value] of Object.entries(request.headers)) if (value !== undefined) headers.set(name, String(value))
    // Without the query: it may hold a token, and whatever is in a request may end up in a log.
    return new Request(new URL(url.pathname, url), { headers })
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

/** A policy that throws has not said yes: the run goes on, and the one who asked sees why. */
function guardMayCancel(mayCancel: MayCancel, report: Report): MayCancel {
  return (request) => {
    try {
      return mayCancel(request)
    } catch (error) {
      report(error, { stage: 'policy', session: request.session, run: request.run })
      return 'The policy failed.'
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
