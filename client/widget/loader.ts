/**
 * The script for any page: `<script async src="https://SERVER/widget.js" data-key="pk_…"></script>`. Draws the launcher, makes
 * the frame when it is opened first, and puts the function `polylogue` in the place of the queue that the page may have begun.
 *
 * It is one function, and all of it is in a closed shadow root: nothing else of the page is changed.
 */
import type { FrameMessage, WidgetErrorReason, WidgetLooks } from '../../shared/widget.ts'
import { oneOf } from './element-tools.ts'
import { Frame, Mark, unsent, type UserToken } from './frame.ts'
import { Launcher } from './launcher.ts'

interface Global {
  (...command: readonly unknown[]): unknown
  /** What was asked before the script had come. */
  q?: ArrayLike<unknown>[]
  loaded?: true
}

const EVENTS = ['ready', 'open', 'close', 'unread', 'message', 'error'] as const
type EventName = (typeof EVENTS)[number]

const page = window as unknown as { polylogue?: Global }
const script = document.currentScript as HTMLScriptElement | null

class Loader {
  readonly #server: string
  readonly #key: string
  readonly #looks: WidgetLooks
  readonly #mark: Mark
  readonly #listeners = new Map<EventName, Set<(detail: unknown) => void>>()
  readonly #launcher: Launcher
  #frame: Frame | null = null
  #user: UserToken | null = null
  #shown = false
  #unread = 0
  #refused = false

