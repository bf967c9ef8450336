/** The policy's rows as a tree. */
import { PARTICIPANT_KINDS, type ParticipantKind } from '../../shared/participant.ts'
import type { PlaceType, PolicyRow } from '../../shared/policy.ts'

/** Who may do something, as a row's column says. */
export interface Words {
  readonly kinds: ReadonlySet<ParticipantKind>
  readonly author: boolean
  readonly lease: boolean
  readonly writers: boolean
}

/** A row and the rows below it. */
export interface Place {
  readonly path: string
  readonly is: PlaceType
  readonly add: Words
  readonly change: Words
  readonly remove: Words
  readonly needs: readonly string[]
  readonly value: PolicyRow['value']
  readonly keys: Map<string, Place>
  /** Keys of which only the beginning is given. */
  readonly prefixes: { readonly prefix: string; readonly place: Place }[]
  element: Place | null
}

/** The row of an element (`key` null) or key of a place. */
export function childOf(place: Place | null, key: string | null): Place | null {
  if (place === null) return null
  if (key === null) return place.element
  return (
    place.keys.get(key) ??
    place.prefixes.find(({ prefix }) => key.startsWith(prefix) && key.length > prefix.length)?.place ??
    null
  )
}

/** Puts the table into a tree, whose root's keys are the document's roots. Throws where a row has no row above it. */
export function compile(policy: Readonly<Record<string, PolicyRow>>): Place {
  const top = placeOf('', { is: 'map' })
  for (const [path, row] of Object.entries(policy)) {
    const segments = path.split('/')
    const last = segments.pop() as string
    const parent = segments.reduce<Place | null>((place, segment) => below(place, segment), top)
    if (parent === null) throw new Error(`The policy has no row above ${path}.`)
    const place = placeOf(path, row)
    if (last === '[]') parent.element = place
    else if (last.endsWith('}')) parent.prefixes.push({ prefix: last.slice(0, last.indexOf('{')), place })
    else parent.keys.set(last, place)
  }
  return top
}

function below(place: Place | null, segment: string): Place | null {
  if (place === null) return null
  if (segment === '[]') return place.element
  if (!segment.endsWith('}')) return place.keys.get(segment) ?? null
  return place.prefixes.find(({ prefix }) => prefix === segment.slice(0, segment.indexOf('{')))?.place ?? null
}

function placeOf(path: string, row: PolicyRow): Place {
  const { is, add, change, remove, needs = [], value } = row
  return {
    path,
    is,
    add: wordsOf(add),
    change: wordsOf(change),
    remove: wordsOf(remove),
    needs,
    value,
    keys: new Map(),
    prefixes: [],
    element: null,
  }
}

function wordsOf(text = ''): Words {
  const words = text.split(' ').filter((word) => word !== '')
  const kinds = words.filter((word): word is ParticipantKind => (PARTICIPANT_KINDS as readonly string[]).includes(word))
  const has = (word: string): boolean => words.includes(word)
  const known = kinds.length + [has('author'), has('lease'), has('writers')].filter(Boolean).length
  if (known !== words.length) throw new Error(`The policy has a word that is not known: ${text}.`)
  return { kinds: new Set(kinds), author: has('author'), lease: has('lease'), writers: has('writers') }
}
