/** How many values, and how much of them, one participant may put beside documents and fetch from there. */
import type { Limits } from '../shared/limits.ts'
import type { Participant } from '../shared/participant.ts'
import { Bucket } from './rate.ts'

export type BlobLimits = Pick<
  Limits,
  'blobBytes' | 'sessionBlobBytes' | 'personBlobs' | 'personBlobBytes' | 'agentBlobs' | 'agentBlobBytes'
>

/** Participants above which those are forgotten who have asked for nothing of late. */
const MAX_METERS = 1_000

/** What one participant has left. */
export class BlobMeter {
  readonly #values: Bucket
  readonly #bytes: Bucket

  constructor(values: Bucket, bytes: Bucket) {
    this.#values = values
    this.#bytes = bytes
  }

  /**
   * Lets a value of so many bytes through, or not yet. What is let through goes to its end: the last one may have more than is
   * left, and what comes then waits for that. So what is under way at once has a size too.
   */
  begin(bytes: number): boolean {
    if (this.#bytes.waitMs(0) > 0 || !this.#values.take(1)) return false
    this.#bytes.spend(bytes)
    return true
  }

  /** Of a value that was let through it was so much less. */
  giveBack(bytes: number): void {
    this.#bytes.spend(-bytes)
  }

  spend(bytes: number): void {
    this.#bytes.spend(bytes)
  }

  /** Seconds until it is worth while to ask again. */
  get waitS(): number {
    return Math.ceil(Math.max(1, this.#bytes.waitMs(0), this.#values.waitMs(1)) / 1_000)
  }

  get isRested(): boolean {
    return this.#values.full && this.#bytes.full
  }
}

export class BlobRates {
  readonly #limits: BlobLimits
  readonly #now: () => number
  readonly #meters = new Map<string, BlobMeter>()

  /** @param now milliseconds of a clock that never goes back. */
  constructor(limits: BlobLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  of({ id, kind }: Participant): BlobMeter {
    const key = `${kind === 'agent' ? 'agent' : 'person'}:${id}`
    let meter = this.#meters.get(key)
    if (meter === undefined) {
      if (this.#meters.size >= MAX_METERS) this.#forget()
      const { personBlobs, personBlobBytes, agentBlobs, agentBlobBytes } = this.#limits
      const [values, bytes] = kind === 'agent' ? [agentBlobs, agentBlobBytes] : [personBlobs, personBlobBytes]
      meter = new BlobMeter(new Bucket(values, this.#now), new Bucket(bytes, this.#now))
      this.#meters.set(key, meter)
    }
    return meter
  }

  #forget(): void {
    for (const [key, meter] of this.#meters) if (meter.isRested) this.#meters.delete(key)
  }
}
