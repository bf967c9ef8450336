/**
 * The order of one list, text or chain of a key's entries, as Yjs will make it: found without touching the document.
 *
 * 1. Arrays and texts grow at the end: whatever is written has no right neighbour, and its left neighbour (its origin) is
 *    what its author saw as the last one. The entries of a key are such a sequence too; the last one counts.
 * 2. So all that an author wrote here before stands at or before the origin. That is checked, and it is enough: what passes
 *    is what some honest replica, which had seen the sequence up to the origin, could have written. Yjs orders that alike
 *    for everybody. Without it a forged neighbour would make replicas show different orders for ever.
 * 3. A plain append is seen at once. Anything else (somebody wrote meanwhile) is placed in a copy of the sequence from the
 *    origin on, by Yjs' own rule; that takes steps, and the steps of one update are limited. The copy goes only as far as the
 *    rule has to look: behind a writer who always comes second there may be thousands of entries.
 */
import { refuse } from './refusal.ts'
import { MAX_STEPS } from './limits.ts'
import { Struct, type LiveItem } from './struct.ts'

/** What placing may still cost within one update. */
export class Steps {
  #left = MAX_STEPS
  spend(steps: number): void {
    this.#left -= steps
    if (this.#left < 0) refuse('too-complex')
  }
}

interface Entry {
  readonly client: number
  readonly clock: number
  readonly length: number
  readonly originClient: number
  readonly originClock: number
  readonly source: LiveItem | Struct
}

export class Sequence {
  readonly #path: string
  /** Any live item of it; null when it is empty in the document. */
  readonly #live: LiveItem | null
  readonly #added: Struct[] = []
  /** A copy from some live item, or from the first struct added, on; null as long as all was plain. */
  #copy: Entry[] | null = null
  /** The live item where the copy ends; null when it goes to the end. */
  #rest: LiveItem | null = null
  /** The live item that the copy begins with, if it has any. */
  #copiedFrom: LiveItem | null = null
  /** Where in the copy the last struct was placed; what follows it directly needs no search. */
  #lastAt = -1

  constructor(path: string, live: LiveItem | null) {
    this.#path = path
    this.#live = live
  }

  get isEmpty(): boolean {
    return this.#live === null && this.#added.length === 0
  }

  /** What this update adds to it. */
  get added(): readonly Struct[] {
    return this.#added
  }

  /** The last one after all that was placed; for a key, the one that counts. `current`: the last one in the document. */
  last(current: LiveItem | null): LiveItem | Struct | null {
    if (this.#rest !== null) return current
    return this.#copy?.at(-1)?.source ?? this.#added.at(-1) ?? current
  }

  /** Finds the place of a struct behind its left neighbour, or refuses it. */
  place(struct: Struct, left: LiveItem | Struct | null, steps: Steps): void {
    if (struct.rightClient >= 0) refuse('bad-reference', this.#path)
    if (this.#copy === null && this.#isAppend(struct, left)) {
      this.#added.push(struct)
      return
    }
    this.#copy ??= this.#copyAdded()
    if (!(left instanceof Struct)) this.#extend(left, steps)
    this.#insert(struct, this.#copy, steps)
    this.#added.push(struct)
  }

  #isAppend(struct: Struct, left: LiveItem | Struct | null): boolean {
    const tail = this.#added.at(-1)
    if (tail !== undefined) return left === tail && struct.originClock === tail.end - 1
    if (left === null) return this.#live === null
    return !(left instanceof Struct) && left.right === null && struct.originClock === left.id.clock + left.length - 1
  }

  #copyAdded(): Entry[] {
    return this.#added.map((struct) => ({ ...entryOf(struct), source: struct }))
  }

