/** What an agent answers: announced as soon as it was asked, then growing, then ended in one of four ways that it says. */
import { hasEnded, type Message, type Run } from 'polylogue'
import { useMe, useMessageIds, useRun, useRuns, useSession } from 'polylogue/react'
import { memo, useMemo, type ReactNode } from 'react'
import { sectionsOf, type Section } from '../cards/reply-parts.ts'
import { ApprovalCard } from '../cards/approval-card.tsx'
import { CancelButton, TaskCard } from '../cards/task-card.tsx'
import { Elapsed, thoughtFor } from '../cards/thought.tsx'
import { ToolCard } from '../cards/tool-card.tsx'
import { Icon } from '../icons.tsx'
import { useLate } from '../late.ts'
import { useGrowingMessage } from './growing-message.ts'
import { Markdown } from './markdown.tsx'
import { AskAgain, MessageActions } from './message-actions.tsx'
import { Avatar, RoleBadge, useParticipant } from './people.tsx'
import { Time } from './time.tsx'

/** An agent that has not begun after this long is not there. */
const ABSENT_MS = 4_000

export interface ReplyRowProps {
  /** Id of the reply; empty while there is none. */
  readonly message: string
  /** Id of the run; empty for a reply that belongs to none. */
  readonly run: string
}

/** Rendered again when its message or run changes, not when others do. */
export const ReplyRow: (props: ReplyRowProps) => ReactNode = memo(function ReplyRow({
  message: messageId,
  run: runId,
}: ReplyRowProps) {
  const message = useGrowingMessage(messageId)
  const run = useRun(runId)
  const agent = message?.metadata.by ?? run?.agent ?? ''
  const author = useParticipant(agent, 'agent')
  const sections = useMemo(() => sectionsOf(message?.parts ?? [], run), [message, run])
  const growing = run !== undefined && !hasEnded(run.status)
  const hasTask = sections.some((section) => section.kind === 'task')
  return (
    <article
      className="message reply"
      data-kind="agent"
      data-agent={agent}
      data-id={messageId || undefined}
      data-run={runId}
      data-status={run?.status}
      aria-label={`${author.name}, assistant`}
    >
      <header>
        <Avatar participant={author} />
        <span className="author">{author.name}</span>
        <RoleBadge kind="agent" />
        {message !== undefined && <Time at={message.metadata.at} />}
        {growing && !hasTask && <CancelButton run={run} />}
      </header>
      <div className="body">
        {sections.map((section, i) => (
          <SectionView key={section.key} section={section} run={run} growing={growing && i === sections.length - 1} />
        ))}
        {growing && !isWriting(sections, run) && <Thinking run={run} name={author.name} />}
        {run !== undefined && <SubReplies parent={run.id} />}
      </div>
      {run !== undefined && <Ending run={run} message={message} />}
      {!growing && <MessageActions message={message} run={run?.parent === undefined ? run : undefined} />}
    </article>
  )
})

/** What other agents do for this one, each with its own progress and Cancel. */
function SubReplies({ parent }: { readonly parent: string }): ReactNode {
  const session = useSession()
  const ids = useMessageIds()
  const children = useRuns().filter((run) => run.parent === parent)
  if (children.length === 0) return null
  return (
    <ul className="sub-replies">
      {children.map((run) => (
        <li key={run.id}>
          {run.title !== undefined && <p className="sub-title">{run.title}</p>}
          <ReplyRow message={ids.find((id) => session.message(id)?.metadata.run === run.id) ?? ''} run={run.id} />
        </li>
      ))}
    </ul>
  )
}

function SectionView({
  section,
  run,
  growing,
}: {
  readonly section: Section
  readonly run: Run | undefined
  readonly growing: boolean
}): ReactNode {
  switch (section.kind) {
    case 'text':
      return <TextSection text={section.part.text} growing={growing && section.part.state === 'streaming'} />
    case 'reasoning':
      return (
        <details className="reasoning">
          <summary>{growing && section.part.state === 'streaming' ? 'Thinking…' : thoughtFor(section.tookMs)}</summary>
          <Markdown text={section.part.text} growing={growing} />
        </details>
      )
    case 'card':
      return <ToolCard kind={section.card} part={section.part} run={run} />
    case 'approval':
      return <ApprovalCard part={section.part} />
    case 'task':
      return run === undefined ? null : <TaskCard run={run} calls={section.calls} took={section.took} />
  }
}

const TextSection = memo(Markdown)

/** Something on the screen moves already: no dots beside it. */
function isWriting(sections: readonly Section[], run: Run): boolean {
  const last = sections.at(-1)
  if (last === undefined) return false
  if (last.kind === 'text' || last.kind === 'reasoning') return last.part.state === 'streaming'
  if (last.kind === 'card') return last.part.state !== 'output-available'
  if (last.kind === 'approval') return true
  return run.steps.some((step) => step.status === 'running')
}

function Thinking({ run, name }: { readonly run: Run; readonly name: string }): ReactNode {
  const absent = useLate(run.status === 'pending', ABSENT_MS)
  if (run.status === 'suspended') {
    return (
      <p className="thinking" data-suspended>
        <Icon name="pause" size={16} />
        {`${run.waiting ?? 'Waiting'} · paused`}
      </p>
    )
  }
  return (
    <p className="thinking">
      <span className="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <span className={absent ? undefined : 'hidden'}>
        {absent ? `${name} is not there at the moment. It answers when it is back.` : `${name} is thinking`}
      </span>
      {!absent && <Elapsed since={run.at} />}
    </p>
  )
}

/** How it ended, unless it ended as it should. */
function Ending({ run, message }: { readonly run: Run; readonly message: Message | undefined }): ReactNode {
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
