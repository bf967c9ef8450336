/** The page of hostile Markdown: the demo's own component, and a look at everything that it puts into the page. */
import { flushSync } from 'react-dom'
import { createRoot } from 'react-dom/client'
import { Markdown } from '../../../demo/web/chat/markdown.tsx'
import { foreignIn } from './foreign.ts'

declare global {
  interface Window {
    pwned: number
    pwn: () => void
    /** Shows a text whole and at each of its beginnings that `ends` names; gives what does not belong there. */
    tryText: (text: string, ends?: readonly number[]) => string[]
    /** Milliseconds that it takes to show a text, the better of two. */
    timeText: (text: string) => number
    /** Lets a text grow, so many characters at a time; gives the beginnings that look other than when they are shown anew. */
    growText: (text: string, step: number) => Promise<string[]>
  }
}

window.pwned = 0
window.pwn = () => void (window.pwned += 1)

const place = document.querySelector('#root')
if (place === null) throw new Error('The page has no #root.')

function show(text: string, ends: readonly number[]): string[] {
  const root = createRoot(place as Element)
  const found: string[] = []
  for (const end of [...ends, text.length]) {
    flushSync(() => root.render(<Markdown text={text.slice(0, end)} growing={end < text.length} />))
    found.push(...foreignIn(place as Element))
  }
  flushSync(() => root.unmount())
  return found
}

window.tryText = (text, ends = Array.from(text, (_, i) => i + 1)) => [...new Set(show(text, ends))]

window.timeText = (text) => {
  const times = [0, 1].map(() => {
    const begun = performance.now()
    show(text, [])
    return performance.now() - begun
  })
  return Math.min(...times)
}

/** A text that grows is shown when there is time for it, and half a word when nothing has followed for a while. */
const PATIENCE_MS = 10_000

/** The rest of a word is not waited for here: each beginning is looked at. */
function shortenWaits(): void {
  const later = window.setTimeout.bind(window)
  window.setTimeout = ((task: () => void, ms = 0) => later(task, Math.min(ms, 1))) as typeof window.setTimeout
}
shortenWaits()

window.growText = async (text, step) => {
  const places = [0, 1].map(() => (place as Element).appendChild(document.createElement('div')))
  const [grown, anew] = places.map((element) => createRoot(element))
  const isSame = (): boolean => places[0]?.innerHTML === places[1]?.innerHTML
  const wrong: string[] = []
  const compare = async (beginning: string, growing: boolean): Promise<void> => {
    flushSync(() => grown?.render(<Markdown text={beginning} growing={growing} />))
    // Another key: another component, which has seen nothing of it before.
    flushSync(() => anew?.render(<Markdown key={beginning.length} text={beginning} growing={growing} />))
    const giveUpAt = performance.now() + PATIENCE_MS
    while (!isSame() && performance.now() < giveUpAt) await new Promise((resolve) => setTimeout(resolve))
    if (!isSame()) wrong.push(beginning)
  }
  for (let end = step; end < text.length; end += step) await compare(text.slice(0, end), true)
  await compare(text, false)
  flushSync(() => grown?.unmount())
  flushSync(() => anew?.unmount())
  for (const element of places) element.remove()
  return wrong
}
