/**
 * What the vocabularies of streams have in common: each is translated, event by event, into UI message chunks, and these are
 * folded by the one fold of parts. A translator is pure but for what it remembers of its stream. It never throws, whatever the
 * event; what it does not know it passes on as `raw`.
 */
import type { UIStreamChunk } from '../ui-stream.ts'

/** An event as it comes: a JSON object of which nothing is sure. */
export type StreamEvent = Readonly<Record<string, unknown>>

export interface Translator {
  read(event: StreamEvent): readonly UIStreamChunk[]
  /** What is left to say when nothing more comes, in whatever state the stream was left. */
  end(): readonly UIStreamChunk[]
}

/**
 * A step of the run, or a sub-agent that the stream tells of: no chunk of the SDK says it, and it is none of the message's
 * parts.
 */
export interface RunStepChunk extends UIStreamChunk {
  readonly type: typeof RUN_STEP
  readonly id: string
  readonly status: 'running' | 'done' | 'failed'
  /** Its name, when it begins. */
  readonly title?: string
  readonly detail?: string
}

export const RUN_STEP = 'run-step'

export function raw(event: unknown): UIStreamChunk {
  return { type: 'raw', event }
}

/**
 * The chunks that say what a tool is called with, from the text that a model wrote. A text that is no JSON is kept as an error
 * with that text; none at all is a call without arguments.
 */
export function wholeInput(call: Readonly<Record<string, unknown>>, json: string): UIStreamChunk {
  if (json.trim() === '') return { type: 'tool-input-available', input: {}, ...call }
  try {
    return { type: 'tool-input-available', input: JSON.parse(json) as unknown, ...call }
  } catch {
    return { type: 'tool-input-error', input: json, errorText: 'The arguments are not valid JSON.', ...call }
  }
}