  /** Makes the copy hold a live item, or reach back to the beginning. */
  #extend(left: LiveItem | null, steps: Steps): void {
    const copy = this.#copy as Entry[]
    const wanted = left ?? this.#first(steps)
    if (wanted === null) return
    // It may be in the copy already.
    for (const entry of copy) {
      steps.spend(1)
      if (entry.source === wanted) return
    }
    if (copy.length === 0) {
      this.#copiedFrom = this.#rest = wanted
      this.#copyNext(copy)
      return
    }
    let item: LiveItem | null = wanted
    for (; item !== null && item !== this.#copiedFrom; item = item.right) steps.spend(1)
    if (item === null && this.#rest !== null) {
      while (copy.at(-1)?.source !== wanted && this.#copyNext(copy)) steps.spend(1)
      return
    }
    const items: Entry[] = []
    for (item = wanted; item !== null && item !== this.#copiedFrom; item = item.right) items.push(entryOfItem(item))
    copy.unshift(...items)
    this.#copiedFrom = wanted
  }

  /** Copies one live item more; gives false when there is none. What is placed is never the last one before such. */
  #copyNext(copy: Entry[]): boolean {
    const item = this.#rest
    if (item === null) return false
    copy.push(entryOfItem(item))
    this.#rest = item.right
    return true
  }

  #first(steps: Steps): LiveItem | null {
    let item = this.#live
    while (item !== null && item.left !== null) {
      steps.spend(1)
      item = item.left
    }
    return item
  }

  /** Yjs' rule (`Item.integrate`), for structs without right neighbours. */
  #insert(struct: Struct, copy: Entry[], steps: Steps): void {
    const { originClient, originClock, client } = struct
    const previous = copy[this.#lastAt]
    const follows = previous !== undefined && previous.client === client && isEnd(previous, originClient, originClock)
    let left = follows ? this.#lastAt : originClient < 0 ? -1 : cut(copy, originClient, originClock, steps)
    const first = left + 1
    if (!follows) {
      steps.spend(copy.length - left)
      for (let at = first; at < copy.length; at++) {
        if ((copy[at] as Entry).client === client) refuse('bad-reference', this.#path)
      }
      for (let item = this.#rest; item !== null; item = item.right) {
        steps.spend(1)
        if (item.id.client === client) refuse('bad-reference', this.#path)
      }
    }
    /** Where the entries begin that the struct may yet have to stand before. */
    let conflicts = first
    for (let at = first; at < copy.length || this.#copyNext(copy); at++) {
      const other = copy[at] as Entry
      if (other.originClient === originClient && other.originClock === originClock) {
        if (other.client > client) break
        left = at
        conflicts = at + 1
      } else {
        const origin = other.originClient < 0 ? -1 : find(copy, other.originClient, other.originClock, at - 1, first, steps)
        if (origin < 0) break
        if (origin < conflicts) {
          left = at
          conflicts = at + 1
        }
      }
    }
    this.#lastAt = left + 1
    copy.splice(this.#lastAt, 0, { ...entryOf(struct), source: struct })
  }
}

function entryOf(struct: Struct): Omit<Entry, 'source'> {
  const { client, clock, length, originClient, originClock } = struct
  return { client, clock, length, originClient, originClock }
}

function entryOfItem(item: LiveItem): Entry {
  const { client, clock } = item.id
  const originClient = item.origin?.client ?? -1
  return { client, clock, length: item.length, originClient, originClock: item.origin?.clock ?? -1, source: item }
}

function isEnd(entry: Entry, client: number, clock: number): boolean {
  return entry.client === client && entry.clock + entry.length - 1 === clock
}

/** Index of the entry that holds a unit, looked for from `from` down to `to`; -1 when it is not there. */
function find(copy: readonly Entry[], client: number, clock: number, from: number, to: number, steps: Steps): number {
  for (let at = from; at >= to; at--) {
    const entry = copy[at] as Entry
    if (entry.client === client && entry.clock <= clock && clock < entry.clock + entry.length) {
      steps.spend(from - at + 1)
      return at
    }
  }
  steps.spend(Math.max(0, from - to + 1))
  return -1
}

/** Index of the entry that ends with a unit; cuts the entry that holds it in two where it goes on behind. */
function cut(copy: Entry[], client: number, clock: number, steps: Steps): number {
  const at = find(copy, client, clock, copy.length - 1, 0, steps)
  const entry = copy[at]
  if (entry === undefined) return refuse('internal', 'order')
  const length = clock - entry.clock + 1
  if (length === entry.length) return at
  const rest: Entry = { ...entry, clock: clock + 1, length: entry.length - length, originClient: client, originClock: clock }
  copy.splice(at, 1, { ...entry, length }, rest)
  return at
}
