/**
 * Cuts a Markdown text into its top-level blocks, again and again while it grows. Of a text that only grew, everything before
 * the last two blocks stays as it was cut: a block whose first line is not complete may yet turn out to go on with the one
 * before it (`3` is a paragraph, `3.` may be a list's next entry), and nothing reaches further back. So a token costs the
 * length of two blocks, not of the text.
 *
 * One block may be long too: a list, a table, code. Those are cut into pieces that are shown, and kept, one by one. What is
 * within a line is not looked at here: that is three quarters of a parser's work, and only what changed needs it.
 */
import { Lexer, type Tokens } from 'marked'
import { mayCut } from './tame.ts'

interface Cut {
  readonly text: string
  readonly blocks: readonly string[]
}

/** Makes a function that gives the blocks of one text as it grows; joined they are the text. Any other text is cut anew. */
export function newCutter(): (text: string) => readonly string[] {
  let last: Cut = { text: '', blocks: [] }
  // Line ends as the parser makes them, or the lengths of the blocks would not add up.
  return (text) => (last = cutBlocks(text.replaceAll(/\r\n?/g, '\n'), last)).blocks
}

function cutBlocks(text: string, before: Cut): Cut {
  if (before.text === text) return before
  const blocks = text.startsWith(before.text) ? before.blocks.slice(0, -2) : []
  let at = blocks.reduce((sum, block) => sum + block.length, 0)
  for (const { raw, type } of topLevel(text.slice(at))) {
    // The text itself, not `raw`: the lexer writes a line's end for a blank here and there.
    const block = text.slice(at, (at += raw.length))
    // Blank lines belong to the block before them: a list may go on after them.
    if (type === 'space' && blocks.length > 0) blocks[blocks.length - 1] += block
    else blocks.push(block)
  }
  return { text, blocks }
}

/** What a block consists of. `text`: it is shown as a whole. */
export type Pieces =
  | {
      readonly kind: 'list'
      readonly ordered: boolean
      readonly start: number
      readonly loose: boolean
      readonly items: readonly string[]
    }
  /** Cells of a row are joined by line ends, which a cell cannot have. */
  | { readonly kind: 'table'; readonly align: string; readonly head: string; readonly rows: readonly string[] }
  /** Of so many lines each. */
  | { readonly kind: 'code'; readonly parts: readonly string[] }
  | { readonly kind: 'text' }

/** Lines of code that are laid out together. */
const PART_LINES = 40

const TEXT: Pieces = { kind: 'text' }

/** @param markdown one block, as the cutter gives it. */
export function piecesOf(markdown: string): Pieces {
  // What cannot begin one of the three is not parsed for it.
  if (!/^ {0,3}(?:[-*+|`~]|\d)|^[^\n]*\||^(?: {4}|\t)/.test(markdown)) return TEXT
  const tokens = new Lexer().blockTokens(markdown).filter(({ type }) => type !== 'space')
  const [token] = tokens
  if (token === undefined || tokens.length !== 1) return TEXT
  switch (token.type) {
    case 'list': {
      const { ordered, start, loose, items } = token as Tokens.List
      return { kind: 'list', ordered, start: start === '' ? 1 : start, loose, items: items.map(({ raw }) => raw) }
    }
    case 'table': {
      const { align, header, rows } = token as Tokens.Table
      const joined = (cells: readonly Tokens.TableCell[]): string => cells.map(({ text }) => text).join('\n')
      return { kind: 'table', align: align.map((it) => it ?? '').join('\n'), head: joined(header), rows: rows.map(joined) }
    }
    case 'code':
      return { kind: 'code', parts: partsOf((token as Tokens.Code).text) }
    default:
      return TEXT
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
  if (pieces.kind === 'list') return markdown.lastIndexOf(pieces.items.at(-1) ?? '')
  if (pieces.kind === 'table') return markdown.trimEnd().lastIndexOf('\n') + 1
  return 0
}

/** Blocks only: what is within their lines is for whoever renders them. */
function topLevel(text: string): readonly { readonly raw: string; readonly type: string }[] {
  const whole = [{ raw: text, type: 'plain' }]
  if (!mayCut(text)) return whole
  try {
    return new Lexer().blockTokens(text)
  } catch {
    return whole // Too deep for its stack.
  }
}
