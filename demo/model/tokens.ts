/** Cuts text as a model would stream it. */

/** Pieces of at most seven characters that together are the text, none of which splits a character. */
export function tokensOf(text: string): string[] {
  return text.match(/\s*\S{1,7}|\s+$/gu) ?? []
}