  constructor({ src, dataset }: HTMLScriptElement) {
    this.#server = new URL(src).origin
    this.#key = dataset['key'] ?? ''
    this.#looks = {
      title: dataset['title'] ?? 'Chat',
      locale: dataset['locale'] ?? (document.documentElement.lang || navigator.language),
      theme: oneOf(dataset['theme'], 'auto', 'light', 'dark'),
    }
    this.#mark = new Mark(this.#server, this.#key)
    this.#launcher = new Launcher({
      looks: this.#looks,
      position: oneOf(dataset['position'], 'right', 'left'),
      color: dataset['color'] ?? null,
      onToggle: () => this.#show(!this.#shown),
      onClose: () => this.#show(false),
      onRetry: () => this.#renew(),
    })
    // Whoever has a conversation here is to see that it was answered.
    if (this.#mark.value) whenIdle(() => this.#refused || this.#make())
    if (dataset['open'] !== undefined && dataset['open'] !== 'false') this.#show(true)
  }

  command(name: unknown, ...args: readonly unknown[]): unknown {
    switch (name) {
      case 'open':
        return this.#show(true)
      case 'close':
        return this.#show(false)
      case 'toggle':
        return this.#show(!this.#shown)
      case 'send':
        if (typeof args[0] !== 'string') throw new TypeError(`send takes a text; it got ${typeof args[0]}.`)
        if (this.#refused) this.#hear(unsent(args[0]))
        else this.#make().tell({ t: 'send', text: args[0] })
        return
      case 'identify':
        return this.#identify(args[0])
      case 'on':
        return this.#on(args[0], args[1])
      case 'shutdown':
        return this.#shutdown()
      default:
        throw new TypeError(`polylogue knows open, close, toggle, send, identify, on, shutdown; not ${String(name)}.`)
    }
  }

  #on(event: unknown, listener: unknown): () => void {
    const name = EVENTS.find((it) => it === event)
    if (name === undefined || typeof listener !== 'function') {
      throw new TypeError(`on takes one of ${EVENTS.join(', ')} and a function; it got ${String(event)}, ${typeof listener}.`)
    }
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners.add(listener as () => void))
    return () => void listeners.delete(listener as () => void)
  }

  #emit(event: EventName, detail?: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) {
      try {
        listener(detail)
      } catch (error) {
        reportError(error)
      }
    }
  }

  #show(shown: boolean): void {
    if (shown === this.#shown || this.#refused) return
    this.#shown = shown
    if (shown) this.#make()
    this.#frame?.tell({ t: 'shown', shown })
    this.#launcher.show(shown, () => this.#frame?.element.focus())
    this.#emit(shown ? 'open' : 'close')
  }

  #make(): Frame {
    if (this.#frame !== null) return this.#frame
    this.#frame = new Frame({
      server: this.#server,
      key: this.#key,
      looks: this.#looks,
      mark: this.#mark,
      user: () => this.#user,
      onMessage: (message) => this.#hear(message),
      onError: (reason, text) => this.#fail(reason, text),
    })
    this.#launcher.hold(this.#frame.element)
    return this.#frame
  }

  #drop(): void {
    this.#frame?.remove()
    this.#frame = null
  }

  /** Another frame in the place of this one, where it can be seen. */
  #renew(): void {
    this.#drop()
    if (this.#shown) this.#make().tell({ t: 'shown', shown: true })
  }

  #hear(message: FrameMessage): void {
    switch (message.t) {
      case 'hello':
        return this.#launcher.uncover()
      case 'ready':
        return this.#emit('ready')
      case 'unread':
        if (message.count === this.#unread) return
        this.#unread = message.count
        this.#launcher.unread = message.count
        return this.#emit('unread', message.count)
      case 'message':
        return this.#emit('message', message.message)
      case 'close':
        return this.#show(false)
      case 'refused':
        return this.#refuse(message.reason)
      case 'error':
        return this.#emit('error', { reason: message.reason, message: message.text, text: message.unsent })
      case 'wiped':
      case 'user':
    }
  }

  #fail(reason: WidgetErrorReason, message: string): void {
    if (reason === 'unavailable') {
      this.#drop()
      this.#launcher.fail()
    }
    this.#emit('error', { reason, message })
  }

  /** Nothing that could be used stays, but for who signs in after somebody whose token was not good. */
  #refuse(reason: WidgetErrorReason): void {
    console.error(`polylogue: the chat was refused (${reason}) at ${location.origin}.`)
    this.#show(false)
    this.#drop()
    if (reason !== 'bad-user') {
      this.#refused = true
      this.#launcher.retire()
    }
    this.#emit('error', { reason, message: 'The chat was refused.' })
  }

  #identify(user: unknown): void {
    if (typeof user !== 'string' && typeof user !== 'function' && user !== null) {
      throw new TypeError(`identify takes a token, a function that gives one, or null; it got ${typeof user}.`)
    }
    this.#user = user as UserToken | null
    this.#frame?.tell({ t: 'identify', hasUser: user !== null })
  }

  /** Signs out: nothing of the visitor stays on the device. The launcher does, for the next one. Gives whether all is gone. */
  async #shutdown(): Promise<boolean> {
    this.#show(false)
    this.#user = null
    this.#unread = 0
    this.#launcher.unread = 0
    // Without storage here nothing is known of what is there.
    if (this.#frame === null && this.#mark.value === null) return true
    const frame = this.#make()
    const all = await frame.leave()
    // Somebody may have opened it meanwhile, or signed in.
    if (this.#frame === frame) this.#renew()
    return all
  }
}

function whenIdle(work: () => void): void {
  if ('requestIdleCallback' in page) requestIdleCallback(work, { timeout: 3_000 })
  else setTimeout(work, 500)
}

function start(of: HTMLScriptElement): void {
  const queue = page.polylogue?.q ?? []
  const loader = new Loader(of)
  const run: Global = (...command) => loader.command(...(command as [unknown]))
  run.loaded = true
  page.polylogue = run
  for (const command of queue) {
    // One that is wrong stops none that come after it.
    try {
      void run(...Array.from(command))
    } catch (error) {
      reportError(error)
    }
  }
}

if (script === null || !script.dataset['key']) console.error('polylogue: the script tag needs data-key.')
else if (page.polylogue?.loaded === true) console.warn('polylogue: loaded twice.')
// A script in the head may come before there is a body.
else if (document.readyState === 'loading') addEventListener('DOMContentLoaded', () => start(script), { once: true })
else start(script)
