/** Above the composer: the offer to be told, and what is to be said when the browser does not let us. */
import { hasEnded } from 'polylogue'
import { useSession } from 'polylogue/react'
import { useEffect, type ReactNode } from 'react'
import { Icon } from '../icons.tsx'
import { usePush, type PushNote, type PushSwitch } from './push-switch.ts'

/** Who was away for less has hardly missed anything. */
const AWAY_MS = 4_000

const SAYS: Readonly<Record<Exclude<PushNote, null>, readonly [title: string, text: string]>> = {
  offer: [
    'Want to know when it is done?',
    'This device can tell you when an answer is ready or somebody writes, while you are elsewhere.',
  ],
  denied: [
    'Notifications are blocked.',
    'Your browser does not let this page tell you anything. You can allow it in the page’s settings, beside the address.',
  ],
  failed: ['That did not work.', 'The browser or the server could not be reached. Nothing has changed.'],
}

export function PushCard(): ReactNode {
  const [push, { note, busy }] = usePush()
  useOffer(push)
  if (note === null) return null
  const [title, text] = SAYS[note]
  return (
    <div className="push-card" role="status" data-note={note}>
      <Icon name={note === 'offer' ? 'bell' : 'bellOff'} />
      <p>
        <b>{title}</b> {text}
      </p>
      <div className="push-actions">
        <button type="button" className="button small ghost" onClick={() => push.dismiss()}>
          {note === 'offer' ? 'Not now' : 'Close'}
        </button>
        {note !== 'denied' && (
          <button type="button" className="button small primary" disabled={busy} onClick={() => void push.turnOn()}>
            {note === 'offer' ? 'Tell me' : 'Try again'}
          </button>
        )}
      </div>
    </div>
  )
}

/** Offers it to whoever comes back from elsewhere while an agent has been at work. */
function useOffer(push: PushSwitch): void {
  const session = useSession()
  useEffect(() => {
    let leftAt: number | null = null
    const onChange = (): void => {
      if (document.visibilityState === 'hidden') {
        const isAtWork = session.view.runs.some(({ status }) => !hasEnded(status))
        leftAt = isAtWork ? Date.now() : null
      } else {
        if (leftAt !== null && Date.now() - leftAt >= AWAY_MS) push.offer()
        leftAt = null
      }
    }
    // The browser has changed its subscription; or a tap on a notification leads to the message, as its link does.
    const onMessage = ({ data }: MessageEvent<unknown>): void => {
      const { type, session: of, message } = (data ?? {}) as { type?: unknown; session?: unknown; message?: unknown }
      if (type === 'push:renew') void push.renew()
      if (type !== 'push:open' || of !== session.id || typeof message !== 'string') return
      // Also where the address has it already.
      window.history.replaceState(null, '', window.location.pathname + window.location.search)
      window.location.hash = `m-${message}`
    }
    document.addEventListener('visibilitychange', onChange)
    navigator.serviceWorker?.addEventListener('message', onMessage)
    return () => {
      document.removeEventListener('visibilitychange', onChange)
      navigator.serviceWorker?.removeEventListener('message', onMessage)
    }
  }, [session, push])
}
