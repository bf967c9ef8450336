/**
 * Replicas that the server has refused, and what becomes of the writes in them: messages are sent again by themselves, each
 * as an update of its own, so that one that is refused keeps no other back; what was refused twice, and the fields of shared
 * objects, which others may have changed since, are offered to the user.
 */
import * as Y from 'yjs'
import type { Json } from '../shared/message.ts'
import type { Participant } from '../shared/participant.ts'
import { keptReplica, type KeptReplica } from './local-store.ts'
import { missing, type MissingFields, type MissingMessage } from './missing.ts'

/** What the server refused and does not get by itself. Immutable. */
export interface RefusedWrites {
  /** The rule that was broken and where, if the server said it. */
  readonly code: string | null
  readonly path: string | null
  readonly messages: readonly MissingMessage[]
  /** Fields of shared objects by object and field; `undefined`: the field was deleted. */
  readonly fields: MissingFields
}

/** What to do with a fresh replica. */
export interface Plan {
  readonly messages: readonly MissingMessage[]
  readonly cancels: Readonly<Record<string, Json>>
  readonly refused: RefusedWrites | null
}

interface Replica {
  readonly doc: Y.Doc
  readonly counts: (clientId: number) => boolean
  kept: KeptReplica
}

/** A message that is refused this often, each time as the first of those that were sent again, is offered. */
const MAX_TRIES = 2

export class Quarantine {
  readonly #replicas = new Map<string, Replica>()
  readonly #tries = new Map<string, number>()
  /** Ids of the messages that were sent again since the last refusal, in their order. */
  #sent: readonly string[] = []

  get size(): number {
    return this.#replicas.size
  }

  /** Takes in a replica; gives it as it is to be kept on the device. */
  add(doc: Y.Doc, counts: (clientId: number) => boolean, why: Pick<KeptReplica, 'code' | 'path'>): KeptReplica {
    const kept = keptReplica(doc, why)
    this.#replicas.set(kept.key, { doc, counts, kept })
    return kept
  }

  /** Takes in a replica of an earlier page. */
  recall(kept: KeptReplica): void {
    if (this.#replicas.has(kept.key)) return
    const doc = new Y.Doc()
    Y.applyUpdate(doc, kept.update)
    this.#replicas.set(kept.key, { doc, counts: () => true, kept })
  }

  /** The server has refused what was sent again, and has taken the messages that are in `now`: the next one was the reason. */
  blame(now: Y.Doc, me: Participant): void {
    const lost = new Set(this.#missing(now, me).flatMap(({ messages }) => messages.map(({ head }) => head.id)))
    const blamed = this.#sent.find((id) => lost.has(id))
    this.#sent = []
    if (blamed !== undefined) this.#tries.set(blamed, (this.#tries.get(blamed) ?? 0) + 1)
  }

  /** What of the replicas is to be written into `now`, and what is to be offered. */
  plan(now: Y.Doc, me: Participant): Plan {
    const messages = new Map<string, MissingMessage>()
    const offered = new Map<string, MissingMessage>()
    const fields: Record<string, Readonly<Record<string, Json | undefined>>> = {}
    let cancels: Record<string, Json> = {}
    let why: Pick<KeptReplica, 'code' | 'path'> = { code: null, path: null }
    for (const { kept, ...found } of this.#missing(now, me)) {
      const isRejected = (id: string): boolean =>
        me.kind === 'viewer' || kept.rejected.includes(id) || (this.#tries.get(id) ?? 0) >= MAX_TRIES
      for (const message of found.messages) (isRejected(message.head.id) ? offered : messages).set(message.head.id, message)
      for (const [object, changed] of Object.entries(found.fields)) fields[object] = { ...fields[object], ...changed }
      cancels = { ...cancels, ...found.cancels }
      why = kept
    }
    const tries = ({ head }: MissingMessage): number => this.#tries.get(head.id) ?? 0
    const again = [...messages.values()].filter(({ head }) => !offered.has(head.id)).sort((a, b) => tries(a) - tries(b))
    // Beside those of an earlier plan: what an earlier page wrote may be found after they were sent.
    this.#sent = [...this.#sent, ...again.map(({ head }) => head.id)]
    const nothing = offered.size === 0 && Object.keys(fields).length === 0
    const refused = nothing ? null : { code: why.code, path: why.path, messages: [...offered.values()], fields }
    return { messages: again, cancels: me.kind === 'viewer' ? {} : cancels, refused }
  }

  /** Notes what has been offered, so that a later page offers it too instead of sending it. Gives what changed by it. */
  note(refused: RefusedWrites | null): KeptReplica[] {
    const ids = refused?.messages.map(({ head }) => head.id) ?? []
    const changed: KeptReplica[] = []
    for (const replica of this.#replicas.values()) {
      const rejected = [...new Set([...replica.kept.rejected, ...ids])]
      if (rejected.length === replica.kept.rejected.length) continue
      replica.kept = { ...replica.kept, rejected }
      changed.push(replica.kept)
    }
    return changed
  }

  /** Lets go of the replicas of which nothing is missing any more, whoever was to send it; gives their keys. */
  settle(now: Y.Doc, me: Participant): string[] {
    const settled: string[] = []
    for (const [key, { doc }] of this.#replicas) {
      const { messages, fields } = missing({ from: doc, to: now, by: me.id, counts: () => true })
      if (messages.length === 0 && Object.keys(fields).length === 0) settled.push(key)
    }
    for (const key of settled) this.#drop(key)
    return settled
  }

  /** Lets go of all; gives their keys. */
  clear(): string[] {
    const keys = [...this.#replicas.keys()]
    for (const key of keys) this.#drop(key)
    this.#tries.clear()
    return keys
  }

  #missing(now: Y.Doc, me: Participant): ({ kept: KeptReplica } & ReturnType<typeof missing>)[] {
    return [...this.#replicas.values()].map(({ doc, counts, kept }) => ({
      kept,
      ...missing({ from: doc, to: now, by: me.id, counts }),
    }))
  }

  #drop(key: string): void {
    this.#replicas.get(key)?.doc.destroy()
    this.#replicas.delete(key)
  }
}
