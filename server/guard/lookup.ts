/**
 * What rules look up by name: runs by their id, and what is said of a shared object. Kept up as elements are added, so that a
 * look-up costs the same however many there are: one update may ask for thousands of them.
 */
import * as Y from 'yjs'
import { asRecord, KEY, ROOT } from '../../shared/layout.ts'
import { readDescriptor, type Descriptor } from '../../shared/policy.ts'
import { valueAt } from './containers.ts'
import type { LiveType } from './struct.ts'

export class Lookup {
  readonly #runs: Named<LiveType>
  readonly #descriptors: Named<Descriptor>
  readonly #objects: Y.Array<unknown>

  constructor(doc: Y.Doc) {
    this.#objects = doc.getArray(ROOT.objects)
    this.#runs = new Named(doc.getArray(ROOT.tasks), readRun)
    this.#descriptors = new Named(this.#objects, (value) => {
      const descriptor = readDescriptor(value)
      return descriptor === undefined ? undefined : [descriptor.name, descriptor]
    })
  }

  /** The map of a run. */
  run(id: string): LiveType | undefined {
    return this.#runs.get(id)
  }

  /** What a shared object is. */
  descriptor(name: string): Descriptor | undefined {
    return this.#descriptors.get(name)
  }

  /** How many descriptors there are, two of one name counted as two. */
  get descriptors(): number {
    return this.#objects.length
  }
}

function readRun(value: unknown): [string, LiveType] | undefined {
  if (!(value instanceof Y.Map)) return undefined
  const run = value as unknown as LiveType
  const id = asRecord(valueAt(run, KEY.head))?.['id']
  return typeof id === 'string' ? [id, run] : undefined
}

/** The elements of an array by their names, the first of each name. */
class Named<T> {
  readonly #array: Y.Array<unknown>
  readonly #read: (value: unknown) => readonly [name: string, element: T] | undefined
  /** Null until somebody asks. */
  #known: Map<string, T> | null = null

  constructor(array: Y.Array<unknown>, read: (value: unknown) => readonly [name: string, element: T] | undefined) {
    this.#array = array
    this.#read = read
    array.observe((event) => this.#onChange(event))
  }

  get(name: string): T | undefined {
    if (this.#known === null) {
      this.#known = new Map()
      for (const value of this.#array.toArray()) this.#add(value, this.#known)
    }
    return this.#known.get(name)
  }

  #onChange({ changes }: Y.YArrayEvent<unknown>): void {
    if (this.#known === null) return
    // Another one of that name may take the place of one that is gone.
    if (changes.deleted.size > 0) this.#known = null
    else for (const item of changes.added) for (const value of item.content.getContent()) this.#add(value, this.#known)
  }

  #add(value: unknown, known: Map<string, T>): void {
    const named = this.#read(value)
    if (named !== undefined && !known.has(named[0])) known.set(...named)
  }
}
