/** One push: encrypted for the browser (RFC 8291), signed for its push service (RFC 8292), posted (RFC 8030). */
import { createHash } from 'node:crypto'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { encryptNotification } from '@block65/webcrypto-web-push'
import { importJWK, SignJWT } from 'jose'
import type { NoticePayload } from '../shared/notice.ts'
import { guardedLookup, objectionTo, PrivateAddress, type EndpointRules } from './push-endpoint.ts'
import type { VapidKeys } from './push-keys.ts'
import { readAnswer, type Outcome } from './push-rules.ts'
import type { Subscriber } from './store.ts'

/** How long a push service may take to answer. */
const TIMEOUT_MS = 10_000
/** How long its token for the push service is good; at most 24 hours. */
const TOKEN_S = 12 * 3600

export interface PushSenderOptions {
  readonly keys: VapidKeys
  /** Whom the push service may turn to: a `mailto:` or `https:` address. */
  readonly subject: string
  readonly rules: EndpointRules
}

export interface PushTerms {
  /** How long the push service keeps it for a browser that is not there. */
  readonly ttlS: number
  readonly urgency: 'normal' | 'high'
}

export class PushSender {
  readonly #options: PushSenderOptions
  readonly #signingKey: ReturnType<typeof importJWK>

  constructor(options: PushSenderOptions) {
    this.#options = options
    const point = Buffer.from(options.keys.publicKey, 'base64url')
    const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString('base64url'))
    this.#signingKey = importJWK({ kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '', d: options.keys.privateKey }, 'ES256')
  }

  /** Never rejects. Nothing of what came back but its status and `Retry-After` is read, and no redirect is followed. */
  async send(subscriber: Subscriber, payload: NoticePayload, terms: PushTerms, signal: AbortSignal): Promise<Outcome> {
    const { endpoint } = subscriber
    const objection = objectionTo(endpoint, this.#options.rules)
    if (objection !== null) return { kind: 'refused', why: objection }
    try {
      const url = new URL(endpoint)
      const body = await encrypt(subscriber, payload)
      const headers = {
        authorization: await this.#authorization(url),
        'content-encoding': 'aes128gcm',
        'content-type': 'application/octet-stream',
        'content-length': body.byteLength,
        ttl: terms.ttlS,
        urgency: terms.urgency,
        topic: topicOf(payload.tag),
      }
      return await this.#post(url, headers, body, signal)
    } catch (error) {
      return { kind: 'refused', why: `It cannot be sent (${error instanceof Error ? error.message : String(error)}).` }
    }
  }

  async #authorization(url: URL): Promise<string> {
    const { keys, subject } = this.#options
    const token = await new SignJWT()
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
      .setAudience(url.origin)
      .setSubject(subject)
      .setExpirationTime(`${TOKEN_S}s`)
      .sign(await this.#signingKey)
    return `vapid t=${token}, k=${keys.publicKey}`
  }

  #post(url: URL, headers: Record<string, string | number>, body: Uint8Array, signal: AbortSignal): Promise<Outcome> {
    const request = url.protocol === 'http:' ? requestHttp : requestHttps
    return new Promise((resolve) => {
      const options = {
        method: 'POST',
        headers,
        // A connection of its own: a push service that keeps connections open keeps none of ours.
        agent: false,
        lookup: guardedLookup(this.#options.rules.loopback),
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      }
      const post = request(url, options, (response) => {
        resolve(readAnswer(response.statusCode ?? 0, response.headers['retry-after'], Date.now()))
        response.destroy()
      })
      // Any number of these may come before an answer, as fast as the line is; no push service has a use for one.
      post.on('information', () => post.destroy(new Error('It answered with something that is no answer.')))
      post.on('error', (error) => {
        const why = error.name === 'TimeoutError' ? 'It did not answer in time.' : error.message
        resolve(error instanceof PrivateAddress ? { kind: 'refused', why } : { kind: 'later', why, afterMs: null })
      })
      post.end(body)
    })
  }
}

/** Padded to one length, so that none can be told from another. */
async function encrypt({ endpoint, p256dh, auth }: Subscriber, payload: NoticePayload): Promise<Uint8Array> {
  const subscription = { endpoint, expirationTime: null, keys: { p256dh, auth } }
  return await encryptNotification(subscription, new TextEncoder().encode(JSON.stringify(payload)))
}

/** What replaces one another at the push service: 32 characters of base64url (RFC 8030 §5.4). */
function topicOf(tag: string): string {
  return createHash('sha256').update(tag).digest('base64url').slice(0, 32)
}
