/** Elements of the page whose content is HTML that comes from a text. */
import { useLayoutEffect, useRef, type RefObject } from 'react'
import { morph } from './morph.ts'
import { sanitized } from './safe-html.ts'

/** Ref of an element whose children are those of the sanitized HTML; what did not change in them is not touched. */
export function useMorphed<T extends HTMLElement>(html: string, pick: (fragment: DocumentFragment) => Node): RefObject<T | null> {
  const ref = useRef<T>(null)
  const shown = useRef<string>(null)
  useLayoutEffect(() => {
    if (ref.current === null || shown.current === html) return
    shown.current = html
    morph(ref.current, pick(sanitized(html)))
  })
  return ref
}
