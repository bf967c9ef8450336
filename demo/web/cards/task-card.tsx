/** The progress of a run: its steps, what others do for it, its own Cancel, and the calls behind the steps for whoever wants to see them. */
import { hasEnded, type Run, type RunStatus, type ToolPart } from 'polylogue'
import { useSession } from 'polylogue/react'
import { useState, type ReactNode } from 'react'
import { Icon } from '../icons.tsx'
import { toolName } from './card-kinds.ts'
import { callState, titleOf } from './call-state.ts'
import { durationOf } from './duration.ts'
import { StatusIcon, Steps } from './steps.tsx'

const TITLES: Readonly<Record<RunStatus, string>> = {
  pending: 'Waiting to begin',
  active: 'Working on it',
  suspended: 'Waiting',
  complete: 'Done',
  cancelled: 'Cancelled',
  error: 'Failed',
  interrupted: 'Interrupted',
}

/** What other agents do for a run. */
export interface Others {
  readonly count: number
  /** One of them is still at it. */
  readonly active: boolean
  /** Items of the list of the run's steps. */
  readonly items: ReactNode
}

export interface TaskCardProps {
  readonly run: Run
  readonly calls: readonly ToolPart[]
  /** How long calls took, in milliseconds, by their id. */
  readonly took: ReadonlyMap<string, number>
  readonly others?: Others | undefined
  /** Whose run it is, where it is not plain from what stands around it: what one agent does for another. */
  readonly name?: string
  /** What it has written, below its steps. */
  readonly children?: ReactNode
}

export function TaskCard({ run, calls, took, others, name, children }: TaskCardProps): ReactNode {
  const ended = hasEnded(run.status)
  // What was over when the page was opened is folded; what ends before the reader's eyes stays as it is.
  const [open, setOpen] = useState(run.status !== 'complete' || others?.active === true)
  const title = run.status === 'suspended' ? (run.waiting ?? TITLES.suspended) : (run.title ?? TITLES[run.status])
  return (
    <div
      // No landmark, as a section with a name is: a conversation has many, and some bear one name.
      role="group"
      className="card task"
      data-status={run.status}
      data-nested={name !== undefined || undefined}
      aria-label={`Progress${name === undefined ? '' : ` of ${name}`}: ${TITLES[run.status]}`}
    >
      <header>
        <button type="button" className="fold" aria-expanded={open} onClick={() => setOpen(!open)}>
          <StatusIcon status={run.status} />
          <span className="title">
            {name !== undefined && <span className="author">{`${name} `}</span>}
            {title}
          </span>
          <Summary run={run} others={others?.count ?? 0} nested={name !== undefined} />
          <Icon name="chevron" size={16} />
        </button>
        {!ended && <CancelButton run={run} />}
      </header>
      {open && (
        <>
          {(run.steps.length > 0 || others !== undefined) && <Steps steps={run.steps}>{others?.items}</Steps>}
          {children}
          <Used run={run} />
          {calls.length > 0 && <Calls calls={calls} run={run} took={took} />}
        </>
      )}
    </div>
  )
}

/** How it stands, in a few words beside the title. */
function Summary({ run, others, nested }: { readonly run: Run; readonly others: number; readonly nested: boolean }): ReactNode {
  const { status, steps } = run
  const ended = hasEnded(status)
  const done = steps.filter((step) => step.status === 'done').length
  const words = [
    // Of what another agent does the title is what it was asked for; below a reply it stands at its end how that came.
    nested && status !== 'active' && status !== 'complete' && status !== 'suspended' ? TITLES[status].toLowerCase() : '',
    ended && steps.length > 0 ? `${done} of ${steps.length} steps` : '',
    ended && others > 0 ? (others === 1 ? '1 assistant asked' : `${others} assistants asked`) : '',
  ].filter((word) => word !== '')
  return words.length === 0 ? null : <span className="muted">{words.join(' · ')}</span>
}

/** What the model has used, where the agent says. */
function Used({ run: { usage } }: { readonly run: Run }): ReactNode {
  const { inputTokens, outputTokens } = usage ?? {}
  if (typeof inputTokens !== 'number' || typeof outputTokens !== 'number') return null
  return <p className="used muted">{`${inputTokens.toLocaleString()} tokens read · ${outputTokens.toLocaleString()} written`}</p>
}

/** Ends one run; what it has written stays. */
export function CancelButton({ run }: { readonly run: Run }): ReactNode {
  const session = useSession()
  const asked = run.cancel !== undefined
  return (
    <button type="button" className="button small cancel" disabled={asked} onClick={() => void session.cancel({ run: run.id })}>
      {asked ? 'Cancelling…' : 'Cancel'}
    </button>
  )
}

function Calls({ calls, run, took }: Pick<TaskCardProps, 'calls' | 'run' | 'took'>): ReactNode {
  return (
    <details className="calls">
      <summary>{calls.length === 1 ? '1 tool call' : `${calls.length} tool calls`}</summary>
      {calls.map((part) => (
        <CallDetails key={part.toolCallId} part={part} run={run} tookMs={took.get(part.toolCallId)} />
      ))}
    </details>
  )
}

/** Any tool, by its name, its state, and what went in and came out. */
function CallDetails({
  part,
  run,
  tookMs,
}: {
  readonly part: ToolPart
  readonly run: Run | undefined
  readonly tookMs: number | undefined
}): ReactNode {
  const state = callState(part, run)
  return (
    <details className="call" data-tone={state.tone}>
      <summary>
        <span>{part.title ?? titleOf(toolName(part))}</span>
        <span className="state">{tookMs === undefined ? state.text : `${state.text} · ${durationOf(tookMs)}`}</span>
      </summary>
      <Value name="Input" value={part.input} />
      {part.errorText !== undefined ? <Value name="Error" value={part.errorText} /> : <Value name="Output" value={part.output} />}
    </details>
  )
}

function Value({ name, value }: { readonly name: string; readonly value: unknown }): ReactNode {
  if (value === undefined) return null
  return (
    <>
      <h4>{name}</h4>
      <pre>{typeof value === 'string' ? value : JSON.stringify(value, null, 2)}</pre>
    </>
  )
}
