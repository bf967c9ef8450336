/** What other agents do for a run, within its progress: each with its own steps, Cancel and end, and with what it has others do. */
import { hasEnded, type Run } from 'polylogue'
import { useMessageIds, useRuns, useSession } from 'polylogue/react'
import { useCallback, useMemo, useState, useSyncExternalStore, type ReactNode } from 'react'
import { sectionsOf } from '../cards/reply-parts.ts'
import { Earlier } from '../cards/steps.tsx'
import { TaskCard, type Others } from '../cards/task-card.tsx'
import { Ending } from './ending.tsx'
import { useGrowingMessage } from './growing-message.ts'
import { useParticipant } from './people.tsx'
import { SectionView, type WrittenSection } from './reply-section.tsx'

/** Of more than so many those that are done are left out at first. */
const MANY = 5

const NO_CALLS = { calls: [], took: new Map<string, number>() }

/** The runs that a run has asked for, as its progress shows them; undefined where there are none. */
export function useOthers(parent: string): Others | undefined {
  const session = useSession()
  const subscribe = useCallback((onChange: () => void) => session.subscribe(onChange, 'runs'), [session])
  // As text: whoever has this changes when one comes or the last one ends, not with each step.
  const known = useSyncExternalStore(subscribe, () => {
    const runs = parent === '' ? [] : session.view.runs.filter((run) => run.parent === parent)
    return runs.length === 0 ? '' : JSON.stringify([runs.some(({ status }) => !hasEnded(status)), ...runs.map(({ id }) => id)])
  })
  return useMemo(() => {
    if (known === '') return undefined
    const [active, ...ids] = JSON.parse(known) as [boolean, ...string[]]
    return { active, count: ids.length, items: <Items ids={ids} /> }
  }, [known])
}

/** An item of a list for each of some runs. */
function Items({ ids }: { readonly ids: readonly string[] }): ReactNode {
  const [all, setAll] = useState(false)
  const runs = useRuns().filter(({ id }) => ids.includes(id))
  const shown = all || runs.length <= MANY ? runs : runs.filter(({ status }) => status !== 'complete')
  const left = runs.length - shown.length
  return (
    <>
      {left > 0 && <Earlier text={`${left} that are done`} onShow={() => setAll(true)} />}
      {shown.map((run) => (
        <li key={run.id} className="other">
          <NestedReply run={run} />
        </li>
      ))}
    </>
  )
}

function NestedReply({ run }: { readonly run: Run }): ReactNode {
  const session = useSession()
  const ids = useMessageIds()
  const message = useGrowingMessage(ids.find((id) => session.message(id)?.metadata.run === run.id) ?? '')
  const author = useParticipant(run.agent, 'agent')
  const others = useOthers(run.id)
  const sections = useMemo(() => sectionsOf(message?.parts ?? [], run), [message, run])
  const task = sections.find((section) => section.kind === 'task') ?? NO_CALLS
  const written = sections.filter((section): section is WrittenSection => section.kind !== 'task')
  const growing = !hasEnded(run.status)
  return (
    <article
      className="reply nested"
      data-kind="agent"
      data-agent={run.agent}
      data-id={message?.id}
      data-run={run.id}
      data-status={run.status}
      aria-label={`${author.name}, for another assistant`}
    >
      <TaskCard run={run} calls={task.calls} took={task.took} others={others} name={author.name}>
        {written.length > 0 && (
          <div className="body">
            {written.map((section, i) => (
              <SectionView key={section.key} section={section} run={run} growing={growing && i === written.length - 1} />
            ))}
          </div>
        )}
        <Ending run={run} message={message} />
      </TaskCard>
    </article>
  )
}
