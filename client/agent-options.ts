/** What an agent's program says of its worker. */
import { SessionError, type Report } from '../shared/errors.ts'
import { AGENT_NAME } from '../shared/limits.ts'
import { isOnLapse, type OnLapse } from '../shared/run.ts'
import type { AgentRun } from './agent-run.ts'

export interface AgentOptions {
  /** The server's address, for example `ws://127.0.0.1:8787/sync`. */
  readonly url: string
  /** A token of kind `agent` whose subject is `name`, or a function that fetches one. */
  readonly token: string | (() => string | Promise<string>)
  /** The agent's name. Several processes with one name share its work: each input goes to one of them. */
  readonly name: string
  /**
   * Does one run. The run is complete when it returns, an error when it throws. Must end soon after `run.signal` fires.
   */
  readonly run: (run: AgentRun) => Promise<unknown> | void
  /**
   * Runs at a time in this process. Default 100. A run that waits, for people or for runs that it has asked for, does not count: when
   * it goes on, there may be more for a while.
   */
  readonly slots?: number
  /**
   * What becomes of a run whose worker dies, is cut off for longer than its lease, or is closed. `interrupt`: it ends as
   * interrupted. `retry`: any worker of this agent gets it and goes on after the last durable step (see `run.step`). `restart`:
   * the same, from the beginning. Default `interrupt`.
   */
  readonly onLapse?: OnLapse
  /** Workers that may begin one run until it is interrupted after all; those that were closed do not end it. Default 3. */
  readonly maxAttempts?: number
  /** Longest time that streamed text waits for more before it is sent. Default 24 ms, 0 to 1,000. */
  readonly flushEveryMs?: number
  /** Where background failures go, and what the handler throws. Default: `console.error`. */
  readonly onError?: Report
}

/** Throws `SessionError` for options that are not as described. */
export function checkOptions(options: AgentOptions): void {
  if (typeof options.run !== 'function') throw new SessionError('bad-argument', 'createAgent needs a function `run`.')
  if (!AGENT_NAME.test(options.name)) {
    throw new SessionError(
      'bad-argument',
      `An agent's name is 1 to 64 of A-Z a-z 0-9 _ -; it is ${JSON.stringify(options.name)}.`,
    )
  }
  const { slots = 1, flushEveryMs = 0 } = options
  if (!Number.isSafeInteger(slots) || slots < 1)
    throw new SessionError('bad-argument', `slots must be 1 or more; it is ${slots}.`)
  const { onLapse = 'interrupt', maxAttempts = 1 } = options
  if (!isOnLapse(onLapse)) {
    throw new SessionError(
      'bad-argument',
      `onLapse must be interrupt, retry or restart; it is ${JSON.stringify(options.onLapse)}.`,
    )
  }
  if (!Number.isSafeInteger(maxAttempts) || maxAttempts < 1) {
    throw new SessionError('bad-argument', `maxAttempts must be 1 or more; it is ${maxAttempts}.`)
  }
  if (!(flushEveryMs >= 0 && flushEveryMs <= 1_000)) {
    throw new SessionError('bad-argument', `flushEveryMs must be 0 to 1,000; it is ${flushEveryMs}.`)
  }
}
