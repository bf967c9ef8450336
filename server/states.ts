/**
 * States of one document as frames, kept for a moment: whoever asks for the same again, or others do, is sent the same bytes. To
 * encode a megabyte takes milliseconds, and twenty copies that wait to be read take twenty megabytes.
 */
import * as Y from 'yjs'
import { SYNC, syncFrame } from './frames.ts'

/** A smaller frame is made again in less time than it takes to look after it. */
const MIN_BYTES = 32 * 1024
/** A frame is kept so long after it was last asked for. */
const KEEP_MS = 1_000

interface Kept {
  readonly address: string
  readonly stateVector: Uint8Array
  readonly frame: Uint8Array
}

export class States {
  readonly #document: Y.Doc
  #kept: Kept | null = null
  #timer: NodeJS.Timeout | undefined

  constructor(document: Y.Doc) {
    this.#document = document
    document.on('update', this.#forget)
  }

  /** What a reader with this state vector lacks, as a frame. */
  frame(address: string, stateVector: Uint8Array): Uint8Array {
    const kept = this.#kept
    if (kept !== null && kept.address === address && Buffer.compare(kept.stateVector, stateVector) === 0) {
      this.#timer?.refresh()
      return kept.frame
    }
    const frame = syncFrame(address, SYNC.step2, Y.encodeStateAsUpdate(this.#document, stateVector))
    if (frame.byteLength >= MIN_BYTES) {
      this.#forget()
      this.#kept = { address, stateVector: stateVector.slice(), frame }
      this.#timer = setTimeout(this.#forget, KEEP_MS).unref()
    }
    return frame
  }

  destroy(): void {
    this.#document.off('update', this.#forget)
    this.#forget()
  }

  readonly #forget = (): void => {
    clearTimeout(this.#timer)
    this.#kept = null
  }
}
