/**
 * What a block consists of. A list, a table and code may be long: those are cut into pieces that are shown, and kept, one by one.
 * What is within a line is not looked at here: that is three quarters of a parser's work, and only what changed needs it.
 */
import type { Tokens } from 'marked'
import { cellsOf, groupsOf, lexOn, settle, type Groups, type Settled } from './settled.ts'

/** `text`: it is shown as a whole. */
export type Pieces =
  | {
      readonly kind: 'list'
      readonly ordered: boolean
      readonly start: number
      readonly loose: boolean
      readonly items: Groups
    }
  /** Cells of a row are joined by line ends, which a cell cannot have. */
  | { readonly kind: 'table'; readonly align: string; readonly head: string; readonly rows: Groups }
  /** Of so many lines each. */
  | { readonly kind: 'code'; readonly parts: readonly string[] }
  | { readonly kind: 'text' }

/** Lines of code that are laid out together. */
const PART_LINES = 40

const TEXT: Pieces = { kind: 'text' }

/** What cannot begin one of the three is not parsed for it. */
const MAY_BEGIN = /^ {0,3}(?:[-*+|`~]|\d)|^[^\n]*\||^(?: {4}|\t)/

/** Makes a function that gives the pieces of one block as it grows, as the cutter gives it. Those that are settled stay the same. */
export function newReader(): (markdown: string) => Pieces {
  let last: Settled | null = null
  return (markdown) => {
    if (!MAY_BEGIN.test(markdown)) return TEXT
    const { tokens, settled } = lexOn(markdown, last)
    const [token, ...others] = tokens
    if (token === undefined || others.some(({ type }) => type !== 'space')) return TEXT
    const now = settle(markdown, token, settled)
    last = now
    switch (token.type) {
      case 'list': {
        const { ordered, start, loose } = token as Tokens.List
        return {
          kind: 'list',
          ordered: settled?.ordered ?? ordered,
          start: settled?.start ?? (start === '' ? 1 : start),
          loose: settled?.loose === true || loose,
          items: groupsOf(token, settled, now),
        }
      }
      case 'table': {
        const { align, header } = token as Tokens.Table
        const sides = align.map((it) => it ?? '').join('\n')
        return { kind: 'table', align: sides, head: cellsOf(header), rows: groupsOf(token, settled, now) }
      }
      case 'code':
        return { kind: 'code', parts: partsOf((token as Tokens.Code).text) }
      default:
        return TEXT
    }
  }
}

function partsOf(code: string): string[] {
  const lines = code.split('\n')
  const parts: string[] = []
  for (let at = 0; at < lines.length; at += PART_LINES) parts.push(`${lines.slice(at, at + PART_LINES).join('\n')}\n`)
  return parts
}

/** Half a `**bold` is only ever in what grows: the last item or row of a block. Gives where that begins; code is never healed. */
export function tailOf(pieces: Pieces, markdown: string): number {
  if (pieces.kind === 'code') return markdown.length
  if (pieces.kind === 'list') return markdown.lastIndexOf(pieces.items.at(-1)?.at(-1) ?? '')
  if (pieces.kind === 'table') return markdown.trimEnd().lastIndexOf('\n') + 1
  return 0
}
