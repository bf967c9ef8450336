/** What shows only when something lasts, or when there is time for it. */
import { startTransition, useEffect, useState } from 'react'

/** True once `condition` has held for so long, in milliseconds; false again as soon as it does not. */
export function useLate(condition: boolean, afterMs: number): boolean {
  const [late, setLate] = useState(false)
  useEffect(() => {
    if (!condition) return
    const timer = setTimeout(() => setLate(true), afterMs)
    return () => {
      clearTimeout(timer)
      setLate(false)
    }
  }, [condition, afterMs])
  return late
}

/** Where the browser does not say when it has nothing to do. */
const SOON_MS = 300
const LONGEST_MS = 2_000

/** Calls back in a moment that the page has to spare; gives what calls that off. */
export function whenIdle(use: () => void): () => void {
  // Safari has none.
  if (!('requestIdleCallback' in window)) {
    const timer = setTimeout(use, SOON_MS)
    return () => clearTimeout(timer)
  }
  const handle = requestIdleCallback(use, { timeout: LONGEST_MS })
  return () => cancelIdleCallback(handle)
}

/** True once the page has been painted and has a moment to spare: for what the first screen can do without. */
export function useIdle(): boolean {
  const [idle, setIdle] = useState(false)
  useEffect(() => whenIdle(() => startTransition(() => setIdle(true))), [])
  return idle
}
