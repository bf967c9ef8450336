import { expect, test } from 'vitest'
import { hasEnded, isRunStatus, RUN_STATUSES, RUN_TABLE, STEP_AT_END, type RunEvent, type RunStatus } from '../shared/run.ts'

const EVENTS: readonly RunEvent[] = ['start', 'suspend', 'resume', 'complete', 'cancel', 'fail', 'lapse', 'retry']

/** The table as SPEC.md has it: what stands in no line has no effect. */
const EXPECTED = `
  pending   start    → active
  pending   cancel   → cancelled
  pending   fail     → error
  active    suspend  → suspended
  active    complete → complete
  active    cancel   → cancelled
  active    fail     → error
  active    lapse    → interrupted
  active    retry    → pending
  suspended resume   → active
  suspended complete → complete
  suspended cancel   → cancelled
  suspended fail     → error
  suspended lapse    → interrupted
  suspended retry    → pending`

test('every pair of status and event is in the table, and has the effect that SPEC.md says (RUN-1)', () => {
  const expected = new Map(
    EXPECTED.trim()
      .split('\n')
      .map((line) => line.trim().split(/[\s→]+/))
      .map(([status, event, next]) => [`${status} ${event}`, next]),
  )
  expect(Object.keys(RUN_TABLE).sort()).toEqual([...RUN_STATUSES].sort())
  for (const status of RUN_STATUSES) {
    expect(Object.keys(RUN_TABLE[status]).sort(), status).toEqual([...EVENTS].sort())
    for (const event of EVENTS) {
      expect(RUN_TABLE[status][event], `${status} ${event}`).toBe(expected.get(`${status} ${event}`) ?? null)
    }
  }
})

test('an ended run has no outgoing event, and every other one can end (RUN-1)', () => {
  for (const status of RUN_STATUSES) {
    const outgoing = EVENTS.filter((event) => RUN_TABLE[status][event] !== null)
    expect(outgoing.length === 0, status).toBe(hasEnded(status))
    expect(outgoing.includes('cancel'), status).toBe(!hasEnded(status))
  }
  expect(RUN_STATUSES.filter(hasEnded)).toEqual(['complete', 'cancelled', 'error', 'interrupted'])
})

test('every status can be reached from pending', () => {
  const reached = new Set<RunStatus>(['pending'])
  for (const status of reached) for (const event of EVENTS) reached.add(RUN_TABLE[status][event] ?? status)
  expect([...reached].sort()).toEqual([...RUN_STATUSES].sort())
})

test('a step that still runs takes the end of its run', () => {
  expect(STEP_AT_END).toEqual({ complete: 'done', cancelled: 'cancelled', error: 'failed', interrupted: 'interrupted' })
  expect(Object.keys(STEP_AT_END).sort()).toEqual(RUN_STATUSES.filter(hasEnded).sort())
})

test('only the seven names are statuses', () => {
  for (const status of RUN_STATUSES) expect(isRunStatus(status)).toBe(true)
  for (const other of ['', 'done', 'toString', '__proto__', 0, null, undefined, {}]) expect(isRunStatus(other)).toBe(false)
})
