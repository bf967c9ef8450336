/**
 * One socket, kept alive: the provider's socket plus what it lacks. It has no listener for the network coming back or the
 * page being shown again, and it learns of a half-open connection only after 30 silent seconds.
 */
import { HocuspocusProviderWebsocket } from '@hocuspocus/provider'

/** First pause before a new attempt; it doubles, with jitter, up to the longest. */
const RETRY_FIRST_MS = 500
const RETRY_LONGEST_MS = 10_000
/** After waking up, a connection that says nothing for this long is taken for dead. */
const PROBE_MS = 3_000
/** What a frozen page's socket had taken in comes within this time, and is no sign of life. */
const SETTLE_MS = 50

export class Socket {
  readonly provider: HocuspocusProviderWebsocket
  readonly #undo: (() => void)[] = []
  #settling: ReturnType<typeof setTimeout> | undefined
  #probe: ReturnType<typeof setTimeout> | undefined
  readonly #onProbe = new Set<() => void>()

  /** @param longestRetryMs longest pause between two attempts. */
  constructor(url: string, longestRetryMs: number = RETRY_LONGEST_MS) {
    this.provider = new HocuspocusProviderWebsocket({
      url,
      delay: RETRY_FIRST_MS,
      minDelay: RETRY_FIRST_MS,
      maxDelay: longestRetryMs,
      onMessage: () => this.#alive(),
    })
    // The provider would keep frames for the next socket. Everything is told anew when that opens, and a CLOSE from before
    // would end what it opens.
    const send = this.provider.send.bind(this.provider)
    this.provider.send = (frame) => {
      if (this.isOpen) send(frame)
    }
    this.#listenToPage()
  }

  get isOpen(): boolean {
    return this.provider.webSocket?.readyState === 1
  }

  send(frame: Uint8Array): void {
    this.provider.send(frame)
  }

  /** Registers what sends a frame that the server answers; used to find out whether the connection still lives. */
  onProbe(send: () => void): () => void {
    this.#onProbe.add(send)
    return () => void this.#onProbe.delete(send)
  }

  /** Connects now instead of at the end of the pause; checks a connection that claims to stand. */
  wake(): void {
    if (!this.isOpen) {
      void this.provider.connect()
      return
    }
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => {
      this.#probe ??= setTimeout(() => {
        this.#probe = undefined
        this.drop()
        this.wake()
      }, PROBE_MS)
      for (const send of this.#onProbe) send()
    }, SETTLE_MS)
  }

  /** Gives the connection up without waiting for the other side to agree; the next attempt follows by itself. */
  drop(): void {
    if (this.provider.webSocket === null) return
    // The event that the socket itself would fire, in time: the provider and all its documents listen for it.
    const emitter = this.provider as unknown as { emit(event: 'close', payload: unknown): void }
    emitter.emit('close', { event: { code: 4408 } })
  }

  destroy(): void {
    clearTimeout(this.#settling)
    this.#alive()
    for (const undo of this.#undo) undo()
    this.provider.destroy()
  }

  #alive(): void {
    clearTimeout(this.#probe)
    this.#probe = undefined
  }

  #listenToPage(): void {
    if (typeof globalThis.window?.addEventListener !== 'function') return
    const listen = (target: EventTarget, type: string, listener: (event: never) => unknown): void => {
      target.addEventListener(type, listener as EventListener)
      this.#undo.push(() => target.removeEventListener(type, listener as EventListener))
    }
    const wake = (): void => this.wake()
    listen(window, 'online', wake)
    // The browser knows before the socket does: a socket without a network would claim to be open for minutes.
    listen(window, 'offline', () => this.drop())
    listen(window, 'pageshow', (event: PageTransitionEvent) => event.persisted && wake())
    listen(document, 'visibilitychange', () => document.visibilityState === 'visible' && wake())
    // A page that was frozen may have been visible all the time.
    listen(document, 'resume', wake)
  }
}
