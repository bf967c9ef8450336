/**
 * The widget's routes: its two scripts, the page in the frame, and the tokens for that page.
 *
 * Each request is checked by itself: the key must be known, and the page around the frame be one that it is for. That page is
 * named by the loader; the browser holds everybody to it, by `frame-ancestors`, by what it says in `Sec-Fetch-…`, `Referer` and
 * `Origin`, and by delivering messages between the two to that origin alone.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { SessionError, type CloseReason } from '../shared/errors.ts'
import { WIDGET_PATHS, WIDGET_VERSION, type TokenAnswer, type WidgetRefusal } from '../shared/widget.ts'
import type { Access, AccessOptions, Grant } from './access.ts'
import { networkOf } from './address.ts'
import { Bucket, Buckets } from './rate.ts'
import { isOrigin, WidgetKeys, type KnownKey, type WidgetKey } from './widget-keys.ts'
import { sessionOf, widgetSecret, WidgetTokens, type Visitor, type WidgetPlace } from './widget-tokens.ts'

export interface WidgetOptions {
  /** Keys, and for which pages each is. `server.setWidgetKeys` changes them while the server runs. */
  readonly keys: readonly WidgetKey[]
  /**
   * The page in the frame, as HTML; a function is called for each request. Its own part of the widget is `polylogue/widget`. It is
   * shown to whoever has the key: nothing secret may stand in it.
   */
  readonly page: string | (() => string | Promise<string>)
  /**
   * Content security policy of the page, without `frame-ancestors`, which the key gives. Default: everything from this server
   * alone, but style attributes and images of any https address.
   */
  readonly csp?: string
  /**
   * Signs the widget's tokens, at least 32 bytes. Default: derived from `access.secret`; needed where `access` is `{ jwks }`.
   * With another one, all visitors who are not signed in begin anew.
   */
  readonly secret?: string
}

const DEFAULT_CSP =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: https:; object-src 'none'; base-uri 'none'; form-action 'none'"
/** New visitors of one key; those who return are not counted. */
const NEW_VISITORS = { perSecond: 20, burst: 400 }
/** And of one network, from then on: only while half of what there is for the key is left, so that nobody takes the other half. */
const NEW_VISITORS_OF_NETWORK = { perSecond: 1, burst: 40 }
/** Networks that are told apart, over all keys. */
const MAX_NETWORKS = 20_000
/** A key, an origin and two tokens. */
const MAX_REQUEST_BYTES = 16_384
/** Kinds that a widget may speak for: support and agents have places of their own. */
const KINDS: ReadonlySet<string> = new Set(['user', 'viewer'])

const SAYS: Readonly<Record<WidgetRefusal, string>> = {
  'unknown-key': 'This chat is not available: its key is not known here.',
  'wrong-origin': 'This chat is not available on this page: its key is for other pages.',
  'not-framed': 'This page is a part of another one and shows nothing by itself.',
  'bad-user': 'You could not be signed in to this chat.',
  revoked: 'This conversation is not available any more.',
}

export interface WidgetDeps {
  readonly access: AccessOptions
  /** Reads the tokens of the app. */
  readonly verify: Access
  /** Epoch milliseconds. */
  readonly now: () => number
  /** How many proxies of the app's own are in front of this server. */
  readonly proxies: number
}

/** What the widget asks of the server. */
export interface WidgetHost {
  /** What a token grants in a session at the moment, or why it does not. */
  readonly check: (token: string, session: string) => Promise<Grant | CloseReason>
  /** Ends what a participant has open whose tokens are worth nothing any more. */
  readonly leave: (participant: string) => void
}

export class Widget {
  readonly #options: WidgetOptions
  readonly #deps: WidgetDeps
  readonly #keys: WidgetKeys
  readonly #tokens: WidgetTokens
  readonly #newVisitors = new Map<string, Bucket>()
  readonly #newOfNetwork: Buckets

  /** Throws `SessionError` for keys or a secret that are not of the form. */
  constructor(options: WidgetOptions, deps: WidgetDeps) {
    this.#options = options
    this.#deps = deps
    this.#keys = new WidgetKeys(options.keys)
    this.#newOfNetwork = new Buckets(NEW_VISITORS_OF_NETWORK, deps.now, MAX_NETWORKS)
    this.#tokens = new WidgetTokens(widgetSecret(deps.access, options.secret), this.#keys)
  }

