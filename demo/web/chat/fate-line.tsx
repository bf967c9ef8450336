/** Under a message: what has become of it, where that is more than being answered. */
import type { Message } from 'polylogue'
import { useMe, useRuns, useSession } from 'polylogue/react'
import type { ReactNode } from 'react'
import { agoOf } from '../chats/when.ts'
import { Icon, type IconName } from '../icons.tsx'
import { fateOf, useWaiting, type Fate } from './queue.ts'

const ICONS: Readonly<Record<Fate['kind'], IconName>> = {
  queued: 'clock',
  steering: 'steer',
  taken: 'check',
  asks: 'clock',
  removed: 'close',
}

function wordsOf(fate: Fate): string {
  switch (fate.kind) {
    case 'queued':
      return fate.why === '' ? 'In the queue' : `In the queue · ${fate.why}`
    case 'steering':
      return 'Change accepted · is passed on at the next step'
    case 'taken':
      return `Change taken at step ${fate.step + 1}`
    case 'asks':
      return `Written ${agoOf(fate.written, Date.now())}, offline.`
    case 'removed':
      return 'Taken back'
  }
}

export function FateLine({ message }: { readonly message: Message }): ReactNode {
  const fate = fateOf(message, useRuns(), useWaiting())
  const me = useMe()
  if (fate === null) return null
  return (
    <span className="fate" data-fate={fate.kind}>
      <Icon name={ICONS[fate.kind]} size={14} />
      {wordsOf(fate)}
      {fate.kind === 'asks' && (message.metadata.by === me?.id ? <SendAnyway message={message.id} /> : 'Not sent on by itself.')}
    </span>
  )
}

/** What was meant hours ago may not be meant any more: its author says. */
function SendAnyway({ message }: { readonly message: string }): ReactNode {
  const session = useSession()
  return (
    <>
      <span>Send anyway?</span>
      <button type="button" className="button small" onClick={() => session.confirm(message)}>
        Send anyway
      </button>
      <button type="button" className="button small" onClick={() => session.remove(message)}>
        Discard
      </button>
    </>
  )
}
