/** One struct of an update, and the containers that structs lie in. */
import type * as Y from 'yjs'
import { ROOT } from '../../shared/layout.ts'
import type { Place } from './place.ts'

export type LiveType = Y.AbstractType<unknown>
export type LiveItem = Y.Item

/** As Yjs numbers the types. */
export const KIND = { list: 0, map: 1, text: 2 } as const

const MESSAGE = `${ROOT.messages}/[]`
const RUN = `${ROOT.tasks}/[]`

/** A struct as it was decoded, and where the check has found it to belong. */
export class Struct {
  readonly client: number
  clock: number
  /** Kind of the content (`CONTENT`). */
  readonly content: number
  length = 0
  /** The unit that stood on its left when it was written; -1: none. */
  originClient = -1
  originClock = -1
  rightClient = -1
  rightClock = -1
  /** Where it says its parent: a root's name, or the struct that holds the parent. Neither where it has a neighbour. */
  root: string | null = null
  parentClient = -1
  parentClock = -1
  key: string | null = null
  /** Of a type: 0 array, 1 map, 2 text. */
  type = -1
  /** Of plain content. */
  values: readonly unknown[] | null = null

  /** The container that it lies in; null before it is resolved, and for GC. */
  place: Container | null = null
  /** The container that it makes. */
  makes: Container | null = null

  constructor(client: number, clock: number, content: number) {
    this.client = client
    this.clock = clock
    this.content = content
  }

  get end(): number {
    return this.clock + this.length
  }

  /** Drops the first units, which the server has: what is left continues from there, wherever the bytes say it stands. */
  trim(clock: number): void {
    const known = clock - this.clock
    this.originClient = this.client
    this.originClock = clock - 1
    this.root = null
    this.parentClient = this.parentClock = -1
    this.key = null
    this.clock = clock
    this.length -= known
    if (this.values !== null) this.values = this.values.slice(known)
  }
}

/** Index of the struct that holds a clock, among structs of one client without gaps. */
export function indexAt(structs: readonly Struct[], clock: number): number {
  let low = 0
  let high = structs.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((structs[middle] as Struct).clock <= clock) low = middle
    else high = middle - 1
  }
  return low
}

/** A list, map or text: a root, a type of the document, or one that the update makes. */
export class Container {
  readonly place: Place | null
  readonly kind: number
  readonly parent: Container | null
  readonly live: LiveType | null
  /** What makes it, if the update does. */
  readonly struct: Struct | null
  /** Name of the root, for roots. */
  readonly root: string
  /** The message or run that it belongs to or is. */
  readonly entity: Container | null
  /** Of a message that the update makes: its head, as soon as that is found. */
  head: unknown
  /** Of a message: its run, as soon as it was looked for and found. */
  run: LiveType | null = null

  constructor(
    place: Place | null,
    kind: number,
    parent: Container | null,
    made: { live?: LiveType | null; struct?: Struct; root?: string },
  ) {
    this.place = place
    this.kind = kind
    this.parent = parent
    this.live = made.live ?? null
    this.struct = made.struct ?? null
    this.root = made.root ?? parent?.root ?? ''
    this.entity = place !== null && (place.path === MESSAGE || place.path === RUN) ? this : (parent?.entity ?? null)
  }

  get isRun(): boolean {
    return this.place?.path === RUN
  }
}
