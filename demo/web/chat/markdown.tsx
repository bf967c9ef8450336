/**
 * Markdown that grows. A text is cut into blocks, and lists, tables and code into their pieces; what is finished is neither
 * parsed nor rendered again when a token comes, of the rest only what differs is touched, and the end is healed, so that no
 * half `**bold` or `[link](` is ever seen.
 *
 * What a model or a stranger writes never runs: HTML in the text is shown as text, and what comes out of the parser passes a
 * sanitizer that knows a short list of tags. Images are left out: they would tell their server who reads.
 */
import DOMPurify from 'dompurify'
import { Marked, type Tokens } from 'marked'
import { memo, useDeferredValue, useLayoutEffect, useMemo, useRef, useState, type ReactNode, type RefObject } from 'react'
import remend from 'remend'
import { whenIdle } from '../late.ts'
import { newCutter, piecesOf, tailOf, type Pieces } from './blocks.ts'
import { newPartCutter } from './paragraph.ts'
import { morph } from './morph.ts'
import { useRevealed } from './revealed.ts'
import { mayCut, mayParse } from './tame.ts'

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (char) => ESCAPES[char] ?? char)

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ text }) => escape(text),
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
  },
})

const purify = DOMPurify()
purify.addHook('afterSanitizeAttributes', (node) => {
  // They scroll on their own: by keyboard as well.
  if (node.tagName === 'TABLE' || node.tagName === 'PRE') node.setAttribute('tabindex', '0')
  if (node.tagName !== 'A') return
  node.setAttribute('target', '_blank')
  node.setAttribute('rel', 'noopener noreferrer nofollow')
})

const FRAGMENT = { RETURN_DOM_FRAGMENT: true } as const

