/**
 * What becomes of a run that has lost its worker. The lease says what its agent wants; the server decides.
 *
 * 1. At the lapse the run is pending again, without a lease, with one attempt more. Steps that ran are interrupted; the text so
 *    far stays to be read.
 * 2. When the next worker gets it, what that one does again goes: everything after the last durable step or call that is asked
 *    once, or everything. So nobody who comes later sees what a dead attempt has left, and nobody is asked twice.
 */
import * as Y from 'yjs'
import { readWaits } from '../shared/calls.ts'
import { readMessageHead } from '../shared/entries.ts'
import { arrayAt, KEY, recordAt, type Entry, type SessionRoots } from '../shared/layout.ts'
import { RUN_TABLE, STEP_AT_END, type RunStatus } from '../shared/run.ts'
import { readLapseTerms } from '../shared/wire.ts'

/** Workers that may begin a run, where its agent does not say. */
const MAX_ATTEMPTS = 3

/** How often a run was begun, this time included. */
function attemptOf(run: Entry): number {
  const attempt = run.get(KEY.attempt) ?? recordAt(run, KEY.head)?.['attempt']
  return typeof attempt === 'number' ? attempt : 1
}

/**
 * Makes a run pending again if its agent wants that and there is an attempt left. Gives whether it did. MUST be called inside
 * a transaction.
 * @param isReleased its worker has given it up by itself, so it is not the run's fault: attempts do not run out by that.
 */
export function retry(run: Entry, status: RunStatus, isReleased: boolean): boolean {
  const { onLapse = 'interrupt', maxAttempts = MAX_ATTEMPTS } = readLapseTerms(recordAt(run, KEY.lease) ?? {})
  const next = RUN_TABLE[status].retry
  const attempt = attemptOf(run)
  if (next === null || onLapse === 'interrupt' || (attempt >= maxAttempts && !isReleased)) return false
  run.set(KEY.status, next)
  run.set(KEY.attempt, attempt + 1)
  run.delete(KEY.lease)
  run.delete(KEY.waiting)
  for (const step of stepsOf(run)) {
    if ((step.get(KEY.status) ?? 'running') === 'running') step.set(KEY.status, STEP_AT_END.interrupted)
  }
  return true
}

/**
 * Takes away what an earlier attempt has left and the next one does again. Does nothing for a run that has been started. MUST
 * be called inside a transaction.
 */
export function clearForRetry(run: Entry, messages: SessionRoots['messages']): void {
  if (run.get(KEY.status) !== 'pending' || attemptOf(run) === 1) return
  const restart = readLapseTerms(recordAt(run, KEY.lease) ?? {}).onLapse === 'restart'
  let keptSteps = 0
  let keptParts = 0
  if (!restart) {
    for (const [index, step] of stepsOf(run).entries()) {
      if (!step.has(KEY.result)) continue
      keptSteps = index + 1
      keptParts = Math.max(keptParts, Number(step.get(KEY.parts)) || 0)
    }
  }
  cut(arrayAt(run, KEY.steps), keptSteps)
  const id = recordAt(run, KEY.head)?.['id']
  for (const message of messages) {
    if (!(message instanceof Y.Map) || readMessageHead(message)?.run !== id) continue
    const parts = arrayAt(message, KEY.parts)
    cut(parts, restart ? 0 : Math.max(keptParts, (parts?.toArray().findLastIndex(isAskedOnce) ?? -1) + 1))
  }
}

function isAskedOnce(part: unknown): boolean {
  return part instanceof Y.Map && readWaits(part.get(KEY.waits))?.once === true
}

function stepsOf(run: Entry): Entry[] {
  return (arrayAt(run, KEY.steps)?.toArray() ?? []).filter((step) => step instanceof Y.Map)
}

function cut(array: Y.Array<unknown> | undefined, length: number): void {
  if (array !== undefined && array.length > length) array.delete(length, array.length - length)
}
