/**
 * What the server decided about what somebody asked, written where the one who asked sees it: on the input (`message.verdict`)
 * or on the run (`run.verdict`).
 */
import { asRecord } from './layout.ts'

/**
 * `asks`: it was written too long ago to start anything by itself; `session.confirm` starts it.
 * `removed`: its author took it back, or somebody cancelled it, before any agent had it.
 * `steering`: it goes to a run that is under way, at that run's next step.
 * `taken`: an agent has it. For steering `run` and `step` say where; for others it says that an edit or removal came too late.
 * `queued`: it was to steer or to interrupt, and waits its turn like any other input; `reason` says why.
 */
const INPUT_STATES = ['asks', 'removed', 'steering', 'taken', 'queued'] as const

/** What the server decided about an input. Inputs that just wait for their turn, or are answered in it, have none. */
export interface InputVerdict {
  readonly state: (typeof INPUT_STATES)[number]
  /** Epoch milliseconds by the server's clock. */
  readonly at: number
  /** The run that it steers, was taken by, or was to steer. */
  readonly run?: string
  /** How many steps that run had behind it when it took the message. */
  readonly step?: number
  /**
   * `stale`: written too long ago. `no-run`: nothing was under way that it could steer. `run-ending`: that run was being
   * cancelled. `run-ended`: it ended before it took the message. `human`: a human answers. `late`: an edit or removal came
   * when an agent had it. Otherwise the words of the server's policy, which refused an interrupt.
   */
  readonly reason?: string
  /** Of `asks`: when it was written, in epoch milliseconds by its author's clock. */
  readonly written?: number
  /** Participant whose edit, removal or cancel this is the answer to. */
  readonly by?: string
  /** What the message was to say, where an edit came too late: nothing that somebody wrote is lost. */
  readonly text?: string
}

/** What the server said no to. */
export interface RunVerdict {
  readonly about: 'cancel' | 'regenerate'
  /** Participant who asked. */
  readonly by: string
  /** Epoch milliseconds by the server's clock. */
  readonly at: number
  /**
   * The words of the server's policy; where another answer was asked for, also: `forbidden`: the input is somebody else's.
   * `human`: a human answers. `stale`: it was asked for too long ago. `removed`: the input was taken back. `limit`: there are
   * MAX_ANSWERS. `busy`: another one is under way, or this one has not begun.
   */
  readonly reason?: string
}

export function readInputVerdict(value: unknown): InputVerdict | undefined {
  const verdict = asRecord(value)
  const isState = (INPUT_STATES as readonly unknown[]).includes(verdict?.['state'])
  return isState && typeof verdict?.['at'] === 'number' ? (verdict as unknown as InputVerdict) : undefined
}

export function readRunVerdict(value: unknown): RunVerdict | undefined {
  const { about, by, at, reason } = asRecord(value) ?? {}
  if ((about !== 'cancel' && about !== 'regenerate') || typeof by !== 'string' || typeof at !== 'number') return undefined
  return { about, by, at, ...(typeof reason === 'string' && { reason }) }
}
