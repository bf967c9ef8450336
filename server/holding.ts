/**
 * Who answers in a session, at `ledger.holder`: decided on requests, and given back to the agents by itself when nobody of the
 * support desk has said anything for a while. What a customer has written meanwhile, and nobody has answered, is the agents'
 * then. Times are the server's: a holder that was stored is idle from when it came, or from support's last word.
 */
import type * as Y from 'yjs'
import { decideHolder, readHandover, readHolder, type Holder } from '../shared/control.ts'
import { KEY, type SessionRoots } from '../shared/layout.ts'
import type { MessageHead, MessageStamp } from '../shared/message.ts'
import type { Participant } from '../shared/participant.ts'

/** How long support may be silent before the agents answer again, in milliseconds. */
export const IDLE_RETURN_MS: number = 10 * 60_000
/** Longest span that a timer takes. */
const MAX_TIMER_MS = 0x7fff_ffff

/** A customer's message as the server took it. */
export interface Unanswered {
  readonly map: Y.Map<unknown>
  readonly head: MessageHead
  readonly from: Participant
  /** How far its author's clock is behind, and how long it has waited since it came: what counts is how old it was then. */
  readonly behindMs: number
}

export interface HoldingOptions {
  readonly roots: SessionRoots
  /** `Infinity`: never. */
  readonly idleReturnMs: number
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Called when the time has come to look whether support is idle: `settle` then. */
  readonly wake: () => void
}

export class Holding {
  readonly #options: HoldingOptions
  /** When support last said something. */
  #spokeAt = 0
  #unanswered: (Unanswered & { readonly at: number }) | null = null
  #timer: NodeJS.Timeout | undefined

  constructor(options: HoldingOptions) {
    this.#options = options
  }

  destroy(): void {
    clearTimeout(this.#timer)
  }

  get holder(): Holder {
    return readHolder(this.#options.roots.ledger.get(KEY.holder))
  }

  /** A message has its place; from the store as well, in any order there. */
  said(map: Y.Map<unknown>, head: MessageHead, stamp: MessageStamp, from: Participant, behindMs = 0): void {
    if (from.kind === 'support') {
      this.#spokeAt = Math.max(this.#spokeAt, stamp.at)
      if (this.#unanswered !== null && this.#unanswered.at <= stamp.at) this.#unanswered = null
    } else if (head.role === 'user' && head.to?.length !== 0 && stamp.at >= Math.max(this.#spokeAt, this.#unanswered?.at ?? 0)) {
      this.#unanswered = { map, head, from, behindMs, at: stamp.at }
    }
    this.#arm()
  }

  /** Judges the last request. True when somebody else answers now. */
  decide(from: Participant): boolean {
    const { roots, now } = this.#options
    const request = readHandover(roots.control.get(KEY.handover))
    // One that has lost against another's is not asked for: what stands there must not be done with the rights of its sender.
    if (request === undefined || request.by !== from.id) return false
    const holder = decideHolder(this.holder, { ...request, by: from.id, at: now() }, from.kind)
    if (holder === null) return false
    this.#set(holder)
    return true
  }

  /**
   * Gives the session back to the agents if support has been idle for long enough. Gives the last message that nobody has
   * answered since somebody else than the agents was to.
   */
  returnIfIdle(): Unanswered | null {
    const { now } = this.#options
    const { holder } = this
    if (holder.state === 'agents' || now() < this.#dueAt(holder)) return null
    const unanswered = this.#unanswered !== null && this.#unanswered.at >= holder.at ? this.#unanswered : null
    this.#set({ state: 'agents', at: now(), reason: 'idle' })
    return unanswered === null ? null : { ...unanswered, behindMs: unanswered.behindMs + now() - unanswered.at }
  }

  /** True when `returnIfIdle` has something to do. */
  get isIdle(): boolean {
    const { holder } = this
    return holder.state !== 'agents' && this.#options.now() >= this.#dueAt(holder)
  }

  #set(holder: Holder): void {
    this.#options.roots.ledger.set(KEY.holder, holder)
    this.#unanswered = null
    this.#arm()
  }

  #dueAt(holder: Exclude<Holder, { state: 'agents' }>): number {
    return Math.max(holder.at, this.#spokeAt) + this.#options.idleReturnMs
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const { holder } = this
    if (holder.state === 'agents' || this.#options.idleReturnMs === Number.POSITIVE_INFINITY) return
    const inMs = Math.min(MAX_TIMER_MS, Math.max(0, this.#dueAt(holder) - this.#options.now()))
    this.#timer = setTimeout(() => {
      // Timers may be early, by the clock that counts.
      if (this.isIdle) this.#options.wake()
      else this.#arm()
    }, inMs)
    this.#timer.unref()
  }
}
