/**
 * Subscriptions over HTTP, with the same token as the session, as `Authorization: Bearer TOKEN`:
 *
 *   GET    /push/SESSION   `{ key }`: what browsers subscribe with
 *   PUT    /push/SESSION   takes a subscription as `PushSubscription.toJSON()` gives it: 204
 *   DELETE /push/SESSION   gives it up again, by its `endpoint`: 204
 */
import { ECDH } from 'node:crypto'
import type { Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { CLOSE_REASONS, type CloseReason, type Report } from '../shared/errors.ts'
import type { Rate } from '../shared/limits.ts'
import type { Grant } from './access.ts'
import type { Push } from './push.ts'
import { Buckets } from './rate.ts'

export interface PushRoutesOptions {
  readonly push: Push
  /** Origins whose pages may ask; undefined: all. */
  readonly origins: readonly string[] | undefined
  /** Reads a token for a session: what it grants, or why it does not. */
  readonly check: (token: string, session: string) => Promise<Grant | CloseReason>
  readonly report: Report
}

/** Changes of one participant: each is a commit. A browser that comes back tells once per session that it opens. */
const CHANGES: Rate = { perSecond: 1, burst: 60 }
/** Participants whose rate is remembered. */
const MAX_BUCKETS = 10_000
/** A subscription has about 500 bytes. */
const MAX_BODY_BYTES = 8_192

const STATUS: Partial<Record<CloseReason, 400 | 401 | 403 | 503>> = {
  'bad-session-name': 400,
  'bad-token': 401,
  forbidden: 403,
  unavailable: 503,
  'going-away': 503,
}

/** Adds the routes. */
export function addPushRoutes(app: Hono, options: PushRoutesOptions): void {
  const { push, origins } = options
  const path = '/push/:session'
  const changes = new Buckets(CHANGES, () => performance.now(), MAX_BUCKETS)
  app.use(
    path,
    cors({
      origin: origins === undefined ? '*' : [...origins],
      allowMethods: ['GET', 'PUT', 'DELETE'],
      allowHeaders: ['authorization', 'content-type'],
      maxAge: 600,
    }),
  )
  app.get(path, async (context) => {
    const grant = await authorize(context, options)
    if (grant instanceof Response) return grant
    return context.json({ key: push.publicKey }, 200, { 'cache-control': 'no-store' })
  })
  const change = (store: (session: string, grant: Grant, body: Body) => Promise<string | null>) => {
    return async (context: Context): Promise<Response> => {
      const grant = await authorize(context, options)
      if (grant instanceof Response) return grant
      const { participant } = grant
      if (!changes.of(participant.id).take(1)) return context.text(CLOSE_REASONS['too-fast'].says, 429, { 'retry-after': '1' })
      const session = context.req.param('session') ?? ''
      const body = readBody(await context.req.json<unknown>().catch(() => null))
      try {
        const objection = await store(session, grant, body)
        if (objection !== null) return context.text(objection, 400)
        // Taken away while it was stored: what ends what was there before has not seen this.
        const now = await authorize(context, options)
        if (!(now instanceof Response)) return context.body(null, 204)
        if (typeof body.endpoint === 'string') await push.unsubscribe(body.endpoint, session)
        return now
      } catch (error) {
        options.report(error, { stage: 'push', session })
        return context.text(CLOSE_REASONS.unavailable.says, 503)
      }
    }
  }
  const limit = bodyLimit({ maxSize: MAX_BODY_BYTES })
  app.put(
    path,
    limit,
    change(async (session, { participant: { id, kind }, via }, { endpoint, p256dh, auth }) => {
      const objection = push.objectionTo(endpoint)
      if (objection !== null) return objection
      if (!isPoint(p256dh) || !isBytes(auth, 16)) return 'The keys are not those of a subscription.'
      await push.subscribe({
        session,
        participant: id,
        kind,
        endpoint: String(endpoint),
        p256dh,
        auth,
        ...(via === undefined ? {} : { via }),
      })
      return null
    }),
  )
  app.delete(
    path,
    limit,
    change(async (session, _grant, { endpoint }) => {
      if (typeof endpoint !== 'string') return 'The endpoint is missing.'
      // Whoever knows the endpoint has the browser.
      await push.unsubscribe(endpoint, session)
      return null
    }),
  )
}

interface Body {
  readonly endpoint: unknown
  readonly p256dh: unknown
  readonly auth: unknown
}

function readBody(value: unknown): Body {
  const { endpoint, keys } = (value ?? {}) as { endpoint?: unknown; keys?: unknown }
  const { p256dh, auth } = (keys ?? {}) as { p256dh?: unknown; auth?: unknown }
  return { endpoint, p256dh, auth }
}

/** Whether a value is so many bytes as base64url. */
function isBytes(value: unknown, length: number): value is string {
  if (typeof value !== 'string' || value.length > 120 || !/^[A-Za-z0-9_-]+={0,2}$/.test(value)) return false
  return Buffer.from(value, 'base64url').byteLength === length
}

/** Whether a value is an uncompressed point of the curve: with any other one nothing could ever be sent. */
function isPoint(value: unknown): value is string {
  if (!isBytes(value, 65)) return false
  try {
    return ECDH.convertKey(value, 'prime256v1', 'base64url', 'base64url', 'uncompressed') === value.replace(/=+$/, '')
  } catch {
    return false
  }
}

/** Who asks, or the answer that says why it may not. Only people are told anything. */
async function authorize(context: Context, { check }: PushRoutesOptions): Promise<Grant | Response> {
  const token = /^Bearer (.+)$/.exec(context.req.header('authorization') ?? '')?.[1]
  const grant = token === undefined ? 'bad-token' : await check(token, context.req.param('session') ?? '')
  if (typeof grant === 'string') return context.text(CLOSE_REASONS[grant].says, STATUS[grant] ?? 403)
  const { participant } = grant
  if (participant.kind === 'user' || participant.kind === 'support') return grant
  return context.text('Only users and supporters are told by push.', 403)
}
