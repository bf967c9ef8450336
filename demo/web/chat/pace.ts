/**
 * When texts that grow are shown anew: at once where nothing was shown a moment ago, else as often as this page can bear.
 *
 * Tokens of three runs come a hundred times a second, which is more often than a screen changes, and on a slow device more than
 * there is time for. What comes faster is shown together: at most once per frame, and where that takes long there is
 * a pause as long after it, and one twice as long while somebody types. A key goes first: nothing is shown between it and the
 * frame that it is seen in. Not for what must be complete at once: the session itself always is.
 */

/** As long as a frame takes where all is well, with some leeway. */
const FRAME_MS = 20

/** For so long after a key one is still typing. */
const TYPING_MS = 1_000

/** However slow the page is, so often something is shown. */
const LONGEST_MS = 250

/** What a pacer needs of its page. */
export interface Page {
  readonly now: () => number
  /** Calls back when the next frame has been made. */
  readonly afterFrame: (done: () => void) => void
  readonly after: (ms: number, done: () => void) => void
}

export class Pacer {
  readonly #page: Page
  readonly #waiting = new Set<() => void>()
  /** Something was shown and its frame is not made yet, or the pause after it is not over. */
  #busy = false
  /** Keys whose frames are not made yet. */
  #keys = 0
  #keyAt = Number.NEGATIVE_INFINITY
  #shownAt = Number.NEGATIVE_INFINITY
  /** How many may be shown in one frame. */
  #atOnce = 1

  constructor(page: Page) {
    this.#page = page
  }

  /** Calls `show`, once, as soon as may be. Until then it is the same however often it is asked for. */
  request(show: () => void): void {
    this.#waiting.add(show)
    this.#next()
  }

  /** It is not wanted any more. */
  forget(show: () => void): void {
    this.#waiting.delete(show)
  }

  /** To be called when a person has pressed a key. */
  key(): void {
    this.#keys += 1
    this.#keyAt = this.#page.now()
    this.#page.afterFrame(() => {
      this.#keys -= 1
      this.#next()
    })
  }

  /** Somebody is at it, or was a moment ago. */
  get isTyping(): boolean {
    return this.#page.now() - this.#keyAt < TYPING_MS
  }

  #next(): void {
    if (this.#busy || this.#waiting.size === 0) return
    const began = this.#page.now()
    // Whoever presses a key before the last one is seen does not keep the text from growing for ever.
    if (this.#keys > 0 && began - this.#shownAt < LONGEST_MS) return
    this.#busy = true
    this.#shownAt = began
    // The one that waits longest is the first.
    for (const show of [...this.#waiting].slice(0, this.#atOnce)) {
      this.#waiting.delete(show)
      show()
    }
    this.#page.afterFrame(() => {
      const took = this.#page.now() - began
      // Where that takes long, one after the other: three at once would keep a key waiting three times as long.
      this.#atOnce = took > FRAME_MS ? 1 : this.#atOnce + 1
      const goOn = (): void => {
        this.#busy = false
        this.#next()
      }
      if (took <= FRAME_MS) return goOn()
      const isTyping = began - this.#keyAt < TYPING_MS
      this.#page.after(Math.min(isTyping ? 2 * took : took, LONGEST_MS), goOn)
    })
  }
}

/** Characters of a step: a few lines. */
const STEP_CHARS = 200
/** Of a lot that waits, a step is this share: it never waits for long. */
const STEPS = 8

/** For the rest of a word so many characters of it are kept back: longer ones are addresses. */
const WORD_CHARS = 40
/** Behind those a line may end: blanks, and letters of scripts that are written without them. */
const MAY_END_LINE = /[\s\p{Lo}]/u

/**
 * Where the next step ends in a text of which so many characters are shown: never within a character, and between words where
 * there is one. A word in bold, in code or in a link that grew at the end of its line would jump to the next one.
 *
 * @param growing more may come: the word at the end is perhaps not all there
 */
export function stepEnd(text: string, shown: number, growing: boolean): number {
  const end = shown + Math.max(STEP_CHARS, Math.ceil((text.length - shown) / STEPS))
  if (end >= text.length) return growing ? wordEnd(text, shown, text.length) : text.length
  const isHigh = (text.charCodeAt(end - 1) & 0xfc00) === 0xd800
  return wordEnd(text, shown, isHigh ? end + 1 : end)
}

/** The last place between words that is behind `from` and not behind `end`; one of those two where none is near. */
function wordEnd(text: string, from: number, end: number): number {
  if (/\s/.test(text.charAt(end))) return end
  for (let at = end; at > from && at > end - WORD_CHARS; at--) if (MAY_END_LINE.test(text.charAt(at - 1))) return at
  return end - from < WORD_CHARS ? from : end
}
