/**
 * A browser's push service, as the RFCs have it: it checks who sends (RFC 8292) and how (RFC 8030), and decrypts what comes
 * (RFC 8188, RFC 8291) as the browser would, by the platform's primitives alone.
 */
import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes, verify, type ECDH } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { NoticePayload } from '../../shared/notice.ts'

/** A subscription of a browser, as its `toJSON()` gives it. */
export interface SubscriptionJson {
  readonly endpoint: string
  readonly keys: { readonly p256dh: string; readonly auth: string }
}

interface Delivered {
  readonly endpoint: string
  readonly headers: IncomingHttpHeaders
  /** Claims of the sender's token. */
  readonly claims: { readonly aud: string; readonly exp: number; readonly sub: string }
  /** The key that it is signed with. */
  readonly key: string
  readonly payload: NoticePayload
  readonly bytes: number
}

interface PushAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
}

export interface PushService {
  readonly origin: string
  /** What was right in every respect and answered with a success. */
  readonly delivered: Delivered[]
  /** All that came and was right, whatever it was answered. */
  readonly tried: Delivered[]
  /** What was wrong with what came. */
  readonly wrong: string[]
  /** A browser subscribes; the keys are real. */
  subscribe(): SubscriptionJson
  /** What is answered to what is right; default 201. A promise keeps the sender waiting. */
  answer: (delivered: Delivered) => PushAnswer | Promise<PushAnswer>
  close(): Promise<void>
}

/** What only the browser knows. */
export interface Browser {
  readonly keys: ECDH
  readonly auth: Buffer
}

const MAX_TOKEN_S = 24 * 3600

export async function startPushService(): Promise<PushService> {
  const browsers = new Map<string, Browser>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      void take(request.method ?? '', request.url ?? '', request.headers, Buffer.concat(chunks)).then(
        ({ status, headers = {} }) => {
          response.writeHead(status, headers).end('x'.repeat(100))
        },
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const service: PushService = {
    origin,
    delivered: [],
    tried: [],
    wrong: [],
    answer: () => ({ status: 201 }),
    subscribe() {
      const keys = createECDH('prime256v1')
      const auth = randomBytes(16)
      const path = `/push/${randomBytes(12).toString('base64url')}`
      const p256dh = keys.generateKeys('base64url')
      browsers.set(path, { keys, auth })
      return { endpoint: origin + path, keys: { p256dh, auth: auth.toString('base64url') } }
    },
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }

  const take = async (method: string, path: string, headers: IncomingHttpHeaders, body: Buffer): Promise<PushAnswer> => {
    const browser = browsers.get(path)
    if (browser === undefined) return { status: 404 }
    let delivered: Delivered
    try {
      if (method !== 'POST') throw new Error(`method ${method}`)
      checkHeaders(headers)
      const { claims, key } = readToken(headers.authorization ?? '', origin)
      const payload = JSON.parse(decrypt(body, browser).toString('utf8')) as NoticePayload
      delivered = { endpoint: origin + path, headers, claims, key, payload, bytes: body.byteLength }
    } catch (error) {
      service.wrong.push(String(error))
      return { status: 400 }
    }
    service.tried.push(delivered)
    const answer = await service.answer(delivered)
    if (answer.status === 201) service.delivered.push(delivered)
    return answer
  }
  return service
}

function checkHeaders(headers: IncomingHttpHeaders): void {
  const expected: Readonly<Record<string, RegExp>> = {
    'content-encoding': /^aes128gcm$/,
    ttl: /^[1-9]\d*$/,
    urgency: /^(very-low|low|normal|high)$/,
    topic: /^[A-Za-z0-9_-]{1,32}$/,
  }
  for (const [name, form] of Object.entries(expected)) {
    if (!form.test(String(headers[name]))) throw new Error(`header ${name}: ${String(headers[name])}`)
  }
}

/** RFC 8292: `vapid t=TOKEN, k=KEY`, signed with that key for this origin, for a day at most. */
function readToken(authorization: string, origin: string): Pick<Delivered, 'claims' | 'key'> {
  const [, token = '', key = ''] = /^vapid t=([\w.-]+), ?k=([\w-]+)$/.exec(authorization) ?? []
  const [header = '', payload = '', signature = ''] = token.split('.')
  const json = (part: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Record<string, unknown>
  if (json(header)['alg'] !== 'ES256') throw new Error('the token is not of ES256')
  const point = Buffer.from(key, 'base64url')
  if (point.byteLength !== 65 || point[0] !== 4) throw new Error('the key is no uncompressed point')
  const [x, y] = [point.subarray(1, 33).toString('base64url'), point.subarray(33).toString('base64url')]
  const publicKey = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' })
  const signed = Buffer.from(`${header}.${payload}`)
  if (!verify('sha256', signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'))) {
    throw new Error('the signature does not fit')
  }
  const claims = json(payload) as unknown as Delivered['claims']
  const leftS = claims.exp - Date.now() / 1_000
  if (claims.aud !== origin) throw new Error(`aud ${claims.aud}`)
  if (!(leftS > 0 && leftS <= MAX_TOKEN_S)) throw new Error(`exp in ${leftS} s`)
  if (!/^(mailto:|https:)/.test(claims.sub)) throw new Error(`sub ${claims.sub}`)
  return { claims, key }
}

/** RFC 8188 with the keys of RFC 8291: one record, of which the delimiter 2 is the end and zeros follow. */
export function decrypt(body: Buffer, { keys, auth }: Browser): Buffer {
  const salt = body.subarray(0, 16)
  const recordSize = body.readUInt32BE(16)
  const idLength = body.readUInt8(20)
  const sender = body.subarray(21, 21 + idLength)
  const record = body.subarray(21 + idLength)
  if (idLength !== 65) throw new Error(`a key of ${idLength} bytes`)
  // What a push service must take (RFC 8291 §4), and one record only.
  if (body.byteLength > 4_096 || record.byteLength > recordSize) throw new Error(`${body.byteLength} bytes`)
  const hkdf = (secret: Buffer, with_: Buffer, info: Buffer | string, length: number): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, with_, info, length))
  const keyInfo = Buffer.concat([Buffer.from('WebPush: info\0'), keys.getPublicKey(), sender])
  const secret = hkdf(keys.computeSecret(sender), auth, keyInfo, 32)
  const key = hkdf(secret, salt, 'Content-Encoding: aes128gcm\0', 16)
  const nonce = hkdf(secret, salt, 'Content-Encoding: nonce\0', 12)
  const cipher = createDecipheriv('aes-128-gcm', key, nonce)
  cipher.setAuthTag(record.subarray(-16))
  const padded = Buffer.concat([cipher.update(record.subarray(0, -16)), cipher.final()])
  const end = padded.findLastIndex((byte) => byte !== 0)
  if (padded[end] !== 2) throw new Error('no end of the last record')
  return padded.subarray(0, end)
}
