/**
 * The text that is streamed: the same for every session and every system. Made-up words with the frequencies of English
 * (Zipf's law), cut as tokenizers cut it, so that a token has 4.3 characters and the text compresses as prose does.
 */

/** How many different tokens there are before the text begins again; more than any benchmark streams in one session. */
const COUNT = 600_000
const WORDS = 4_000
/** A word longer than this is cut in two. */
const MAX_TOKEN_CHARS = 6

const SYLLABLES =
  'an be co de el fi gra ho in ja ker lo ment nu on pre qui res st ta un ver wa xi yo ze th er al ing ed tion'.split(' ')

/** A generator of numbers in [0, 1) that always gives the same ones (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const random = seeded(7)
const words = Array.from({ length: WORDS }, (_, rank) => {
  // Frequent words are short.
  const syllables = rank < 60 ? 1 : rank < 900 ? 2 : 3
  return Array.from({ length: syllables }, () => SYLLABLES[Math.floor(random() * SYLLABLES.length)]).join('')
})

function* generate(): Generator<string> {
  for (let length = 0; ; length++) {
    // The inverse of the harmonic sum: rank r with a probability of about 1/r.
    const word = words[Math.floor(WORDS ** random()) - 1] ?? ''
    if (word.length > MAX_TOKEN_CHARS) {
      yield ` ${word.slice(0, 4)}`
      yield word.slice(4)
    } else {
      yield ` ${word}`
    }
    if (length % 14 === 13) yield length % 70 === 69 ? '.\n\n' : '.'
  }
}

const source = generate()
const tokens: string[] = []

export function tokenAt(index: number): string {
  const wanted = index % COUNT
  while (tokens.length <= wanted) tokens.push(source.next().value as string)
  return tokens[wanted] ?? ''
}

/** Length of the text after each of the first `count` tokens. */
export function lengths(count: number): Float64Array {
  let chars = 0
  return Float64Array.from({ length: count }, (_, index) => (chars += tokenAt(index).length))
}
