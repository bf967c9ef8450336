/**
 * The element `<polylogue-chat data-key="pk_…">`: the same frame within a page, where the page puts it. The server has it at
 * `/polylogue-chat.js`, so that it is always of the version of the page in the frame.
 *
 * Attributes: `data-key`, `title`, `locale`, `theme`, read when it is connected. Property `user`: a token, a function that gives one,
 * or null. Methods `send(text)`, `focus()`, `shutdown()`. Events `polylogue-ready`, `-unread`, `-message`, `-error`, with what
 * they tell in `detail`; they bubble.
 */
import type { FrameMessage } from '../../shared/widget.ts'
import { oneOf, shadowOf } from './element-tools.ts'
import { Frame, Mark, unsent, type UserToken } from './frame.ts'

/** The one that the script came from. */
const SERVER = new URL((document.currentScript as HTMLScriptElement | null)?.src ?? location.href).origin

const CSS = `:host{display:block;height:560px}:host([hidden]){display:none}iframe{display:block;width:100%;height:100%;border:0}`

class PolylogueChat extends HTMLElement {
  readonly #shadow = shadowOf(this, CSS)
  #frame: Frame | null = null
  #user: UserToken | null = null

  get user(): UserToken | null {
    return this.#user
  }

  set user(user: UserToken | null) {
    this.#user = user
    this.#frame?.tell({ t: 'identify', hasUser: user !== null })
  }

  connectedCallback(): void {
    // Set before the script had come: it is in the way of the accessor.
    if (Object.hasOwn(this, 'user')) {
      const early = this.user
      Reflect.deleteProperty(this, 'user')
      this.user = early
    }
    const key = this.getAttribute('data-key') ?? ''
    this.#frame = new Frame({
      server: SERVER,
      key,
      mark: new Mark(SERVER, key),
      looks: {
        title: this.getAttribute('title') ?? 'Chat',
        locale: this.getAttribute('locale') ?? (document.documentElement.lang || navigator.language),
        theme: oneOf(this.getAttribute('theme'), 'auto', 'light', 'dark'),
      },
      user: () => this.#user,
      onMessage: (message) => this.#hear(message),
      onError: (reason, message) => this.#emit('error', { reason, message }),
    })
    this.#frame.tell({ t: 'shown', shown: true })
    this.#shadow.append(this.#frame.element)
  }

  disconnectedCallback(): void {
    const frame = this.#frame
    this.#frame = null
    frame?.remove()
  }

  /** Writes a message in the visitor's name; what cannot be comes back by `polylogue-error`, as `unsent`. */
  send(text: string): void {
    if (this.#frame === null) this.#hear(unsent(text))
    else this.#frame.tell({ t: 'send', text })
  }

  override focus(): void {
    this.#frame?.element.focus()
  }

  /**
   * Signs out: nothing of the visitor stays on the device. Another conversation begins. Gives, after 10 s at most, whether all is gone;
   * false also where it is in no page, and so has no frame. What is not gone then goes before anything is shown again.
   */
  async shutdown(): Promise<boolean> {
    this.#user = null
    const frame = this.#frame
    if (frame === null) return false
    const all = await frame.leave()
    // It may have been taken out of the page, or put elsewhere.
    if (this.#frame === frame) {
      this.disconnectedCallback()
      this.connectedCallback()
    }
    return all
  }

  #hear(message: FrameMessage): void {
    switch (message.t) {
      case 'ready':
        return this.#emit('ready')
      case 'unread':
        return this.#emit('unread', message.count)
      case 'message':
        return this.#emit('message', message.message)
      case 'error':
        return this.#emit('error', { reason: message.reason, message: message.text, text: message.unsent })
      case 'refused':
        this.disconnectedCallback()
        console.error(`polylogue: the chat was refused (${message.reason}) at ${location.origin}.`)
        return this.#emit('error', { reason: message.reason, message: 'The chat was refused.' })
      case 'wiped':
      case 'hello':
      case 'close':
      case 'user':
    }
  }

  #emit(name: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(`polylogue-${name}`, { detail, bubbles: true, composed: true }))
  }
}

if (customElements.get('polylogue-chat') === undefined) customElements.define('polylogue-chat', PolylogueChat)
