/** The conversation with all that belongs to it; the same for customers and at the desk. */
import { useMessageIds } from 'polylogue/react'
import type { ReactNode } from 'react'
import { PushCard } from '../push/push-card.tsx'
import { Announcer } from './announcer.tsx'
import { Composer } from './composer.tsx'
import { ConnectionPill } from './connection.tsx'
import { useDeepLink } from './deep-link.ts'
import { useFollow } from './follow.ts'
import { HolderBar } from './handover.tsx'
import { Outbox } from './outbox.tsx'
import { TypingLine } from './people.tsx'
import { PinnedApprovals } from './pinned-approvals.tsx'
import { QueueTray } from './queue-tray.tsx'
import { useSeenMarker } from './seen-marker.ts'
import { Transcript } from './transcript.tsx'

export interface ChatProps {
  readonly header: ReactNode
  readonly empty: ReactNode
  readonly placeholder: string
}

export function Chat({ header, empty, placeholder }: ChatProps): ReactNode {
  const follow = useFollow()
  useSeenMarker(transcriptViewport)
  useDeepLink(useMessageIds().length, follow.show)
  return (
    <section className="chat" aria-label="Chat">
      {header}
      <ConnectionPill />
      <Outbox />
      <Transcript follow={follow} empty={empty} />
      <div className="dock">
        <TypingLine />
        <HolderBar />
        <PinnedApprovals />
        <PushCard />
        <QueueTray />
        <Composer placeholder={placeholder} onSent={follow.sent} />
      </div>
      <Announcer />
    </section>
  )
}

function transcriptViewport(): HTMLElement | null {
  return document.querySelector('.transcript .viewport')
}

/** In the place of a chat that is being opened: the same frame, so that nothing moves when it comes. */
export function ChatPlaceholder({ header }: { readonly header: ReactNode }): ReactNode {
  return (
    <section className="chat" aria-label="Chat" aria-busy="true">
      {header}
      <div className="transcript" />
    </section>
  )
}
