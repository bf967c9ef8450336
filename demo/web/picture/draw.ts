/** A picture of the last screen as elements, over the place of the conversation, out of reach of fingers, keys and screen readers. */
import { SVG_TAGS, type Blank, type Drawn, type Picture, type Piece } from './picture.ts'

/** What the picture's element is known by, in the page and in the styles. */
export const PICTURE_CLASS = 'last-screen'

const SVG = 'http://www.w3.org/2000/svg'
const px = (value: number): string => `${value}px`

/** The element of a picture, to be put into the page. Made with no HTML: see `picture.ts` for what it can hold. */
export function drawPicture({ region: [left, top, width, height], rows }: Picture): HTMLElement {
  const element = document.createElement('div')
  element.className = PICTURE_CLASS
  element.inert = true
  element.setAttribute('aria-hidden', 'true')
  Object.assign(element.style, { left: px(left), top: px(top), width: px(width), height: px(height) })
  for (const row of rows) {
    const box = document.createElement('div')
    Object.assign(box.style, { left: px(row.left), width: px(row.width), bottom: px(height - row.bottom) })
    box.append(...row.of.map(draw))
    element.append(box)
  }
  return element
}

function draw(piece: Piece): Node {
  if (typeof piece === 'string') return document.createTextNode(piece)
  return 'blank' in piece ? drawBlank(piece) : drawElement(piece)
}

function drawElement({ tag, has = {}, hue, size, of = [] }: Drawn): Element {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag)
  // Without a namespace, or HTML would write a name of SVG in small letters, and it would be one that is not on the list.
  for (const [name, value] of Object.entries(has)) element.setAttributeNS(null, name, value)
  const { style } = element as HTMLElement
  if (hue !== undefined) style.setProperty('--hue', String(hue))
  if (size !== undefined && size[0] > 0) style.width = px(size[0])
  if (size !== undefined && size[1] > 0) style.height = px(size[1])
  element.append(...of.map(draw))
  return element
}

function drawBlank({ blank: [width, height], margin, order, inline }: Blank): HTMLElement {
  const element = document.createElement('div')
  const { style } = element
  style.visibility = 'hidden'
  style.flex = 'none'
  style.width = px(width)
  style.height = px(height)
  style.display = inline ? 'inline-block' : 'block'
  if (margin !== undefined) style.margin = margin.map(px).join(' ')
  if (order !== undefined) style.order = String(order)
  return element
}
