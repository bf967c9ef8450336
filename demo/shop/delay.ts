/** The demo's pace: what would be instant on one machine takes as long as a remote service or model would make it take. */
import { setTimeout as sleep } from 'node:timers/promises'

/** A number of milliseconds from the environment. Throws for what is none, rather than run at a surprising speed. */
export function millisFrom(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined || text === '') return fallback
  const ms = Number(text)
  if (!(ms >= 0 && ms <= 60_000)) throw new RangeError(`${name} is a number of milliseconds from 0 to 60000, not "${text}"`)
  return ms
}

/** Waits; 0 does not even wait for a timer. Rejects with an AbortError as soon as the signal fires. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, signal ? { signal } : {})
  else if (signal?.aborted) throw abortError(signal)
}

/** What `fetch` would throw. A signal's own reason may be anything, and a caller must be able to tell an abort from a fault. */
export function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  error.name = 'AbortError'
  return error
}
