/**
 * Updates of one connection that build on something which the server does not have yet: edits typed while connecting, a tab's
 * edit of what another tab has just written, an agent's stream before its worker has said who it is. They wait here, outside
 * the document, and are not acknowledged: inside it Yjs would keep, store and send them for ever if the rest never came.
 *
 * 1. At most MAX_HELD updates and MAX_HELD_BYTES bytes wait, but one may be of any size that a frame may have.
 * 2. What waits is checked again when all that it lacked has come, and not before: a check is dear, and whoever has one large
 *    update wait could otherwise make every update of others cost as much.
 * 3. After HELD_MS the connection is refused, for the reason for which the first of them waits.
 */
import type { Denied } from './guard.ts'

const MAX_HELD = 64
const MAX_HELD_BYTES = 256 * 1024
const HELD_MS = 5_000

export class HeldUpdates {
  readonly #onExpired: (denied: Denied) => void
  #updates: { readonly update: Uint8Array; readonly denied: Denied }[] = []
  #bytes = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(onExpired: (denied: Denied) => void) {
    this.#onExpired = onExpired
  }

  get isEmpty(): boolean {
    return this.#updates.length === 0
  }

  /** Keeps an update; false when there is no room for it. */
  add(update: Uint8Array, denied: Denied): boolean {
    const bytes = this.#bytes + update.byteLength
    if (!this.isEmpty && (this.#updates.length >= MAX_HELD || bytes > MAX_HELD_BYTES)) return false
    // A copy: the frame's buffer belongs to the socket.
    this.#updates.push({ update: update.slice(), denied })
    this.#bytes = bytes
    this.#timer ??= setTimeout(() => this.#expire(), HELD_MS)
    return true
  }

  /** Takes out what has got all that it waited for, in the order in which it came. */
  takeDue(): Uint8Array[] {
    const due: Uint8Array[] = []
    const rest = this.#updates.filter(({ update, denied }) => {
      if (denied.isDue?.() === false) return true
      due.push(update)
      this.#bytes -= update.byteLength
      return false
    })
    if (due.length > 0) this.#updates = rest
    return due
  }

  /** To be called after `takeDue`: when nothing waits any more, the time begins anew for what comes later. */
  rest(): void {
    if (!this.isEmpty) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  destroy(): void {
    this.#updates = []
    this.#bytes = 0
    this.rest()
  }

  #expire(): void {
    const first = this.#updates[0]
    this.destroy()
    if (first !== undefined) this.#onExpired(first.denied)
  }
}
