/**
 * What a picture of the last screen is: a tree of elements from a short list, which is all that can be kept and shown. It holds
 * no HTML, no link, no handler and no style but sizes and a hue, so that what lies in the storage, whoever has put it there, is
 * at worst a wrong text in the right place for a second.
 */

/** An element with what is in it. */
export interface Drawn {
  readonly tag: string
  /** Attributes, by their names. */
  readonly has?: Readonly<Record<string, string>>
  /** The hue that tints an avatar or a product, in degrees. */
  readonly hue?: number
  /** Width and height in pixels where they do not follow from the rest; 0: it follows. */
  readonly size?: readonly [width: number, height: number]
  readonly of?: readonly Piece[]
}

/** The room of something that is left out. */
export interface Blank {
  readonly blank: readonly [width: number, height: number]
  /** Top, right, bottom, left. */
  readonly margin?: readonly [number, number, number, number]
  /** Its place among others where that is not the one in the tree. */
  readonly order?: number
  readonly inline?: true
}

/** A string is a text. */
export type Piece = string | Drawn | Blank

/** A row, by its edges within the region. It stands on its lower edge: what is cut off above the region moves nothing. */
export interface PictureRow {
  readonly left: number
  readonly width: number
  readonly bottom: number
  readonly of: readonly Piece[]
}

export interface Picture {
  readonly format: typeof FORMAT
  /** The window that it was taken in, in CSS pixels: it fits no other. */
  readonly window: readonly [width: number, height: number]
  /** Where the conversation is in that window. */
  readonly region: readonly [left: number, top: number, width: number, height: number]
  readonly rows: readonly PictureRow[]
}

/** Counts the changes after which older pictures cannot be read. */
export const FORMAT = 1

/** Elements and texts of a picture: to build more takes a slow phone longer than is won. */
export const MAX_PIECES = 800

/** Characters of a picture as it is kept. */
export const MAX_CHARS = 48_000

const MAX_DEPTH = 32
const MAX_PX = 20_000

export const SVG_TAGS: ReadonlySet<string> = new Set(['svg', 'path'])

/** `a` is a text that looks like a link: where it leads is not kept. */
export const TAGS: ReadonlySet<string> = new Set([
  ...'div span p br b i q small strong em del code pre ul ol li a h1 h2 h3 h4 h5 h6 blockquote hr'.split(' '),
  ...'table thead tbody tr th td dl dt dd header footer details summary time'.split(' '),
  ...SVG_TAGS,
])

/** What styles ask for, and what shapes a list, a table or a drawing. */
export const ATTRIBUTES: readonly string[] = [
  ...'class dir align start data-mine data-kind data-together data-state data-status data-tone data-order'.split(' '),
  ...'data-ending data-headless data-nested data-link viewBox width height d'.split(' '),
]

const ATTRIBUTE_SET: ReadonlySet<string> = new Set(ATTRIBUTES)

/** A picture from what was kept; null for what is none, in whatever part. */
export function readPicture(text: string | null): Picture | null {
  if (text === null || text.length > MAX_CHARS) return null
  try {
    const picture = JSON.parse(text) as Picture
    return isPicture(picture) ? picture : null
  } catch {
    return null
  }
}

function isPicture({ format, window, region, rows }: Picture): boolean {
  const left = { pieces: MAX_PIECES }
  return (
    format === FORMAT &&
    areSizes(window, 2) &&
    areSizes(region, 4) &&
    Array.isArray(rows) &&
    rows.every((row) => areSizes([row.left, row.width, row.bottom], 3) && arePieces(row.of, left, 0))
  )
}

function arePieces(pieces: readonly Piece[], left: { pieces: number }, depth: number): boolean {
  return Array.isArray(pieces) && depth < MAX_DEPTH && pieces.every((piece) => isPiece(piece, left, depth))
}

function isPiece(piece: Piece, left: { pieces: number }, depth: number): boolean {
  left.pieces -= 1
  if (left.pieces < 0) return false
  if (typeof piece === 'string') return true
  if (typeof piece !== 'object' || piece === null) return false
  if ('blank' in piece) {
    const { blank, margin = [0, 0, 0, 0], order = 0 } = piece
    return areSizes(blank, 2) && areSizes(margin, 4) && isSize(order)
  }
  const { tag, has = {}, hue = 0, size = [0, 0], of = [] } = piece
  return TAGS.has(tag) && areAttributes(has) && isSize(hue) && areSizes(size, 2) && arePieces(of, left, depth + 1)
}

function areAttributes(has: Readonly<Record<string, string>>): boolean {
  if (typeof has !== 'object' || has === null) return false
  return Object.entries(has).every(([name, value]) => ATTRIBUTE_SET.has(name) && typeof value === 'string')
}

function areSizes(sizes: readonly number[], count: number): boolean {
  return Array.isArray(sizes) && sizes.length === count && sizes.every(isSize)
}

function isSize(size: number): boolean {
  return typeof size === 'number' && Math.abs(size) <= MAX_PX
}
