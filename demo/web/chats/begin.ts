/** Begins a conversation, with or without a server. */
import { beginOnDevice } from 'polylogue/device'
import { pathOf, syncUrl } from '../place.ts'
import type { Who } from '../who.ts'

/** Notes who begins it; gives its address. */
export function begin(session: string, who: Who): string {
  beginOnDevice(syncUrl(), session, { id: who.id, kind: who.role, name: who.name })
  return pathOf(session)
}
