/** One replica of a session on this client, and when a fresh one takes its place. */
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { CloseReason } from '../shared/errors.ts'

export interface Replica {
  readonly doc: Y.Doc
  readonly awareness: Awareness
}

/** A plain Yjs client gives up who has shown no sign of life for 30 s. */
const RENEW_MS = 15_000

/** An empty one, under a new client id. */
export function newReplica(): Replica {
  const doc = new Y.Doc()
  const awareness = new Awareness(doc)
  // The server says who has gone. By itself it would give up, and take up again, each hidden page: browsers let one give a sign
  // of life once a minute.
  clearInterval(awareness._checkInterval)
  awareness._checkInterval = setInterval(() => awareness.setLocalState(awareness.getLocalState()), RENEW_MS)
  return { doc, awareness }
}

/**
 * Refusals that a fresh replica heals: something in this one may not be written, and would be refused again with every
 * attempt. `read-only`: the participant could write when it was written.
 */
export const HEALED: ReadonlySet<CloseReason> = new Set(['refused-update', 'read-only'])

/** A fresh replica is made at once this many times; after that the pause doubles. */
const AT_ONCE = 6
const PAUSE_FIRST_MS = 500
const PAUSE_LONGEST_MS = 30_000
/** Refusals that are longer ago than this do not count. */
const FORGET_MS = 60_000

/** Slows down a client that is refused again and again, as by an app that always writes the same. */
export class HealPause {
  #heals: readonly number[] = []

  /** Notes a refusal at `now`, in milliseconds; gives how long to wait before the next attempt. */
  next(now: number): number {
    this.#heals = [...this.#heals.filter((at) => now - at < FORGET_MS), now]
    const surplus = this.#heals.length - AT_ONCE
    return surplus <= 0 ? 0 : Math.min(PAUSE_LONGEST_MS, PAUSE_FIRST_MS * 2 ** surplus)
  }
}
