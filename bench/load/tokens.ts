/** The text that is streamed: the same for every session and system, cut as tokenizers cut English (4.3 characters). */

const PROSE =
  'The| lamp| on| the| bench| is| out| of| stock|,| but| the| same| model| with| a| warm| white| bulb| arrives| on| Thursday|.| I| have|' +
  ' reserved| two| of| them| for| you| and| moved| your| order| to| the| later| delivery|,| so| noth|ing| changes| in| the| price|.| If|' +
  ' you| would| rather| have| the| cold| white| one|,| tell| me| before| Wednes|day| evening|:| the| ware|house| packs| at| six|.\n'

export const TOKENS: readonly string[] = PROSE.split('|')

export function tokenAt(index: number): string {
  return TOKENS[index % TOKENS.length] ?? ''
}

/** Length of the text after each of the first `count` tokens. */
export function lengths(count: number): Float64Array {
  let chars = 0
  return Float64Array.from({ length: count }, (_, index) => (chars += tokenAt(index).length))
}
