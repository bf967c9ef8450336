/**
 * Large answers of one socket, one after the other: the next one is made when the one before has been read. So they do not
 * pile up for a reader that is slow, and a worker that opens a thousand sessions at once over a slow line gets all of them.
 */

/** Where the answers go. */
export interface Outlet {
  /** So much waits to be read that nothing large should follow yet. */
  readonly isBehind: boolean
  /** Calls `task` once, when it is not behind any more. Only one waits at a time. */
  whenRead(task: () => void): void
}

/** Makes and sends an answer; calls `done` when it has, or will not. */
export type Answer = (done: () => void) => void

export class Answers {
  readonly #outlet: Outlet
  readonly #waiting: Answer[] = []
  #isAnswering = false
  #isLooking = false

  constructor(outlet: Outlet) {
    this.#outlet = outlet
  }

  add(answer: Answer): void {
    this.#waiting.push(answer)
    this.#look()
  }

  readonly #look = (): void => {
    // An answer may be done at once, a thousand times.
    if (this.#isLooking) return
    this.#isLooking = true
    while (!this.#isAnswering) {
      if (this.#outlet.isBehind) {
        if (this.#waiting.length > 0) this.#outlet.whenRead(this.#look)
        break
      }
      const answer = this.#waiting.shift()
      if (answer === undefined) break
      this.#isAnswering = true
      answer(() => {
        this.#isAnswering = false
        this.#look()
      })
    }
    this.#isLooking = false
  }
}
