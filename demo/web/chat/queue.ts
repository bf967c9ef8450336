/** What becomes of an input before an agent answers it, as people see it. */
import { hasEnded, textOf, type Message, type OpenSession, type Pause, type Run } from 'polylogue'
import { usePaused, useRuns } from 'polylogue/react'
import { useMemo } from 'react'

export type Fate =
  /** It waits for its turn, or was to be a change, was not taken as one, and has had its turn. */
  | { readonly kind: 'queued'; readonly why: string; readonly waits: boolean }
  /** It is on its way into a run. */
  | { readonly kind: 'steering' }
  /** A run has taken it, after so many steps. */
  | { readonly kind: 'taken'; readonly step: number }
  /** It was written so long ago that its author is asked first. */
  | { readonly kind: 'asks'; readonly written: number }
  | { readonly kind: 'removed' }

const WHY: Readonly<Record<string, string>> = {
  'no-run': 'nothing was under way',
  'run-ending': 'what was under way is being cancelled',
  'run-ended': 'what was under way had ended',
  human: 'the assistant is paused',
}

/** Ids of the runs that wait: for what their agent is at, or, where that was stopped, for somebody to say "go on". */
export function waitingIn(runs: readonly Run[], paused: ReadonlyMap<string, Pause>): ReadonlySet<string> {
  const held = new Set([...paused.values()].flatMap((pause) => pause.held))
  const waits = (run: Run): boolean => run.status === 'pending' && (held.has(run.id) || isBehind(run, runs))
  return new Set(runs.filter(waits).map((run) => run.id))
}

export function useWaiting(): ReadonlySet<string> {
  const runs = useRuns()
  const paused = usePaused()
  return useMemo(() => waitingIn(runs, paused), [runs, paused])
}

/** Null for one that just is answered, or asks nobody. */
export function fateOf({ id, role, metadata }: Message, runs: readonly Run[], waiting: ReadonlySet<string>): Fate | null {
  if (role !== 'user') return null
  // Nobody has it yet, so nobody can have taken it.
  if (metadata.seq === undefined) return metadata.asked?.remove === true ? { kind: 'removed' } : null
  const { verdict } = metadata
  if (verdict?.state === 'asks') return { kind: 'asks', written: verdict.written ?? metadata.at }
  if (verdict?.state === 'removed' || verdict?.state === 'steering') return { kind: verdict.state }
  if (verdict?.state === 'taken' && verdict.step !== undefined) return { kind: 'taken', step: verdict.step }
  const why = verdict?.state === 'queued' ? (WHY[verdict.reason ?? ''] ?? verdict.reason ?? 'it came too late') : ''
  const waits = runs.some((run) => run.input === id && waiting.has(run.id))
  return waits || why !== '' ? { kind: 'queued', why, waits } : null
}

/** Nobody has begun a run, since its agent is at something else. */
function isBehind(run: Run, runs: readonly Run[]): boolean {
  if (run.parent !== undefined) return false
  return runs.some((other) => {
    if (other === run || other.agent !== run.agent || other.parent !== undefined || hasEnded(other.status)) return false
    return other.status !== 'pending' || other.at < run.at
  })
}

/** Whether its author may still change it or take it back. */
export function isOpen(fate: Fate | null, message: Message, runs: readonly Run[]): boolean {
  if (fate === null || fate.kind === 'removed' || fate.kind === 'taken') return false
  return fate.kind !== 'queued' || runs.some((run) => run.input === message.id && run.status === 'pending')
}

/**
 * Sends a message of mine that waits again, as one that stops what its agents are at and goes before their queues; the one that
 * waited is taken back. Sent first: if that throws, the other still waits. To cancel what runs would hold the queue instead.
 */
export function sendNow(session: OpenSession, { id, parts, metadata: { to } }: Message): void {
  // What people write has no other parts than they may send.
  session.send(parts as Parameters<OpenSession['send']>[0], { lane: 'interrupt', ...(to === undefined ? {} : { to }) })
  session.remove(id)
}

/** Takes back all of mine that waits in the queue; gives its text, to be written on. Null where nothing of mine waits. */
export function takeBack(session: OpenSession, waiting: ReadonlySet<string>): string | null {
  const { messages, runs } = session.view
  const mine = messages.filter((message) => {
    if (message.metadata.by !== session.me?.id) return false
    const fate = fateOf(message, runs, waiting)
    return fate?.kind === 'queued' && isOpen(fate, message, runs)
  })
  if (mine.length === 0) return null
  for (const { id } of mine) session.remove(id)
  return mine.map((message) => textOf(message)).join('\n')
}
