/** The conversations of this device: what was said last, what is new, what is under way and what is not sent. */
import { useRef, useState, useSyncExternalStore, type ReactNode } from 'react'
import { Icon } from '../icons.tsx'
import { newSession, pathOf } from '../place.ts'
import { setReader } from '../seen.ts'
import { UpdatePill } from '../update-pill.tsx'
import { whoAmI } from '../who.ts'
import { begin } from './begin.ts'
import { useBadge } from './badge.ts'
import { InstallHint } from './install-hint.tsx'
import type { Summary } from './summary.ts'
import { useConversations } from './use-conversations.ts'
import { whenOf } from './when.ts'

/** So many of the latest are followed live while the list is looked at. */
const LIVE = 8

export function ChatsPage(): ReactNode {
  const [who] = useState(() => whoAmI('user'))
  setReader(who.id)
  const { list, known, remove } = useConversations(who, LIVE)
  const [asked, setAsked] = useState<Summary | null>(null)
  const isOnline = useSyncExternalStore(subscribeNetwork, () => navigator.onLine)
  useBadge(list.filter(({ unread }) => unread > 0).length, 'Conversations · Polyshop')
  return (
    <div className="chats-page">
      <header className="chats-header">
        <h1>Conversations</h1>
        <p className="muted">{isOnline ? `You are ${who.name}` : 'Offline · from this device'}</p>
        <button type="button" className="button primary" onClick={() => window.location.assign(begin(newSession(), who))}>
          <Icon name="plus" size={18} />
          New chat
        </button>
      </header>
      <main>
        <UpdatePill />
        <InstallHint />
        {known && list.length === 0 && (
          <div className="chats-none">
            <Icon name="chat" size={40} />
            <h2>No conversations on this device yet</h2>
            <p>They are kept here as you have them, and can be read and written offline.</p>
          </div>
        )}
        <ul className="chats" aria-label="Conversations" aria-busy={!known}>
          {list.map((it) => (
            <Row key={it.id} summary={it} onRemove={() => setAsked(it)} />
          ))}
        </ul>
      </main>
      {asked !== null && (
        <RemoveDialog
          summary={asked}
          onDone={(yes) => {
            setAsked(null)
            if (yes) void remove(asked.id).catch((error: unknown) => console.error(error))
          }}
        />
      )}
    </div>
  )
}

function subscribeNetwork(listener: () => void): () => void {
  window.addEventListener('online', listener)
  window.addEventListener('offline', listener)
  return () => {
    window.removeEventListener('online', listener)
    window.removeEventListener('offline', listener)
  }
}

function Row({ summary, onRemove }: { readonly summary: Summary; readonly onRemove: () => void }): ReactNode {
  const { id, title, snippet, by, at, unread, draft } = summary
  return (
    <li className="chat-line" data-session={id} data-unread={unread > 0 || undefined}>
      <a href={pathOf(id)}>
        <span className="title" dir="auto">
          {title || 'New conversation'}
        </span>
        {at > 0 && (
          <time className="muted" dateTime={new Date(at).toISOString()}>
            {whenOf(at)}
          </time>
        )}
        <span className="snippet" dir="auto">
          {draft !== '' ? (
            <>
              <b className="draft">Draft: </b>
              {draft}
            </>
          ) : (
            <>
              {by !== '' && `${by}: `}
              {snippet || 'Nothing was said yet.'}
            </>
          )}
        </span>
        {unread > 0 && (
          <span className="unread">
            {unread}
            <span className="hidden"> new</span>
          </span>
        )}
        <Marks summary={summary} />
      </a>
      <button
        type="button"
        className="round ghost"
        aria-label={`Remove from this device: ${title || 'New conversation'}`}
        title="Remove from this device"
        onClick={onRemove}
      >
        <Icon name="close" size={18} />
      </button>
    </li>
  )
}

const STATES = { running: 'Working on it', waiting: 'Waiting', human: 'Support answers' } as const

function Marks({ summary: { state, unsent, confirmed } }: { readonly summary: Summary }): ReactNode {
  if (state === null && confirmed) return null
  return (
    <span className="marks">
      {state !== null && (
        <span className="badge" data-chat={state}>
          {state === 'running' && <span className="spinner" />}
          {STATES[state]}
        </span>
      )}
      {!confirmed && (
        <span className="badge" data-chat="unsent">
          <Icon name="device" size={14} />
          {unsent > 0 ? `${unsent} not sent yet` : 'Not all sent yet'}
        </span>
      )}
    </span>
  )
}

/** Nothing that is nowhere else goes without a word. */
function RemoveDialog({
  summary: { title, unsent, confirmed, draft },
  onDone,
}: {
  readonly summary: Summary
  readonly onDone: (yes: boolean) => void
}): ReactNode {
  const shown = useRef(false)
  const lost = [
    unsent > 0 && `${unsent} ${unsent === 1 ? 'message that was' : 'messages that were'} never sent`,
    unsent === 0 && !confirmed && 'changes that were never sent',
    draft !== '' && `a draft (“${draft.slice(0, 60)}”)`,
  ].filter((it) => it !== false)
  return (
    <dialog
      className="ask"
      aria-label="Remove from this device"
      ref={(dialog) => {
        if (dialog === null || shown.current) return
        shown.current = true
        dialog.showModal()
      }}
      onClose={() => onDone(false)}
    >
      <h2>Remove from this device?</h2>
      <p>
        {`“${title || 'New conversation'}” leaves this device. ${
          confirmed ? 'It stays for everybody who has its link.' : 'What is at the server stays for everybody who has its link.'
        }`}
      </p>
      {lost.length > 0 && (
        <p className="lost" role="alert">
          <Icon name="alert" size={18} />
          {`With it goes what is nowhere else: ${lost.join(' and ')}.`}
        </p>
      )}
      <footer>
        <button type="button" className="button" onClick={() => onDone(false)}>
          Keep it
        </button>
        <button type="button" className="button danger" onClick={() => onDone(true)}>
          {lost.length > 0 ? 'Remove and lose that' : 'Remove'}
        </button>
      </footer>
    </dialog>
  )
}
