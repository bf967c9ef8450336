/**
 * The life of a run and of its steps. The table is total by type: no pair of status and event is left open.
 */

export const RUN_STATUSES = ['pending', 'active', 'suspended', 'complete', 'cancelled', 'error', 'interrupted'] as const

/**
 * `pending`: asked for, no worker has it yet; `active`: a worker is at it; `suspended`: it waits on something outside;
 * then one of the four ends: `complete`, `cancelled`, `error`, `interrupted` (its worker died or lost its lease).
 */
export type RunStatus = (typeof RUN_STATUSES)[number]

/** `retry`: its worker is gone, and it is given to another one. */
export type RunEvent = 'start' | 'suspend' | 'resume' | 'complete' | 'cancel' | 'fail' | 'lapse' | 'retry'

/** Status after an event, or null where the event has no effect. An ended run never changes. */
export const RUN_TABLE: Readonly<Record<RunStatus, Readonly<Record<RunEvent, RunStatus | null>>>> = {
  pending: {
    start: 'active',
    suspend: null,
    resume: null,
    complete: null,
    cancel: 'cancelled',
    fail: 'error',
    lapse: null,
    retry: null,
  },
  active: {
    start: null,
    suspend: 'suspended',
    resume: null,
    complete: 'complete',
    cancel: 'cancelled',
    fail: 'error',
    lapse: 'interrupted',
    retry: 'pending',
  },
  suspended: {
    start: null,
    suspend: null,
    resume: 'active',
    complete: 'complete',
    cancel: 'cancelled',
    fail: 'error',
    lapse: 'interrupted',
    retry: 'pending',
  },
  complete: { start: null, suspend: null, resume: null, complete: null, cancel: null, fail: null, lapse: null, retry: null },
  cancelled: { start: null, suspend: null, resume: null, complete: null, cancel: null, fail: null, lapse: null, retry: null },
  error: { start: null, suspend: null, resume: null, complete: null, cancel: null, fail: null, lapse: null, retry: null },
  interrupted: { start: null, suspend: null, resume: null, complete: null, cancel: null, fail: null, lapse: null, retry: null },
}

/** True for the four statuses that a run never leaves. */
export function hasEnded(status: RunStatus): boolean {
  return status === 'complete' || status === 'cancelled' || status === 'error' || status === 'interrupted'
}

/** `running` until its end; a step whose run ends early takes the run's end. */
export type StepStatus = 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted'

/** What becomes of a step that still runs when its run ends. */
export const STEP_AT_END: Readonly<Record<'complete' | 'cancelled' | 'error' | 'interrupted', StepStatus>> = {
  complete: 'done',
  cancelled: 'cancelled',
  error: 'failed',
  interrupted: 'interrupted',
}

export function isRunStatus(value: unknown): value is RunStatus {
  return (RUN_STATUSES as readonly unknown[]).includes(value)
}

/**
 * What becomes of a run whose worker is lost. `interrupt`: it ends as interrupted. `retry`: it is given to a worker again, which
 * goes on after its last durable step. `restart`: the same, from the beginning.
 */
const ON_LAPSE = ['interrupt', 'retry', 'restart'] as const

export type OnLapse = (typeof ON_LAPSE)[number]

export function isOnLapse(value: unknown): value is OnLapse {
  return (ON_LAPSE as readonly unknown[]).includes(value)
}
