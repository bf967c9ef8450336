/**
 * Takes the picture: what of the conversation is on the screen, as the next start will show it. That is at its end, with what
 * is folded then folded, and without the room that is kept here for an answer. Left out, with their room kept, are all things
 * that may be untrue by then: buttons, marks of delivery, names of days, what moves.
 */
import {
  ATTRIBUTES,
  FORMAT,
  MAX_PIECES,
  SVG_TAGS,
  TAGS,
  type Blank,
  type Drawn,
  type Picture,
  type PictureRow,
  type Piece,
} from './picture.ts'

const GOES_ON = ':is([data-status=pending], [data-status=active], [data-status=suspended])'

const LEFT_OUT = [
  '.message-actions, .delivery, .fate, .thinking, .spinner, .bar, .editor, .day, .unread, .cancel, [data-handover=idle]',
  '.approval[data-state=requested] > .outcome, .ending[data-ending=refused], button:not(.fold)',
  // Of a run that goes on its text alone is known to be as it was.
  `.task${GOES_ON}, .reply${GOES_ON} > .body > :not(.md, .reasoning), .reply${GOES_ON} .reasoning > summary`,
].join()

/** In the page for those who hear it; without a place of its own. */
const UNSEEN = '.hidden'

/** Their children stand one below the other: those out of sight need not be kept. */
const STACKS = '.md, .md ul, .md ol, .md table, .md tbody, .md pre > code'

/** Of these only the first child is shown at the next start, whatever is unfolded now. */
const FOLDED = 'details, .task[data-status=complete]'

/** Elements that are kept as another one: a picture has no landmarks and nothing to press. */
const AS_DIV: ReadonlySet<string> = new Set(['article', 'section', 'button'])

/** The picture of the end of a conversation; null while it is not shown, not at its end, or not yet laid out. */
export function takePicture(viewport: HTMLElement): Picture | null {
  const list = viewport.querySelector('[role=list]')
  const rows = list?.parentElement
  if (!list || !rows || viewport.dataset['following'] === undefined || viewport.clientHeight === 0) return null
  const { left, top } = viewport.getBoundingClientRect()
  const region = [left, top, viewport.clientWidth, viewport.clientHeight] as const
  const all = [...list.querySelectorAll<HTMLElement>(':scope > [role=listitem]')]
  all.sort((a, b) => b.getBoundingClientRect().bottom - a.getBoundingClientRect().bottom)
  const taken: PictureRow[] = []
  const budget = { pieces: MAX_PIECES }
  // Lower edge of the next row where it will be, from the region's upper one. Where it is there already it is known to the fraction.
  const end = region[3] - Number.parseFloat(getComputedStyle(rows).paddingBottom)
  const now = list.getBoundingClientRect().bottom - top
  let bottom = Math.abs(now - end) < 1 ? now : end
  for (const row of all) {
    if (bottom <= 0) break
    if (getComputedStyle(row).visibility === 'hidden') return null
    const rect = row.getBoundingClientRect()
    const folded = foldIn(row)
    const of = new Taker(budget, rect.bottom - bottom - folded).children(row)
    // Half a row would be a wrong one: what does not fit is not there yet, as are all above it.
    if (budget.pieces < 0) break
    taken.push({ left: rect.left - left, width: rect.width, bottom, of })
    bottom -= rect.height - folded
  }
  if (taken.length === 0) return null
  return { format: FORMAT, window: [window.innerWidth, window.innerHeight], region, rows: taken.reverse() }
}

/** Takes one row. */
class Taker {
  readonly #budget: { pieces: number }
  readonly #from: number

  /** @param budget elements and texts that there may still be @param from upper edge of what will be in sight, as things stand now */
  constructor(budget: { pieces: number }, from: number) {
    this.#budget = budget
    this.#from = from
  }

  children(element: Element): Piece[] {
    const nodes = element.matches(FOLDED) ? [element.firstElementChild] : [...element.childNodes]
    return nodes.flatMap((node) => this.#piece(node) ?? [])
  }

  #piece(node: Node | null): Piece | null {
    const budget = this.#budget
    if (budget.pieces < 0 || node === null) return null
    if (node instanceof Text) {
      budget.pieces -= 1
      return node.data
    }
    if (!(node instanceof Element) || node.matches(UNSEEN)) return null
    const name = node.localName
    // Not shown; a line break has no box either.
    if (name !== 'br' && node.getClientRects().length === 0) return null
    budget.pieces -= 1
    const tag = AS_DIV.has(name) ? 'div' : name
    return node.matches(LEFT_OUT) || !TAGS.has(tag) ? blankOf(node) : this.#drawn(node, tag)
  }

