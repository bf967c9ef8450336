/** The conversation with all that belongs to it; the same for customers and at the desk. */
import { useMessageIds } from 'polylogue/react'
import { memo, type ReactNode } from 'react'
import { PushCard } from '../push/push-card.tsx'
import { Announcer } from './announcer.tsx'
import { Composer, type ComposerProps } from './composer.tsx'
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
  /** What it is called, where there are several. */
  readonly label?: string
}

export function Chat({ header, empty, placeholder, label = 'Chat' }: ChatProps): ReactNode {
  const follow = useFollow()
  useSeenMarker(transcriptViewport)
  useDeepLink(useMessageIds().length, follow.show)
  return (
    <section className="chat" aria-label={label}>
      {header}
      <Above />
      <Transcript follow={follow} empty={empty} />
      <Dock placeholder={placeholder} onSent={follow.sent} />
    </section>
  )
}

// What stands around the conversation knows by itself when it changes: it is not rendered with each row that comes.

const Above = memo(function Above(): ReactNode {
  return (
    <>
      <ConnectionPill />
      <Outbox />
    </>
  )
})

const Dock = memo(function Dock(composer: ComposerProps): ReactNode {
  return (
    <>
      <div className="dock">
        <TypingLine />
        <HolderBar />
        <PinnedApprovals />
        <PushCard />
        <QueueTray />
        <Composer {...composer} />
      </div>
      <Announcer />
    </>
  )
})

function transcriptViewport(): HTMLElement | null {
  return document.querySelector('.transcript .viewport')
}

/** In the place of a chat that is being opened: the same frame, so that nothing moves when it comes. */
export function ChatPlaceholder({ header, label = 'Chat' }: Pick<ChatProps, 'header' | 'label'>): ReactNode {
  return (
    <section className="chat" aria-label={label} aria-busy="true">
      {header}
      <div className="transcript" />
    </section>
  )
}
