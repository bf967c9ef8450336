/** A block as it is shown: cut into pieces where it may be long and, while it grows, its end healed. */
import remend from 'remend'
import { newPartCutter } from './paragraph.ts'
import { newReader, tailOf, type Pieces } from './pieces.ts'
import { blockHtml } from './safe-html.ts'
import { mayCut, mayParse } from './tame.ts'

export type Shown =
  | Exclude<Pieces, { kind: 'text' }>
  | { readonly kind: 'html'; readonly html: string }
  | { readonly kind: 'paragraph'; readonly parts: readonly string[] }

/**
 * Makes a function that says how one block is shown as it grows. Null for what the parser cannot take, which is shown as it was
 * written.
 */
export function newHealer(): (markdown: string, growing: boolean) => Shown | null {
  const read = newReader()
  const cut = newPartCutter()
  const healed = (markdown: string, growing: boolean): Shown | null => {
    let pieces = read(markdown)
    const parts = pieces.kind === 'text' ? cut(markdown) : null
    if (parts !== null) return { kind: 'paragraph', parts }
    let text = markdown
    if (growing && pieces.kind !== 'code') {
      const at = tailOf(pieces, markdown)
      const tail = markdown.slice(at)
      const whole = endHealed(tail)
      if (whole !== tail) {
        text = markdown.slice(0, at) + whole
        pieces = read(text)
      }
    }
    if (pieces.kind === 'table' && !mayParse(pieces.head.replaceAll('\n', '|'))) return null
    if (pieces.kind !== 'text') return pieces
    return mayParse(text) ? { kind: 'html', html: blockHtml(text) } : null
  }
  return (markdown, growing) => {
    if (!mayCut(markdown)) return null
    try {
      return healed(markdown, growing)
    } catch {
      return null // Too deep for the parser's stack.
    }
  }
}

/** With the marks that are missing at its end, so that no half `**bold` or `[link](` is ever seen. */
export function endHealed(markdown: string): string {
  return mayParse(markdown) ? remend(markdown) : markdown
}
