/** Who answers: the agents, nobody yet, or a person of the support desk; and how that changes. */
import type { Holder, Message, OpenSession, Participant } from 'polylogue'
import { useHolder, useMe, useMessage, useMessageIds, useSession, useStatus } from 'polylogue/react'
import type { ReactNode } from 'react'
import { Icon } from '../icons.tsx'
import { useParticipant } from './people.tsx'

type Action = 'request' | 'take' | 'return'

/** The server keeps who answers now; that somebody came or went is also said in the conversation, for whoever reads it later. */
const PART = 'data-handover'

/** The change that a message tells of; null for an ordinary one. */
export function handoverOf(message: Message): Action | null {
  for (const part of message.parts) {
    if (part.type !== PART) continue
    const action = (part as { data?: { action?: unknown } }).data?.action
    if (action === 'request' || action === 'take' || action === 'return') return action
  }
  return null
}

/** Asks for a change of hands, and says so. Nobody is asked to answer that line. */
export function handOver(session: OpenSession, action: Action): void {
  if (action === 'request') session.requestHuman()
  else if (action === 'take') session.take()
  else session.handBack()
  session.send([{ type: PART, data: { action } }], { to: [] })
}

export function HandoverLine({ action, author }: { readonly action: Action; readonly author: Participant }): ReactNode {
  const name = author.name
  const text = {
    request: `${name} asked for a human · the assistant is paused`,
    take: `${name} joined · the assistant is paused`,
    return:
      author.kind === 'support' ? `${name} handed back · the assistant is here again` : `${name} went back to the assistant`,
  }[action]
  return (
    <p className="system-line" data-handover={action}>
      {text}
    </p>
  )
}

/** In the conversation, where the server gave it back to the agents because nobody of the desk had said anything for long. */
export function IdleLine(): ReactNode {
  return (
    <p className="system-line" data-handover="idle">
      Nobody at the desk was free just now · the assistant is here again
    </p>
  )
}

/** Above the composer, for as long as the agents are silent; at the desk also while they are not. */
export function HolderBar(): ReactNode {
  const holder = useHolder()
  const me = useMe()
  if (me === null) return null
  return me.kind === 'support' ? <DeskBar holder={holder} me={me} /> : <CustomerBar holder={holder} />
}

function CustomerBar({ holder }: { readonly holder: Holder }): ReactNode {
  const session = useSession()
  const helper = useParticipant(holder.state === 'agents' ? '' : holder.by, 'support')
  if (holder.state === 'agents') return null
  return (
    <div className="holder-bar" data-state={holder.state}>
      <Icon name={holder.state === 'waiting' ? 'clock' : 'person'} size={18} />
      <p>
        {holder.state === 'waiting' ? (
          <>
            <b>A colleague has been asked to join.</b> The assistant is paused.
          </>
        ) : (
          <>
            <b>{helper.name} is answering.</b> The assistant is paused.
          </>
        )}
      </p>
      {holder.state === 'waiting' && (
        <button type="button" className="button small" onClick={() => handOver(session, 'return')}>
          Back to the assistant
        </button>
      )}
    </div>
  )
}

function DeskBar({ holder, me }: { readonly holder: Holder; readonly me: Participant }): ReactNode {
  const session = useSession()
  const helper = useParticipant(holder.state === 'agents' ? '' : holder.by, 'support')
  const mine = holder.state === 'human' && holder.by === me.id
  // Until the session has come, nobody here knows who holds it, and what is taken might be somebody else's already.
  const { connection } = useStatus()
  const isEmpty = useMessageIds().length === 0
  const isUnknown = connection === 'connecting' || (isEmpty && connection !== 'live')
  return (
    <div className="holder-bar" data-state={mine ? 'mine' : holder.state}>
      <Icon name={mine ? 'person' : holder.state === 'waiting' ? 'clock' : 'chat'} size={18} />
      <p>
        {mine && <b>You are answering.</b>}
        {mine && ' The assistant is paused.'}
        {holder.state === 'waiting' && <b>The customer wants a human.</b>}
        {holder.state === 'waiting' && holder.reason !== undefined && <q>{holder.reason}</q>}
        {holder.state === 'agents' && 'The assistant is answering.'}
        {holder.state === 'human' && !mine && <b>{`${helper.name} is answering.`}</b>}
      </p>
      {mine ? (
        <button type="button" className="button small" onClick={() => handOver(session, 'return')}>
          Hand back
        </button>
      ) : (
        <button type="button" className="button small primary" disabled={isUnknown} onClick={() => handOver(session, 'take')}>
          Take over
        </button>
      )}
    </div>
  )
}

/** For customers, while the agents answer. */
export function AskHuman(): ReactNode {
  const session = useSession()
  const holder = useHolder()
  const last = useMessage(useMessageIds().at(-1) ?? '')
  if (holder.state !== 'agents') return null
  // Asked for while there was no network: once is enough.
  const asked = last !== undefined && last.metadata.seq === undefined && handoverOf(last) === 'request'
  return (
    <button
      type="button"
      className="button small ghost ask-human"
      title="Talk to a human"
      disabled={asked}
      onClick={() => handOver(session, 'request')}
    >
      <Icon name="person" />
      <span>Talk to a human</span>
    </button>
  )
}
