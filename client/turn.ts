/**
 * Whose turn it is, from a run's side: while a human holds the session nothing of the run is shown. It is `suspended`, what it
 * writes is kept back, and the stream that it pipes is read to the end of the model's step and no further.
 */
import type { Session } from './session.ts'

/** Chunks of a stream after which the model has said all it had to say in one call. */
const STEP_ENDS: ReadonlySet<string> = new Set(['finish-step', 'finish'])

export function endsStep(chunk: { readonly type?: unknown }): boolean {
  return typeof chunk.type === 'string' && STEP_ENDS.has(chunk.type)
}

export class Turn {
  readonly #session: Session
  #gate: PromiseWithResolvers<void> | null = null

  constructor(session: Session) {
    this.#session = session
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
