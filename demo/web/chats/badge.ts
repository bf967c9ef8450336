/** How many conversations have something new: on the app's icon, where the system shows that, and in the title of the tab. */
import { useEffect } from 'react'

interface Badges {
  setAppBadge?: (count: number) => Promise<void>
  clearAppBadge?: () => Promise<void>
}

/** @param title of the tab, without the number. */
export function useBadge(unread: number, title: string): void {
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) ${title}` : title
    const { setAppBadge, clearAppBadge } = navigator as Badges
    // Refused where the app is not installed.
    void (unread > 0 ? setAppBadge?.call(navigator, unread) : clearAppBadge?.call(navigator))?.catch(() => {})
  }, [unread, title])
}
