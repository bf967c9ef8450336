/** In the header: whether this browser is told while nobody looks. */
import type { ReactNode } from 'react'
import { Icon } from '../icons.tsx'
import { usePush } from './push-switch.ts'

export function PushBell(): ReactNode {
  const [push, { state, busy }] = usePush()
  if (state === 'unknown' || state === 'unsupported') return null
  const on = state === 'on'
  const tap = (): void => {
    if (state === 'denied') push.explain()
    else void (on ? push.turnOff() : push.turnOn())
  }
  return (
    <button
      type="button"
      className="round ghost push-bell"
      aria-label="Notifications on this device"
      aria-pressed={on}
      title={on ? 'You are told on this device. Tap to turn it off' : 'Be told on this device while you are elsewhere'}
      disabled={busy}
      onClick={tap}
    >
      <Icon name={on ? 'bell' : 'bellOff'} />
    </button>
  )
}
