/** Waiting in tests: for a condition, never for a time. */

export interface UntilOptions {
  /** Default 15,000 ms: less than a unit test may take, so that this error is the one that is seen, and enough on a busy machine. */
  readonly timeoutMs?: number
  /** What is waited for; it stands in the error, and is asked only then. Default: the source of the condition. */
  readonly what?: string | (() => string)
}

/** What is left of a type when its false values are taken out. */
export type Truthy<T> = Exclude<T, false | null | undefined | 0 | ''>

/** Looks this many times in a row, giving way to other work in between, before it begins to pause between two looks. */
const EAGER_LOOKS = 20
const PAUSE_MS = 4

/**
 * Resolves to what `condition` gives as soon as that is truthy, and rejects with what it was waiting for after `timeoutMs`.
 * A condition that throws has not come true yet; what it threw last is the cause of the error.
 */
export async function until<T>(condition: () => T | Promise<T>, options: UntilOptions = {}): Promise<Truthy<T>> {
  const { timeoutMs = 15_000, what = String(condition) } = options
  // Made here, so that its stack leads to the caller.
  const late = new Error()
  const deadline = performance.now() + timeoutMs
  for (let look = 0; ; look++) {
    try {
      const value = await condition()
      if (value) return value as Truthy<T>
      late.cause = undefined
    } catch (error) {
      late.cause = error
    }
    if (performance.now() >= deadline) {
      late.message = `Waited ${timeoutMs} ms in vain for: ${typeof what === 'string' ? what : what()}`
      throw late
    }
    await new Promise<void>((resolve) => {
      if (look < EAGER_LOOKS) setImmediate(resolve)
      else setTimeout(resolve, PAUSE_MS)
    })
  }
}
