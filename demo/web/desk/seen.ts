/** How many messages of each conversation this supporter has seen, kept on this device. */
import { useEffect, useState } from 'react'
import type { DeskEntry } from './entries.ts'

const KEPT = 'polyshop:desk-seen'

type Seen = Readonly<Record<string, number>>

/** How many are new in a conversation that was opened before; 0 for one that never was: there all is new. */
export function useUnread(entries: readonly DeskEntry[], shown: readonly string[]): (entry: DeskEntry) => number {
  const [seen, setSeen] = useState<Seen>(read)
  const now = Object.fromEntries(entries.flatMap((it) => (shown.includes(it.id) ? [[it.id, it.messages] as const] : [])))
  const news = Object.entries(now).some(([id, count]) => seen[id] !== count)
  useEffect(() => {
    if (!news || document.visibilityState === 'hidden') return
    const next = { ...seen, ...now }
    setSeen(next)
    try {
      localStorage.setItem(KEPT, JSON.stringify(next))
    } catch {
      // Then it is known for as long as the page.
    }
  })
  return ({ id, messages }) => (shown.includes(id) || seen[id] === undefined ? 0 : Math.max(0, messages - seen[id]))
}

function read(): Seen {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT) ?? '{}')
    return typeof kept === 'object' && kept !== null ? (kept as Seen) : {}
  } catch {
    return {}
  }
}
