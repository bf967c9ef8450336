/** One open conversation of the desk: live for as long as it is open. Closing it, or leaving it, cancels nothing. */
import { useMessageIds, useObject } from 'polylogue/react'
import { useEffect, useRef, type ReactNode } from 'react'
import { formatPrice } from '../../shop/format.ts'
import { Chat, ChatPlaceholder } from '../chat/chat.tsx'
import { PresentPeople } from '../chat/people.tsx'
import { Icon } from '../icons.tsx'
import { PushBell } from '../push/push-bell.tsx'
import { SessionGate } from '../session-gate.tsx'
import { CartEditsProvider } from '../shop/cart-edits.tsx'
import { linesOf } from '../shop/cart-lines.ts'
import type { Who } from '../who.ts'
import type { DeskEntry } from '../../shop/desk-entry.ts'

export interface ColumnProps {
  readonly id: string
  readonly who: Who
  readonly entry: DeskEntry | undefined
  /** On a phone the one that is seen. */
  readonly front: boolean
  /** It is on the screen. */
  readonly shown: boolean
  /** So many messages have been seen. */
  readonly onSeen: (id: string, messages: number) => void
  readonly onList: () => void
  readonly onClose: () => void
}

export function Column({ id, who, entry, front, shown, onSeen, onList, onClose }: ColumnProps): ReactNode {
  const name = entry?.customers.join(', ') || 'Conversation'
  // Two customers may have one name.
  const label = `Chat with ${name} (${id})`
  const header = (about: ReactNode, people: ReactNode): ReactNode => (
    <header className="chat-header">
      <button type="button" className="round ghost to-list" aria-label="All conversations" onClick={onList}>
        <Icon name="back" />
      </button>
      <div className="chat-title">
        <h1>{name}</h1>
        <p className="muted">{about}</p>
      </div>
      {people}
      <button
        type="button"
        className="round ghost"
        aria-label={`Close ${name}`}
        title="Close; nothing is cancelled"
        onClick={onClose}
      >
        <Icon name="close" />
      </button>
    </header>
  )
  const column = useRef<HTMLDivElement>(null)
  // Where three are wider than the window, the one that was just opened is in it.
  useEffect(() => {
    if (front) column.current?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [front])
  return (
    <div className="desk-column" ref={column} data-session={id} data-front={front || undefined}>
      <SessionGate id={id} who={who} placeholder={<ChatPlaceholder label={label} header={header(entry?.title ?? '', null)} />}>
        {shown && <Seen onSeen={(messages) => onSeen(id, messages)} />}
        <CartEditsProvider>
          <Chat
            header={header(
              <InCart />,
              <>
                <PresentPeople />
                <PushBell />
              </>,
            )}
            empty={<p className="muted nothing">Nothing was said yet.</p>}
            placeholder="Answer the customer…"
            label={label}
          />
        </CartEditsProvider>
      </SessionGate>
    </div>
  )
}

/** Tells what is seen at once: the list is a moment behind. */
function Seen({ onSeen }: { readonly onSeen: (messages: number) => void }): ReactNode {
  const { length } = useMessageIds()
  useEffect(() => {
    if (document.visibilityState !== 'hidden') onSeen(length)
    // For a new message only: the function is another one with each render of the page.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [length])
  return null
}

/** What the customer has in the cart at the moment. */
function InCart(): ReactNode {
  const [cart] = useObject('cart')
  const lines = linesOf(cart)
  if (lines.length === 0) return 'Nothing in the cart'
  const total = lines.reduce((sum, line) => sum + line.count * line.unitCents, 0)
  return `Cart ${formatPrice(total)}: ${lines.map((line) => `${line.count} × ${line.name}`).join(', ')}`
}
