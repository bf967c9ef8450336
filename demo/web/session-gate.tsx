/** Opens a session for what is below it, and says so when it cannot be opened. */
import { useEffect, useState, type ReactNode } from 'react'
import type { OpenSession } from 'polylogue'
import { SessionProvider, useMe, useOpenSession } from 'polylogue/react'
import { leavePicture } from './picture/leave.ts'
import { syncUrl } from './place.ts'
import { setReader } from './seen.ts'
import { fetchToken, type Who } from './who.ts'

export interface SessionGateProps {
  readonly id: string
  readonly who: Who
  /** What is shown for the moment that reading the device takes. */
  readonly placeholder: ReactNode
  readonly children: ReactNode
}

export function SessionGate({ id, who, placeholder, children }: SessionGateProps): ReactNode {
  setReader(who.id)
  const session = useOpenSession({
    url: syncUrl(),
    id,
    token: () => fetchToken(id, who),
    // Being offline is no error of the page; the status says it.
    onError: (error, { stage }) => console.debug(stage, error),
  })
  if (session === null) return placeholder
  return (
    <SessionProvider session={session}>
      <WhenReady session={session} placeholder={placeholder}>
        {children}
      </WhenReady>
    </SessionProvider>
  )
}

function WhenReady({
  session,
  placeholder,
  children,
}: {
  readonly session: OpenSession
  readonly placeholder: ReactNode
  readonly children: ReactNode
}): ReactNode {
  const me = useMe()
  const [failed, setFailed] = useState<OpenSession | null>(null)
  useEffect(() => {
    session.ready.catch(() => {
      if (!session.closed) setFailed(session)
    })
  }, [session])
  if (me !== null) return children
  return failed === session ? <NotHereYet /> : placeholder
}

/** A device that has never had this session needs the server once. */
function NotHereYet(): ReactNode {
  useEffect(leavePicture, [])
  return (
    <main className="not-here">
      <h1>This conversation is not on this device yet</h1>
      <p>Connect once to open it. After that it can be read and answered offline.</p>
      <button type="button" className="button primary" onClick={() => window.location.reload()}>
        Try again
      </button>
    </main>
  )
}
