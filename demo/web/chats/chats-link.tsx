/** The way to the other conversations. */
import type { ReactNode } from 'react'
import { Icon } from '../icons.tsx'
import { chatsPath } from '../place.ts'

/** @param unread how many of them have something new. */
export function ChatsLink({ unread = 0 }: { readonly unread?: number }): ReactNode {
  return (
    <a
      className="round ghost chats-link"
      href={chatsPath()}
      aria-label={unread > 0 ? `Conversations, ${unread} with news` : 'Conversations'}
    >
      <Icon name="list" />
      {unread > 0 && <span className="count">{unread}</span>}
    </a>
  )
}
