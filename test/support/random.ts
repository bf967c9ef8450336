/** Seeded chance for property tests: the same seed makes the same test. */
import * as prng from 'lib0/prng'

export class Chance {
  readonly seed: number
  readonly #prng: prng.PRNG

  constructor(seed: number) {
    this.seed = seed
    this.#prng = prng.create(seed)
  }

  /** A whole number from `min` to `max`, both included. */
  int(min: number, max: number): number {
    return prng.int32(this.#prng, min, max)
  }

  bool(probability = 0.5): boolean {
    return prng.real53(this.#prng) < probability
  }

  /** One of a list, which must not be empty. */
  pick<T>(list: readonly T[]): T {
    const picked = list[this.int(0, list.length - 1)]
    if (picked === undefined && list.length === 0) throw new Error('There is nothing to pick from.')
    return picked as T
  }

  word(maxLength = 8): string {
    let word = ''
    for (let i = this.int(1, maxLength); i > 0; i--) word += String.fromCharCode(this.int(97, 122))
    return word
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.int(0, 255)
  }
}

/** Seeds 1 to `count`, or to the environment's `SEEDS`. */
export function seeds(count: number): number[] {
  return Array.from({ length: Number(process.env['SEEDS'] ?? count) }, (_, index) => index + 1)
}