// Read once, and not with every token.
purify.setConfig({
  ALLOWED_TAGS: 'p br strong em del code pre ul ol li a h1 h2 h3 h4 h5 h6 blockquote table thead tbody tr th td hr'.split(' '),
  ALLOWED_ATTR: ['href', 'title', 'align', 'start'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  // Every other attribute is held against that as well.
  ADD_URI_SAFE_ATTR: ['align', 'start'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ...FRAGMENT,
})

/** Of what comes out of the parser, what may be shown. */
function sanitized(html: string): DocumentFragment {
  return purify.sanitize(html, FRAGMENT)
}

const SAMPLE =
  '# Some\n\nwords **and** *more*, `code` and [a link](https://example.com/)\n\n- one\n- two\n\n|a|b|\n|-|-|\n|1|2|\n\nand **half'

/**
 * Does for a sample, step by step in moments that the page has to spare, what each text needs: the first time takes ten times
 * as long as any later one, and would fall into the beginning of the first answer. Gives what ends it.
 */
export function warmUp(): () => void {
  let html = ''
  const steps = [
    () => void newCutter()(SAMPLE),
    () => void (html = marked.parse(remend(SAMPLE), { async: false })),
    () => morph(document.createElement('div'), sanitized(html)),
    () => void healed('- one\n- **two', true),
  ]
  let cancel = (): void => {}
  const next = (): void => {
    steps.shift()?.()
    if (steps.length > 0) cancel = whenIdle(next)
  }
  cancel = whenIdle(next)
  return () => cancel()
}

export interface MarkdownProps {
  readonly text: string
  /** More is coming: the end is healed and marked. */
  readonly growing: boolean
  /** It began to grow on this page. Default: no, and what is there at first is shown at once. */
  readonly watched?: boolean
}

export function Markdown({ text, growing, watched = false }: MarkdownProps): ReactNode {
  const [cut] = useState(newCutter)
  // Not before what a person does: a key that is pressed meanwhile shows at once.
  const shown = useRevealed(useDeferredValue(text), growing, watched)
  const goesOn = growing || shown.length < text.length
  const blocks = cut(shown)
  const last = blocks.length - 1
  return (
    <div className="md" data-growing={goesOn || undefined} data-watched={watched || undefined}>
      {blocks.map((block, i) => (
        // A block never changes its place, so its index is its identity.
        <Block key={i} markdown={block} growing={goesOn && i === last} />
      ))}
    </div>
  )
}

interface BlockProps {
  readonly markdown: string
  readonly growing: boolean
}

const Block = memo(function Block({ markdown, growing }: BlockProps): ReactNode {
  const [cut] = useState(newPartCutter)
  const parts = cut(markdown)
  const pieces = useMemo(() => (parts === null ? healed(markdown, growing) : null), [parts, markdown, growing])
  if (parts !== null) return <LongParagraph parts={parts} growing={growing} />
  if (pieces === null) return <p className="md-block plain">{markdown}</p>
  if (pieces.kind === 'text') return <Html html={pieces.html} tail={growing} />
  return (
    <div className="md-block">
      {pieces.kind === 'list' && <List list={pieces} growing={growing} />}
      {pieces.kind === 'table' && <Table table={pieces} />}
      {pieces.kind === 'code' && (
        <pre tabIndex={0}>
          <code>
            {pieces.parts.map((part, i) => (
              <span key={i}>{part}</span>
            ))}
          </code>
        </pre>
      )}
    </div>
  )
})

type Shown = Exclude<Pieces, { kind: 'text' }> | { readonly kind: 'text'; readonly html: string }

/**
 * The pieces of a block; while it grows, with its end healed. Null for one that the parser cannot take, which is shown as it was
 * written.
 */
function healed(markdown: string, growing: boolean): Shown | null {
  if (!mayCut(markdown)) return null
  try {
    let pieces = piecesOf(markdown)
    let text = markdown
    if (growing && pieces.kind !== 'code') {
      const at = tailOf(pieces, markdown)
      const tail = markdown.slice(at)
      const whole = mayParse(tail) ? remend(tail) : tail
      if (whole !== tail) {
        text = markdown.slice(0, at) + whole
        pieces = piecesOf(text)
      }
    }
    if (pieces.kind === 'table' && !mayParse(pieces.head.replaceAll('\n', '|'))) return null
    if (pieces.kind !== 'text') return pieces
    return mayParse(text) ? { kind: 'text', html: marked.parse(text, { async: false }) } : null
  } catch {
    return null
  }
}

/** HTML of a piece; as it was written, where the parser cannot take it. */
function parsed(markdown: string, parse: () => string): string {
  try {
    if (mayParse(markdown)) return parse()
  } catch {
    // As below.
  }
  return escape(markdown)
}

function Html({ html, tail }: { readonly html: string; readonly tail: boolean }): ReactNode {
  return <div className="md-block" data-tail={tail || undefined} ref={useMorphed<HTMLDivElement>(html, (fragment) => fragment)} />
}

function LongParagraph({ parts, growing }: { readonly parts: readonly string[]; readonly growing: boolean }): ReactNode {
  const last = parts.length - 1
  return (
    <div className="md-block" data-tail={growing || undefined}>
      <p>
        {parts.map((part, i) => (
          <Part key={i} markdown={part} growing={growing && i === last} />
        ))}
      </p>
    </div>
  )
}

const Part = memo(function Part({ markdown, growing }: BlockProps): ReactNode {
  const html = useMemo(() => {
    const whole = growing && mayParse(markdown) ? remend(markdown) : markdown
    return parsed(whole, () => marked.parseInline(whole, { async: false }))
  }, [markdown, growing])
  return <span ref={useMorphed<HTMLSpanElement>(html, (fragment) => fragment)} />
})

interface ListProps {
  readonly list: Extract<Pieces, { kind: 'list' }>
  readonly growing: boolean
}

function List({ list, growing }: ListProps): ReactNode {
  const last = list.items.length - 1
  const items = list.items.map((item, i) => <Item key={i} markdown={item} loose={list.loose} tail={growing && i === last} />)
  return list.ordered ? <ol start={list.start === 1 ? undefined : list.start}>{items}</ol> : <ul>{items}</ul>
}

interface ItemProps {
  readonly markdown: string
  readonly loose: boolean
  /** What grows grows here. An attribute on the list would have each of its entries styled anew when it ends. */
  readonly tail: boolean
}

const Item = memo(function Item({ markdown, loose, tail }: ItemProps): ReactNode {
  const html = useMemo(() => parsed(markdown, () => itemHtml(markdown, loose)), [markdown, loose])
  const ref = useMorphed<HTMLLIElement>(html, (fragment) => fragment.querySelector('li') ?? fragment)
  return <li ref={ref} data-tail={tail || undefined} />
})

function itemHtml(markdown: string, loose: boolean): string {
  const tokens = marked.lexer(markdown)
  // Whether entries are paragraphs is the whole list's to say, and one entry alone does not know it.
  for (const token of tokens) if (token.type === 'list') for (const item of (token as Tokens.List).items) setLoose(item, loose)
  return marked.parser(tokens)
}

function setLoose(item: Tokens.ListItem, loose: boolean): void {
  item.loose = loose
  for (const token of item.tokens) {
    if (loose && token.type === 'text') token.type = 'paragraph'
    else if (!loose && token.type === 'paragraph') token.type = 'text'
  }
}

function Table({ table: { align, head, rows } }: { readonly table: Extract<Pieces, { kind: 'table' }> }): ReactNode {
  return (
    <table tabIndex={0} data-headless={head.trim() === '' || undefined}>
      <thead>
        <Cells cells={head} align={align} tag="th" />
      </thead>
      {rows.length > 0 && (
        <tbody>
          {rows.map((row, i) => (
            <Cells key={i} cells={row} align={align} tag="td" />
          ))}
        </tbody>
      )}
    </table>
  )
}

interface CellsProps {
  readonly cells: string
  readonly align: string
  readonly tag: 'td' | 'th'
}

const Cells = memo(function Cells({ cells, align, tag }: CellsProps): ReactNode {
  const html = useMemo(() => {
    const sides = align.split('\n')
    const inner = cells.split('\n').map((cell, i) => {
      const side = sides[i] === undefined || sides[i] === '' ? '' : ` align="${sides[i]}"`
      return `<${tag}${side}>${parsed(cell, () => marked.parseInline(cell, { async: false }))}</${tag}>`
    })
    return `<table><tbody><tr>${inner.join('')}</tr></tbody></table>`
  }, [cells, align, tag])
  return <tr ref={useMorphed<HTMLTableRowElement>(html, (fragment) => fragment.querySelector('tr') ?? fragment)} />
})

/** Ref of an element whose children are those of the sanitized HTML; what did not change in them is not touched. */
function useMorphed<T extends HTMLElement>(html: string, pick: (fragment: DocumentFragment) => Node): RefObject<T | null> {
  const ref = useRef<T>(null)
  const shown = useRef<string>(null)
  useLayoutEffect(() => {
    if (ref.current === null || shown.current === html) return
    shown.current = html
    morph(ref.current, pick(sanitized(html)))
  })
  return ref
}
