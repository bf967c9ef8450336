/**
 * Who says what, for a model that knows only two sides. As soon as more than one person or agent speaks to it, each of their
 * messages begins with a line of its own making: `[NAME, KIND]: `. Name and kind are those that the server has verified; a line
 * within a message that looks like one is quoted, so that nobody speaks in another's name.
 */
import type { Message } from './message.ts'
import type { Participant } from './participant.ts'

const MAX_NAME = 60
/** Longer than any label, so that what a line begins with can be looked at in bounded time. */
const MAX_LABEL = 256

const LINE = /[^\n\v\f\r\u0085\u2028\u2029]+/g
const NOT_YET_LABEL = /^[^\p{L}\p{N}[［【〔〖〘〚⟦]+/u
const LABEL = /^[[［【〔〖〘〚⟦][^\]］】〕〗〙〛⟧]*[\]］】〕〗〙〛⟧][^\p{L}\p{N}:：︓﹕]*[:：︓﹕]/u

export class Speakers {
  readonly #participants: ReadonlyMap<string, Participant>
  readonly #labels = new Map<string, string>()
  readonly #named: boolean

  /** @param heard What the model hears from others: all of it, for whether names are needed at all depends on it. */
  constructor(
    heard: readonly { readonly message: Message; readonly text: string }[],
    participants: ReadonlyMap<string, Participant>,
  ) {
    this.#participants = participants
    const speakers = new Map(heard.map(({ message }) => [message.metadata.by, message.metadata.kind]))
    const byLabel = Map.groupBy(speakers, ([id, kind]) => `${this.#nameOf(id)}, ${kind}`.toLowerCase())
    for (const sharing of byLabel.values()) {
      for (const [id, kind] of sharing) {
        const also = sharing.length > 1 ? ` (${cleaned(id)})` : ''
        this.#labels.set(id, `[${this.#nameOf(id)}${also}, ${kind}]:`)
      }
    }
    this.#named = speakers.size > 1 || heard.some(({ text }) => quoted(text) !== text)
  }

  /** What the model hears when this is said. An empty text gives the bare label, or nothing where there are no names. */
  heard(message: Message, text: string): string {
    if (!this.#named) return text
    return `${this.#labels.get(message.metadata.by) ?? '[somebody]:'} ${quoted(text)}`.trimEnd()
  }

  #nameOf(id: string): string {
    return cleaned(this.#participants.get(id)?.name ?? '') || cleaned(id) || 'somebody'
  }
}

/** The text with a quotation mark before each line that looks like the label of a speaker. */
export function quoted(text: string): string {
  return text.replace(LINE, (line) => (isLabelled(line) ? `> ${line}` : line))
}

function isLabelled(line: string): boolean {
  return LABEL.test(line.replace(NOT_YET_LABEL, '').slice(0, MAX_LABEL))
}

/** A name of letters, digits and what may stand between them: nothing that a label is made of. */
function cleaned(name: string): string {
  const words = name.normalize('NFKC').replace(/[^\p{L}\p{M}\p{N} .'_-]+/gu, ' ')
  return words.replace(/\s+/g, ' ').trim().slice(0, MAX_NAME).trim().toWellFormed()
}
