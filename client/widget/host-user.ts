/** Asks the page around the frame for the token of its signed-in user. */
import type { FrameMessage } from '../../shared/widget.ts'

const TIMEOUT_MS = 30_000

export class HostUser {
  readonly #tell: (message: FrameMessage) => void
  readonly #asked = new Map<number, (token: string | null) => void>()
  #count = 0

  constructor(tell: (message: FrameMessage) => void) {
    this.#tell = tell
  }

  /** Rejects when that page has none, or does not answer in time. */
  async token(): Promise<string> {
    const n = ++this.#count
    const { promise, resolve } = Promise.withResolvers<string | null>()
    this.#asked.set(n, resolve)
    const timer = setTimeout(() => resolve(null), TIMEOUT_MS)
    this.#tell({ t: 'user', n })
    const token = await promise
    clearTimeout(timer)
    this.#asked.delete(n)
    if (token === null) throw new Error('The page gave no token for its user.')
    return token
  }

  /** What that page has answered. */
  answer(n: number, token: string | null): void {
    this.#asked.get(n)?.(token)
  }
}
