/** Small pattern matching on what a customer writes. Pure. */
import { WEEKDAYS, type Weekday } from '../shop/types.ts'

const NUMBERS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten']

/** Where the name of a product ends. */
const AFTER = /\s+(?:to|in|into|for|please|under|with|today|now|on|from|at|as)\b|[.,;!?"“”]/i

export interface Wish {
  readonly product: string
  readonly quantity: number
}

/** What and how many follow a verb: `two of the XM headphones to my cart` → 2 × "XM headphones"; null when nothing follows. */
export function wishAfter(verb: RegExp, text: string): Wish | null {
  const match = verb.exec(text)
  if (!match) return null
  const rest = text.slice(match.index + match[0].length).trim()
  const counted = /^(\d{1,2}|[a-z]+)\s+(?:of\s+)?(.+)$/i.exec(rest)
  const count = counted ? numberOf(counted[1] ?? '') : null
  const name = (count === null ? rest : (counted?.[2] ?? '')).split(AFTER)[0] ?? ''
  const product = name.replace(/^(?:(?:me|us|a|an|the|some|my|pairs?|of)\s+)+/i, '').trim()
  return product === '' ? null : { product, quantity: Math.min(Math.max(count ?? 1, 1), 20) }
}

function numberOf(word: string): number | null {
  if (/^\d+$/.test(word)) return Number(word)
  const at = NUMBERS.indexOf(word.toLowerCase())
  return at === -1 ? null : at
}

/** The last weekday that a text names; null when it names none. */
export function weekdayIn(text: string): Weekday | null {
  const found = text.match(new RegExp(`\\b(?:${WEEKDAYS.join('|')})\\b`, 'gi'))?.at(-1)
  return WEEKDAYS.find((day) => day.toLowerCase() === found?.toLowerCase()) ?? null
}

/** The number of an order: `order 1042`, `return 1042`, `#1042`, or a text that is nothing else. */
export function orderIn(text: string): number | null {
  const found = /(?:\b(?:order|return|cancel|refund|track)\s*(?:number\s*|no\.?\s*)?#?|#)(\d{2,6})\b|^\s*(\d{4,6})\s*$/i.exec(
    text,
  )
  return found ? Number(found[1] ?? found[2]) : null
}

/** A price in dollars that a text sets as its limit: `under $300`, `up to 1,200 dollars`. */
export function budgetIn(text: string): number | null {
  const found = /\b(?:under|below|up to|less than|at most|max(?:imum)?)\s+\$?\s?(\d[\d,]*)/i.exec(text)
  return found?.[1] === undefined ? null : Number(found[1].replaceAll(',', ''))
}

/** An amount of dollars, in cents: `$150`, `1,200.50 dollars`. */
export function amountIn(text: string): number | null {
  const found = /\$\s?(\d[\d,]*(?:\.\d\d)?)|\b(\d[\d,]*(?:\.\d\d)?)\s?dollars\b/i.exec(text)
  const digits = found?.[1] ?? found?.[2]
  return digits === undefined ? null : Math.round(Number(digits.replaceAll(',', '')) * 100)
}

export function wantsHuman(text: string): boolean {
  return (
    /\b(?:human|real person|supervisor|manager|representative)\b/i.test(text) ||
    /\b(?:speak|talk)\s+(?:to|with)\s+(?:a |an |some)?\s*(?:one|body|person|colleague)\b/i.test(text)
  )
}

/** Cut to a length, at a word, on one line. */
export function shorten(text: string, maxChars: number): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length <= maxChars ? line : `${line.slice(0, maxChars).replace(/\s\S*$/, '')}…`
}
