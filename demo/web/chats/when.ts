/** How long ago, in few words. */
import { format, timeOf } from '../chat/time.tsx'

const weekday = format({ weekday: 'short' })
const day = format({ day: 'numeric', month: 'short' })
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Time of day for today, the weekday within a week, else the day. */
export function whenOf(at: number, now: number = Date.now()): string {
  if (new Date(at).toDateString() === new Date(now).toDateString()) return timeOf(at)
  return now - at < 6 * DAY_MS && at <= now ? weekday().format(at) : day().format(at)
}

/** `5 min ago`, `2 h ago`, `3 days ago`; a moment when it is less than a minute, or lies ahead by a clock that is wrong. */
export function agoOf(at: number, now: number): string {
  const ms = now - at
  if (ms < MINUTE_MS) return 'a moment ago'
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min ago`
  if (ms < DAY_MS) return `${Math.floor(ms / HOUR_MS)} h ago`
  const days = Math.floor(ms / DAY_MS)
  return days === 1 ? '1 day ago' : `${days} days ago`
}
