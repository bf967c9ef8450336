/**
 * The guard of one session: says of an update whether its sender may write it, before anything of it is applied.
 *
 * 1. An update is accepted whole or refused whole; nothing is taken out of it.
 * 2. What is accepted is applied in the bytes given back, in the same synchronous step. Those hold nothing that the document
 *    has already: Yjs reads the references of known structs too, and can be led astray by them.
 * 3. The check is a function of update, sender, document and bindings; it changes none of them. Anything it does not
 *    understand is refused, as `internal` where it fails itself.
 * 4. After an accepted update nothing is pending and each client is where it was said to be (`confirm`).
 */
import * as Y from 'yjs'
import { POLICY } from '../../shared/policy.ts'
import type { ReadonlyBindings } from './bindings.ts'
import { Check } from './check.ts'
import { Containers } from './containers.ts'
import { decode } from './decode.ts'
import { Lookup } from './lookup.ts'
import { compile, type Place } from './place.ts'
import { Refused, type RefusalCode } from './refusal.ts'
import type { Sender } from './rights.ts'

export type { Sender } from './rights.ts'
export type { RefusalCode } from './refusal.ts'

export interface Accepted {
  readonly ok: true
  /** What to apply; null when the update brings nothing new. */
  readonly update: Uint8Array | null
  /** Client ids that are the sender's from now on. */
  readonly claims: readonly number[]
  /** What the document has of each client afterwards. */
  readonly after: readonly { readonly client: number; readonly end: number }[]
}

export interface Denied {
  readonly ok: false
  readonly code: RefusalCode
  /** The row of the policy in question, or what was wrong; may be empty. */
  readonly path: string
  /** What went wrong inside, for `internal`. */
  readonly error?: unknown
  /** Of an update that may wait: whether what it lacks has come. It costs little, so it may be asked after each update. */
  readonly isDue?: () => boolean
}

export type Verdict = Accepted | Denied

/** Codes of updates that may be accepted later, when what they build on has come. */
export function mayWait(code: RefusalCode): boolean {
  return code === 'missing' || code === 'unannounced'
}

const TOP: Place = compile(POLICY)

export class Guard {
  readonly #doc: Y.Doc
  readonly #bindings: ReadonlyBindings
  readonly #containers: Containers
  readonly #lookup: Lookup

  /** @param top the compiled policy; another one in tests. */
  constructor(doc: Y.Doc, bindings: ReadonlyBindings, top: Place = TOP) {
    this.#doc = doc
    this.#bindings = bindings
    this.#containers = new Containers(doc, top)
    this.#lookup = new Lookup(doc)
  }

  /** Judges an update. */
  check(update: Uint8Array, sender: Sender): Verdict {
    let check: Check | null = null
    try {
      const decoded = decode(update)
      check = new Check(
        { doc: this.#doc, containers: this.#containers, bindings: this.#bindings, lookup: this.#lookup },
        sender,
        decoded,
      )
      const { changes, repeats, claims, after } = check.run()
      if (!changes) return { ok: true, update: null, claims: [], after: [] }
      return { ok: true, update: repeats ? this.#withoutKnown(update, decoded.sections) : update, claims, after }
    } catch (error) {
      if (error instanceof Refused) {
        const { code, path } = error
        if (code === 'unannounced') return { ok: false, code, path, isDue: () => sender.worker !== null }
        if (code === 'missing' && check !== null) return { ok: false, code, path, isDue: check.lacks() }
        return { ok: false, code, path }
      }
      return { ok: false, code: 'internal', path: '', error }
    }
  }

  /** Throws when applying an accepted update did not do what was foreseen. */
  confirm(accepted: Accepted): void {
    const { store } = this.#doc
    if (store.pendingStructs !== null || store.pendingDs !== null)
      throw new Error('An accepted update has left something pending.')
    for (const { client, end } of accepted.after) {
      if (Y.getState(store, client) !== end) throw new Error(`An accepted update has not brought client ${client} to ${end}.`)
    }
  }

  #withoutKnown(update: Uint8Array, sections: readonly { readonly client: number }[]): Uint8Array {
    const known = new Map(sections.map(({ client }) => [client, Y.getState(this.#doc.store, client)]))
    return Y.diffUpdate(update, Y.encodeStateVector(known))
  }
}
