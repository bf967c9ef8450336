/** The desk's list of conversations, as the server's route /api/desk gives it, kept up to date while the page is looked at. */
import { useEffect, useState } from 'react'
import type { DeskEntry } from '../../shop/desk-entry.ts'

export interface Entries {
  readonly entries: readonly DeskEntry[]
  /** The server has been heard. */
  readonly known: boolean
}

/** After a failure; a server that is there answers when something has changed. */
const RETRY_MS = 2_000

/** What was there stays while the server is away. */
export function useEntries(): Entries {
  const [state, setState] = useState<Entries>({ entries: [], known: false })
  useEffect(() => {
    let control = new AbortController()
    let closed = false
    const follow = async (signal: AbortSignal): Promise<void> => {
      let since = ''
      while (!signal.aborted) {
        try {
          const response = await fetch(`/api/desk?since=${since}`, { signal })
          if (!response.ok) throw new Error(String(response.status))
          const { sessions, version } = (await response.json()) as { sessions: readonly DeskEntry[]; version: string }
          since = version
          setState((now) =>
            now.known && JSON.stringify(now.entries) === JSON.stringify(sessions) ? now : { entries: sessions, known: true },
          )
        } catch {
          since = ''
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
        }
      }
    }
    const look = (): void => {
      control.abort()
      control = new AbortController()
      if (!closed && document.visibilityState !== 'hidden') void follow(control.signal)
    }
    look()
    document.addEventListener('visibilitychange', look)
    return () => {
      closed = true
      control.abort()
      document.removeEventListener('visibilitychange', look)
    }
  }, [])
  return state
}