  /** Reads the widget's own tokens as well as the app's. */
  get access(): Access {
    return this.#tokens.access(this.#deps.verify)
  }

  /** Whether what somebody was given at a place (`Grant.via`) may still be used. */
  stands(via: string, participant: string): boolean {
    return this.#tokens.stands(via, participant)
  }

  setKeys(keys: readonly WidgetKey[]): void {
    this.#keys.set(keys)
  }

  addRoutes(app: Hono, host: WidgetHost): void {
    for (const name of ['loader', 'element'] as const) {
      const code = readScript(WIDGET_PATHS[name])
      const etag = `"${createHash('sha256').update(code).digest('base64url')}"`
      app.get(WIDGET_PATHS[name], (context) => {
        const headers = {
          // Its address stays the same for ever, and so must be asked after.
          'cache-control': 'public, max-age=300',
          'content-type': 'text/javascript; charset=utf-8',
          'cross-origin-resource-policy': 'cross-origin',
          'x-content-type-options': 'nosniff',
          etag,
        }
        return context.req.header('if-none-match') === etag ? context.body(null, 304, headers) : context.body(code, 200, headers)
      })
    }
    app.get(WIDGET_PATHS.page, (context) => this.#page(context))
    const limit = bodyLimit({ maxSize: MAX_REQUEST_BYTES })
    app.post(WIDGET_PATHS.token, limit, (context) => this.#token(context, host))
    app.delete(WIDGET_PATHS.token, limit, (context) => this.#signOut(context, host))
  }

  async #page(context: Context): Promise<Response> {
    const { key, host = '' } = context.req.query()
    const place = this.#place(key, host)
    if (typeof place === 'string') return refusePage(context, place, host)
    const destination = context.req.header('sec-fetch-dest')
    if (destination !== undefined && destination !== 'iframe') return refusePage(context, 'not-framed', '')
    const referrer = context.req.header('referer')
    // Loaded again by itself, it refers to itself.
    if (referrer !== undefined && originOf(referrer) !== host && !isSelf(context, referrer)) {
      return refusePage(context, 'wrong-origin', host)
    }
    const { page, csp = DEFAULT_CSP } = this.#options
    return context.body(typeof page === 'string' ? page : await page(), 200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `${csp}; frame-ancestors ${[...place.known.origins].join(' ')}`,
      'cache-control': 'no-store',
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    })
  }

  async #token(context: Context, { check }: WidgetHost): Promise<Response> {
    const asked = await this.#asked(context)
    if (asked instanceof Response) return asked
    const { place, visitor, user } = asked
    const given = user === undefined ? await this.#visitor(visitor, place, context) : await this.#signedIn(user, place)
    if (typeof given === 'string') return given === 'too-many' ? context.json({ error: given }, 429) : refuse(context, given)
    // Somebody's sessions may have been taken away.
    const grant = await check(given.token, given.session)
    if (grant === 'unavailable' || grant === 'going-away') return context.json({ error: grant }, 503)
    return typeof grant === 'string' ? refuse(context, 'revoked') : context.json(given)
  }

