/** Times of day and days, in the reader's own words. */
import { memo, useEffect, useState, type ReactNode } from 'react'

const timeFormat = format({ hour: 'numeric', minute: '2-digit' })
const dayFormat = format({ weekday: 'long', day: 'numeric', month: 'long' })
const dayAndYearFormat = format({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })

/** A format that is made when it is first used: making one takes a slow phone as long as drawing ten rows. */
export function format(options: Intl.DateTimeFormatOptions): () => Intl.DateTimeFormat {
  let made: Intl.DateTimeFormat | undefined
  return () => (made ??= new Intl.DateTimeFormat(undefined, options))
}

export function timeOf(epochMs: number): string {
  return timeFormat().format(epochMs)
}

/** Rendered once: a row that grows does not say anew when it began. */
export const Time: (props: { readonly at: number }) => ReactNode = memo(function Time({ at }) {
  return <time dateTime={new Date(at).toISOString()}>{timeOf(at)}</time>
})

/** First moment of a day, so many days from that of `epochMs`; by the calendar, since some days have 23 or 25 hours. */
export function dayOf(epochMs: number, plusDays = 0): number {
  const day = new Date(epochMs)
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + plusDays).getTime()
}

/** What a day is called on the day of `now`. */
export function nameOfDay(at: number, now: number): string {
  const day = dayOf(at)
  if (day === dayOf(now)) return 'Today'
  if (day === dayOf(now, -1)) return 'Yesterday'
  return new Date(at).getFullYear() === new Date(now).getFullYear() ? dayFormat().format(at) : dayAndYearFormat().format(at)
}

/** A delay that browsers' timers can have; a longer one would be none. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Today, by its first moment; changes at midnight, also of a page that slept through it. */
export function useToday(): number {
  const [today, setToday] = useState(() => dayOf(Date.now()))
  useEffect(() => {
    const look = (): void => setToday(dayOf(Date.now()))
    const timer = setTimeout(look, Math.min(dayOf(today, 1) - Date.now() + 1_000, LONGEST_TIMER_MS))
    document.addEventListener('visibilitychange', look)
    return () => {
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', look)
    }
  }, [today])
  return today
}

/** The line above the first message of a day. @param at any moment of that day */
export function DayLine({ at, today }: { readonly at: number; readonly today: number }): ReactNode {
  return <p className="day">{nameOfDay(at, today)}</p>
}
