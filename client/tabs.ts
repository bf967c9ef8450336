/**
 * Tabs of one browser tell each other what they write, so that they agree with no server at all.
 */
import * as Y from 'yjs'
import type { Report } from '../shared/errors.ts'

type TabMessage =
  /** A tab has opened: whoever has what it lacks sends it, and asks for what it lacks itself. */
  | { readonly t: 'hello'; readonly stateVector: Uint8Array; readonly answer: boolean }
  | { readonly t: 'update'; readonly update: Uint8Array }

export class Tabs {
  readonly #doc: Y.Doc
  readonly #channel: BroadcastChannel
  readonly #report: Report
  readonly #isShared: (origin: unknown) => boolean

  /** @param isShared true for origins whose updates other tabs get by another way: from the server, from the device. */
  constructor(name: string, doc: Y.Doc, isShared: (origin: unknown) => boolean, report: Report) {
    this.#doc = doc
    this.#report = report
    this.#isShared = isShared
    this.#channel = new BroadcastChannel(name)
    this.#channel.onmessage = (event: MessageEvent<TabMessage>) => this.#receive(event.data)
    doc.on('update', this.#onUpdate)
    this.#post({ t: 'hello', stateVector: Y.encodeStateVector(doc), answer: true })
  }

  close(): void {
    this.#doc.off('update', this.#onUpdate)
    this.#channel.close()
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin !== this && !this.#isShared(origin)) this.#post({ t: 'update', update })
  }

  #receive(message: TabMessage): void {
    try {
      if (message.t === 'update') {
        Y.applyUpdate(this.#doc, message.update, this)
        return
      }
      this.#post({ t: 'update', update: Y.encodeStateAsUpdate(this.#doc, message.stateVector) })
      if (message.answer) this.#post({ t: 'hello', stateVector: Y.encodeStateVector(this.#doc), answer: false })
    } catch (error) {
      this.#report(error, { stage: 'tabs' })
    }
  }

  #post(message: TabMessage): void {
    this.#channel.postMessage(message)
  }
}
