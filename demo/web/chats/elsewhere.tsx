/** The way to the other conversations, with how many of them have something new; and what is unsent there goes out. */
import { useMessageIds, useRuns, useSession } from 'polylogue/react'
import { useEffect, useState, useSyncExternalStore, type ReactNode } from 'react'
import { rememberLast } from '../place.ts'
import { lastSeen, subscribe } from '../seen.ts'
import type { Who } from '../who.ts'
import { useBadge } from './badge.ts'
import { ChatsLink } from './chats-link.tsx'
import { tellChanged } from './conversations.ts'
import { unreadIn } from './summary.ts'
import { useConversations } from './use-conversations.ts'

export function Elsewhere({ who }: { readonly who: Who }): ReactNode {
  const session = useSession()
  const { list } = useConversations(who, 0, session.id)
  const others = list.filter(({ unread }) => unread > 0).length
  useBadge(others + (useUnreadHere(who.id) ? 1 : 0), 'Polyshop')
  useEffect(() => rememberLast(session.id), [session])
  useEffect(() => {
    const tell = (): void => tellChanged(session.id)
    const offs = [session.subscribe(tell), session.subscribe(tell, 'status')]
    return () => offs.forEach((off) => off())
  }, [session])
  return <ChatsLink unread={others} />
}

/** Whether there is something new in the conversation itself: in a tab that nobody looks at, or below what is on the screen. */
function useUnreadHere(me: string): boolean {
  const session = useSession()
  const seen = useSyncExternalStore(subscribe, () => lastSeen(session.id))
  const [isVisible, setVisible] = useState(document.visibilityState === 'visible')
  useEffect(() => {
    const look = (): void => setVisible(document.visibilityState === 'visible')
    document.addEventListener('visibilitychange', look)
    return () => document.removeEventListener('visibilitychange', look)
  }, [])
  // A reply has something to read when its run goes on or ends, at the latest.
  useMessageIds()
  useRuns()
  return !isVisible && unreadIn(session.view.messages, me, seen) > 0
}
