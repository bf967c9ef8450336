/**
 * The check of one update against the document, the bindings and the policy. Nothing is changed by it.
 *
 * 1. Each client's new structs follow on what the server has of it, and everything they name is there or comes with them:
 *    nothing that passes is ever left pending.
 * 2. New structs bear client ids of the sender, or ids that nobody has used.
 * 3. Every new struct is resolved to its container and key before it is judged: by its parent, or its left neighbour's.
 *    What the server has already is not looked at; it is cut away before the update is applied (Yjs would look at it).
 * 4. The row of its place must allow it to the sender, and its content must be what the row says.
 * 5. What is made is whole, and what is taken away may be taken (`deletes.ts`).
 */
import * as Y from 'yjs'
import { KEY, ROOT } from '../../shared/layout.ts'
import type { ReadonlyBindings } from './bindings.ts'
import type { Containers } from './containers.ts'
import { CONTENT, type Decoded, type Section } from './decode.ts'
import { DeleteIndex, judgeDeletes, judgeOutcome } from './deletes.ts'
import { MAX_CLIENTS_PER_PARTICIPANT, MAX_NEW_CLIENTS } from './limits.ts'
import type { Lookup } from './lookup.ts'
import { childOf, type Place } from './place.ts'
import { refuse } from './refusal.ts'
import { Rights, type Sender } from './rights.ts'
import { Sequence, Steps } from './sequence.ts'
import { Container, indexAt, KIND, Struct, type LiveItem, type LiveType } from './struct.ts'

/** What is to be placed of one client. */
interface Pending {
  readonly client: number
  /** First clock that the server does not have. */
  readonly known: number
  readonly structs: readonly Struct[]
  /** How many of them are placed. */
  placed: number
}

/** What an update that passes would do. */
export interface Outcome {
  /** It brings or deletes something. */
  readonly changes: boolean
  /** It repeats what the server has. */
  readonly repeats: boolean
  /** Client ids that nobody has used and the sender now has. */
  readonly claims: readonly number[]
  /** What the server has of each client afterwards. */
  readonly after: readonly { readonly client: number; readonly end: number }[]
}

/** What an update is judged by. */
export interface Grounds {
  readonly doc: Y.Doc
  readonly containers: Containers
  readonly bindings: ReadonlyBindings
  readonly lookup: Lookup
}

const NOTHING: readonly Struct[] = []
/** From so many clients on they are looked up by a map. */
const MANY_CLIENTS = 8

/** Drops what is there from the end of a list; whether nothing is left. */
function haveAll<T>(wanted: T[], isThere: (each: T) => boolean): boolean {
  while (wanted.length > 0 && isThere(wanted.at(-1) as T)) wanted.pop()
  return wanted.length === 0
}

export class Check {
  readonly #doc: Y.Doc
  readonly #containers: Containers
  readonly #bindings: ReadonlyBindings
  readonly #lookup: Lookup
  readonly #sections: readonly Section[]
  readonly #sender: Sender
  readonly #rights: Rights
  readonly #steps = new Steps()
  readonly #deletes: DeleteIndex
  readonly #pending: Pending[] = []
  /** The same by client, where there are many. */
  #byClient: Map<number, Pending> | null = null
  /** Clients that cannot go on before a struct is placed, by that struct. */
  readonly #waiting = new Map<Struct, Pending[]>()
  #repeats = false
  readonly #claims: number[] = []
  /** Containers that the update makes. */
  readonly #made: Container[] = []
  /** Roots that are not in the document yet. */
  readonly #newRoots = new Map<string, Container>()
  readonly #lists = new Map<Container, Sequence>()
  readonly #chains = new Map<Container, Map<string, Sequence>>()

  constructor({ doc, containers, bindings, lookup }: Grounds, sender: Sender, update: Decoded) {
    this.#doc = doc
    this.#containers = containers
    this.#sender = sender
    this.#rights = new Rights(lookup, bindings, sender)
    this.#bindings = bindings
    this.#lookup = lookup
    this.#sections = update.sections
    this.#deletes = new DeleteIndex(update.deletes)
  }

