/** Watches a session for the page around the frame: how much in it is unread, and what has come. */
import type { Message } from '../../shared/message.ts'
import type { WidgetMessage } from '../../shared/widget.ts'
import type { OpenSession } from '../open-session.ts'

export interface NewsOptions {
  readonly session: OpenSession
  readonly isShown: () => boolean
  /** Place of the last message that was seen on this device; null: none ever was. */
  readonly seen: number | null
  readonly onSeen: (seq: number) => void
  readonly onUnread: (count: number) => void
  readonly onMessage: (message: WidgetMessage) => void
}

export class News {
  readonly #options: NewsOptions
  readonly #stop: (() => void)[]
  #seen: number | null
  /** Place of the last message that was told of; null until the session is in step: what was before is no news. */
  #told: number | null = null

  constructor(options: NewsOptions) {
    this.#options = options
    this.#seen = options.seen
    const look = (): void => this.look()
    this.#stop = [options.session.subscribe(look, 'messages'), options.session.subscribe(look, 'status')]
    look()
  }

  /** Looks again: also when the frame is shown or hidden. */
  look(): void {
    const { session, isShown, onSeen, onUnread, onMessage } = this.#options
    const stamped = session.view.messages.filter(({ metadata }) => metadata.seq !== undefined)
    const last = stamped.at(-1)?.metadata.seq ?? 0
    const told = this.#told
    if (told !== null) {
      for (const message of stamped) if ((message.metadata.seq ?? 0) > told) onMessage(this.#tell(message))
      this.#told = Math.max(told, last)
    } else if (session.status.connection === 'live') this.#told = last
    // A device that never had the session has all of it as read: that was elsewhere.
    if (this.#seen === null && this.#told === null) return
    if (this.#seen === null || (isShown() && last > this.#seen)) {
      this.#seen = last
      onSeen(last)
    }
    const seen = this.#seen
    onUnread(stamped.filter((message) => (message.metadata.seq ?? 0) > seen && !this.#isMine(message)).length)
  }

  stop(): void {
    for (const stop of this.#stop) stop()
  }

  #isMine({ metadata }: Message): boolean {
    return metadata.by === this.#options.session.me?.id
  }

  #tell(message: Message): WidgetMessage {
    const { by, kind } = message.metadata
    const from = kind === 'agent' || kind === 'support' ? kind : 'user'
    const name = this.#options.session.view.participants.get(by)?.name ?? by
    return { id: message.id, from, name, mine: this.#isMine(message) }
  }
}
