/**
 * What the parser of Markdown can take. Some texts, which nobody writes by accident, would keep it busy for seconds or overflow
 * its stack; they are shown as they were written.
 */

/**
 * Quotes and lists, one within the other on a single line. The parser goes down one level for each; a page of `>` has as many
 * as it has characters. People need three or four.
 */
const DEEP = /^(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))){24}/m

/** Emphasis costs its marks times the length: so much is some 60 ms on a slow machine, and 300 marks in 30,000 characters. */
const MAX_EMPHASIS = 10_000_000

/** At each character of a word without a blank the parser looks ahead for an address: a word of 4,000 costs some 40 ms. */
const LONG_WORD = /[^\s]{4000}/

/** Whether a text may be cut into blocks. Takes time in proportion to its length. */
export function mayCut(text: string): boolean {
  return !DEEP.test(text)
}

/** Whether a block, or a piece of one that is shown by itself, may be parsed. */
export function mayParse(block: string): boolean {
  if (!mayCut(block) || LONG_WORD.test(block)) return false
  const marks = block.match(/[*_~]+/g)?.length ?? 0
  return marks * block.length <= MAX_EMPHASIS
}
