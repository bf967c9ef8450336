/** How long an agent thinks, and has thought. */
import { useEffect, useState, type ReactNode } from 'react'

/** Before that nobody wonders. */
const SHOWN_AFTER_S = 3

/** Seconds since then, once they are a few. @param since epoch milliseconds. */
export function Elapsed({ since }: { readonly since: number }): ReactNode {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  const seconds = Math.floor((now - since) / 1_000)
  return seconds < SHOWN_AFTER_S ? null : <span aria-hidden="true">{`${seconds} s`}</span>
}

/** The line that stands for the thoughts once they are done. */
export function thoughtFor(tookMs: number | undefined): string {
  return tookMs === undefined ? 'Thoughts' : `Thought for ${Math.max(1, Math.round(tookMs / 1_000))} s`
}
