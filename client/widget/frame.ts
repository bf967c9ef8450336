/**
 * The frame on the server's origin, as the page around it sees it: makes it, answers it, and lets nobody else be heard.
 */
import {
  readWidgetMessage,
  WIDGET_PAGE,
  WIDGET_VERSION,
  type FrameMessage,
  type HostMessage,
  type WidgetErrorReason,
  type WidgetLooks,
} from '../../shared/widget.ts'

/** A token of a signed-in user, or what fetches one; called again when the last one is about to expire. */
export type UserToken = string | (() => string | Promise<string>)

export interface FrameOptions {
  /** Origin of the server. */
  readonly server: string
  readonly key: string
  readonly looks: WidgetLooks
  readonly mark: Mark
  readonly user: () => UserToken | null
  readonly onMessage: (message: FrameMessage) => void
  /** A user's token could not be had, or nothing was heard from the frame in time. */
  readonly onError: (reason: WidgetErrorReason, text: string) => void
}

/** How long a page may take until it says hello. */
const HELLO_TIMEOUT_MS = 15_000
/** How long one may take that has loaded: a page of the browser's own, such as one that says that it was refused, says nothing. */
const LOADED_TIMEOUT_MS = 4_000

/** The longest that signing out waits for it. */
const LEAVE_TIMEOUT_MS = 10_000

/** What a frame may do that no page around it allows by itself. It may never take the page around it elsewhere. */
const SANDBOX =
  'allow-scripts allow-same-origin allow-forms allow-modals allow-downloads allow-popups allow-popups-to-escape-sandbox'

/**
 * What the page around the frame keeps: `1`, there is a conversation on this device; `0`, there is one of somebody who has signed
 * out, and it is to go before anything is shown; null, there is none. Undefined where that page may not store anything, as long as
 * nothing is known.
 */
export class Mark {
  readonly #name: string
  #value: '0' | '1' | null | undefined

  constructor(server: string, key: string) {
    this.#name = `polylogue:${server}:${key}`
  }

  get value(): string | null | undefined {
    try {
      return localStorage.getItem(this.#name)
    } catch {
      return this.#value
    }
  }

  set value(value: '0' | '1' | null) {
    this.#value = value
    try {
      if (value === null) localStorage.removeItem(this.#name)
      else localStorage.setItem(this.#name, value)
    } catch {
      // Then the next page does not look for answers before it is opened.
    }
  }
}

export class Frame {
  readonly element: HTMLIFrameElement
  readonly #options: FrameOptions
  readonly #waiting: HostMessage[] = []
  #heard = false
  #shown = false
  #timer: ReturnType<typeof setTimeout>
  #left: ((all: boolean) => void) | null = null
  #leaving: Promise<boolean> | null = null

  constructor(options: FrameOptions) {
    this.#options = options
    const { server, key, looks } = options
    const frame = document.createElement('iframe')
    const query = new URLSearchParams({ key, host: location.origin })
    frame.src = `${server}${WIDGET_PAGE}?${query.toString()}`
    frame.title = looks.title
    // The server checks where it is shown; without this a page could keep that to itself.
    frame.referrerPolicy = 'origin'
    frame.allow = 'clipboard-write'
    frame.sandbox.value = SANDBOX
    this.element = frame
    this.#timer = this.#giveUpIn(HELLO_TIMEOUT_MS)
    frame.addEventListener('load', () => {
      if (this.#heard) return
      clearTimeout(this.#timer)
      this.#timer = this.#giveUpIn(LOADED_TIMEOUT_MS)
    })
    addEventListener('message', this.#onMessage)
  }

  /** Tells the page; what it cannot hear yet, as soon as it can. */
  tell(message: HostMessage): void {
    if (message.t === 'shown') this.#shown = message.shown
    if (this.#heard) return this.#post(message)
    // What is said in `init` need not be said again; what was to be sent before is not the next one's to say.
    if (message.t === 'identify') this.#giveBack()
    else if (message.t !== 'shown') this.#waiting.push(message)
  }

  /**
   * Signs out. Gives whether all of the visitor is gone from the device; what is not goes before the next frame shows anything. In
   * 10 s at most.
   */
  leave(): Promise<boolean> {
    return (this.#leaving ??= new Promise((resolve) => {
      this.#options.mark.value = '0'
      this.#left = resolve
      setTimeout(resolve, LEAVE_TIMEOUT_MS, false)
      this.tell({ t: 'wipe' })
    }))
  }

  remove(): void {
    clearTimeout(this.#timer)
    removeEventListener('message', this.#onMessage)
    this.element.remove()
    this.#giveBack()
    this.#left?.(false)
  }

  /** What was to be sent, and will not be. */
  #giveBack(): void {
    for (const message of this.#waiting.splice(0)) {
      if (message.t === 'send') this.#options.onMessage(unsent(message.text))
      else this.#waiting.push(message)
    }
  }

  readonly #onMessage = ({ source, origin, data }: MessageEvent): void => {
    if (source === null || source !== this.element.contentWindow || origin !== this.#options.server) return
    const message = readWidgetMessage<FrameMessage>(data)
    if (message === null) return
    clearTimeout(this.#timer)
    const { mark } = this.#options
    if (message.t === 'hello') this.#init()
    else if (message.t === 'user') void this.#giveUser(message.n)
    else if (message.t === 'ready' && this.#left === null) mark.value = '1'
    else if (message.t === 'wiped') {
      if (message.all) mark.value = null
      this.#left?.(message.all)
    }
    this.#options.onMessage(message)
  }

  /** Also when the page in the frame was loaded again. */
  #init(): void {
    this.#heard = true
    const { looks, user, mark } = this.#options
    const wipe = mark.value === '0' && this.#left === null
    this.#post({ t: 'init', looks, shown: this.#shown, hasUser: user() !== null, wipe })
    for (const message of this.#waiting.splice(0)) this.#post(message)
  }

  async #giveUser(n: number): Promise<void> {
    let token: unknown
    try {
      const user = this.#options.user()
      token = await (typeof user === 'function' ? user() : user)
      // In the loader's words, which cost nothing a second time.
      if (typeof token !== 'string')
        throw new TypeError(`identify takes a token, a function that gives one, or null; it got ${typeof token}.`)
    } catch (error) {
      this.#options.onError('identity', String(error))
    }
    this.#post({ t: 'user', n, token: typeof token === 'string' ? token : null })
  }

  #post(message: HostMessage): void {
    this.element.contentWindow?.postMessage({ polylogue: WIDGET_VERSION, ...message }, this.#options.server)
  }

  #giveUpIn(ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#options.onError('unavailable', 'The chat did not answer.'), ms)
  }
}

/** What the page around the frame is told of a text that was not sent. */
export function unsent(text: string): Extract<FrameMessage, { t: 'error' }> {
  return { t: 'error', reason: 'unsent', text: 'It was not sent.', unsent: text }
}