  /** A visitor has signed out: their secret is worth nothing from now on, nor what was given for it. */
  async #signOut(context: Context, { leave }: WidgetHost): Promise<Response> {
    const asked = await this.#asked(context)
    if (asked instanceof Response) return asked
    const visitor = await this.#tokens.readVisitor(asked.visitor, asked.place)
    if (visitor !== null) {
      this.#tokens.forget(visitor)
      leave(visitor.id)
    }
    return context.body(null, 204)
  }

  /** What the page in the frame asks for, or the answer to whoever may not. */
  async #asked(context: Context): Promise<{ place: Place; visitor: string; user: unknown } | Response> {
    context.header('cache-control', 'no-store')
    if (!isFromSelf(context)) return refuse(context, 'wrong-origin')
    const asked: unknown = await context.req.json<unknown>().catch(() => null)
    const { key, host, visitor, user } = (asked ?? {}) as Record<string, unknown>
    const place = this.#place(key, host)
    if (typeof place === 'string') return refuse(context, place)
    return { place, visitor: typeof visitor === 'string' ? visitor : '', user }
  }

  async #visitor(secret: string, { known, ...place }: Place, context: Context): Promise<TokenAnswer | 'too-many'> {
    const { now } = this.#deps
    let visitor: Visitor | null = secret === '' ? null : await this.#tokens.readVisitor(secret, place)
    if (visitor === null) {
      if (!this.#mayCome(place.key, context)) return 'too-many'
      visitor = this.#tokens.newVisitor(now())
    }
    const { id, session, since } = visitor
    const participant = { id, kind: 'user', name: known.guestName } as const
    return {
      token: await this.#tokens.signSession(participant, session, place, since * 1000),
      session,
      visitor: await this.#tokens.signVisitor(visitor, place),
    }
  }

  /** Changes a token of the app into one for the first session that it names. */
  async #signedIn(token: unknown, { known: _known, ...place }: Place): Promise<TokenAnswer | 'bad-user'> {
    const grant = typeof token === 'string' ? await this.#deps.verify(token) : null
    const session = grant === null ? null : sessionOf(grant)
    if (grant === null || session === null || !KINDS.has(grant.participant.kind)) return 'bad-user'
    const { participant, issuedAt, expiresAt } = grant
    return { token: await this.#tokens.signSession(participant, session, place, issuedAt, expiresAt), session }
  }

  #place(key: unknown, host: unknown): Place | WidgetRefusal {
    const known = this.#keys.find(key)
    if (known === undefined) return 'unknown-key'
    return typeof host === 'string' && known.origins.has(host) ? { known, key: known.hash, host } : 'wrong-origin'
  }

  /** Whether one more may come as new. Who has had their network's share may while there is enough for all others. */
  #mayCome(key: string, context: Context): boolean {
    const ofKey = this.#newVisitors.get(key) ?? new Bucket(NEW_VISITORS, this.#deps.now)
    this.#newVisitors.set(key, ofKey)
    const isOwn = this.#newOfNetwork.of(networkOf(context, this.#deps.proxies)).take(1)
    return (isOwn || ofKey.has(NEW_VISITORS.burst / 2)) && ofKey.take(1)
  }
}

interface Place extends WidgetPlace {
  readonly known: KnownKey
}

/**
 * Whether the page in the frame asks, which is of this server. Browsers say so; one that is too old to say it names the origin,
 * which is this server's by the name that it was called by. A program may claim either.
 */
function isFromSelf(context: Context): boolean {
  const site = context.req.header('sec-fetch-site')
  if (site !== undefined) return site === 'same-origin'
  return isSelf(context, context.req.header('origin') ?? '')
}

function isSelf(context: Context, address: string): boolean {
  return URL.parse(address)?.host === context.req.header('host')
}

function originOf(address: string): string | undefined {
  return URL.parse(address)?.origin
}

function refuse(context: Context, reason: WidgetRefusal): Response {
  return context.json({ error: reason, says: SAYS[reason] }, 403)
}

/** Tells the page around the frame, whatever that is: there is nothing in it that not everybody may know. */
const TELL = `parent.postMessage({polylogue:${WIDGET_VERSION},t:'refused',reason:document.body.id},document.body.dataset.host||'*')`
const TELL_HASH = createHash('sha256').update(TELL).digest('base64')

function refusePage(context: Context, reason: WidgetRefusal, host: string): Response {
  const target = isOrigin(host) ? host : ''
  const html = `<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Not available</title>
<body id="${reason}" data-host="${target}"><p>${SAYS[reason]}</p><script>${TELL}</script></body>`
  return context.body(html, 403, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; script-src 'sha256-${TELL_HASH}'`,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
}

/** A script as the build has made it, whether this runs as source or built. */
function readScript(path: string): string {
  const file = ['..', '../dist'].map((folder) => new URL(`${folder}${path}`, import.meta.url)).find((url) => existsSync(url))
  if (file === undefined) throw new SessionError('bad-argument', `${path} is not built: run npm run build.`)
  return readFileSync(file, 'utf8')
}
