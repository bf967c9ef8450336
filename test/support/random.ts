/** Seeded chance for property tests: the same seed makes the same test. */
export class Chance {
  readonly seed: number
  #state: number

  constructor(seed: number) {
    this.seed = seed
    this.#state = seed
  }

  /** A number from 0 to below 1: a counter, scrambled, so that near seeds and near moments have nothing in common. */
  #next(): number {
    this.#state = (this.#state + 0x9e37_79b9) | 0
    let mixed = this.#state ^ (this.#state >>> 16)
    mixed = Math.imul(mixed, 0x21f0_aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }

  /** A whole number from `min` to `max`, both included. */
  int(min: number, max: number): number {
    return Math.floor(this.#next() * (max - min + 1)) + min
  }

  bool(probability = 0.5): boolean {
    return this.#next() < probability
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
