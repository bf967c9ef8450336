/**
 * A text that grows, so much of it at a time as a page takes without a pause, and word by word. What has come meanwhile, because
 * the page had something else to do, is shown in steps: all in one go it would take so long that a key is kept waiting, and that
 * still more has come after it.
 */
import { startTransition, useEffect, useReducer, useState } from 'react'
import { stepEnd } from './pace.ts'
import { pacer } from './page-pacer.ts'

/** When nothing comes for so long, what there is of a word is shown. */
const WORD_MS = 200

/** Knows how much of a text was shown last. @param shown of so many characters all were there at first */
function newReveal(shown: number): {
  /** Where what is shown now ends. */
  readonly endOf: (text: string, growing: boolean) => number
  readonly painted: (end: number, length: number) => void
  /** Of a text of that length nothing is kept back for the rest of its last word. */
  readonly letGo: (length: number) => void
} {
  let length = shown
  let whole = shown
  return {
    endOf: (text, growing) => (growing || shown < length ? stepEnd(text, shown, growing && text.length > whole) : text.length),
    painted(end, of) {
      shown = end
      length = of
    },
    letGo: (of) => (whole = of),
  }
}

/**
 * What to show of a text. @param growing more may come @param watched it began on this page: else what is there at first is shown
 * at once
 */
export function useRevealed(text: string, growing: boolean, watched: boolean): string {
  const [, again] = useReducer((times: number) => times + 1, 0)
  const [reveal] = useState(() => newReveal(growing && watched ? 0 : text.length))
  const end = reveal.endOf(text, growing)
  useEffect(() => {
    reveal.painted(end, text.length)
    if (end >= text.length) return
    const show = (): void => startTransition(again)
    if (reveal.endOf(text, growing) > end) {
      pacer.request(show)
      return () => pacer.forget(show)
    }
    const timer = setTimeout(() => {
      reveal.letGo(text.length)
      show()
    }, WORD_MS)
    return () => clearTimeout(timer)
  }, [reveal, text, growing, end])
  return end < text.length ? text.slice(0, end) : text
}
