/**
 * The two kinds of token that the widget needs, both bound to a key and to the origin of a page, and both worth nothing once
 * that key is gone or is not for that origin any more.
 *
 * A visitor's is a secret that lies on the device for a year and opens nothing by itself; against it the server gives those that
 * open the session, for ten minutes each.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { errors, jwtVerify, SignJWT, type JWTPayload } from 'jose'
import { SessionError } from '../shared/errors.ts'
import { SESSION_NAME } from '../shared/limits.ts'
import { readParticipant, type Participant } from '../shared/participant.ts'
import type { Access, AccessOptions, Grant } from './access.ts'
import type { WidgetKeys } from './widget-keys.ts'

/** `typ` of the tokens, so that none is ever taken for the other. */
const VISITOR_TYPE = 'polylogue-visitor+jwt'
const SESSION_TYPE = 'polylogue-widget+jwt'
/** A visit makes it last a year from then. */
const VISITOR_EXPIRES_S = 365 * 86_400
const SESSION_EXPIRES_S = 600
const MIN_SECRET_BYTES = 32
/** Visitors who have signed out are remembered so many at most, the newest, and as long as the process lives. */
const MAX_FORGOTTEN = 10_000

/** Where a widget is: a key's hash, and the origin of the page around it. */
export interface WidgetPlace {
  readonly key: string
  readonly host: string
}

/** Somebody who is not signed in. */
export interface Visitor {
  /** 128 random bits. */
  readonly id: string
  readonly session: string
  /** Epoch seconds of when they first came; all their tokens count as issued then, so that revoking them holds. */
  readonly since: number
}

export class WidgetTokens {
  readonly #secret: Uint8Array
  readonly #keys: WidgetKeys
  /** Ids of visitors who have signed out, oldest first. */
  readonly #forgotten = new Set<string>()

  constructor(secret: Uint8Array, keys: WidgetKeys) {
    this.#secret = secret
    this.#keys = keys
  }

  newVisitor(nowMs: number): Visitor {
    const random = (): string => randomBytes(16).toString('base64url')
    return { id: `guest-${random()}`, session: `w${random()}`, since: Math.floor(nowMs / 1000) }
  }

  signVisitor({ id, session, since }: Visitor, place: WidgetPlace): Promise<string> {
    return this.#sign({ session, since, ...place }, VISITOR_TYPE, id, since, VISITOR_EXPIRES_S)
  }

  /** The visitor whose secret it is; null for one that is not valid, or from another key or page. */
  async readVisitor(token: string, { key, host }: WidgetPlace): Promise<Visitor | null> {
    const claims = await this.#verify(token, VISITOR_TYPE)
    if (claims === null || claims['key'] !== key || claims['host'] !== host) return null
    const { sub: id, session, since } = claims
    if (typeof id !== 'string' || typeof session !== 'string' || typeof since !== 'number') return null
    return this.#forgotten.has(id) ? null : { id, session, since }
  }

  /** From now on no token of a visitor is worth anything. */
  forget({ id }: Visitor): void {
    this.#forgotten.add(id)
    const [oldest] = this.#forgotten
    if (this.#forgotten.size > MAX_FORGOTTEN && oldest !== undefined) this.#forgotten.delete(oldest)
  }

  /** A token that opens one session. `issuedAt` and `expiresAt`: epoch milliseconds. */
  signSession(
    { id, kind, name }: Participant,
    session: string,
    place: WidgetPlace,
    issuedAt: number,
    expiresAt: number = Number.POSITIVE_INFINITY,
  ): Promise<string> {
    const leftS = Math.floor((expiresAt - Date.now()) / 1000)
    return this.#sign(
      { kind, name, sessions: [session], ...place },
      SESSION_TYPE,
      id,
      Math.floor(issuedAt / 1000),
      Math.min(SESSION_EXPIRES_S, leftS),
    )
  }

  /** Reads tokens of widgets as well as those that `access` reads. */
  access(access: Access): Access {
    return async (token) => (isOfType(token, SESSION_TYPE) ? await this.#grant(token) : await access(token))
  }

  /** Whether what was given at a place may still be used. */
  stands(via: string, participant: string): boolean {
    const [key, host] = JSON.parse(via) as [string, string]
    return this.#keys.allows(key, host) && !this.#forgotten.has(participant)
  }

  async #grant(token: string): Promise<Grant | null> {
    const claims = await this.#verify(token, SESSION_TYPE)
    if (claims === null) return null
    const { sub, kind, name, sessions, key, host, exp = 0, iat = 0 } = claims
    const participant = readParticipant({ id: sub, kind, name })
    if (participant === null || typeof key !== 'string' || typeof host !== 'string') return null
    return {
      participant,
      sessions: (sessions as unknown[]).filter((it) => typeof it === 'string'),
      expiresAt: exp * 1000,
      issuedAt: iat * 1000,
      isWithdrawn: () => !this.#keys.allows(key, host) || this.#forgotten.has(participant.id),
      via: viaOf({ key, host }),
    }
  }

  async #verify(token: string, typ: string): Promise<JWTPayload | null> {
    try {
      return (await jwtVerify(token, this.#secret, { algorithms: ['HS256'], typ })).payload
    } catch (error) {
      if (error instanceof errors.JOSEError) return null
      throw error
    }
  }

  #sign(claims: Record<string, unknown>, typ: string, subject: string, iat: number, expiresInS: number): Promise<string> {
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ })
      .setSubject(subject)
      .setIssuedAt(iat)
      .setExpirationTime(Math.floor(Date.now() / 1000) + expiresInS)
      .sign(this.#secret)
  }
}

/**
 * The secret that signs the widget's tokens: of the server's own for tokens, by a one-way function, so that neither signs for the
 * other; or the one that is given, which an app needs whose tokens are verified by public keys.
 */
export function widgetSecret(access: AccessOptions, given: string | undefined): Uint8Array {
  const secret = given ?? ('secret' in access ? access.secret : '')
  if (Buffer.byteLength(secret) < MIN_SECRET_BYTES) {
    throw new SessionError(
      'bad-argument',
      `The widget needs a secret of at least ${MIN_SECRET_BYTES} bytes where tokens are verified by public keys: widget.secret.`,
    )
  }
  return createHmac('sha256', secret).update('polylogue widget 1').digest()
}

/** A place as it is kept beside what was given there. */
function viaOf({ key, host }: WidgetPlace): string {
  return JSON.stringify([key, host])
}

/** Which kind a token says that it is, before anything of it is believed. */
function isOfType(token: string, typ: string): boolean {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString())
    return (header as { typ?: unknown } | null)?.typ === typ
  } catch {
    return false
  }
}

/** The session of a signed-in user: the first that the token names in full. */
export function sessionOf(grant: Grant): string | null {
  return grant.sessions.find((name) => SESSION_NAME.test(name)) ?? null
}
