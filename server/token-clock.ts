/**
 * The clock of one connection's token: asks for a fresh one in time, and says when the last one has run out.
 */

/** A fresh token is asked for this long before the old one expires, or at half of what is left of a shorter life. */
const ASK_AHEAD_MS = 30_000
/** What `setTimeout` takes at most is 24.8 days; it calls at once for more. */
const LONGEST_WAIT_MS = 86_400_000

export interface TokenClockOptions {
  /** Epoch milliseconds. */
  readonly now: () => number
  /** How long after the expiry an answer is still waited for. */
  readonly graceMs: number
  /** Called ahead of the expiry and, if that brought nothing, once more at it. */
  readonly ask: () => void
  /** Called once, when the grace has passed. */
  readonly end: () => void
}

export class TokenClock {
  readonly #options: TokenClockOptions
  #expiresAt = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(options: TokenClockOptions) {
    this.#options = options
  }

  /** Starts anew with the expiry of a fresh token; `Infinity` never ends. */
  set(expiresAt: number): void {
    if (expiresAt === this.#expiresAt) return
    this.#expiresAt = expiresAt
    const leftMs = expiresAt - this.#options.now()
    this.#at(expiresAt - Math.min(ASK_AHEAD_MS, Math.max(0, leftMs) / 2), () => this.#askAhead())
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#expiresAt = Number.POSITIVE_INFINITY
  }

  #askAhead(): void {
    this.#at(this.#expiresAt, () => {
      this.#at(this.#expiresAt + this.#options.graceMs, this.#options.end)
      this.#options.ask()
    })
    this.#options.ask()
  }

  #at(time: number, then: () => void): void {
    clearTimeout(this.#timer)
    if (time === Number.POSITIVE_INFINITY) return
    const waitMs = time - this.#options.now()
    const next = (): void => (waitMs > LONGEST_WAIT_MS ? this.#at(time, then) : then())
    this.#timer = setTimeout(next, Math.max(0, Math.min(waitMs, LONGEST_WAIT_MS)))
    this.#timer.unref()
  }
}
