/**
 * Keeps a growing list at its end while the reader is there, and leaves the reader alone once they have scrolled up by as
 * little as a pixel; it follows again when they return to the end or ask for it.
 */
import { useCallback, useEffect, useRef, useState, type RefObject } from 'react'

/** How far from the end still counts as the end: fractions of pixels on zoomed screens. */
const EDGE_PX = 3

export interface Follow {
  readonly viewport: RefObject<HTMLDivElement | null>
  readonly content: RefObject<HTMLDivElement | null>
  readonly following: boolean
  /** Goes to the end and stays there. */
  toEnd(): void
}

export function useFollow(): Follow {
  const viewport = useRef<HTMLDivElement | null>(null)
  const content = useRef<HTMLDivElement | null>(null)
  const pinned = useRef(true)
  const [following, setFollowing] = useState(true)

  const pin = useCallback((next: boolean) => {
    pinned.current = next
    setFollowing(next)
  }, [])

  const toEnd = useCallback(() => {
    pin(true)
    const element = viewport.current
    if (element !== null) element.scrollTop = element.scrollHeight
  }, [pin])

  useEffect(() => {
    const element = viewport.current
    const inner = content.current
    if (element === null || inner === null) return
    let lastTop = element.scrollTop
    const onScroll = (): void => {
      const gap = element.scrollHeight - element.scrollTop - element.clientHeight
      if (gap <= EDGE_PX) pin(true)
      else if (element.scrollTop < lastTop) pin(false)
      lastTop = element.scrollTop
    }
    const observer = new ResizeObserver(() => {
      if (pinned.current) element.scrollTop = element.scrollHeight
      // Content that shrinks or a taller window may bring the end into view without a scroll.
      else onScroll()
    })
    observer.observe(inner)
    observer.observe(element)
    element.addEventListener('scroll', onScroll, { passive: true })
    return () => {
      observer.disconnect()
      element.removeEventListener('scroll', onScroll)
    }
  }, [pin])

  return { viewport, content, following, toEnd }
}
