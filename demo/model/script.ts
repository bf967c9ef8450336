/**
 * How a script is written and played. A script is a generator that yields the tool calls it wants and returns its answer. The
 * model has no memory: with each prompt the script is played again from its start over the results that are in the prompt, up
 * to the first call that has none yet. So it goes on wherever another process has stopped.
 */
import { answers, type Turn } from './turn.ts'

export interface Call {
  readonly tool: string
  readonly input: Readonly<Record<string, unknown>>
  /** Text before the call. */
  readonly says?: string
  /** What it thinks before that. */
  readonly thinks?: string
}

export interface Answer {
  readonly text: string
}

export type Script = (turn: Turn) => Generator<Call, string, unknown>

/** A tool failed, was denied or is not offered. A script may catch it. */
export class ToolFailed extends Error {
  readonly tool: string
  constructor(tool: string, message: string) {
    super(message)
    this.name = 'ToolFailed'
    this.tool = tool
  }
}

/** Calls a tool from within a script: `const stock = yield* use<StockCheck>('checkStock', { product })`. */
export function* use<T>(tool: string, input: Call['input'], says?: string, thinks?: string): Generator<Call, T, unknown> {
  return (yield { tool, input, ...(says === undefined ? {} : { says }), ...(thinks === undefined ? {} : { thinks }) }) as T
}

/** Plays a script over the results so far: the next call, or the answer. */
export function play(script: Script, turn: Turn): Call | Answer {
  const playing = script(turn)
  // A result counts only after the one before it, so that a call that is repeated later in a changed plan is made again.
  let from = 0
  try {
    let step = playing.next()
    while (!step.done) {
      const { tool, input } = step.value
      const at = turn.outcomes.findIndex((outcome, i) => i >= from && answers(outcome, tool, input))
      const outcome = turn.outcomes[at]
      if (outcome) {
        from = at + 1
        step = outcome.ok ? playing.next(outcome.value) : playing.throw(new ToolFailed(tool, String(outcome.value)))
      } else if (turn.tools.has(tool)) return step.value
      else step = playing.throw(new ToolFailed(tool, `the tool ${tool} is not at hand`))
    }
    return { text: step.value }
  } catch (error) {
    if (!(error instanceof ToolFailed)) throw error
    return { text: `I am sorry, I could not finish this: ${error.message}\n\nNothing more was done. Please ask me again.` }
  }
}
