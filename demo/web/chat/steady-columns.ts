/**
 * How wide the columns of a table are that has become long while it grows: as wide as its first rows have made them. A browser
 * that is to find out by itself looks at each cell for each row that comes, and moves all of them where one is longer. Where a
 * longer cell comes its column gets wider, as long as there is room; they are measured anew where that is used up and a cell comes that
 * is far longer than those before it, or where there is more or less room; and a table that is shown as a whole is left to the browser.
 */
import { useEffect, useState, type RefObject } from 'react'
import type { Groups } from './settled.ts'

/**
 * Where there is no room to spare a cell may have so many times as many characters as the longest one measured in its column: it
 * takes as many lines. Where there is some, none need break.
 */
const OUTGROWN = 2
/** A column that gets wider gets so much wider at once: not with each letter of a cell that grows. */
const WIDER = 1.25

/** Its edges, and a fraction. */
const SPARE_PX = 4

interface Steady {
  /** In pixels. */
  readonly columns: readonly number[]
  /** The longest cell of each, in characters. */
  readonly longest: readonly number[]
  /** So much room there was. */
  readonly room: number
  /** All of it is taken. */
  readonly isFull: boolean
}

/**
 * Widths of the columns in pixels; null as long as they are the browser's to find.
 *
 * @param table is the child of what it must fit into @param head cells of a row, as those of the rows, joined by line ends
 */
export function useSteadyColumns(
  table: RefObject<HTMLTableElement | null>,
  head: string,
  rows: Groups,
  growing: boolean,
): readonly number[] | null {
  const [steady, setSteady] = useState<Steady | null>(null)
  const isSteady = steady !== null
  // What is new is in the last groups.
  if (isSteady) {
    const now = longestOf(rows.slice(-2).flat())
    if (isOutgrown(steady, now)) setSteady(widened(steady, now))
  }
  const isLong = growing && rows.length > 1
  const longest = !isSteady && isLong ? longestOf([head, ...rows.flat()]).join() : ''
  useEffect(() => {
    const place = table.current?.parentElement
    if (!place || (!isSteady && !isLong)) return
    // When it is laid out: to look before that would have it laid out twice.
    const observer = new ResizeObserver(([entry]) => {
      const room = entry?.contentRect.width ?? 0
      const cells = [...(table.current?.querySelector('tbody > tr')?.children ?? [])]
      const columns = cells.map((cell) => cell.getBoundingClientRect().width)
      setSteady((before) => {
        if (before !== null) return before.room === room ? before : null
        // Twice before it is rendered once: the cells have not been looked at.
        if (isSteady) return null
        const isFull = columns.reduce((sum, it) => sum + it, 0) > room - SPARE_PX
        return columns.includes(0) ? null : { columns, longest: longest.split(',').map(Number), room, isFull }
      })
    })
    observer.observe(place)
    return () => observer.disconnect()
  }, [table, isSteady, isLong, longest])
  return steady?.columns ?? null
}

function isOutgrown({ longest, isFull }: Steady, now: readonly number[]): boolean {
  return now.some((chars, i) => chars > (isFull ? OUTGROWN * (longest[i] ?? 0) : (longest[i] ?? 0)))
}

/**
 * Columns that are wider by as much as they have more characters, where there is room for that; null: they are to be measured anew,
 * which moves more, since the browser shares the room out among all.
 */
function widened({ columns, longest, room, isFull }: Steady, now: readonly number[]): Steady | null {
  // Another table in its place.
  if (now.length > columns.length) return null
  const chars = longest.map((most, i) => {
    const needed = now[i] ?? 0
    return needed > most ? Math.max(needed, Math.ceil(most * WIDER)) : most
  })
  const wider = columns.map((width, i) => (width * (chars[i] ?? 0)) / Math.max(1, longest[i] ?? 0))
  if (isFull || wider.reduce((sum, it) => sum + it, 0) > room - SPARE_PX) return null
  return { columns: wider, longest: chars, room, isFull }
}

/** The longest cell of each column, in characters. */
function longestOf(rows: readonly string[]): number[] {
  const longest: number[] = []
  for (const row of rows) row.split('\n').forEach((cell, i) => (longest[i] = Math.max(longest[i] ?? 0, cell.length)))
  return longest
}
