/**
 * A list or a table that grows is read on from where it is settled: its entries and rows are not parsed again for each one that
 * comes after them, nor is what shows them touched. Where an entry ends is said by the line that follows it, so with two more
 * of them behind it nothing that comes can change it; a row is a line. Whether a list's entries are paragraphs is the list's to
 * say, and is kept beside them.
 *
 * What does not go on as it was read is read as a whole.
 */
import { Lexer, type Token, type Tokens } from 'marked'

/** Entries or rows that are shown, laid out and kept together. */
const GROUP = 16

/** So many at the end may yet become something else. */
const OPEN = 2

/** Entries of a list as they were written; of a table's rows the cells, joined by line ends, which a cell cannot have. */
export type Groups = readonly (readonly string[])[]

export interface Settled {
  readonly kind: 'list' | 'table'
  /** What the block must begin with for this to hold. */
  readonly base: string
  /** How much of the block is settled, in characters. */
  readonly length: number
  /** What has to stand before the rest for it to be read as what it is: a table's first two lines. */
  readonly head: string
  readonly ordered: boolean
  readonly start: number
  readonly loose: boolean
  readonly groups: Groups
}

/** Block tokens of a text that begins with a block which is partly settled. */
export interface Lexed {
  /** The first one lacks what is settled. */
  readonly tokens: readonly Token[]
  /** What of the first one was not read again. Null: all was. */
  readonly settled: Settled | null
}

/** Cuts into blocks only: what is within their lines is for whoever renders them. */
export function lexOn(text: string, before: Settled | null): Lexed {
  if (before !== null && text.startsWith(before.base)) {
    const tokens = lex(before.head + text.slice(before.length))
    if (goesOn(tokens[0], before.kind)) return { tokens, settled: before }
  }
  return { tokens: lex(text), settled: null }
}

function lex(text: string): readonly Token[] {
  return new Lexer().blockTokens(text)
}

function goesOn(token: Token | undefined, kind: Settled['kind']): boolean {
  return token?.type === kind && (kind === 'list' || (token as Tokens.Table).rows.length > 0)
}

/** How much of a text its first token is. */
export function lengthOf(first: Token, settled: Settled | null): number {
  return settled === null ? first.raw.length : settled.length - settled.head.length + first.raw.length
}

/** All entries or rows of a list or a table. @param now what is settled of it after `first` was read from `settled` on */
export function groupsOf(first: Token, settled: Settled | null, now: Settled | null): Groups {
  const pieces = piecesOf(first)
  return grouped(now?.groups ?? [], now === settled ? pieces : pieces.slice(-OPEN))
}

function piecesOf(token: Token): readonly string[] {
  if (token.type === 'list') return (token as Tokens.List).items.map(({ raw }) => raw)
  return (token as Tokens.Table).rows.map(cellsOf)
}

/** Of one row. */
export function cellsOf(cells: readonly Tokens.TableCell[]): string {
  return cells.map(({ text }) => text).join('\n')
}

/** Groups that are full stay the same. */
function grouped(groups: Groups, more: readonly string[]): Groups {
  const all = [...groups]
  for (let at = 0; at < more.length;) {
    const last = all.at(-1)
    const open = last !== undefined && last.length < GROUP ? last : null
    const room = GROUP - (open?.length ?? 0)
    const group = [...(open ?? []), ...more.slice(at, at + room)]
    if (open === null) all.push(group)
    else all[all.length - 1] = group
    at += room
  }
  return all
}

/**
 * What of a block is settled now. Null: nothing, or it is neither a list nor a table.
 *
 * @param text begins with the block @param first its token, as it was read from `settled` on
 */
export function settle(text: string, first: Token, settled: Settled | null): Settled | null {
  if (first.type === 'list') return settleList(text, first as Tokens.List, settled)
  if (first.type === 'table') return settleTable(text, first as Tokens.Table, settled)
  return null
}

function settleList(text: string, { ordered, start, loose, items }: Tokens.List, before: Settled | null): Settled | null {
  const count = items.length - OPEN
  if (count < 1) return before
  const from = before?.length ?? 0
  const raws = items.map(({ raw }) => raw)
  const length = from + lengthOfAll(raws.slice(0, count))
  // What is settled, and the line that ends it: the entries behind that may seem loose and turn out not to be.
  const isLoose = before?.loose === true ? true : loose ? looseness(text.slice(from, afterLines(text, length, 1))) : false
  if (isLoose === null) return before
  return {
    kind: 'list',
    base: text.slice(0, from + lengthOfAll(raws.slice(0, -1))),
    length,
    head: '',
    ordered: before?.ordered ?? ordered,
    start: before?.start ?? (start === '' ? 1 : start),
    loose: isLoose,
    groups: grouped(before?.groups ?? [], raws.slice(0, count)),
  }
}

/** Null: it is no list, or more than that. */
function looseness(text: string): boolean | null {
  const [token, ...others] = lex(text)
  return token?.type === 'list' && others.length === 0 ? (token as Tokens.List).loose : null
}

function settleTable(text: string, { rows }: Tokens.Table, before: Settled | null): Settled | null {
  const count = rows.length - OPEN
  if (count < 1) return before
  const head = before?.head ?? text.slice(0, afterLines(text, 0, 2))
  const from = before?.length ?? head.length
  const length = afterLines(text, from, count)
  const last = afterLines(text, length, OPEN - 1)
  // Rows of blanks alone are none where no other stands before them.
  if (text.slice(length, last).trim() === '') return before
  const groups = grouped(before?.groups ?? [], rows.slice(0, count).map(cellsOf))
  return { kind: 'table', base: text.slice(0, last), length, head, ordered: false, start: 1, loose: false, groups }
}

function lengthOfAll(pieces: readonly string[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0)
}

/** Where so many lines, from there on, have ended. */
function afterLines(text: string, from: number, lines: number): number {
  let at = from
  for (let i = 0; i < lines; i++) at = text.indexOf('\n', at) + 1
  return at
}
