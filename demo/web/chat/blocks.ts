/**
 * Cuts a Markdown text into its top-level blocks, again and again while it grows. Of a text that only grew, everything before
 * the last two blocks stays as it was cut: a block whose first line is not complete may yet turn out to go on with the one
 * before it (`3` is a paragraph, `3.` may be a list's next entry), and nothing reaches further back. So a token costs the
 * length of two blocks, not of the text.
 */
import { Lexer } from 'marked'
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
