/**
 * Whose turn it is, from a run's side: while a human holds the session nothing of the run is shown. It is `suspended`, what it
 * writes is kept back, and the stream that it pipes is read to the end of the model's step and no further.
 */
import { asRecord } from '../shared/layout.ts'
import { textOf } from '../shared/message.ts'
import type { Session } from './session.ts'

/** Chunks of a stream after which the model has said all it had to say in one call. */
const STEP_ENDS: ReadonlySet<string> = new Set(['finish-step', 'finish'])

export function endsStep(event: unknown): boolean {
  const type = asRecord(event)?.['type']
  return typeof type === 'string' && STEP_ENDS.has(type)
}

export class Turn {
  readonly #session: Session
  #gate: PromiseWithResolvers<void> | null = null
  /** Messages of support that the model has been told, or that were there when the run began: those stand in its prompt. */
  readonly #known = new Set<string>()

  constructor(session: Session) {
    this.#session = session
    for (const { id } of this.#new()) this.#known.add(id)
  }

  /** A human answers now. */
  get isHeld(): boolean {
    return this.#gate !== null
  }

  /** What a held run waits for, for people to read. */
  get title(): string {
    const { holder, participants } = this.#session.view
    const name = holder.state === 'human' ? (participants.get(holder.by)?.name ?? holder.by) : 'A human'
    return `${name} is answering`
  }

  /** Resolves when the agents answer again. */
  get returned(): Promise<void> {
    return this.#gate?.promise ?? Promise.resolve()
  }

  /** What support has said since the run began, or since this was last asked, as a model reads it. */
  heard(): { readonly role: 'user'; readonly content: string }[] {
    return this.#new().map(({ id, name, text }) => {
      this.#known.add(id)
      return { role: 'user', content: `[${name}, support]: ${text}` }
    })
  }

  #new(): { id: string; name: string; text: string }[] {
    const { messages, participants } = this.#session.view
    return messages.flatMap((message) => {
      const { by, kind } = message.metadata
      const text = kind === 'support' && !this.#known.has(message.id) ? textOf(message) : ''
      return text === '' ? [] : [{ id: message.id, name: participants.get(by)?.name ?? by, text }]
    })
  }

  /** Looks who holds the session; gives what has changed. */
  look(): 'held' | 'returned' | null {
    const held = this.#session.view.holder.state === 'human'
    if (held === this.isHeld) return null
    if (held) {
      this.#gate = Promise.withResolvers()
      return 'held'
    }
    this.#gate?.resolve()
    this.#gate = null
    return 'returned'
  }
}
