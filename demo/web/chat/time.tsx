/** Times of day and days, in the reader's own words. */
import type { ReactNode } from 'react'

const TIME = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })

export function timeOf(epochMs: number): string {
  return TIME.format(epochMs)
}

export function Time({ at }: { readonly at: number }): ReactNode {
  return <time dateTime={new Date(at).toISOString()}>{timeOf(at)}</time>
}

/** The day on which the page was opened. */
const TODAY = new Date().toDateString()

/** The line between two days; nothing within one day, and nothing above a conversation of today. */
export function DayLine({ at, before }: { readonly at: number; readonly before: number | null }): ReactNode {
  const day = new Date(at).toDateString()
  const last = before === null ? TODAY : new Date(before).toDateString()
  return day === last ? null : <p className="day">{DAY.format(at)}</p>
}
