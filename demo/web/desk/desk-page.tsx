/** The support desk: which conversations there are, who waits, and one of them open. */
import { useEffect, useState, type ReactNode } from 'react'
import { Chat, ChatPlaceholder } from '../chat/chat.tsx'
import { PresentPeople } from '../chat/people.tsx'
import { timeOf } from '../chat/time.tsx'
import { Icon } from '../icons.tsx'
import { rememberDeskSession } from '../place.ts'
import { PushBell } from '../push/push-bell.tsx'
import { SessionGate } from '../session-gate.tsx'
import { CartEditsProvider } from '../shop/cart-edits.tsx'
import { whoAmI } from '../who.ts'

/** As the server's route /api/desk gives it. */
interface DeskEntry {
  readonly id: string
  readonly title: string
  readonly customers: readonly string[]
  readonly state: 'agents' | 'waiting' | 'human'
  readonly note: string
  readonly since: number
  readonly at: number
  readonly messages: number
}

const REFRESH_MS = 2_000

export default function DeskPage({ session }: { readonly session: string | null }): ReactNode {
  const [who] = useState(() => whoAmI('support'))
  const [open, setOpen] = useState(session)
  const { entries, known } = useEntries()
  const entry = entries.find(({ id }) => id === open)
  const pick = (id: string | null): void => {
    setOpen(id)
    rememberDeskSession(id)
  }
  const waiting = entries.filter(({ state }) => state === 'waiting').length
  useEffect(() => {
    document.title = waiting > 0 ? `(${waiting}) Polyshop support desk` : 'Polyshop support desk'
  }, [waiting])
  const header = (
    <header className="chat-header">
      <button type="button" className="round ghost to-list" aria-label="All conversations" onClick={() => pick(null)}>
        <Icon name="back" />
      </button>
      <div className="chat-title">
        <h1>{entry?.customers.join(', ') || 'Conversation'}</h1>
        <p className="muted">{entry?.title ?? ''}</p>
      </div>
    </header>
  )
  return (
    <div className="desk" data-open={open !== null || undefined}>
      <aside className="desk-list">
        <header className="shop-header">
          <p className="brand-mark">
            <img src="/icon.svg" alt="" width="32" height="32" />
            Support desk
          </p>
          <p className="muted">{`You are ${who.name}`}</p>
        </header>
        <nav aria-label="Conversations">
          <ul>
            {entries.map((it) => (
              <Entry key={it.id} entry={it} on={it.id === open} onPick={() => pick(it.id)} />
            ))}
          </ul>
          {known && entries.length === 0 && <p className="muted nothing">No conversations yet.</p>}
        </nav>
      </aside>
      {open === null ? (
        <p className="desk-empty muted">
          <Icon name="chat" size={40} />
          Open a conversation to read along, and take it over when the customer wants a person.
        </p>
      ) : (
        <SessionGate key={open} id={open} who={who} placeholder={<ChatPlaceholder header={header} />}>
          <CartEditsProvider>
            <Chat
              header={
                <div className="desk-chat-header">
                  {header}
                  <PresentPeople />
                  <PushBell />
                </div>
              }
              empty={<p className="muted nothing">Nothing was said yet.</p>}
              placeholder="Answer the customer…"
            />
          </CartEditsProvider>
        </SessionGate>
      )}
    </div>
  )
}

const STATES: Readonly<Record<DeskEntry['state'], string>> = { waiting: 'Wants a human', human: 'With', agents: 'Assistant' }

function Entry({
  entry,
  on,
  onPick,
}: {
  readonly entry: DeskEntry
  readonly on: boolean
  readonly onPick: () => void
}): ReactNode {
  const { customers, title, state, note, since, at } = entry
  return (
    <li>
      <button
        type="button"
        className="desk-entry"
        data-state={state}
        data-session={entry.id}
        aria-current={on || undefined}
        onClick={onPick}
      >
        <span className="who">{customers.join(', ') || 'Guest'}</span>
        <span className="muted">{timeOf(at)}</span>
        <span className="about">{state === 'waiting' && note !== '' ? `“${note}”` : title}</span>
        <span className="badge" data-holder={state}>
          {state === 'human'
            ? `${STATES.human} ${note}`
            : `${STATES[state]}${state === 'waiting' ? ` · since ${timeOf(since)}` : ''}`}
        </span>
      </button>
    </li>
  )
}

/** The list, asked for again and again while the page is looked at; what was there stays while the server is away. */
function useEntries(): { entries: readonly DeskEntry[]; known: boolean } {
  const [state, setState] = useState<{ entries: readonly DeskEntry[]; known: boolean }>({ entries: [], known: false })
  useEffect(() => {
    const control = new AbortController()
    const load = async (): Promise<void> => {
      if (document.visibilityState === 'hidden') return
      const response = await fetch('/api/desk', { signal: control.signal })
      if (!response.ok) return
      const { sessions } = (await response.json()) as { sessions: readonly DeskEntry[] }
      setState((now) =>
        now.known && JSON.stringify(now.entries) === JSON.stringify(sessions) ? now : { entries: sessions, known: true },
      )
    }
    const refresh = (): void => {
      load().catch(() => {})
    }
    refresh()
    const timer = setInterval(refresh, REFRESH_MS)
    document.addEventListener('visibilitychange', refresh)
    return () => {
      control.abort()
      clearInterval(timer)
      document.removeEventListener('visibilitychange', refresh)
    }
  }, [])
  return state
}
