/**
 * Shared data objects: a cart, a form, a plan, edited by people and agents at once. The content is a root type of its own,
 * so two peers that create it at the same time merge instead of losing one half.
 */
import * as Y from 'yjs'
import { SessionError, type Report } from '../shared/errors.ts'
import { jsonOf } from '../shared/json.ts'
import { asRecord, objectRoot, rootsOf } from '../shared/layout.ts'
import { MAX_FIELD_CHARS, MAX_NAME_CHARS, MAX_OBJECTS } from '../shared/limits.ts'
import type { Json } from '../shared/message.ts'

const NAME = /^[A-Za-z0-9_.:-]+$/

/**
 * A shared map of JSON values. Different fields never conflict; of two writes to one field at the same time every peer shows
 * the same one.
 */
export class SharedObject {
  readonly name: string
  #doc: Y.Doc
  #map: Y.Map<Json>
  readonly #origin: unknown
  readonly #report: Report
  /** Throws when nothing may be written. */
  readonly #check: () => void
  readonly #listeners = new Set<() => void>()
  #value: Readonly<Record<string, Json>> | null = null

  constructor(name: string, doc: Y.Doc, origin: unknown, report: Report, check: () => void) {
    this.name = name
    this.#doc = doc
    this.#origin = origin
    this.#report = report
    this.#check = check
    this.#map = doc.getMap<Json>(objectRoot(name))
    this.#map.observe(this.#onChange)
  }

  /** All fields. Immutable, and the same object until something changes. */
  get value(): Readonly<Record<string, Json>> {
    return (this.#value ??= Object.freeze(this.#map.toJSON() as Record<string, Json>))
  }

  get(field: string): Json | undefined {
    return this.#map.get(field)
  }

  set(field: string, value: Json): void {
    this.update({ [field]: value })
  }

  delete(field: string): void {
    this.update({ [field]: undefined })
  }

  /**
   * Sets several fields in one step, for others and for undo; `undefined` deletes one. Throws `bad-argument` for a field
   * without a name, or with one above MAX_FIELD_CHARS, for a value with a key `__proto__`, and `too-big` for the first field of an object above MAX_OBJECTS.
   */
  update(fields: Readonly<Record<string, Json | undefined>>): void {
    this.#check()
    const names = Object.keys(fields)
    for (const field of names) {
      if (field !== '' && field.length <= MAX_FIELD_CHARS) continue
      throw new SessionError(
        'bad-argument',
        `A field's name is 1 to ${MAX_FIELD_CHARS} characters; it is ${JSON.stringify(field.slice(0, 100))}.`,
      )
    }
    // What the caller changes later would be changed here, and nowhere else.
    const copies = jsonOf(fields) as Record<string, Json | undefined>
    this.#doc.transact(() => {
      this.#describe()
      for (const field of names) {
        const value = copies[field]
        if (value === undefined) this.#map.delete(field)
        else this.#map.set(field, value)
      }
    }, this.#origin)
  }

  /** Calls `listener` after each change, by whomever; gives the function that ends it. */
  subscribe(listener: () => void): () => void {
    const entry = (): void => listener()
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  /** @internal Goes on with another replica's content. */
  moveTo(doc: Y.Doc): void {
    this.#map.unobserve(this.#onChange)
    this.#doc = doc
    this.#map = doc.getMap<Json>(objectRoot(this.name))
    this.#map.observe(this.#onChange)
    this.#onChange()
  }

  destroy(): void {
    this.#map.unobserve(this.#onChange)
    this.#listeners.clear()
  }

  /** The first write makes the object known to all. Two descriptors of one name are one object. */
  #describe(): void {
    const { objects } = rootsOf(this.#doc)
    for (const descriptor of objects) if (asRecord(descriptor)?.['name'] === this.name) return
    if (objects.length >= MAX_OBJECTS) {
      throw new SessionError('too-big', `A session has at most ${MAX_OBJECTS} shared objects.`)
    }
    objects.push([{ name: this.name, kind: 'map', writers: ['user', 'agent', 'support'] }])
  }

  readonly #onChange = (): void => {
    this.#value = null
    for (const listener of [...this.#listeners]) {
      try {
        listener()
      } catch (error) {
        this.#report(error, { stage: 'listener', topic: `object:${this.name}` })
      }
    }
  }
}

/** The shared objects of one session, and the undo of what this participant did to them. */
export class SharedObjects {
  #doc: Y.Doc
  readonly #report: Report
  readonly #objects = new Map<string, SharedObject>()
  readonly #check: () => void
  readonly #origin = Symbol('objects')
  #undo: Y.UndoManager | null = null

  /** @param check throws when nothing may be written. */
  constructor(doc: Y.Doc, report: Report, check: () => void) {
    this.#doc = doc
    this.#report = report
    this.#check = check
  }

  get(name: string): SharedObject {
    if (!NAME.test(name) || name.length > MAX_NAME_CHARS) {
      throw new SessionError(
        'bad-argument',
        `An object's name is 1 to ${MAX_NAME_CHARS} of A-Z a-z 0-9 _ . : -; it is ${JSON.stringify(name)}.`,
      )
    }
    let object = this.#objects.get(name)
    if (object === undefined) {
      object = new SharedObject(name, this.#doc, this.#origin, this.#report, this.#check)
      this.#objects.set(name, object)
      this.#addToUndo(name)
    }
    return object
  }

  undo(): boolean {
    this.#check()
    return (this.#undo?.undo() ?? null) !== null
  }

  redo(): boolean {
    this.#check()
    return (this.#undo?.redo() ?? null) !== null
  }

  /** @internal Goes on with another replica. What was done in the former one cannot be undone any more. */
  moveTo(doc: Y.Doc): void {
    this.#undo?.destroy()
    this.#undo = null
    this.#doc = doc
    for (const [name, object] of this.#objects) {
      this.#addToUndo(name)
      object.moveTo(doc)
    }
  }

  #addToUndo(name: string): void {
    const type = this.#doc.getMap(objectRoot(name))
    if (this.#undo === null)
      this.#undo = new Y.UndoManager(type, { trackedOrigins: new Set([this.#origin]), captureTimeout: 300 })
    else this.#undo.addToScope(type)
  }

  destroy(): void {
    this.#undo?.destroy()
    for (const object of this.#objects.values()) object.destroy()
    this.#objects.clear()
  }
}
