/** A message of a person, mine or another's; or a line about who answers. */
import { textOf, type Message } from 'polylogue'
import { useMe, useMessage, useSession } from 'polylogue/react'
import { memo, type ReactNode } from 'react'
import { DeliveryMark } from './connection.tsx'
import { useDraftOf } from './editing.ts'
import { FateLine } from './fate-line.tsx'
import { handoverOf, HandoverLine } from './handover.tsx'
import { Markdown } from './markdown.tsx'
import { MessageActions, MessageEditor } from './message-actions.tsx'
import { Avatar, RoleBadge, useParticipant } from './people.tsx'
import { Time, timeOf } from './time.tsx'

/** Messages of one author that are closer than this stand under one name. */
const TOGETHER_MS = 3 * 60_000

export interface MessageRowProps {
  readonly id: string
  /** The message above it. */
  readonly before: string | null
}

/** Rendered again when its message changes, not when others do. */
export const MessageRow: (props: MessageRowProps) => ReactNode = memo(function MessageRow({ id, before }: MessageRowProps) {
  const message = useMessage(id)
  return message === undefined ? null : <PersonsMessage message={message} before={before} />
})

export interface PersonsMessageProps {
  readonly message: Message
  /** The message above it. */
  readonly before: string | null
}

/** A message that is there already. */
export function PersonsMessage({ message, before }: PersonsMessageProps): ReactNode {
  const session = useSession()
  const me = useMe()
  const { by, kind, at } = message.metadata
  const author = useParticipant(by, kind)
  const draft = useDraftOf(message.id)
  const handover = handoverOf(message)
  if (handover !== null) return <HandoverLine action={handover} author={author} />
  const mine = by === me?.id
  const above = before === null ? undefined : session.message(before)
  const together =
    above !== undefined && above.metadata.by === by && handoverOf(above) === null && at - above.metadata.at < TOGETHER_MS
  const text = textOf(message)
  return (
    <article
      className="message"
      data-mine={mine || undefined}
      data-kind={kind}
      data-together={together || undefined}
      data-id={message.id}
      aria-label={`${mine ? 'You' : author.name}, ${timeOf(at)}`}
    >
      {!mine && (
        <header>
          {!together && <Avatar participant={author} />}
          {!together && <span className="author">{author.name}</span>}
          {!together && <RoleBadge kind={kind} />}
        </header>
      )}
      {draft === null ? (
        <div className="bubble">
          {/* What customers write is shown as they wrote it; support may use Markdown. */}
          {kind === 'user' ? <p className="plain">{text}</p> : <Markdown text={text} growing={false} />}
        </div>
      ) : (
        <MessageEditor message={message} text={draft.text} />
      )}
      <footer>
        {draft === null && <MessageActions message={message} />}
        <Time at={at} />
        {mine && <DeliveryMark id={message.id} />}
        {kind === 'user' && <FateLine message={message} />}
      </footer>
    </article>
  )
}
