/**
 * Who may do what where: the words of the policy, judged for one sender over the document as it is before the update.
 *
 * 1. `author`: the message is made by this very update, so it is the sender's.
 * 2. `lease`: the run is the sender's, has not ended, and its lease names the worker behind this connection, under the
 *    generation that this worker writes under; a message must be the sender's besides. A worker that has not said which one it is yet is told apart: it may come to be allowed.
 * 3. `writers`: noted here and judged when all of the update is known, since the descriptor may come with it.
 */
import { asRecord, KEY, ROOT } from '../../shared/layout.ts'
import { MAX_OBJECTS } from '../../shared/limits.ts'
import type { Participant } from '../../shared/participant.ts'
import { readDescriptor, type Descriptor } from '../../shared/policy.ts'
import { hasEnded, type RunStatus } from '../../shared/run.ts'
import type { ReadonlyBindings } from './bindings.ts'
import { valueAt } from './containers.ts'
import type { Lookup } from './lookup.ts'
import type { Words } from './place.ts'
import { refuse } from './refusal.ts'
import type { Container, LiveType } from './struct.ts'

/** Who sends an update. */
export interface Sender {
  readonly participant: Participant
  /** Of an agent: the worker behind the connection, once it has said so. */
  readonly worker: string | null
  /**
   * Of a worker: the generation under which it writes each run that it has had, as it says. One that got a run again writes
   * under the new lease only from where it says so: what it wrote before, and is still under way, is a dead attempt's.
   */
  readonly leases?: ReadonlyMap<string, number>
}

const OBJECT_PREFIX = 'object:'

export class Rights {
  readonly #lookup: Lookup
  readonly #bindings: ReadonlyBindings
  readonly #sender: Sender
  /** The message or run for which the lease was found to hold. */
  #leased: Container | null = null
  /** Roots of shared objects that the update writes to. */
  readonly #objects = new Set<string>()
  /** Descriptors that come with the update, by name. */
  readonly #descriptors = new Map<string, Descriptor>()
  /** How many come with it. */
  #described = 0

  constructor(lookup: Lookup, bindings: ReadonlyBindings, sender: Sender) {
    this.#lookup = lookup
    this.#bindings = bindings
    this.#sender = sender
  }

  /** Refuses unless one of the words is true of the sender. */
  demand(words: Words, container: Container, path: string): void {
    const { kind } = this.#sender.participant
    if (kind === 'viewer') refuse('read-only', path)
    if (words.kinds.has(kind)) return
    if (words.author && kind !== 'agent' && container.entity?.struct != null) return
    if (words.lease && kind === 'agent' && this.#holdsLease(container, path)) return
    if (words.writers) {
      this.#objects.add(container.root)
      return
    }
    refuse('forbidden', path)
  }

  /** Takes note of a descriptor; refuses one that says something else than those that are there. */
  describe(value: unknown, path: string): void {
    const descriptor = readDescriptor(value)
    if (descriptor === undefined) return
    this.#described += 1
    if (this.#lookup.descriptors + this.#described > MAX_OBJECTS) refuse('too-big', path)
    const known = this.#descriptorOf(descriptor.name)
    if (known === undefined) this.#descriptors.set(descriptor.name, descriptor)
    else if (!isSame(known, descriptor)) refuse('forbidden', path)
  }

  /** Judges the writes to shared objects, now that all descriptors are known. */
  settle(): void {
    for (const root of this.#objects) {
      const known = this.#descriptorOf(nameOf(root))
      // Its descriptor may still be on its way, through another tab.
      if (known === undefined) refuse('missing', ROOT.objects)
      if (!known.writers.includes(this.#sender.participant.kind)) refuse('forbidden', root)
    }
  }

  /** Names of the shared objects it writes to of which nobody has said what they are. */
  undescribed(): string[] {
    return [...this.#objects].map(nameOf).filter((name) => this.#descriptorOf(name) === undefined)
  }

  #holdsLease(container: Container, path: string): boolean {
    const { entity } = container
    if (entity === null || entity === this.#leased) return entity !== null
    const { participant, worker, leases } = this.#sender
    if (!entity.isRun && entity.live !== null && this.#ownerOf(entity.live) !== participant.id) return false
    const run = entity.isRun ? entity.live : (entity.run ??= this.#runOf(entity))
    if (run === null || asRecord(valueAt(run, KEY.head))?.['agent'] !== participant.id) return false
    if (hasEnded(valueAt(run, KEY.status) as RunStatus)) return false
    if (worker === null) refuse('unannounced', path)
    const lease = asRecord(valueAt(run, KEY.lease))
    if (lease?.['worker'] !== worker) return false
    const generation = leases?.get(String(asRecord(valueAt(run, KEY.head))?.['id']))
    if (generation !== undefined && generation !== lease['generation']) return false
    this.#leased = entity
    return true
  }

  #ownerOf(type: LiveType): string | undefined {
    return type._item === null ? undefined : this.#bindings.get(type._item.id.client)
  }

  /** The run that a message names. */
  #runOf(message: Container): LiveType | null {
    const head = message.live === null ? message.head : valueAt(message.live, KEY.head)
    const id = asRecord(head)?.['run']
    return typeof id === 'string' ? (this.#lookup.run(id) ?? null) : null
  }

  #descriptorOf(name: string): Descriptor | undefined {
    return this.#lookup.descriptor(name) ?? this.#descriptors.get(name)
  }
}

function nameOf(root: string): string {
  return root.slice(OBJECT_PREFIX.length)
}

function isSame(a: Descriptor, b: Descriptor): boolean {
  return a.kind === b.kind && a.writers.length === b.writers.length && a.writers.every((writer, at) => writer === b.writers[at])
}
