/**
 * Keeps a growing list at its end while the reader is there, and leaves the reader alone once they have scrolled up by as
 * little as a pixel; it follows again when they return to the end or ask for it.
 */
import { useCallback, useEffect, useRef, useState } from 'react'

/** How far from the end still counts as the end: fractions of pixels on zoomed screens. */
const EDGE_PX = 3

export interface Follow {
  /** `ref` of what scrolls. */
  readonly viewport: (element: HTMLDivElement | null) => void
  /** `ref` of what is in it and grows. */
  readonly content: (element: HTMLDivElement | null) => void
  readonly following: boolean
  /** Goes to the end and stays there. */
  readonly toEnd: () => void
}

export function useFollow(): Follow {
  const [viewport, setViewport] = useState<HTMLDivElement | null>(null)
  const [content, setContent] = useState<HTMLDivElement | null>(null)
  const [following, setFollowing] = useState(true)
  // As `following`, for the listeners: known at once, without a render in between.
  const pinned = useRef(true)

  const pin = useCallback((next: boolean) => {
    pinned.current = next
    setFollowing(next)
  }, [])

  const toEnd = useCallback(() => {
    pin(true)
    viewport?.scrollTo({ top: viewport.scrollHeight })
  }, [pin, viewport])

  useEffect(() => {
    if (viewport === null || content === null) return
    let lastTop = viewport.scrollTop
    const onScroll = (): void => {
      const gap = viewport.scrollHeight - viewport.scrollTop - viewport.clientHeight
      if (gap <= EDGE_PX) pin(true)
      else if (viewport.scrollTop < lastTop) pin(false)
      lastTop = viewport.scrollTop
    }
    const observer = new ResizeObserver(() => {
      if (pinned.current) viewport.scrollTo({ top: viewport.scrollHeight })
      // Content that shrinks or a taller window may bring the end into view without a scroll.
      else onScroll()
    })
    observer.observe(content)
    observer.observe(viewport)
    viewport.addEventListener('scroll', onScroll, { passive: true })
    return () => {
      observer.disconnect()
      viewport.removeEventListener('scroll', onScroll)
    }
  }, [pin, viewport, content])

  return { viewport: setViewport, content: setContent, following, toEnd }
}