  #drawn(element: Element, tag: string): Drawn {
    const has = attributesOf(element)
    const drawn: { -readonly [K in keyof Drawn]: Drawn[K] } = { tag }
    const { style } = element as HTMLElement
    const hue = Number.parseFloat(style.getPropertyValue('--hue'))
    if (Number.isFinite(hue)) {
      drawn.hue = hue
      drawn.size = [Number.parseFloat(style.width) || 0, Number.parseFloat(style.height) || 0]
    }
    // As wide as its longest line, which may be out of sight.
    if (element.matches('.bubble:has(> .md)')) drawn.size = [element.getBoundingClientRect().width, 0]
    const of = element.matches(STACKS) ? this.#stack(element, has) : this.children(element)
    if (Object.keys(has).length > 0) drawn.has = has
    if (of.length > 0) drawn.of = of
    return drawn
  }

  /** Without those above that are out of sight: a row stands on its lower edge. */
  #stack(element: Element, has: Record<string, string>): Piece[] {
    const all = [...element.children]
    const first = all.findIndex((child) => child.getBoundingClientRect().bottom > this.#from)
    // Texts between such children are white space; where there are no children the text is all.
    const isWhole = first === 0 || all.length === 0
    const shown = first === -1 ? [] : all.slice(first)
    const pieces = isWhole ? this.children(element) : shown.flatMap((child) => this.#piece(child) ?? [])
    const isCut = element.localName === 'tbody' && (element.closest('table')?.getBoundingClientRect().top ?? 0) < this.#from
    if (isCut && shown[0] !== undefined)
      setWidths(
        pieces.find((piece) => typeof piece !== 'string'),
        shown[0],
      )
    if (isWhole) return pieces
    if (element.localName === 'ol') has['start'] = String(((element as HTMLOListElement).start || 1) + first)
    // What is first in a table has no edge above it: this is not the first.
    if (element.localName === 'table') pieces.unshift({ tag: 'thead' })
    if (element.localName === 'tbody') pieces.unshift({ tag: 'tr' })
    return pieces
  }
}

/** A link is told by its look. */
function attributesOf(element: Element): Record<string, string> {
  const has: Record<string, string> = {}
  for (const name of ATTRIBUTES) {
    const value = element.getAttribute(name)
    if (value !== null && (SVG_TAGS.has(element.localName) || !/^(?:width|height)$/.test(name))) has[name] = value
  }
  if (element.localName === 'a' && element.hasAttribute('href')) has['data-link'] = ''
  return has
}

/** By how much less there will be of a row than there is. */
function foldIn(row: Element): number {
  const all = [...row.querySelectorAll(FOLDED)].filter(
    (element) =>
      element.getClientRects().length > 0 && element.closest(LEFT_OUT) === null && !element.parentElement?.closest(FOLDED),
  )
  return all.reduce((sum, element) => sum + foldOf(element), 0)
}

/** How much of an element goes when it is folded to its first child. */
function foldOf(element: Element): number {
  const head = element.firstElementChild?.getBoundingClientRect().height ?? 0
  const { borderTopWidth, borderBottomWidth } = getComputedStyle(element)
  const edges = Number.parseFloat(borderTopWidth) + Number.parseFloat(borderBottomWidth)
  return element.getBoundingClientRect().height - edges - head
}

/** The columns stay as wide as they are with the rows that are not kept. */
function setWidths(piece: Piece | undefined, row: Element): void {
  if (typeof piece !== 'object' || 'blank' in piece) return
  const sizes = [...row.children].map((cell) => cell.getBoundingClientRect())
  const cells = piece.of?.map((cell, i) => {
    const size = sizes[i]
    return typeof cell === 'string' || 'blank' in cell || size === undefined ? cell : { ...cell, size: [size.width, size.height] }
  })
  Object.assign(piece, { of: cells })
}

function blankOf(element: Element): Blank {
  const { width, height } = element.getBoundingClientRect()
  const { marginTop, marginRight, marginBottom, marginLeft, order, display } = getComputedStyle(element)
  const margin = [marginTop, marginRight, marginBottom, marginLeft].map((side) => Number.parseFloat(side) || 0)
  return {
    blank: [width, height],
    ...(margin.some((side) => side !== 0) ? { margin: margin as unknown as NonNullable<Blank['margin']> } : {}),
    ...(order === '0' ? {} : { order: Number(order) }),
    ...(display.startsWith('inline') ? { inline: true as const } : {}),
  }
}
