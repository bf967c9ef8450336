/**
 * A table of a Markdown text, row by row. Rows that are settled come in groups that stay the same, so that one more costs neither
 * them nor a look at each of them. While a long one grows each group is laid out and painted by itself, with columns that are as
 * wide in all of them: to find out how wide they are takes a look at each cell.
 */
import { memo, useMemo, useRef, type CSSProperties, type ReactNode } from 'react'
import { useMorphed } from './morphed.ts'
import type { Pieces } from './pieces.ts'
import { inlineHtml } from './safe-html.ts'
import { useSteadyColumns } from './steady-columns.ts'

export interface TableProps {
  readonly table: Extract<Pieces, { kind: 'table' }>
  /** It grows before the reader's eyes. */
  readonly growing: boolean
}

export function Table({ table: { align, head, rows }, growing }: TableProps): ReactNode {
  const ref = useRef<HTMLTableElement>(null)
  const columns = useSteadyColumns(ref, head, rows, growing)
  // As one text: the same as long as they are.
  const widths = columns?.join('\n')
  const style = columns === null ? undefined : ({ '--width': `${columns.reduce((sum, it) => sum + it, 0)}px` } as CSSProperties)
  return (
    <table
      ref={ref}
      tabIndex={0}
      data-headless={head.trim() === '' || undefined}
      data-steady={columns !== null || undefined}
      style={style}
    >
      <thead>
        <Cells cells={head} align={align} tag="th" widths={widths} />
      </thead>
      {rows.map((group, i) => (
        <tbody key={i}>
          <Rows rows={group} align={align} widths={widths} />
        </tbody>
      ))}
    </table>
  )
}

interface RowsProps {
  readonly rows: readonly string[]
  readonly align: string
  /** Of the columns, where they are known. */
  readonly widths: string | undefined
}

const Rows = memo(function Rows({ rows, align, widths }: RowsProps): ReactNode {
  // The first one says it for all: so it is read where a layout is fixed.
  return rows.map((row, i) => <Cells key={i} cells={row} align={align} tag="td" widths={i === 0 ? widths : undefined} />)
})

interface CellsProps {
  readonly cells: string
  readonly align: string
  readonly tag: 'td' | 'th'
  readonly widths: string | undefined
}

const Cells = memo(function Cells({ cells, align, tag, widths }: CellsProps): ReactNode {
  const html = useMemo(() => {
    const sides = align.split('\n')
    const wide = widths?.split('\n') ?? []
    const inner = cells.split('\n').map((cell, i) => {
      const has = attribute('align', sides[i]) + attribute('width', wide[i])
      return `<${tag}${has}>${inlineHtml(cell)}</${tag}>`
    })
    return `<table><tbody><tr>${inner.join('')}</tr></tbody></table>`
  }, [cells, align, tag, widths])
  return <tr ref={useMorphed<HTMLTableRowElement>(html, (fragment) => fragment.querySelector('tr') ?? fragment)} />
})

function attribute(name: string, value: string | undefined): string {
  return value === undefined || value === '' ? '' : ` ${name}="${value}"`
}
