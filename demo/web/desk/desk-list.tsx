/** The queue: whoever waits for a person first, the longest at the top; then all others. Arrow keys go through it. */
import { useEffect, useState, type KeyboardEvent, type ReactNode } from 'react'
import type { DeskEntry } from '../../shop/desk-entry.ts'
import { timeOf } from '../chat/time.tsx'
import { UpdatePill } from '../update-pill.tsx'

export interface DeskListProps {
  readonly entries: readonly DeskEntry[]
  readonly known: boolean
  readonly open: readonly string[]
  /** Name of the supporter. */
  readonly name: string
  readonly unread: (entry: DeskEntry) => number
  readonly onPick: (id: string) => void
}

export function DeskList({ entries, known, open, name, unread, onPick }: DeskListProps): ReactNode {
  const waiting = entries.filter(({ state }) => state === 'waiting').length
  return (
    <div className="desk-list">
      <header className="shop-header">
        <h1 className="brand-mark">
          <img src="/icon.svg" alt="" width="32" height="32" />
          Support desk
        </h1>
        <p className="muted">{`You are ${name}`}</p>
      </header>
      <UpdatePill />
      <nav aria-label="Conversations" onKeyDown={onArrow}>
        <p className="desk-waiting muted" role="status">
          {waiting === 0 ? 'Nobody waits for a person' : waiting === 1 ? '1 customer waits' : `${waiting} customers wait`}
        </p>
        <ul>
          {entries.map((it) => (
            <Entry key={it.id} entry={it} on={open.includes(it.id)} news={unread(it)} onPick={() => onPick(it.id)} />
          ))}
        </ul>
        {known && entries.length === 0 && <p className="muted nothing">No conversations yet.</p>}
      </nav>
    </div>
  )
}

function onArrow(event: KeyboardEvent<HTMLElement>): void {
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>('.desk-entry')]
  const at = all.indexOf(document.activeElement as HTMLElement)
  if (at === -1) return
  event.preventDefault()
  all[at + (event.key === 'ArrowDown' ? 1 : -1)]?.focus()
}

const STATES: Readonly<Record<DeskEntry['state'], string>> = { waiting: 'Wants a human', human: 'With', agents: 'Assistant' }

interface EntryProps {
  readonly entry: DeskEntry
  readonly on: boolean
  readonly news: number
  readonly onPick: () => void
}

function Entry({ entry, on, news, onPick }: EntryProps): ReactNode {
  const { customers, title, state, note, since, at } = entry
  return (
    <li>
      <button
        type="button"
        className="desk-entry"
        data-state={state}
        data-session={entry.id}
        data-news={news > 0 || undefined}
        aria-current={on || undefined}
        onClick={onPick}
      >
        <span className="who">
          {customers.join(', ') || 'Guest'}
          {news > 0 && (
            <span className="count" aria-label={`${news} new`}>
              {news}
            </span>
          )}
        </span>
        <span className="muted">{timeOf(at)}</span>
        <span className="about" dir="auto">
          {state === 'waiting' && note !== '' ? `“${note}”` : title}
        </span>
        <span className="badge" data-holder={state}>
          {state === 'human' ? `${STATES.human} ${note}` : STATES[state]}
          {state === 'waiting' && <Waits since={since} />}
        </span>
      </button>
    </li>
  )
}

/** How long somebody has waited, counted on. The times are the server's: a clock that is behind shows none. */
function Waits({ since }: { readonly since: number }): ReactNode {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  const seconds = Math.max(0, Math.floor((now - since) / 1_000))
  const minutes = Math.floor(seconds / 60)
  const text =
    minutes === 0 ? `${seconds} s` : minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
  return ` · ${text}`
}
