/**
 * Who has a window in sight, in any session: what clients show in presence (`visible`). A participant without a connection has
 * none, nor has one whose client says nothing about it.
 */
import type { Awareness } from 'y-protocols/awareness'
import { readParticipant } from '../shared/participant.ts'

/** How long it is remembered when somebody last had one; longer than anything waits to be told for the first time. */
const REMEMBER_MS = 3_600_000
/** How many may be remembered before those that are old are forgotten. */
const FORGET_ABOVE = 10_000

interface Change {
  readonly added: readonly number[]
  readonly updated: readonly number[]
  readonly removed: readonly number[]
}

export class Visibility {
  readonly #now: () => number
  /** Windows in sight, by participant. */
  readonly #windows = new Map<string, number>()
  /** When who has none any more had the last one. */
  readonly #lastSeen = new Map<string, number>()

  /** @param now epoch milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** When a participant last had a window in sight: `Infinity` while there is one, 0 when that is not known. */
  lastSeenAt(participant: string): number {
    return this.#windows.has(participant) ? Number.POSITIVE_INFINITY : (this.#lastSeen.get(participant) ?? 0)
  }

  /** Follows the presence of a session; gives the function that ends it. */
  watch(awareness: Awareness): () => void {
    /** Whose window a client id is, where it is in sight. */
    const seen = new Map<number, string>()
    const look = (client: number): void => {
      const state = awareness.getStates().get(client)
      const who = state?.['visible'] === true ? (readParticipant(state['participant'])?.id ?? null) : null
      const before = seen.get(client) ?? null
      if (who === before) return
      if (before !== null) this.#leave(before)
      if (who === null) seen.delete(client)
      else {
        seen.set(client, who)
        this.#windows.set(who, (this.#windows.get(who) ?? 0) + 1)
      }
    }
    const onChange = ({ added, updated, removed }: Change): void => {
      for (const client of [...added, ...updated, ...removed]) look(client)
    }
    awareness.on('change', onChange)
    for (const client of awareness.getStates().keys()) look(client)
    return () => {
      awareness.off('change', onChange)
      for (const who of seen.values()) this.#leave(who)
    }
  }

  #leave(participant: string): void {
    const left = (this.#windows.get(participant) ?? 0) - 1
    if (left > 0) {
      this.#windows.set(participant, left)
      return
    }
    this.#windows.delete(participant)
    // Put anew: the oldest are first.
    this.#lastSeen.delete(participant)
    this.#lastSeen.set(participant, this.#now())
    if (this.#lastSeen.size <= FORGET_ABOVE) return
    for (const [id, at] of this.#lastSeen) {
      if (at > this.#now() - REMEMBER_MS) break
      this.#lastSeen.delete(id)
    }
  }
}
