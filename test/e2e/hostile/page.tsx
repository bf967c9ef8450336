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
