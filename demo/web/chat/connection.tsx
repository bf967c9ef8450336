/** What the page says about its connection and about where a message is. Quiet: short breaks are not worth a word. */
import type { Delivery, SessionStatus } from 'polylogue'
import { useSession, useStatus } from 'polylogue/react'
import type { ReactNode } from 'react'
import { Icon, type IconName } from '../icons.tsx'
import { useLate } from '../late.ts'

/** How long the connection may be away before the page says so. */
const QUIET_MS = 2_000

interface Notice {
  readonly tone: 'quiet' | 'warn' | 'bad'
  readonly icon: IconName
  readonly text: string
}

/** What to say; null while all is well or has been otherwise for a moment only. */
export function useConnectionNotice(): Notice | null {
  const status = useStatus()
  const away = status.connection !== 'live'
  const late = useLate(away, QUIET_MS)
  if (status.connection === 'refused') return { tone: 'bad', icon: 'alert', text: `Not connected: ${status.reason ?? 'refused'}` }
  if (status.stalled) return { tone: 'warn', icon: 'clock', text: 'The server cannot save at the moment' }
  if (!away || !late) return null
  const kept = status.onDevice ? ' · saved on this device' : ''
  if (isOffline(status)) return { tone: 'warn', icon: 'wifiOff', text: `Offline${kept}` }
  return { tone: 'quiet', icon: 'clock', text: `Reconnecting…${kept}` }
}

/** No network, as far as the browser knows; else the server is away, and that is being worked on. */
function isOffline(status: SessionStatus): boolean {
  return status.connection === 'offline' && !navigator.onLine
}

export function ConnectionPill(): ReactNode {
  const session = useSession()
  const notice = useConnectionNotice()
  if (notice === null) return null
  return (
    <p className="pill" data-tone={notice.tone}>
      <Icon name={notice.icon} size={16} />
      {notice.text}
      {notice.tone === 'bad' && (
        <button type="button" onClick={() => session.reconnect()}>
          Try again
        </button>
      )}
    </p>
  )
}

const DELIVERIES: Readonly<Record<Delivery, { icon: IconName; text: string }>> = {
  writing: { icon: 'clock', text: 'Saving…' },
  device: { icon: 'device', text: 'Saved on this device' },
  sending: { icon: 'clock', text: 'Sending…' },
  sent: { icon: 'check', text: 'Sent' },
}

/** Where one of my messages is. The tick of a sent one needs no words to be seen, but has them to be heard. */
export function DeliveryMark({ id }: { readonly id: string }): ReactNode {
  const session = useSession()
  useStatus()
  const delivery = session.delivery(id)
  const { icon, text } = DELIVERIES[delivery]
  return (
    <span className="delivery" data-delivery={delivery}>
      <Icon name={icon} size={14} />
      <span className={delivery === 'sent' ? 'hidden' : undefined}>{text}</span>
    </span>
  )
}
