/** What shows only when something lasts, or when there is time for it. */
import { startTransition, useEffect, useRef, useState } from 'react'

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

/**
 * A value as it was before the task that changes it; the next task has it. Not React's own deferred value: what is rendered for
 * that may be interrupted half way, and the virtualizer keeps books while it renders.
 */
export function useInNextTask<T>(value: T): T {
  const [shown, setShown] = useState({ value })
  const next = useRef<{ value: T; timer?: ReturnType<typeof setTimeout> | undefined }>({ value })
  useEffect(() => {
    const { current } = next
    current.value = value
    // Not begun anew by what changes meanwhile: under many changes nothing would ever be shown.
    current.timer ??= setTimeout(() => {
      current.timer = undefined
      setShown((before) => (Object.is(before.value, current.value) ? before : { value: current.value }))
    })
  }, [value])
  useEffect(() => {
    const { current } = next
    return () => {
      clearTimeout(current.timer)
      current.timer = undefined
    }
  }, [])
  return shown.value
}
