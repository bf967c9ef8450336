/** A token bucket: how much is allowed at once, and how fast that comes back. */
import type { Rate } from '../shared/limits.ts'

export class Bucket {
  readonly #rate: Rate
  readonly #now: () => number
  #left: number
  #at: number

  /** @param now milliseconds of any clock that never goes back. */
  constructor(rate: Rate, now: () => number) {
    this.#rate = rate
    this.#now = now
    this.#left = rate.burst
    this.#at = now()
  }

  /** Takes `amount` if there is so much, else nothing. An amount above the burst is never there. */
  take(amount: number): boolean {
    this.#refill()
    if (amount > this.#left) return false
    this.#left -= amount
    return true
  }

  /** Takes `amount`, also what is not there: then nothing is until that has come back. */
  spend(amount: number): void {
    this.#refill()
    this.#left -= amount
  }

  /** Whether `amount` is there. */
  has(amount: number): boolean {
    return this.waitMs(amount) === 0
  }

  /** Milliseconds until `amount` is there; 0 when it is. */
  waitMs(amount: number): number {
    this.#refill()
    return amount <= this.#left ? 0 : Math.ceil(((amount - this.#left) / this.#rate.perSecond) * 1000)
  }

  get full(): boolean {
    this.#refill()
    return this.#left >= this.#rate.burst
  }

  #refill(): void {
    const now = this.#now()
    // A clock that went back gives nothing and takes nothing.
    const elapsedMs = Math.max(0, now - this.#at)
    this.#at = now
    this.#left = Math.min(this.#rate.burst, this.#left + (elapsedMs / 1000) * this.#rate.perSecond)
  }
}

/** Buckets by name, made when they are asked for first. Above `most`, the one that was not asked for longest is forgotten. */
export class Buckets {
  readonly #rate: Rate
  readonly #now: () => number
  readonly #most: number
  readonly #byName = new Map<string, Bucket>()

  constructor(rate: Rate, now: () => number, most: number) {
    this.#rate = rate
    this.#now = now
    this.#most = most
  }

  of(name: string): Bucket {
    const bucket = this.#byName.get(name) ?? new Bucket(this.#rate, this.#now)
    // Put anew: the oldest are first.
    this.#byName.delete(name)
    this.#byName.set(name, bucket)
    const [oldest] = this.#byName.keys()
    if (this.#byName.size > this.#most && oldest !== undefined) this.#byName.delete(oldest)
    return bucket
  }
}
