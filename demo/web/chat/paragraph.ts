/**
 * Cuts a long paragraph that grows into parts that can be shown one by one, so that a token costs the length of the last part and
 * not that of the paragraph. Cut is only where nothing is open: what comes later cannot change what stands before it.
 */
import { Lexer, type Token, type Tokens } from 'marked'
import { mayCut } from './tame.ts'

/** Shorter ones are quick enough as a whole. */
const LONG_CHARS = 2_000

/** A part is about as long as this. */
const PART_CHARS = 1_000

/** What may be the beginning of something that is not closed yet; `_` within a word is none. */
const MAY_OPEN = /[*~`[\]<>!\\^]|(?<!\w)_|_(?!\w)|:\/\/|www\.|@/

/**
 * Makes a function that gives the parts of one block as it grows; joined they are the block, without the blanks around it. Null
 * for what is no long paragraph.
 */
export function newPartCutter(): (markdown: string) => readonly string[] | null {
  let settled: readonly string[] = []
  let length = 0
  return (markdown) => {
    const text = markdown.trim()
    if (!isLongParagraph(text)) return null
    if (!text.startsWith(settled.join(''))) [settled, length] = [[], 0]
    for (;;) {
      const rest = text.slice(length)
      const end = rest.length < 2 * PART_CHARS ? 0 : firstPart(rest)
      if (end === 0) return [...settled, rest]
      settled = [...settled, rest.slice(0, end)]
      length += end
    }
  }
}

function isLongParagraph(text: string): boolean {
  if (text.length < LONG_CHARS || !mayCut(text)) return false
  try {
    const [token, ...others] = new Lexer().blockTokens(text)
    return token?.type === 'paragraph' && others.length === 0
  } catch {
    return false
  }
}

/** Where the first part ends: after a blank. 0: it cannot be said. */
function firstPart(text: string): number {
  let at = 0
  for (const token of new Lexer({ gfm: true, breaks: true }).inlineTokens(text.slice(0, 2 * PART_CHARS))) {
    if (token.type === 'text') {
      const blank = token.raw.indexOf(' ', Math.max(0, PART_CHARS - at))
      const before = blank === -1 ? token.raw : token.raw.slice(0, blank)
      if (MAY_OPEN.test(before)) return 0
      // One blank, and something before and behind it: two of them and a line end are a break.
      if (at + blank >= PART_CHARS && /\S \S/.test(token.raw.slice(Math.max(0, blank - 1), blank + 2))) return at + blank + 1
    } else if (!isClosed(token)) return 0
    at += token.raw.length
  }
  return 0
}

/** Nothing that comes later belongs into it. */
function isClosed(token: Token): boolean {
  if (token.type === 'codespan' || token.type === 'br') return true
  if (token.type !== 'strong' && token.type !== 'em' && token.type !== 'del' && token.type !== 'link') return false
  return !/[*~`[\]]|(?<!\w)_|_(?!\w)/.test((token as Tokens.Strong).text)
}
