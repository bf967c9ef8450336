/** The steps of a run, and below them what it has others do: one list, with a list of its own in each of the latter. */
import type { RunStatus, Step, StepStatus } from 'polylogue'
import { useState, type ReactNode } from 'react'
import { Icon, type IconName } from '../icons.tsx'

/** A list of more is folded to its end, where things happen. */
const LONG = 8
const SHOWN = 5

export interface StepsProps {
  readonly steps: readonly Step[]
  /** More items of the list. */
  readonly children?: ReactNode
}

export function Steps({ steps, children }: StepsProps): ReactNode {
  const [all, setAll] = useState(false)
  const hidden = all || steps.length <= LONG ? 0 : steps.length - SHOWN
  return (
    <ol className="steps">
      {hidden > 0 && <Earlier text={`${hidden} earlier steps`} onShow={() => setAll(true)} />}
      {steps.slice(hidden).map((step, i) => (
        <StepLine key={hidden + i} step={step} />
      ))}
      {children}
    </ol>
  )
}

/** The item that stands for those before it. */
export function Earlier({ text, onShow }: { readonly text: string; readonly onShow: () => void }): ReactNode {
  return (
    <li className="earlier">
      <button type="button" className="button small ghost" aria-expanded={false} onClick={onShow}>
        {`Show ${text}`}
      </button>
    </li>
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
      <StatusIcon status={status} />
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

const ICONS: Readonly<Partial<Record<StepStatus | RunStatus, IconName>>> = {
  done: 'check',
  complete: 'check',
  failed: 'alert',
  error: 'alert',
  cancelled: 'close',
  interrupted: 'alert',
  pending: 'clock',
  suspended: 'pause',
}

export function StatusIcon({ status }: { readonly status: StepStatus | RunStatus }): ReactNode {
  const icon = ICONS[status]
  return <span className="step-icon">{icon === undefined ? <span className="spinner" /> : <Icon name={icon} size={14} />}</span>
}
