/** Notes up to which message the conversation was seen: what is on the screen of a tab that somebody looks at. */
import type { OpenSession } from 'polylogue'
import { useMessageIds, useRuns, useSession } from 'polylogue/react'
import { useEffect } from 'react'
import { markSeen } from '../seen.ts'

const SETTLE_MS = 250

/** `viewport` is what scrolls: rows whose beginning is above its end were seen. */
export function useSeenMarker(viewport: () => HTMLElement | null): void {
  const session = useSession()
  const ids = useMessageIds()
  const runs = useRuns()
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const look = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined
        const element = viewport()
        if (element !== null) markVisible(session, element)
      }, SETTLE_MS)
    }
    look()
    // Scrolling does not bubble, but it can be caught on its way down.
    document.addEventListener('scroll', look, { capture: true, passive: true })
    document.addEventListener('visibilitychange', look)
    window.addEventListener('focus', look)
    window.addEventListener('resize', look)
    return () => {
      clearTimeout(timer)
      document.removeEventListener('scroll', look, { capture: true })
      document.removeEventListener('visibilitychange', look)
      window.removeEventListener('focus', look)
      window.removeEventListener('resize', look)
    }
  }, [session, ids, runs, viewport])
}

function markVisible(session: OpenSession, viewport: HTMLElement): void {
  if (document.visibilityState !== 'visible' || viewport.offsetParent === null) return
  const { bottom, height } = viewport.getBoundingClientRect()
  if (height === 0) return
  let last: { readonly id: string; readonly seq: number } | null = null
  for (const row of viewport.querySelectorAll<HTMLElement>('article[data-id]')) {
    const { id = '' } = row.dataset
    const seq = session.message(id)?.metadata.seq
    if (seq === undefined || (last !== null && seq < last.seq) || row.getBoundingClientRect().top >= bottom) continue
    last = { id, seq }
  }
  if (last !== null) markSeen(session.id, last.id, last.seq)
}
