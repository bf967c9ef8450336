/**
 * Lists and tables of a Markdown text, entry by entry and row by row. Those that are settled come in groups that stay the same, so
 * that one more costs neither them nor a look at each of them.
 */
import { memo, useMemo, type ReactNode } from 'react'
import { useMorphed } from './morphed.ts'
import type { Pieces } from './pieces.ts'
import { inlineHtml, itemHtml } from './safe-html.ts'

export interface ListProps {
  readonly list: Extract<Pieces, { kind: 'list' }>
  readonly growing: boolean
}

export function List({ list: { ordered, start, loose, items }, growing }: ListProps): ReactNode {
  const last = items.length - 1
  const groups = items.map((group, i) => <Items key={i} items={group} loose={loose} tail={growing && i === last} />)
  return ordered ? <ol start={start === 1 ? undefined : start}>{groups}</ol> : <ul>{groups}</ul>
}

interface ItemsProps {
  readonly items: readonly string[]
  readonly loose: boolean
  /** Its last one grows. */
  readonly tail: boolean
}

const Items = memo(function Items({ items, loose, tail }: ItemsProps): ReactNode {
  const last = items.length - 1
  return items.map((item, i) => <Item key={i} markdown={item} loose={loose} tail={tail && i === last} />)
})

interface ItemProps {
  readonly markdown: string
  readonly loose: boolean
  /** What grows grows here. An attribute on the list would have each of its entries styled anew when it ends. */
  readonly tail: boolean
}

const Item = memo(function Item({ markdown, loose, tail }: ItemProps): ReactNode {
  const html = useMemo(() => itemHtml(markdown, loose), [markdown, loose])
  const ref = useMorphed<HTMLLIElement>(html, (fragment) => fragment.querySelector('li') ?? fragment)
  return <li ref={ref} data-tail={tail || undefined} />
})

export function Table({ table: { align, head, rows } }: { readonly table: Extract<Pieces, { kind: 'table' }> }): ReactNode {
  return (
    <table tabIndex={0} data-headless={head.trim() === '' || undefined}>
      <thead>
        <Cells cells={head} align={align} tag="th" />
      </thead>
      {rows.length > 0 && (
        <tbody>
          {rows.map((group, i) => (
            <Rows key={i} rows={group} align={align} />
          ))}
        </tbody>
      )}
    </table>
  )
}

const Rows = memo(function Rows({ rows, align }: { readonly rows: readonly string[]; readonly align: string }): ReactNode {
  return rows.map((row, i) => <Cells key={i} cells={row} align={align} tag="td" />)
})

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
      return `<${tag}${side}>${inlineHtml(cell)}</${tag}>`
    })
    return `<table><tbody><tr>${inner.join('')}</tr></tbody></table>`
  }, [cells, align, tag])
  return <tr ref={useMorphed<HTMLTableRowElement>(html, (fragment) => fragment.querySelector('tr') ?? fragment)} />
})
