/** The demo's own routes, on the port of the sessions: the page, its files, and tokens for whoever asks. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { serveStatic } from '@hono/node-server/serve-static'
import type { Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { etag } from 'hono/etag'
import { secureHeaders } from 'hono/secure-headers'
import { mintToken } from 'polylogue/server'
import type { Desk } from './desk.ts'

const DIST = fileURLToPath(new URL('../dist', import.meta.url))

/** A year: the names of built files carry a hash of their content. */
const FOR_EVER = 'public, max-age=31536000, immutable'
const SESSION = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
const PARTICIPANT = /^[A-Za-z0-9_-]{1,64}$/
const MAX_NAME_CHARS = 40
/** Longer than anybody looks at a demo; the page fetches a new one for every connection anyway. */
const TOKEN_EXPIRES_S = 12 * 3600

/** Below what proxies allow a response to take. */
const DESK_WAIT_MS = 20_000

export interface PagesOptions {
  readonly secret: string
  readonly desk: Desk
}

/**
 * Adds the demo's routes:
 *
 *   GET  /                    a new session: redirects to /s/ID
 *   GET  /s/ID, /desk         the page
 *   GET  /chats, /start, /share   the page as well: the conversations of this device, and ways into them
 *   GET  /api/desk?since=     the sessions, for the support desk, as soon as they are others than at that version
 *   POST /api/token           `{ role: 'user' | 'support', id, name, session? }` → `{ token }`
 *
 * Tokens are given to anybody: the demo has no accounts. A real app mints them where it knows who asks.
 */
export function addPages(app: Hono, { secret, desk }: PagesOptions): void {
  app.use(
    secureHeaders({
      // `style-src`: the width of a progress bar is a style attribute.
      contentSecurityPolicy: {
        defaultSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        frameAncestors: ["'self'"],
      },
    }),
  )
  app.get('/', (context) => {
    context.header('cache-control', 'no-store')
    return context.redirect(`/s/${newSession()}${new URL(context.req.url).search}`)
  })
  const shell = readFileSync(`${DIST}/index.html`, 'utf8')
  const page = (context: Context): Response => {
    context.header('cache-control', 'no-cache')
    return context.html(shell) as Response
  }
  app.get('/s/:id', etag(), page)
  for (const path of ['/desk', '/chats', '/start', '/share']) app.get(path, etag(), page)
  app.get('/api/desk', async (context) => {
    context.header('cache-control', 'no-store')
    await desk.changed(context.req.query('since') ?? '', DESK_WAIT_MS)
    // Before the sessions are read: what is written meanwhile is news.
    const { version } = desk
    return context.json({ version, sessions: await desk.sessions() })
  })
  app.post('/api/token', bodyLimit({ maxSize: 4_096 }), async (context) => {
    const wish = readWish(await context.req.json<unknown>().catch(() => null))
    if (wish === null) return context.json({ error: 'expected { role: "user" | "support", id, name, session }' }, 400)
    const { role, id, name, session } = wish
    // Support may open every session, a user only the one whose link they have.
    const sessions = role === 'support' ? ['*'] : [session]
    context.header('cache-control', 'no-store')
    return context.json({ token: await mintToken(secret, { id, kind: role, name, sessions, expiresInS: TOKEN_EXPIRES_S }) })
  })
  app.use(
    '/assets/*',
    serveStatic({ root: DIST, precompressed: true, onFound: (_path, context) => context.header('cache-control', FOR_EVER) }),
  )
  app.use('/*', etag(), serveStatic({ root: DIST, onFound: (_path, context) => context.header('cache-control', 'no-cache') }))
}

interface TokenWish {
  readonly role: 'user' | 'support'
  readonly id: string
  readonly name: string
  readonly session: string
}

function readWish(body: unknown): TokenWish | null {
  if (typeof body !== 'object' || body === null) return null
  const { role, id, name, session = '' } = body as Record<string, unknown>
  if (role !== 'user' && role !== 'support') return null
  if (typeof id !== 'string' || !PARTICIPANT.test(id)) return null
  if (typeof name !== 'string' || name.trim() === '' || name.length > MAX_NAME_CHARS) return null
  if (typeof session !== 'string' || (role === 'user' && !SESSION.test(session))) return null
  return { role, id, name: name.trim(), session }
}

/** 12 characters of base64url, the first one a letter: what a session's id must begin with. */
function newSession(): string {
  return `s${randomBytes(9).toString('base64url').slice(1)}`
}
