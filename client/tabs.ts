/**
 * Tabs of one browser tell each other what they write, so that they agree with no server at all.
 *
 * When the server has refused a replica, each tab puts a fresh one in its place, of a higher generation. Tabs of different
 * generations tell each other nothing but that.
 */
import * as Y from 'yjs'
import type { Report } from '../shared/errors.ts'

type TabMessage = { readonly generation: number } & (
  | /** A tab has opened: whoever has what it lacks sends it, and asks for what it lacks itself. */
    { readonly t: 'hello'; readonly client: number; readonly stateVector: Uint8Array; readonly answer: boolean }
  | { readonly t: 'update'; readonly update: Uint8Array }
  | /** A tab closes, or goes on with a fresh replica. */ { readonly t: 'bye'; readonly client: number; readonly moved: boolean }
)
type Said = TabMessage extends infer M ? (M extends TabMessage ? Omit<M, 'generation'> : never) : never

export interface TabsOptions {
  readonly name: string
  readonly doc: Y.Doc
  readonly generation: number
  /** True for origins whose updates other tabs get by another way: from the server, from the device. */
  readonly isShared: (origin: unknown) => boolean
  /** Another tab has a replica of this generation, which is higher. */
  readonly onSuperseded: (generation: number) => void
  /** A tab with this client id, of this or an earlier generation, is closed. */
  readonly onGone: (clientId: number) => void
  readonly report: Report
}

export class Tabs {
  readonly #options: TabsOptions
  readonly #channel: BroadcastChannel
  /** Client ids of the other tabs that are open. */
  readonly siblings: Set<number> = new Set()

  constructor(options: TabsOptions) {
    this.#options = options
    this.#channel = new BroadcastChannel(options.name)
    this.#channel.onmessage = (event: MessageEvent<TabMessage>) => this.#receive(event.data)
    options.doc.on('update', this.#onUpdate)
    this.#hello(true)
  }

  /** @param moved this tab goes on with a fresh replica. */
  close(moved: boolean): void {
    const { doc } = this.#options
    doc.off('update', this.#onUpdate)
    this.#post({ t: 'bye', client: doc.clientID, moved })
    this.#channel.close()
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin !== this && !this.#options.isShared(origin)) this.#post({ t: 'update', update })
  }

  #receive(message: TabMessage): void {
    const { doc, generation, report, onSuperseded, onGone } = this.#options
    try {
      if (message.t === 'bye') {
        // One that goes on with a fresh replica is still there to send what it wrote.
        if (message.moved) return
        this.siblings.delete(message.client)
        onGone(message.client)
      } else if (message.generation > generation) onSuperseded(message.generation)
      else if (message.generation < generation) {
        // It does not know yet.
        this.#hello(false)
      } else if (message.t === 'update') Y.applyUpdate(doc, message.update, this)
      else {
        this.siblings.add(message.client)
        this.#post({ t: 'update', update: Y.encodeStateAsUpdate(doc, message.stateVector) })
        if (message.answer) this.#hello(false)
      }
    } catch (error) {
      report(error, { stage: 'tabs' })
    }
  }

  #hello(answer: boolean): void {
    const { doc } = this.#options
    this.#post({ t: 'hello', client: doc.clientID, stateVector: Y.encodeStateVector(doc), answer })
  }

  #post(message: Said): void {
    this.#channel.postMessage({ ...message, generation: this.#options.generation })
  }
}
