/**
 * What the page around the frame has sent and the session cannot take yet: it is of one visit, and never written in the name of
 * another one. What is not written goes back to that page, since it is nobody else's to say.
 */
import type { OpenSession } from '../open-session.ts'

export class Outbox {
  readonly #waiting: string[] = []
  readonly #onUnsent: (text: string, why: string) => void

  constructor(onUnsent: (text: string, why: string) => void) {
    this.#onUnsent = onUnsent
  }

  /** Keeps a text until the session can be written to. */
  keep(text: string): void {
    this.#waiting.push(text)
  }

  /** Writes what waits. */
  flush(session: OpenSession): void {
    for (const text of this.#waiting.splice(0)) this.write(session, text)
  }

  write(session: OpenSession, text: string): void {
    try {
      session.send(text)
    } catch (error) {
      this.#onUnsent(text, String(error))
    }
  }

  giveBack(why: string): void {
    for (const text of this.#waiting.splice(0)) this.#onUnsent(text, why)
  }
}
