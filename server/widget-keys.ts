/**
 * Publishable keys: which pages may show the widget. A key stands in the source of a page for everybody to read, so it is a name
 * and no secret; what it does is to bind a widget to origins, and to be taken away.
 */
import { createHash } from 'node:crypto'
import { SessionError } from '../shared/errors.ts'

export interface WidgetKey {
  /** `pk_` and 8 to 128 letters, digits, `_` and `-`. Public. */
  readonly key: string
  /** Origins of the pages that may show the widget, exactly as browsers name them: `https://shop.example`. At least one. */
  readonly origins: readonly string[]
  /** What visitors are called who are not signed in. Default `Guest`. */
  readonly guestName?: string
}

/** A key as it is kept. */
export interface KnownKey {
  /** SHA-256, base64url. */
  readonly hash: string
  readonly origins: ReadonlySet<string>
  readonly guestName: string
}

const KEY = /^pk_[A-Za-z0-9_-]{8,128}$/
const MAX_NAME_CHARS = 64

export class WidgetKeys {
  #byHash: ReadonlyMap<string, KnownKey> = new Map()

  constructor(keys: readonly WidgetKey[]) {
    this.set(keys)
  }

  /** Puts these keys in the place of all. Throws `SessionError` for one that is not of the form, and changes nothing then. */
  set(keys: readonly WidgetKey[]): void {
    this.#byHash = new Map(keys.map(readKey).map((known) => [known.hash, known]))
  }

  /**
   * A key as a page has sent it. It is looked for by its hash, so that the time this takes says nothing about keys that are
   * close to it.
   */
  find(key: unknown): KnownKey | undefined {
    return typeof key === 'string' && KEY.test(key) ? this.#byHash.get(hashOf(key)) : undefined
  }

  /** Whether pages of an origin may still show what was begun with a key. */
  allows(hash: string, origin: string): boolean {
    return this.#byHash.get(hash)?.origins.has(origin) === true
  }
}

/** A plain one: what else a host may be made of (`*`, quotes, `;`) would say more in a policy or a page than it is. */
export function isOrigin(text: string): boolean {
  return /^https?:\/\/[a-z0-9.:[\]_-]+$/.test(text) && URL.parse(text)?.origin === text
}

function readKey({ key, origins, guestName = 'Guest' }: WidgetKey): KnownKey {
  if (!KEY.test(key)) {
    throw new SessionError('bad-argument', `A widget's key is pk_ and 8 to 128 letters, digits, _ and -; it has ${key.length}.`)
  }
  if (origins.length === 0) throw new SessionError('bad-argument', 'A widget’s key needs at least one origin.')
  for (const origin of origins) {
    if (!isOrigin(origin)) {
      throw new SessionError('bad-argument', `An origin is like https://shop.example, without a path; it is ${origin}.`)
    }
  }
  if (guestName.trim() === '' || guestName.length > MAX_NAME_CHARS) {
    throw new SessionError('bad-argument', `guestName is 1 to ${MAX_NAME_CHARS} characters.`)
  }
  return { hash: hashOf(key), origins: new Set(origins), guestName }
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}
