/** Which own message is being edited, and what it is to say: beside the rows, so that a row that is not drawn loses nothing. */
import { textOf, type OpenSession } from 'polylogue'
import { useSyncExternalStore } from 'react'

export interface Draft {
  /** Id of the message. */
  readonly id: string
  readonly text: string
}

let draft: Draft | null = null
const listeners = new Set<() => void>()

/** Begins an edit, changes its text, or (null) ends it. */
export function edit(next: Draft | null): void {
  draft = next
  for (const listener of listeners) listener()
}

/** Edits the last own message that is shown. False where there is none. */
export function editLast(session: OpenSession): boolean {
  const { me } = session
  if (me?.kind !== 'user') return false
  const message = session.view.messages.findLast(({ role, metadata }) => role === 'user' && metadata.by === me.id)
  if (message === undefined || textOf(message) === '') return false
  edit({ id: message.id, text: textOf(message) })
  return true
}

/** The edit of a message; null while there is none. */
export function useDraftOf(id: string): Draft | null {
  return useSyncExternalStore(subscribe, () => (draft?.id === id ? draft : null))
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}
