/** What state a tool call is in, as people see it. */
import { hasEnded, type Run, type ToolPart } from 'polylogue'

export interface CallState {
  readonly tone: 'busy' | 'ask' | 'good' | 'bad' | 'off'
  readonly text: string
}

const STATES: Readonly<Record<ToolPart['state'], CallState>> = {
  'input-streaming': { tone: 'busy', text: 'Preparing' },
  'input-available': { tone: 'busy', text: 'Running' },
  'approval-requested': { tone: 'ask', text: 'Needs approval' },
  'approval-responded': { tone: 'busy', text: 'Answered' },
  'output-available': { tone: 'good', text: 'Done' },
  'output-error': { tone: 'bad', text: 'Failed' },
  'output-denied': { tone: 'off', text: 'Denied' },
}

const FINAL: ReadonlySet<ToolPart['state']> = new Set(['output-available', 'output-denied'])

/** A call that its run's end cut short is as its run is: whoever died in the middle of it could not write that. */
export function callState(part: ToolPart, run: Run | undefined): CallState {
  const cut = run !== undefined && hasEnded(run.status) && run.status !== 'complete' && !FINAL.has(part.state)
  if (cut && run.status === 'cancelled') return { tone: 'off', text: 'Cancelled' }
  if (cut && run.status === 'interrupted') return { tone: 'bad', text: 'Interrupted' }
  return STATES[part.state] ?? STATES['input-available']
}

/** `takePayment` → `Take payment`. */
export function titleOf(name: string): string {
  const words = name
    .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
    .replaceAll(/[_-]+/g, ' ')
    .toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}
