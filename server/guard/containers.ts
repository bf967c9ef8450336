/**
 * The containers of a document: for each of its types, the row of its place.
 *
 * A type's row follows from its parent's row and its key alone, never from its content, and does not change; so what was found
 * for a live type is kept. What an update makes has containers of its own, which are dropped with the check.
 */
import * as Y from 'yjs'
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
    return live === undefined ? this.#newRoot(name, null) : (this.#known.get(live) ?? this.#learnRoot(name, live))
  }

  /** The container of a live type. */
  of(type: LiveType): Container {
    const known = this.#known.get(type)
    if (known !== undefined) return known
    return type._item === null ? this.#unnamed(type) : this.#nested(type, type._item)
  }

  #nested(type: LiveType, item: LiveItem): Container {
    const parent = this.of(item.parent as LiveType)
    const container = new Container(childOf(parent.place, item.parentSub), kindOf(type), parent, { live: type })
    this.#known.set(type, container)
    return container
  }

  /** A root does not know its name. Who looks for one learns them all: otherwise many roots would each be looked for. */
  #unnamed(type: LiveType): Container {
    for (const [name, root] of this.#doc.share) {
      if (!this.#known.has(root as LiveType)) this.#learnRoot(name, root as LiveType)
    }
    return this.#known.get(type) ?? this.#learnRoot('', type)
  }

  #learnRoot(name: string, live: LiveType): Container {
    const container = this.#newRoot(name, live)
    this.#known.set(live, container)
    return container
  }

  #newRoot(name: string, live: LiveType | null): Container {
    const place = childOf(this.#top, name)
    return new Container(place, place === null ? KIND.map : KINDS[place.is], null, { live, root: name })
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
