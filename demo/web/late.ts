/** What shows only when something lasts. */
import { useEffect, useState } from 'react'

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
