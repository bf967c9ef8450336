/** While there is no connection: what of mine is on this device only, and the way to take it back. */
import type { OpenSession } from 'polylogue'
import { useSession, useStatus } from 'polylogue/react'
import { useCallback, useSyncExternalStore, type ReactNode } from 'react'
import { Icon } from '../icons.tsx'
import { useLate } from '../late.ts'

/** As long as the page is silent about the connection. */
const QUIET_MS = 2_000

export function Outbox(): ReactNode {
  const session = useSession()
  const { connection } = useStatus()
  const late = useLate(connection !== 'live', QUIET_MS)
  const subscribe = useCallback((onChange: () => void) => session.subscribe(onChange), [session])
  // Not looked for while an answer streams in.
  const count = useSyncExternalStore(subscribe, () => (connection === 'live' ? 0 : unsentIn(session).length))
  if (connection === 'live' || !late || count === 0) return null
  const discard = (): void => {
    for (const id of unsentIn(session)) session.remove(id)
  }
  return (
    <div className="outbox">
      <Icon name="device" size={16} />
      <span>
        {count === 1 ? '1 message waits here and is sent' : `${count} messages wait here and are sent`} when you are back.
      </span>
      <button type="button" className="button small" onClick={discard} title="Nothing is started by them then">
        Discard
      </button>
    </div>
  )
}

/** Ids of my messages that no server has, and that I have not taken back: the last ones, by their order. */
export function unsentIn(session: Pick<OpenSession, 'messageIds' | 'message' | 'me'>): string[] {
  const unsent: string[] = []
  for (const id of session.messageIds.toReversed()) {
    const metadata = session.message(id)?.metadata
    if (metadata === undefined) continue
    if (metadata.seq !== undefined) break
    if (metadata.by === session.me?.id && metadata.asked?.remove !== true) unsent.unshift(id)
  }
  return unsent
}