  run(): Outcome {
    for (const section of this.#sections) this.#take(section)
    if (this.#pending.length > 0 && this.#sender.participant.kind === 'viewer') refuse('read-only')
    if (this.#pending.length > MANY_CLIENTS) this.#byClient = new Map(this.#pending.map((each) => [each.client, each]))
    this.#placeAll()
    const deletes = this.#deletes.ranges.length > 0 && this.#judgeDeletes()
    this.#judgeOutcomes()
    for (const container of this.#made) this.#demandNeeds(container)
    this.#rights.settle()
    const changes = this.#pending.length > 0 || deletes
    const after = this.#pending.map(({ client, structs }) => ({ client, end: (structs.at(-1) as Struct).end }))
    return { changes, repeats: this.#repeats, claims: this.#claims, after }
  }

  /**
   * For an update that was refused as `missing`: a function that says whether all it lacks has come. Looking into that again
   * and again must not cost what a check costs, so what is lacking is found once, and looked at from one end.
   */
  lacks(): () => boolean {
    const units = [...this.#lackingUnits()]
    const names = this.#rights.undescribed()
    const { store } = this.#doc
    return () =>
      haveAll(units, ([client, clock]) => clock < Y.getState(store, client)) &&
      haveAll(names, (name) => this.#lookup.descriptor(name) !== undefined)
  }

  /** The last clock of each client that the server has to have before this update can be placed. */
  #lackingUnits(): Map<number, number> {
    const { store } = this.#doc
    const lacking = new Map<number, number>()
    /** What the server has of a client once this update is placed. */
    const ends = new Map<number, number>()
    const need = (client: number, clock: number): void => {
      if (client < 0 || clock < (ends.get(client) ?? 0) || clock < Y.getState(store, client)) return
      if (clock > (lacking.get(client) ?? -1)) lacking.set(client, clock)
    }
    for (const { client, structs } of this.#sections) {
      let next = Y.getState(store, client)
      for (const struct of structs) {
        if (struct.content === CONTENT.skip || struct.end <= next) continue
        if (struct.clock > next) need(client, struct.clock - 1)
        next = struct.end
      }
      ends.set(client, next)
    }
    for (const { structs } of this.#sections) {
      for (const struct of structs) {
        need(struct.originClient, struct.originClock)
        need(struct.rightClient, struct.rightClock)
        need(struct.parentClient, struct.parentClock)
      }
    }
    for (const { client, clock, length } of this.#deletes.ranges) need(client, clock + length - 1)
    return lacking
  }

  // ---- what is new, and whose it is ---------------------------------------------------------------------------------

  #take({ client, structs }: Section): void {
    const known = Y.getState(this.#doc.store, client)
    const fresh: Struct[] = []
    let next = known
    for (const struct of structs) {
      if (struct.end <= known || struct.content === CONTENT.skip) {
        this.#repeats = true
        continue
      }
      if (struct.clock > next) refuse('missing', 'gap')
      if (struct.clock < known) {
        this.#repeats = true
        struct.trim(known)
      }
      fresh.push(struct)
      next = struct.end
    }
    if (fresh.length === 0) return
    this.#claim(client, known)
    this.#pending.push({ client, known, structs: fresh, placed: 0 })
  }

  #claim(client: number, known: number): void {
    const { participant } = this.#sender
    const bindings = this.#bindings
    const owner = bindings.get(client)
    if (owner === participant.id) return
    // The server has not written under the id of this copy of the document yet, or it would have an owner.
    if (owner !== undefined || known > 0 || client === this.#doc.clientID) refuse('foreign-client')
    this.#claims.push(client)
    if (this.#claims.length > MAX_NEW_CLIENTS) refuse('too-many-clients')
    if (bindings.count(participant.id) + this.#claims.length > MAX_CLIENTS_PER_PARTICIPANT) refuse('too-many-clients')
  }

  // ---- where it is --------------------------------------------------------------------------------------------------

  /** Places everything in an order in which each struct comes after what it names. */
  #placeAll(): void {
    const ready = this.#pending.toReversed()
    for (let pending = ready.pop(); pending !== undefined; pending = ready.pop()) this.#placeReady(pending, ready)
    // Structs that wait for each other.
    if (this.#waiting.size > 0) refuse('bad-reference', 'cycle')
  }

  /** Places a client's structs up to one that has to wait for another client's; who has waited for them is ready then. */
  #placeReady(pending: Pending, ready: Pending[]): void {
    const { structs } = pending
    while (pending.placed < structs.length) {
      const struct = structs[pending.placed] as Struct
      const first = this.#unplacedOf(struct)
      if (first !== null) {
        const others = this.#waiting.get(first)
        if (others === undefined) this.#waiting.set(first, [pending])
        else others.push(pending)
        return
      }
      this.#placeOne(struct)
      pending.placed += 1
      const woken = this.#waiting.size === 0 ? undefined : this.#waiting.get(struct)
      if (woken === undefined) continue
      this.#waiting.delete(struct)
      ready.push(...woken)
    }
  }

  /** The struct that has to be placed before this one; null when there is none. */
  #unplacedOf(struct: Struct): Struct | null {
    return (
      this.#unplaced(struct, struct.originClient, struct.originClock) ??
      this.#unplaced(struct, struct.rightClient, struct.rightClock) ??
      this.#unplaced(struct, struct.parentClient, struct.parentClock)
    )
  }

  /** The struct that holds a unit, if it comes later in the update. */
  #unplaced(struct: Struct, client: number, clock: number): Struct | null {
    // A later one of its own client is found not to be placed where it is looked for.
    if (client < 0 || client === struct.client) return null
    const pending = this.#pendingOf(client)
    if (pending === undefined) return clock < Y.getState(this.#doc.store, client) ? null : refuse('missing', 'reference')
    const { structs, placed } = pending
    if (clock >= (structs.at(-1) as Struct).end) refuse('missing', 'reference')
    const next = structs[placed]
    return next === undefined || clock < next.clock ? null : (structs[indexAt(structs, clock)] as Struct)
  }

  #pendingOf(client: number): Pending | undefined {
    if (this.#byClient !== null) return this.#byClient.get(client)
    for (const pending of this.#pending) if (pending.client === client) return pending
    return undefined
  }

  /** The live item, or struct of this update, that holds a unit. */
  #unit(client: number, clock: number): LiveItem | Struct {
    const pending = this.#pendingOf(client)
    if (pending !== undefined && clock >= pending.known) return pending.structs[indexAt(pending.structs, clock)] as Struct
    const structs = this.#doc.store.clients.get(client) as (Y.Item | Y.GC)[]
    const item = structs[Y.findIndexSS(structs, clock)]
    // Something that went away with what it was in: nobody who knows it writes there.
    return item instanceof Y.Item ? item : refuse('bad-reference', 'gone')
  }

  #placeOne(struct: Struct): void {
    if (struct.content === CONTENT.gc) return
    let left: LiveItem | Struct | null = null
    let container: Container
    if (struct.originClient >= 0) {
      left = this.#unit(struct.originClient, struct.originClock)
      container = this.#containerOf(left)
      struct.key = left instanceof Struct ? left.key : left.parentSub
    } else if (struct.rightClient >= 0) {
      return refuse('bad-reference', 'right neighbour')
    } else if (struct.root !== null) {
      container = this.#rootOf(struct.root)
    } else {
      container = this.#madeBy(this.#unit(struct.parentClient, struct.parentClock))
    }
    struct.place = container
    this.#judge(struct, container, left)
  }

  #rootOf(name: string): Container {
    const known = this.#newRoots.get(name)
    if (known !== undefined) return known
    const container = this.#containers.root(name)
    if (container.live === null) this.#newRoots.set(name, container)
    return container
  }

  #containerOf(unit: LiveItem | Struct): Container {
    if (!(unit instanceof Struct)) return this.#containers.of(unit.parent as LiveType)
    return unit.place ?? refuse('bad-reference', 'gone')
  }

  #madeBy(unit: LiveItem | Struct): Container {
    if (unit instanceof Struct) return unit.makes ?? refuse('bad-reference', 'parent')
    return unit.content instanceof Y.ContentType
      ? this.#containers.of(unit.content.type as LiveType)
      : refuse('bad-reference', 'parent')
  }

  // ---- whether it may be --------------------------------------------------------------------------------------------

  #judge(struct: Struct, container: Container, left: LiveItem | Struct | null): void {
    const { place, kind } = container
    const { key } = struct
    if (place === null) return refuse('unknown-place', container.root)
    if (kind === KIND.text && key === null) {
      this.#rights.demand(place.add, container, place.path)
      if (struct.content !== CONTENT.string) refuse('bad-shape', place.path)
      this.#listOf(container, place).place(struct, left, this.#steps)
      return
    }
    if ((kind === KIND.map) !== (key !== null)) refuse('bad-shape', place.path)
    const child = childOf(place, key)
    if (child === null) return refuse('unknown-place', place.path)
    const sequence = key === null ? this.#listOf(container, child) : this.#chainOf(container, key, child)
    const words = key === null || sequence.isEmpty ? child.add : child.change
    if (key === KEY.head && container.entity === container) container.head = struct.values?.[0]
    this.#rights.demand(words, container, child.path)
    if (struct.content === CONTENT.deleted) {
      if (key === null) this.#rights.demand(child.remove, container, child.path)
    } else {
      this.#judgeContent(struct, container, child)
    }
    sequence.place(struct, left, this.#steps)
  }

  #judgeContent(struct: Struct, container: Container, child: Place): void {
    const { is, path } = child
    if (struct.values !== null) {
      if (is !== 'value' && is !== 'value or map') refuse('bad-shape', path)
      // Values of one key that were set one after the other and deleted travel as one where an undo manager keeps them.
      if (struct.key !== null && struct.length > 1 && !this.#deletes.has(struct.client, struct.clock, struct.length))
        refuse('bad-shape', path)
      for (const value of struct.values) {
        if (child.value?.(value, this.#sender.participant, struct.key) === false) refuse('bad-value', path)
        if (container.root === ROOT.objects) this.#rights.describe(value, path)
      }
      return
    }
    const wanted = is === 'list' ? KIND.list : is === 'text' ? KIND.text : KIND.map
    if (struct.content !== CONTENT.type || is === 'value' || struct.type !== wanted) refuse('bad-shape', path)
    struct.makes = new Container(child, struct.type, container, { struct })
    this.#made.push(struct.makes)
  }

  #listOf(container: Container, place: Place): Sequence {
    let list = this.#lists.get(container)
    if (list === undefined) this.#lists.set(container, (list = new Sequence(place.path, container.live?._start ?? null)))
    return list
  }

  #chainOf(container: Container, key: string, place: Place): Sequence {
    let chains = this.#chains.get(container)
    if (chains === undefined) this.#chains.set(container, (chains = new Map()))
    let chain = chains.get(key)
    if (chain === undefined) chains.set(key, (chain = new Sequence(place.path, container.live?._map.get(key) ?? null)))
    return chain
  }

  // ---- what it leaves -----------------------------------------------------------------------------------------------

  #judgeDeletes(): boolean {
    return judgeDeletes(this.#doc, this.#deletes, {
      rights: this.#rights,
      steps: this.#steps,
      fresh: (client) => this.#pendingOf(client)?.structs ?? NOTHING,
      containerOf: (type) => this.#containers.of(type),
      chain: (container, key) => this.#chains.get(container)?.get(key) ?? null,
    })
  }

  #demandNeeds(container: Container): void {
    const index = this.#deletes
    const { struct, place } = container
    if (struct === null || place === null || place.needs.length === 0 || index.has(struct.client, struct.clock)) return
    for (const key of place.needs) {
      const last = this.#chains.get(container)?.get(key)?.last(null)
      const isThere = last instanceof Struct && last.content !== CONTENT.deleted && !index.has(last.client, last.end - 1)
      if (!isThere) refuse('incomplete', `${place.path}/${key}`)
    }
  }

  /** Judges keys that the update writes by their outcome. */
  #judgeOutcomes(): void {
    for (const [container, chains] of this.#chains) {
      for (const [key, chain] of chains) judgeOutcome(container, key, chain, this.#deletes, this.#rights)
    }
  }
}
