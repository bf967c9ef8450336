/**
 * Cuts a Markdown text into its top-level blocks, again and again while it grows. Of a text that only grew, everything before
 * the last three blocks stays as it was cut: a block whose first line is not complete may yet turn out to go on with the one
 * before it (`3` is a paragraph, `3.` may be a list's next entry), and that one with the one before (`2.` is an entry where no
 * paragraph can go on). Of a long list or table only the end is cut again, and nothing before it. So a token costs the length
 * of three blocks, or of a few entries, not of the text.
 */
import { lengthOf, lexOn, settle, type Lexed, type Settled } from './settled.ts'
import { mayCut } from './tame.ts'

/** The last blocks, which may yet change. */
const OPEN_BLOCKS = 3

/** Those, and the blank lines behind each. */
const OPEN_TOKENS = 2 * OPEN_BLOCKS

const MAY_BE_TAG = /^ {0,3}</

interface Cut {
  readonly text: string
  readonly blocks: readonly string[]
  /** The blocks from there on are cut again when the text has grown. */
  readonly again: number
  /** What of the first of those is not. */
  readonly settled: Settled | null
}

const NOTHING: Cut = { text: '', blocks: [], again: 0, settled: null }

/** Makes a function that gives the blocks of one text as it grows; joined they are the text. Any other text is cut anew. */
export function newCutter(): (text: string) => readonly string[] {
  let last = NOTHING
  // Line ends as the parser makes them, or the lengths of the blocks would not add up.
  return (text) => (last = cutBlocks(text.replaceAll(/\r\n?/g, '\n'), last)).blocks
}

function cutBlocks(text: string, last: Cut): Cut {
  if (last.text === text) return last
  const before = text.startsWith(last.text) ? last : NOTHING
  const blocks = before.blocks.slice(0, before.again)
  let at = blocks.reduce((sum, block) => sum + block.length, 0)
  const { tokens, settled } = topLevel(text.slice(at), before.settled)
  // By the index of their blocks.
  const settledIn = new Map<number, Settled>()
  tokens.forEach((token, i) => {
    const already = i === 0 ? settled : null
    const length = lengthOf(token, already)
    // The text itself, not `raw`: the lexer writes a line's end for a blank here and there.
    const block = text.slice(at, at + length)
    // Blank lines belong to the block before them: a list may go on after them.
    if (token.type === 'space' && blocks.length > 0) blocks[blocks.length - 1] += block
    else {
      const now = i < tokens.length - OPEN_TOKENS ? null : settle(text.slice(at), token, already)
      if (now !== null) settledIn.set(blocks.length, now)
      blocks.push(block)
    }
    at += length
  })
  const again = restart(blocks, settledIn)
  return { text, blocks, again, settled: settledIn.get(again) ?? null }
}

/** Where to cut again. What has an entry or a row that is settled has its first line, and is cut off from what stands before it. */
function restart(blocks: readonly string[], settledIn: ReadonlyMap<number, Settled>): number {
  let first = Math.max(0, blocks.length - OPEN_BLOCKS)
  for (let i = blocks.length - 1; i > first; i--) if (settledIn.has(i)) return i
  // Where it stands first, a tag takes all that follows it, up to a blank line; behind a line of text it is text.
  while (first > 0 && MAY_BE_TAG.test(blocks[first] ?? '')) first -= 1
  return first
}

/** The tokens of the blocks; one for the whole where it cannot be cut. */
function topLevel(text: string, settled: Settled | null): Lexed {
  const whole: Lexed = { tokens: [{ raw: text, type: 'text', text }], settled: null }
  if (!mayCut(text)) return whole
  try {
    return lexOn(text, settled)
  } catch {
    return whole // Too deep for its stack.
  }
}
