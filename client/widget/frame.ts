/**
 * The frame on the server's origin, as the page around it sees it: makes it, answers it, and lets nobody else be heard.
 */
import {
  readWidgetMessage,
  WIDGET_PATHS,
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
  readonly user: () => UserToken | null
  readonly onMessage: (message: FrameMessage) => void
  /** A user's token could not be had, or nothing was heard from the frame in time. */
  readonly onError: (reason: WidgetErrorReason, text: string) => void
}

/** How long a page may take until it says hello. */
const HELLO_TIMEOUT_MS = 15_000
/** How long one may take that has loaded: a page of the browser's own, such as one that says that it was refused, says nothing. */
const LOADED_TIMEOUT_MS = 4_000

/** What a frame may do that no page around it allows by itself. It may never take the page around it elsewhere. */
const SANDBOX =
  'allow-scripts allow-same-origin allow-forms allow-modals allow-downloads allow-popups allow-popups-to-escape-sandbox'

export class Frame {
  readonly element: HTMLIFrameElement
  readonly #options: FrameOptions
  readonly #waiting: HostMessage[] = []
  #heard = false
  #shown = false
  #timer: ReturnType<typeof setTimeout>

  constructor(options: FrameOptions) {
    this.#options = options
    const { server, key, looks } = options
    const frame = document.createElement('iframe')
    const query = new URLSearchParams({ key, host: location.origin })
    frame.src = `${server}${WIDGET_PATHS.page}?${query.toString()}`
    frame.title = looks.title
    frame.lang = looks.locale
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
    if (this.#heard) this.#post(message)
    // What is said in `init` need not be said again.
    else if (message.t !== 'shown' && message.t !== 'identify') this.#waiting.push(message)
  }

  remove(): void {
    clearTimeout(this.#timer)
    removeEventListener('message', this.#onMessage)
    this.element.remove()
  }

  readonly #onMessage = ({ source, origin, data }: MessageEvent): void => {
    if (source === null || source !== this.element.contentWindow || origin !== this.#options.server) return
    const message = readWidgetMessage<FrameMessage>(data)
    if (message === null) return
    clearTimeout(this.#timer)
    if (message.t === 'hello') this.#init()
    else if (message.t === 'user') void this.#giveUser(message.n)
    this.#options.onMessage(message)
  }

  /** Also when the page in the frame was loaded again. */
  #init(): void {
    this.#heard = true
    const { looks, user } = this.#options
    this.#post({ t: 'init', looks, shown: this.#shown, hasUser: user() !== null })
    for (const message of this.#waiting.splice(0)) this.#post(message)
  }

  async #giveUser(n: number): Promise<void> {
    let token: unknown
    try {
      const user = this.#options.user()
      token = await (typeof user === 'function' ? user() : user)
      if (typeof token !== 'string') throw new TypeError(`identify must give a token, a text; it gave ${typeof token}.`)
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
