/** Values that are too large for the document: put beside it and fetched from there, over HTTP with the session's token. */
import { SessionError } from '../shared/errors.ts'
import { blobPath, hashId, JSON_TYPE, makeReference, readReference } from '../shared/reference.ts'
import { largeJson } from './answers.ts'

export interface BlobsOptions {
  /** The address of the WebSocket endpoint. */
  readonly url: string
  readonly session: string
  readonly token: () => Promise<string>
}

const RETRY_FIRST_MS = 250
const RETRY_LONGEST_MS = 10_000
/** Status of what is asked too fast: the server says when to come again. */
const TOO_FAST = 429

export class Blobs {
  readonly #options: BlobsOptions

  constructor(options: BlobsOptions) {
    this.#options = options
  }

  /**
   * Gives what stands in the document for a value: itself where it is small, else a reference to where it was put. Tries until
   * the signal fires. Throws `SessionError`: `too-big` when the server does not take so much, `forbidden` when it takes nothing
   * from this participant.
   */
  async lighten(value: unknown, signal: AbortSignal): Promise<unknown> {
    const json = largeJson(value)
    if (json === null) return value
    const bytes = new TextEncoder().encode(json)
    const id = hashId(await sha256(bytes))
    const headers = { 'content-type': JSON_TYPE }
    const response = await this.#fetch(id, { method: 'PUT', body: bytes, headers, signal })
    if (response.ok) return makeReference(id, bytes.byteLength, json)
    const says = await response.text()
    const code = response.status === 413 || response.status === 507 ? 'too-big' : 'forbidden'
    throw new SessionError(code, `The value of ${bytes.byteLength} bytes was not taken (${response.status}): ${says}`)
  }

  /**
   * Fetches what a reference stands for. Throws `SessionError`: `bad-argument` when it is none, `not-found` when the session
   * has nothing of that id, `forbidden`; and what `fetch` throws.
   */
  async fetch(reference: unknown, signal?: AbortSignal): Promise<unknown> {
    const known = readReference(reference)
    if (known === undefined) throw new SessionError('bad-argument', 'What is to be fetched must be a reference.')
    const init = signal === undefined ? {} : { signal }
    let response = await this.#ask(known.id, init)
    while (response.status === TOO_FAST) {
      await pause(waitMs(response), signal ?? new AbortController().signal)
      response = await this.#ask(known.id, init)
    }
    if (response.status === 404) throw new SessionError('not-found', `There is nothing of the id ${known.id}.`)
    if (!response.ok) throw new SessionError('forbidden', `The server does not give it (${response.status}).`)
    const bytes = new Uint8Array(await response.arrayBuffer())
    if (hashId(await sha256(bytes)) !== known.id) throw new SessionError('not-found', `What came is not what ${known.id} names.`)
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown
  }

  /** Asks until there is an answer that another try would not change. */
  async #fetch(id: string, init: RequestInit & { readonly signal: AbortSignal }): Promise<Response> {
    for (let tries = 0; ; tries++) {
      try {
        const response = await this.#ask(id, init)
        if (response.status === TOO_FAST) await pause(waitMs(response), init.signal)
        else if (response.status < 500 || response.status === 507) return response
      } catch (error) {
        // The server cannot be reached; a token that cannot be had may be had later.
        if (init.signal.aborted || error instanceof SessionError) throw error
      }
      await pause(Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** tries), init.signal)
    }
  }

  async #ask(id: string, init: RequestInit): Promise<Response> {
    const { url, session, token } = this.#options
    const address = new URL(url)
    address.protocol = address.protocol === 'wss:' ? 'https:' : 'http:'
    address.pathname = address.pathname.replace(/\/sync$/, '') + blobPath(session, id)
    const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${await token()}` }
    return await fetch(address, { ...init, headers })
  }
}

/** By the platform where it does it: only pages of secure origins have that, and only the others need to load something. */
async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const { subtle } = globalThis.crypto as Partial<Crypto>
  return subtle === undefined
    ? (await import('lib0/hash/sha256')).digest(bytes)
    : new Uint8Array(await subtle.digest('SHA-256', bytes))
}

function waitMs(response: Response): number {
  const seconds = Number(response.headers.get('retry-after') ?? 0)
  return Math.min(60_000, Math.max(RETRY_FIRST_MS, seconds * 1_000))
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
