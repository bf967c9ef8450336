/** How many messages of each conversation this supporter has seen, kept on this device. */
import { useEffect, useState } from 'react'
import type { DeskEntry } from '../../shop/desk-entry.ts'

const KEPT = 'polyshop:desk-seen'

type Seen = Readonly<Record<string, number>>

export interface SeenMessages {
  /** How many are new in a conversation that was opened before; 0 for one that never was: there all is new. */
  readonly unread: (entry: DeskEntry) => number
  readonly see: (id: string, messages: number) => void
}

/** @param shown ids of the conversations that are on the screen. */
export function useSeen(shown: readonly string[]): SeenMessages {
  const [seen, setSeen] = useState<Seen>(read)
  useEffect(() => {
    try {
      localStorage.setItem(KEPT, JSON.stringify(seen))
    } catch {
      // Then it is known for as long as the page.
    }
  }, [seen])
  return {
    see: (id, messages) => setSeen((now) => ((now[id] ?? -1) >= messages ? now : { ...now, [id]: messages })),
    unread: ({ id, messages }) => (shown.includes(id) || seen[id] === undefined ? 0 : Math.max(0, messages - seen[id])),
  }
}

function read(): Seen {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT) ?? '{}')
    return typeof kept === 'object' && kept !== null ? (kept as Seen) : {}
  } catch {
    return {}
  }
}
