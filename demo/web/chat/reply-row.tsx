/** What an agent answers: announced as soon as it was asked, then growing, then ended in one of four ways that it says. */
import { hasEnded, type Run } from 'polylogue'
import { useRun } from 'polylogue/react'
import { memo, useMemo, useState, type ReactNode } from 'react'
import { sectionsOf, tookInAll, type Section } from '../cards/reply-parts.ts'
import { CancelButton, TaskCard } from '../cards/task-card.tsx'
import { Elapsed } from '../cards/thought.tsx'
import { Icon } from '../icons.tsx'
import { useLate } from '../late.ts'
import { Ending, Refusal } from './ending.tsx'
import { useGrowingMessage } from './growing-message.ts'
import { MessageActions } from './message-actions.tsx'
import { useOthers } from './nested-reply.tsx'
import { Avatar, RoleBadge, useParticipant } from './people.tsx'
import { SectionView } from './reply-section.tsx'
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
  const [watched] = useState(message === undefined || message.parts.length === 0)
  const run = useRun(runId)
  const agent = message?.metadata.by ?? run?.agent ?? ''
  const author = useParticipant(agent, 'agent')
  const others = useOthers(runId)
  const asksOthers = others !== undefined
  const sections = useMemo(() => sectionsOf(message?.parts ?? [], run, asksOthers), [message, run, asksOthers])
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
        {sections.map((section, i) =>
          section.kind !== 'task' ? (
            <SectionView
              key={section.key}
              section={section}
              run={run}
              growing={growing && i === sections.length - 1}
              watched={watched}
            />
          ) : (
            run !== undefined && <TaskCard key="task" run={run} calls={section.calls} took={section.took} others={others} />
          ),
        )}
        {growing && !isWriting(sections, run) && <Thinking run={run} name={author.name} />}
      </div>
      {run !== undefined && <Ending run={run} message={message} />}
      {run !== undefined && <Refusal run={run} />}
      {!growing && <MessageActions message={message} run={run} tookMs={tookInAll(message?.parts ?? [])} />}
    </article>
  )
})

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
      {/* Nobody thinks where nobody is. */}
      {absent ? (
        <Icon name="clock" size={18} />
      ) : (
        <span className="dots" aria-hidden="true">
          <i />
          <i />
          <i />
        </span>
      )}
      <span className={absent ? undefined : 'hidden'}>
        {absent ? `${name} is not there at the moment. It answers when it is back.` : `${name} is thinking`}
      </span>
      {!absent && <Elapsed since={run.at} />}
    </p>
  )
}
