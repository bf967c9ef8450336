/** Below a reply: how it ended, unless it ended as it should; and what was asked of it and refused. */
import { hasEnded, type Message, type Run } from 'polylogue'
import { useMe } from 'polylogue/react'
import type { ReactNode } from 'react'
import { Icon } from '../icons.tsx'
import { AskAgain } from './message-actions.tsx'
import { useParticipant } from './people.tsx'
import { refusalWords } from './verdict-words.ts'

export function Ending({ run, message }: { readonly run: Run; readonly message: Message | undefined }): ReactNode {
  const me = useMe()
  const who = useParticipant(run.cancel?.by ?? '', 'user')
  if (run.status === 'cancelled') {
    const by = run.cancel === undefined ? '' : run.cancel.by === me?.id ? ' by you' : ` by ${who.name}`
    return (
      <p className="ending" data-ending="cancelled">
        <Icon name="stop" size={16} />
        <span>{`Cancelled${by}`}</span>
        <AskAgain run={run} />
      </p>
    )
  }
  if (run.status !== 'interrupted' && run.status !== 'error') return null
  const text =
    run.status === 'interrupted'
      ? 'Interrupted: the assistant stopped before it was done.'
      : `Something went wrong: ${run.error?.message ?? 'unknown error'}`
  return (
    <p className="ending" data-ending={run.status} role={message === undefined ? undefined : 'note'}>
      <Icon name="alert" size={16} />
      <span>{text}</span>
      <AskAgain run={run} />
    </p>
  )
}

/** To the one who asked, until it is asked again. */
export function Refusal({ run }: { readonly run: Run }): ReactNode {
  const me = useMe()
  const { verdict, status } = run
  if (verdict === undefined || verdict.by !== me?.id || run.asked === true) return null
  // It has ended all the same.
  if (verdict.about === 'cancel' && hasEnded(status)) return null
  return (
    <p className="ending" data-ending="refused">
      <Icon name="alert" size={16} />
      <span>{refusalWords(verdict)}</span>
      {/* Where the reply did not come to its end, the way to ask again stands there. */}
      {verdict.about === 'regenerate' && status === 'complete' && <AskAgain run={run} />}
    </p>
  )
}
