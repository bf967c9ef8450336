/**
 * Which runs take a slot of their worker. One that waits takes none, for people or for runs that it has asked for: those might need
 * the very slot, and a hundred approvals that nobody gives would be the end of an agent.
 */
import type { NewJob } from './store.ts'

export class Slots {
  /** Runs that wait for somebody. */
  readonly #resting = new Set<string>()
  /** How many runs that have not ended each run has asked for. */
  readonly #children = new Map<string, number>()

  /** Takes note of a job, once. */
  learn({ parent }: NewJob): void {
    if (parent !== undefined) this.#children.set(parent, (this.#children.get(parent) ?? 0) + 1)
  }

  /** A job is over. */
  forget({ run, parent }: NewJob): void {
    this.#resting.delete(run)
    if (parent === undefined) return
    const left = (this.#children.get(parent) ?? 0) - 1
    if (left > 0) this.#children.set(parent, left)
    else this.#children.delete(parent)
  }

  /** A run waits for somebody, or goes on. True when there may be more room now. */
  rests(run: string, isResting: boolean): boolean {
    if (!isResting) this.#resting.delete(run)
    else if (!this.#resting.has(run)) {
      this.#resting.add(run)
      return true
    }
    return false
  }

  /** How many slots some runs take. */
  taken(runs: Iterable<string>): number {
    let taken = 0
    for (const run of runs) if (!this.#resting.has(run) && !this.#children.has(run)) taken += 1
    return taken
  }
}
