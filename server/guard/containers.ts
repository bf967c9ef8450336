/**
 * The containers of a document: for each of its types, the row of its place.
 *
 * A type's row follows from its parent's row and its key alone, never from its content, and does not change; so what was found
 * for a live type is kept. What an update makes has containers of its own, which are dropped with the check.
 */
import * as Y from 'yjs'
import { KEY } from '../../shared/layout.ts'
import type { PlaceType } from '../../shared/policy.ts'
import { childOf, type Place } from './place.ts'
import { Container, KIND, type LiveItem, type LiveType } from './struct.ts'

const KINDS: Readonly<Record<PlaceType, number>> = {
  list: KIND.list,
  map: KIND.map,
  text: KIND.text,
  value: KIND.map,
  'value or map': KIND.map,
}

/** The containers of a document. */
export class Containers {
  readonly #doc: Y.Doc
  readonly #top: Place
  readonly #known = new WeakMap<LiveType, Container>()

  constructor(doc: Y.Doc, top: Place) {
    this.#doc = doc
    this.#top = top
  }

  /** A root by its name; it need not be in the document yet. */
  root(name: string): Container {
    const live = this.#doc.share.get(name) as LiveType | undefined
    return live === undefined ? this.#rootOf(name, null) : this.of(live)
  }

  /** The container of a live type. */
  of(type: LiveType): Container {
    const known = this.#known.get(type)
    if (known !== undefined) return known
    const item = type._item
    const container = item === null ? this.#rootOf(this.#nameOf(type), type) : this.#nested(type, item)
    this.#known.set(type, container)
    return container
  }

  #nested(type: LiveType, item: LiveItem): Container {
    const parent = this.of(item.parent as LiveType)
    return new Container(childOf(parent.place, item.parentSub), kindOf(type), parent, { live: type })
  }

  #rootOf(name: string, live: LiveType | null): Container {
    const place = childOf(this.#top, name)
    return new Container(place, place === null ? KIND.map : KINDS[place.is], null, { live, root: name })
  }

  #nameOf(type: LiveType): string {
    for (const [name, root] of this.#doc.share) if ((root as unknown) === type) return name
    return ''
  }
}

function kindOf(type: LiveType): number {
  if (type instanceof Y.Map) return KIND.map
  return type instanceof Y.Text ? KIND.text : KIND.list
}

/** The value under a key of a live map; undefined for types and for what was deleted. */
export function valueAt(type: LiveType, key: string): unknown {
  const item = type._map.get(key)
  if (item === undefined || item.deleted || !(item.content instanceof Y.ContentAny)) return undefined
  return item.content.arr[item.length - 1]
}

/** Whether a live item is a run's map with this id. */
export function isRunItem(item: LiveItem, id: unknown): boolean {
  if (item.deleted || !(item.content instanceof Y.ContentType)) return false
  const head = valueAt(item.content.type as LiveType, KEY.head) as { id?: unknown } | undefined
  return head?.id === id && id !== undefined
}
