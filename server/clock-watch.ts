/** Notices when time has passed that nobody here has seen: a clock that was set, a machine that slept, a process that stood still. */

/** The wall clock, and one that never jumps; in milliseconds. */
export interface Clocks {
  readonly wall: () => number
  readonly steady: () => number
}

/** So much the two may be apart without that meaning anything. */
const SLACK_MS = 1_000

export class ClockWatch {
  readonly #clocks: Clocks
  readonly #longestMs: number
  #wall: number
  #steady: number

  /** @param longestMs time between two looks that is usual at most. */
  constructor(longestMs: number, clocks: Clocks = { wall: Date.now, steady: () => performance.now() }) {
    this.#clocks = clocks
    this.#longestMs = longestMs
    this.#wall = clocks.wall()
    this.#steady = clocks.steady()
  }

  /** True when the clocks have not gone on together since it was last asked, or that was long ago. */
  hasJumped(): boolean {
    const [wall, steady] = [this.#clocks.wall(), this.#clocks.steady()]
    const [wallMs, steadyMs] = [wall - this.#wall, steady - this.#steady]
    this.#wall = wall
    this.#steady = steady
    return Math.abs(wallMs - steadyMs) > SLACK_MS || steadyMs > this.#longestMs
  }
}
