/** The support desk: which conversations there are, who waits, and those that are open, side by side or behind tabs. */
import { useEffect, useState, type ReactNode } from 'react'
import { Icon } from '../icons.tsx'
import { rememberDeskSessions } from '../place.ts'
import { whoAmI } from '../who.ts'
import { Column } from './column.tsx'
import { DeskList } from './desk-list.tsx'
import { useEntries } from './entries.ts'
import { useSeen } from './seen.ts'

/** More would be too narrow to read; the one that was opened first makes room. */
const MAX_OPEN = 3
/** As in desk.css: from here on conversations stand side by side. */
const WIDE = '(width >= 900px)'

interface Opened {
  readonly ids: readonly string[]
  /** The one in front on a phone; null: the list is. */
  readonly front: string | null
}

export function DeskPage({ sessions }: { readonly sessions: readonly string[] }): ReactNode {
  const [who] = useState(() => whoAmI('support'))
  const [{ ids, front }, setOpened] = useState<Opened>(() => ({
    ids: sessions.slice(-MAX_OPEN),
    front: sessions.at(-1) ?? null,
  }))
  const wide = useWide()
  const { entries, known } = useEntries()
  const shown = wide ? ids : ids.filter((id) => id === front)
  const { unread, see } = useSeen(shown)
  useEffect(() => rememberDeskSessions(ids), [ids])
  const waiting = entries.filter(({ state }) => state === 'waiting').length
  useEffect(() => {
    document.title = waiting > 0 ? `(${waiting}) Polyshop support desk` : 'Polyshop support desk'
  }, [waiting])
  const pick = (id: string): void =>
    setOpened((now) => ({ ids: now.ids.includes(id) ? now.ids : [...now.ids, id].slice(-MAX_OPEN), front: id }))
  const close = (id: string): void =>
    setOpened((now) => {
      const left = now.ids.filter((it) => it !== id)
      return { ids: left, front: now.front === id ? (left.at(-1) ?? null) : now.front }
    })
  return (
    <main className="desk" data-open={front !== null || undefined}>
      <DeskList entries={entries} known={known} open={ids} name={who.name} unread={unread} onPick={pick} />
      {ids.length === 0 ? (
        <p className="desk-empty muted">
          <Icon name="chat" size={40} />
          Open conversations to read along, and take one over when its customer wants a person.
        </p>
      ) : (
        <div className="desk-columns" data-count={ids.length}>
          {ids.length > 1 && (
            <nav className="desk-tabs" aria-label="Open conversations">
              {ids.map((id) => {
                const entry = entries.find((it) => it.id === id)
                const count = entry === undefined ? 0 : unread(entry)
                return (
                  <button
                    key={id}
                    type="button"
                    aria-current={id === front || undefined}
                    onClick={() => setOpened({ ids, front: id })}
                  >
                    <span className="who">{entry?.customers.join(', ') || 'Conversation'}</span>
                    {count > 0 && (
                      <span className="count" aria-label={`${count} new`}>
                        {count}
                      </span>
                    )}
                  </button>
                )
              })}
            </nav>
          )}
          <div className="desk-stack">
            {ids.map((id) => (
              <Column
                key={id}
                id={id}
                who={who}
                entry={entries.find((it) => it.id === id)}
                front={id === front}
                shown={shown.includes(id)}
                onSeen={see}
                onList={() => setOpened({ ids, front: null })}
                onClose={() => close(id)}
              />
            ))}
          </div>
        </div>
      )}
    </main>
  )
}

function useWide(): boolean {
  const [wide, setWide] = useState(() => window.matchMedia(WIDE).matches)
  useEffect(() => {
    const query = window.matchMedia(WIDE)
    const onChange = (): void => setWide(query.matches)
    query.addEventListener('change', onChange)
    return () => query.removeEventListener('change', onChange)
  }, [])
  return wide
}
