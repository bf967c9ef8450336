/**
 * Who a token speaks for and which sessions it opens. JSON Web Tokens through `jose`.
 */
import { createRemoteJWKSet, errors, jwtVerify, SignJWT, type JWTPayload } from 'jose'
import { SessionError } from '../shared/errors.ts'
import { MAX_ID_CHARS } from '../shared/limits.ts'
import { readParticipant, type Participant, type ParticipantKind } from '../shared/participant.ts'
import { agentOfControl } from '../shared/wire.ts'

/**
 * How tokens are verified: with a shared secret of at least 32 bytes (HS256), or with the public keys at a JWKS address
 * (asymmetric algorithms only, so that a public key can never be taken for a secret).
 */
export type AccessOptions = { readonly secret: string } | { readonly jwks: string }

/** What a verified token allows. */
export interface Grant {
  readonly participant: Participant
  /** Session ids; one that ends in `*` stands for all that begin with what is before it. */
  readonly sessions: readonly string[]
  /** Epoch milliseconds; `Infinity` for a token without expiry. */
  readonly expiresAt: number
  /** Epoch milliseconds, whole seconds as `iat` is; 0 for a token that does not say when it was issued. */
  readonly issuedAt: number
  /** Whether what the token was given for is not there any more, whatever it says itself. Absent: it stands for itself. */
  readonly isWithdrawn?: () => boolean
  /** Of what `isWithdrawn` depends on, as it is kept beside what outlives the token. */
  readonly via?: string
}

export type Access = (token: string) => Promise<Grant | null>

const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
const MIN_SECRET_BYTES = 32
/**
 * Errors of a JWKS server that does not answer, or not with keys. They say nothing about the token: the client may try
 * again. The generic one is what an answer other than 200 gives.
 */
const KEYS_FAILED: ReadonlySet<string> = new Set([
  errors.JWKSTimeout.code,
  errors.JWKSInvalid.code,
  errors.JWKInvalid.code,
  errors.JOSEError.code,
])

/** So long a token that was valid is not verified again: a worker that comes back opens all of its sessions with one. */
const REMEMBERED_MS = 5_000
/** So many of them at once; of more, the one goes that came first. */
const MOST_REMEMBERED = 64
/** A longer one is verified each time. */
const REMEMBERED_CHARS = 4_096

/** Makes the function that reads a token: the grant, or null for one that is not valid. Rejects when keys cannot be fetched. */
export function createAccess(options: AccessOptions, now: () => number = Date.now): Access {
  const verify = 'secret' in options ? bySecret(options.secret) : byKeys(options.jwks)
  return remembering(async (token) => {
    let payload: JWTPayload
    try {
      payload = await verify(token)
    } catch (error) {
      if (error instanceof errors.JOSEError && !KEYS_FAILED.has(error.code)) return null
      throw error
    }
    return readGrant(payload)
  }, now)
}

function remembering(read: Access, now: () => number): Access {
  const recent = new Map<string, { readonly grant: Promise<Grant | null>; readonly untilMs: number }>()
  return async (token) => {
    const known = recent.get(token)
    if (known !== undefined && now() < known.untilMs) {
      const grant = await known.grant
      return grant !== null && now() < grant.expiresAt ? grant : null
    }
    recent.delete(token)
    const grant = read(token)
    if (token.length > REMEMBERED_CHARS) return await grant
    const entry = { grant, untilMs: now() + REMEMBERED_MS }
    recent.set(token, entry)
    for (const first of recent.keys()) {
      if (recent.size <= MOST_REMEMBERED) break
      recent.delete(first)
    }
    // What is not valid is not remembered: anybody may send as many of those as he likes. Nor are keys that could not be had.
    const forget = (): void => {
      if (recent.get(token) === entry) recent.delete(token)
    }
    grant.then((it) => it ?? forget(), forget)
    return await grant
  }
}

function bySecret(secret: string): (token: string) => Promise<JWTPayload> {
  const bytes = secretKey(secret)
  let key: CryptoKey | undefined
  return async (token) => {
    // Once: `jose` would make one of the bytes for each token.
    key ??= await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
    return (await jwtVerify(token, key, { algorithms: ['HS256'] })).payload
  }
}

function byKeys(address: string): (token: string) => Promise<JWTPayload> {
  const keys = createRemoteJWKSet(new URL(address))
  return async (token) => (await jwtVerify(token, keys, { algorithms: ASYMMETRIC })).payload
}

function secretKey(secret: string): Uint8Array<ArrayBuffer> {
  const key = new TextEncoder().encode(secret)
  if (key.byteLength < MIN_SECRET_BYTES) {
    throw new SessionError('bad-argument', `The secret must have at least ${MIN_SECRET_BYTES} bytes; it has ${key.byteLength}.`)
  }
  return key
}

/**
 * A participant's id is the key of a map in the document. One that no update may have as a key would make every replica that
 * holds it be refused.
 */
function isId(id: string): boolean {
  return id !== '__proto__' && id.length <= MAX_ID_CHARS
}

function readGrant(payload: JWTPayload): Grant | null {
  const { sub, kind, name, sessions, exp, iat = 0 } = payload
  const participant = readParticipant({ id: sub, kind, name: name ?? sub })
  // `server` is the server's own kind: no token may claim it.
  if (participant === null || participant.kind === 'server' || !isId(participant.id)) return null
  if (!Array.isArray(sessions) || !sessions.every((session) => typeof session === 'string')) return null
  return { participant, sessions, expiresAt: exp === undefined ? Number.POSITIVE_INFINITY : exp * 1000, issuedAt: iat * 1000 }
}

/** True when the grant names the session, or the agent's own control document. */
export function opens(grant: Grant, documentName: string): boolean {
  const agent = agentOfControl(documentName)
  if (agent !== null) return grant.participant.kind === 'agent' && grant.participant.id === agent
  return grant.sessions.some((name) => (name.endsWith('*') ? documentName.startsWith(name.slice(0, -1)) : name === documentName))
}

export interface TokenClaims {
  /** Participant id, 1 to 256 characters; an agent's is its agent name. One person's, whatever the kind. */
  readonly id: string
  readonly kind: Exclude<ParticipantKind, 'server'>
  readonly name?: string
  /** Session ids, or prefixes that end in `*`. */
  readonly sessions: readonly string[]
  /** Seconds until it expires. Default 3600. */
  readonly expiresInS?: number
}

/**
 * Mints a token with the shared secret. For your own backend, and for development. Rejects with `bad-argument` for an id that
 * no participant can have.
 */
export async function mintToken(secret: string, claims: TokenClaims): Promise<string> {
  const { id, kind, name = id, sessions, expiresInS = 3600 } = claims
  if (id === '' || !isId(id)) {
    throw new SessionError(
      'bad-argument',
      `A participant's id is 1 to ${MAX_ID_CHARS} characters and not __proto__; it is ${JSON.stringify(id.slice(0, 100))}.`,
    )
  }
  return await new SignJWT({ kind, name, sessions })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(id)
    .setIssuedAt()
    .setExpirationTime(`${expiresInS}s`)
    .sign(secretKey(secret))
}
