/** The progress of a run: its steps, its own Cancel, and the calls behind the steps for whoever wants to see them. */
import { hasEnded, type Run, type RunStatus, type Step, type StepStatus, type ToolPart } from 'polylogue'
import { useSession } from 'polylogue/react'
import { useState, type ReactNode } from 'react'
import { Icon, type IconName } from '../icons.tsx'
import { toolName } from './card-kinds.ts'
import { callState, titleOf } from './call-state.ts'

const TITLES: Readonly<Record<RunStatus, string>> = {
  pending: 'Waiting to begin',
  active: 'Working on it',
  suspended: 'Waiting',
  complete: 'Done',
  cancelled: 'Cancelled',
  error: 'Failed',
  interrupted: 'Interrupted',
}

export interface TaskCardProps {
  readonly run: Run
  readonly calls: readonly ToolPart[]
  /** How long calls took, in milliseconds, by their id. */
  readonly took: ReadonlyMap<string, number>
}

export function TaskCard({ run, calls, took }: TaskCardProps): ReactNode {
  // What was over when the page was opened is folded; what ends before the reader's eyes stays as it is.
  const [open, setOpen] = useState(run.status !== 'complete')
  const ended = hasEnded(run.status)
  const done = run.steps.filter((step) => step.status === 'done').length
  const title = run.status === 'suspended' ? (run.waiting ?? TITLES.suspended) : (run.title ?? TITLES[run.status])
  return (
    <section className="card task" data-status={run.status} aria-label={`Progress: ${TITLES[run.status]}`}>
      <header>
        <button type="button" className="fold" aria-expanded={open} onClick={() => setOpen(!open)}>
          <StatusIcon status={run.status} />
          <span className="title">{title}</span>
          {ended && run.steps.length > 0 && <span className="muted">{`${done} of ${run.steps.length} steps`}</span>}
          <Icon name="chevron" size={16} />
        </button>
        {!ended && <CancelButton run={run} />}
      </header>
      {open && (
        <>
          {run.steps.length > 0 && (
            <ol className="steps">
              {run.steps.map((step, i) => (
                <StepLine key={i} step={step} />
              ))}
            </ol>
          )}
          <Used run={run} />
          {calls.length > 0 && <Calls calls={calls} run={run} took={took} />}
        </>
      )}
    </section>
  )
}

/** What the model has used, where the agent says. */
function Used({ run: { usage } }: { readonly run: Run }): ReactNode {
  const { inputTokens, outputTokens } = usage ?? {}
  if (typeof inputTokens !== 'number' || typeof outputTokens !== 'number') return null
  return <p className="used muted">{`${inputTokens.toLocaleString()} tokens read · ${outputTokens.toLocaleString()} written`}</p>
}

function secondsOf(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 9_950 ? 1 : 0)} s`
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

const STEP_WORDS: Readonly<Record<StepStatus, string>> = {
  running: 'running',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
  interrupted: 'interrupted',
}

function StepLine({ step }: { readonly step: Step }): ReactNode {
  const { title, status, detail, progress } = step
  return (
    <li className="step" data-status={status}>
      <StepIcon status={status} />
      <span className="step-title">{title.charAt(0).toUpperCase() + title.slice(1)}</span>
      <span className="step-detail">
        {/* Said in words where it is not what one expects, for eyes that do not tell the colours apart. */}
        {status === 'running' || status === 'done' ? detail : [STEP_WORDS[status], detail].filter(Boolean).join(' · ')}
      </span>
      <span className="hidden">{STEP_WORDS[status]}</span>
      {status === 'running' && progress !== undefined && (
        <span className="bar" role="progressbar" aria-valuenow={Math.round(progress * 100)}>
          <i style={{ width: `${progress * 100}%` }} />
        </span>
      )}
    </li>
  )
}

const STEP_ICONS: Readonly<Partial<Record<StepStatus | RunStatus, IconName>>> = {
  done: 'check',
  complete: 'check',
  failed: 'alert',
  error: 'alert',
  cancelled: 'close',
  interrupted: 'alert',
  pending: 'clock',
  suspended: 'pause',
}

function StepIcon({ status }: { readonly status: StepStatus }): ReactNode {
  const icon = STEP_ICONS[status]
  return <span className="step-icon">{icon === undefined ? <span className="spinner" /> : <Icon name={icon} size={14} />}</span>
}

function StatusIcon({ status }: { readonly status: RunStatus }): ReactNode {
  const icon = STEP_ICONS[status]
  return <span className="step-icon">{icon === undefined ? <span className="spinner" /> : <Icon name={icon} size={14} />}</span>
}

function Calls({ calls, run, took }: TaskCardProps): ReactNode {
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
        <span className="state">{tookMs === undefined ? state.text : `${state.text} · ${secondsOf(tookMs)}`}</span>
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
