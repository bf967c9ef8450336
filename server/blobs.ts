/**
 * Values that are too large for a session's document, over HTTP: `PUT` and `GET /blobs/SESSION/ID`, with the same token as the
 * session, as `Authorization: Bearer TOKEN`. An id is the SHA-256 of the bytes, so that what it names never changes.
 */
import { createHash } from 'node:crypto'
import type { Context, Hono } from 'hono'
import { cors } from 'hono/cors'
import { CLOSE_REASONS, type CloseReason, type Report } from '../shared/errors.ts'
import { BLOB_ID, hashId, MEDIA_TYPE } from '../shared/reference.ts'
import type { Grant } from './access.ts'
import { BlobRates, type BlobLimits, type BlobMeter } from './blob-rates.ts'
import type { Store } from './store.ts'

export interface BlobOptions {
  readonly store: Store
  readonly limits: BlobLimits
  /** Reads a token for a session: what it grants, or why it does not. */
  readonly check: (token: string, session: string) => Promise<Grant | CloseReason>
  /** Origins whose pages may ask; undefined: all. */
  readonly origins: readonly string[] | undefined
  readonly report: Report
}

const STATUS: Partial<Record<CloseReason, 400 | 401 | 403 | 503>> = {
  'bad-session-name': 400,
  'bad-token': 401,
  forbidden: 403,
  unavailable: 503,
  'going-away': 503,
}

/** Adds the routes. */
export function addBlobRoutes(app: Hono, options: BlobOptions): void {
  const { store, origins, limits } = options
  const rates = new BlobRates(limits, () => performance.now())
  /** Bytes that are being put, by session: what comes at once counts as well. */
  const coming = new Map<string, number>()
  const path = '/blobs/:session/:id'
  app.use(
    path,
    cors({
      origin: origins === undefined ? '*' : [...origins],
      allowMethods: ['GET', 'PUT'],
      allowHeaders: ['authorization', 'content-type'],
      exposeHeaders: ['retry-after'],
      maxAge: 600,
    }),
  )
  app.get(path, async (context) => {
    const { session, id } = context.req.param()
    const grant = await authorize(context, session, options)
    if (grant instanceof Response) return grant
    const meter = rates.of(grant.participant)
    if (!meter.begin(0)) return tooFast(context, meter)
    const blob = BLOB_ID.test(id) ? await attempt(() => store.getBlob(session, id), session, options) : null
    if (blob === undefined) return context.text(CLOSE_REASONS.unavailable.says, 503)
    if (blob === null) return context.text('There is nothing of this id.', 404)
    meter.spend(blob.data.byteLength)
    return context.body(blob.data as Uint8Array<ArrayBuffer>, 200, {
      'content-type': blob.type,
      'cache-control': 'private, immutable, max-age=31536000',
      // Somebody's bytes: no page may come of them.
      'content-disposition': 'attachment',
      'content-security-policy': "sandbox; default-src 'none'",
      'x-content-type-options': 'nosniff',
    })
  })
  app.put(path, async (context) => {
    const { session, id } = context.req.param()
    const grant = await authorize(context, session, options)
    if (grant instanceof Response) return grant
    if (grant.participant.kind === 'viewer') return context.text(CLOSE_REASONS['read-only'].says, 403)
    const type = context.req.header('content-type') ?? ''
    if (!BLOB_ID.test(id) || !MEDIA_TYPE.test(type)) return context.text('The id or the media type is not of the form.', 400)
    const meter = rates.of(grant.participant)
    const declared = context.req.header('content-length')
    const bytes = declared === undefined ? limits.blobBytes : Number(declared)
    if (bytes > limits.blobBytes) return context.text(`A value may have ${limits.blobBytes} bytes.`, 413)
    if (!meter.begin(bytes)) return tooFast(context, meter)
    const data = await readBody(context.req.raw, limits.blobBytes)
    meter.giveBack(bytes - (data?.byteLength ?? bytes))
    if (data === null) return context.text(`A value may have ${limits.blobBytes} bytes.`, 413)
    if (hashId(createHash('sha256').update(data).digest()) !== id)
      return context.text('The id is not the hash of the bytes.', 400)
    const others = coming.get(session) ?? 0
    coming.set(session, others + data.byteLength)
    const answer = await attempt(() => put({ session, id, type, data }, others, context, options), session, options)
    const left = (coming.get(session) ?? 0) - data.byteLength
    if (left > 0) coming.set(session, left)
    else coming.delete(session)
    return answer ?? context.text(CLOSE_REASONS.unavailable.says, 503)
  })
}

interface Value {
  readonly session: string
  readonly id: string
  readonly type: string
  readonly data: Uint8Array
}

/** @param others bytes that are being put into the same session. */
async function put(
  { session, id, type, data }: Value,
  others: number,
  context: Context,
  options: BlobOptions,
): Promise<Response> {
  const { store, limits } = options
  if ((await store.blobBytes(session)) + others + data.byteLength > limits.sessionBlobBytes) {
    if ((await store.getBlob(session, id)) === null) return context.text('The session has reached its size limit.', 507)
  }
  await store.putBlob(session, id, type, data)
  return context.body(null, 204)
}

function tooFast(context: Context, meter: BlobMeter): Response {
  return context.text('That is more than is allowed at once: again later.', 429, { 'retry-after': String(meter.waitS) })
}

/** What the request's token grants in the session, or the answer that says why it does not. */
async function authorize(context: Context, session: string, { check }: BlobOptions): Promise<Grant | Response> {
  const token = /^Bearer (.+)$/.exec(context.req.header('authorization') ?? '')?.[1]
  const grant = token === undefined ? 'bad-token' : await check(token, session)
  return typeof grant === 'string' ? context.text(CLOSE_REASONS[grant].says, STATUS[grant] ?? 403) : grant
}

/** What the store gives; undefined when it fails: the client may try again. */
async function attempt<T>(work: () => Promise<T>, session: string, { report }: BlobOptions): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    report(error, { stage: 'blobs', session })
    return undefined
  }
}

/** The body; null when it is larger than allowed, which ends the reading. */
async function readBody(request: Request, most: number): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength
    if (bytes > most) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
