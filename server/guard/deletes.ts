/**
 * What an update takes away. Delete sets name units of structs, whoever wrote them; each that is still there is traced to its
 * place and needs the right to remove it.
 *
 * 1. What lies within something that goes away in the same update is judged by that.
 * 2. An entry of a key that the update also writes is judged by the outcome: it may be one that lost against a newer entry
 *    (every replica then deletes it), but where the key ends without a value although it had one, that is a removal.
 * 3. What is deleted already costs nothing and needs no right: every reconnect brings the delete set of the whole document.
 */
import * as Y from 'yjs'
import { CONTENT, type Range } from './decode.ts'
import { childOf } from './place.ts'
import { refuse } from './refusal.ts'
import type { Rights } from './rights.ts'
import type { Sequence, Steps } from './sequence.ts'
import { indexAt, KIND, Struct, type Container, type LiveItem, type LiveType } from './struct.ts'

/** The delete set of an update, to look up units in. */
export class DeleteIndex {
  readonly ranges: readonly Range[]
  #byClient: Map<number, Range[]> | null = null

  constructor(ranges: readonly Range[]) {
    this.ranges = ranges
  }

  /** Whether all of these units are deleted. */
  has(client: number, clock: number, length = 1): boolean {
    if (this.ranges.length === 0) return false
    const ranges = (this.#byClient ??= Map.groupBy(this.ranges, (range) => range.client)).get(client)
    if (ranges === undefined) return false
    let low = 0
    let high = ranges.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const range = ranges[middle] as Range
      if (range.clock > clock) high = middle - 1
      else if (clock >= range.clock + range.length) low = middle + 1
      else return clock + length <= range.clock + range.length
    }
    return false
  }
}

/** What the judgement needs to know of the check under way. */
export interface CheckedStructs {
  readonly rights: Rights
  readonly steps: Steps
  /** Structs of a client that the update brings, in the order of their clocks. */
  readonly fresh: (client: number) => readonly Struct[]
  readonly containerOf: (type: LiveType) => Container
  /** The entries of a key that the update writes; null when it does not. */
  readonly chain: (container: Container, key: string) => Sequence | null
}

/** Judges a delete set. Gives whether anything is deleted that was there before the update. */
export function judgeDeletes(doc: Y.Doc, index: DeleteIndex, checked: CheckedStructs): boolean {
  let any = false
  for (const { client, clock, length } of index.ranges) {
    const end = clock + length
    const known = Y.getState(doc.store, client)
    const fresh = checked.fresh(client)
    if (end > (fresh.at(-1)?.end ?? known)) refuse('missing', 'deleted')
    if (clock < known && judgeLive(doc, client, clock, end, index, checked)) any = true
    if (end <= known) continue
    for (let at = indexAt(fresh, Math.max(clock, known)); at < fresh.length; at++) {
      const struct = fresh[at] as Struct
      if (struct.clock >= end) break
      if (clock > struct.clock || end < struct.end) checked.steps.spend(costOfSplit(struct.length, fresh.length))
      judgeFresh(struct, index, checked)
    }
  }
  return any
}

function judgeLive(doc: Y.Doc, client: number, clock: number, end: number, index: DeleteIndex, checked: CheckedStructs): boolean {
  const structs = doc.store.clients.get(client) as (Y.Item | Y.GC)[]
  let any = false
  for (let at = Y.findIndexSS(structs, clock); at < structs.length; at++) {
    const item = structs[at] as LiveItem
    if (item.id.clock >= end) break
    if (item.deleted) continue
    any = true
    if (clock > item.id.clock || end < item.id.clock + item.length) checked.steps.spend(costOfSplit(item.length, structs.length))
    const container = checked.containerOf(item.parent as LiveType)
    if (!isCovered(container, index)) judge(container, item.parentSub, checked)
  }
  return any
}

function judgeFresh(struct: Struct, index: DeleteIndex, checked: CheckedStructs): void {
  const { place } = struct
  if (place === null || struct.content === CONTENT.deleted || isCovered(place, index)) return
  judge(place, struct.key, checked)
}

/** Steps of cutting a struct in two, as Yjs does at the ends of a range: it copies one half, and moves all that comes behind. */
function costOfSplit(length: number, structs: number): number {
  return 1 + ((length + structs) >> 5)
}

/** Whether a container goes away with something around it, or has gone. */
function isCovered(container: Container, index: DeleteIndex): boolean {
  for (let at: Container | null = container; at !== null; at = at.parent) {
    const item = at.live?._item ?? null
    if (item !== null && (item.deleted || index.has(item.id.client, item.id.clock))) return true
    if (at.struct !== null && index.has(at.struct.client, at.struct.clock)) return true
  }
  return false
}

function judge(container: Container, key: string | null, checked: CheckedStructs): void {
  // Text only grows; it goes with its part.
  const child = container.kind === KIND.text ? null : childOf(container.place, key)
  if (child === null) return refuse('forbidden', container.place?.path)
  if (key !== null && checked.chain(container, key) !== null) return
  checked.rights.demand(child.remove, container, child.path)
}

/** Judges the outcome of a key that the update writes: cleared, it must be one that the sender may remove. */
export function judgeOutcome(container: Container, key: string, chain: Sequence, index: DeleteIndex, rights: Rights): void {
  const current = container.live?._map.get(key) ?? null
  if (current === null || current.deleted) return
  const last = chain.last(current)
  const isCleared =
    last instanceof Struct
      ? last.content === CONTENT.deleted || index.has(last.client, last.end - 1)
      : last !== null && index.has(last.id.client, last.id.clock + last.length - 1)
  const child = childOf(container.place, key)
  if (isCleared && child !== null) rights.demand(child.remove, container, child.path)
}
