/** Under a message: what has become of it, where that is more than being answered. */
import { textOf, type Message } from 'polylogue'
import { useMe, useRuns, useSession } from 'polylogue/react'
import type { ReactNode } from 'react'
import { agoOf } from '../chats/when.ts'
import { Icon, type IconName } from '../icons.tsx'
import { edit } from './editing.ts'
import { fateOf, useWaiting, type Fate } from './queue.ts'
import { LATE } from './verdict-words.ts'

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
      if (fate.why === '') return 'In the queue'
      return fate.waits ? `In the queue · not taken: ${fate.why}` : `Change not taken: ${fate.why}`
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
  const { by, verdict } = message.metadata
  if (by === me?.id && verdict?.text !== undefined && verdict.text !== textOf(message)) {
    return <TooLate message={message.id} text={verdict.text} />
  }
  if (fate === null) return null
  return (
    <span className="fate" data-fate={fate.kind}>
      <Icon name={ICONS[fate.kind]} size={14} />
      {wordsOf(fate)}
      {fate.kind === 'asks' && (by === me?.id ? <SendAnyway message={message.id} /> : 'Not sent on by itself.')}
    </span>
  )
}

/** An edit that the server refused, since an agent had the message: what it was to say is offered again, as another version. */
function TooLate({ message, text }: { readonly message: string; readonly text: string }): ReactNode {
  return (
    <span className="fate" data-fate="late">
      <Icon name="alert" size={14} />
      <span>
        {`${LATE}: `}
        <q>{text}</q>
      </span>
      <button type="button" className="button small" onClick={() => edit({ id: message, text })}>
        Edit again
      </button>
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
