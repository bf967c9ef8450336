/**
 * Folds any of the event streams that agents get into a message, each event told by its shape: AI SDK UI message chunks, OpenAI
 * Responses, OpenAI chat completion chunks, Anthropic Messages, AG-UI. One stream may hold several of them: results of tools
 * that the agent runs itself may come between a provider's events as `tool-output-available` chunks.
 */
import { asRecord } from '../layout.ts'
import type { MessageWriter } from '../part-writer.ts'
import { UIStreamFold, type StreamEnd, type UIStreamChunk } from '../ui-stream.ts'
import { AgUiTranslator } from './ag-ui.ts'
import { AnthropicTranslator } from './anthropic.ts'
import { OpenAIChatTranslator } from './openai-chat.ts'
import { OpenAIResponsesTranslator } from './openai-responses.ts'
import { RUN_STEP, type RunStepChunk, type StreamEvent, type Translator } from './translator.ts'

export type Vocabulary = 'ag-ui' | 'anthropic' | 'openai-chat' | 'openai-responses'

const TRANSLATORS: Readonly<Record<Vocabulary, new () => Translator>> = {
  'ag-ui': AgUiTranslator,
  anthropic: AnthropicTranslator,
  'openai-chat': OpenAIChatTranslator,
  'openai-responses': OpenAIResponsesTranslator,
}

const ANTHROPIC = /^(message_(start|delta|stop)|content_block_(start|delta|stop)|ping)$/
const AG_UI = /^[A-Z][A-Z_]*$/

/** The vocabulary of an event; null for a UI message chunk and for what is of none. */
export function vocabularyOf(event: StreamEvent): Vocabulary | null {
  const { type } = event
  if (typeof type !== 'string') return isChatChunk(event) ? 'openai-chat' : null
  if (type === 'error') return vocabularyOfError(event)
  if (type.startsWith('response.')) return 'openai-responses'
  if (ANTHROPIC.test(type)) return 'anthropic'
  return AG_UI.test(type) ? 'ag-ui' : null
}

function isChatChunk({ object, choices, error }: StreamEvent): boolean {
  return (typeof object === 'string' && object.startsWith('chat.completion')) || Array.isArray(choices) || error !== undefined
}

/** Three vocabularies have an event `error`, each of another form. */
function vocabularyOfError(event: StreamEvent): Vocabulary | null {
  if (asRecord(event['error']) !== undefined) return 'anthropic'
  return typeof event['message'] === 'string' ? 'openai-responses' : null
}

/** A step of the run that the stream has begun. */
export interface BegunStep {
  done(detail?: string): void
  fail(detail?: string): void
}

export class StreamFold {
  readonly #parts: UIStreamFold
  readonly #beginStep: (title: string) => BegunStep
  readonly #translators = new Map<Vocabulary, Translator>()
  readonly #steps = new Map<string, BegunStep>()

  /** @param beginStep Called for each step of the run that the stream tells of. */
  constructor(writer: MessageWriter, beginStep: (title: string) => BegunStep) {
    this.#parts = new UIStreamFold(writer)
    this.#beginStep = beginStep
  }

  /** How the stream ended, as far as its events said until now. */
  get end(): Readonly<StreamEnd> {
    return this.#parts.end
  }

  /** Takes any value; never throws. */
  apply(value: unknown): void {
    const event = asRecord(value)
    if (event === undefined) return this.#parts.raw(value)
    const vocabulary = vocabularyOf(event)
    if (vocabulary === null) this.#parts.apply(event as UIStreamChunk)
    else this.#take(this.#translator(vocabulary).read(event))
  }

  /** Closes what is still open: streamed texts are done, tool calls without a result get `errorText`. */
  close(errorText: string): void {
    for (const translator of this.#translators.values()) this.#take(translator.end())
    this.#translators.clear()
    this.#parts.close(errorText)
  }

  #translator(vocabulary: Vocabulary): Translator {
    let translator = this.#translators.get(vocabulary)
    if (translator === undefined) this.#translators.set(vocabulary, (translator = new TRANSLATORS[vocabulary]()))
    return translator
  }

  #take(chunks: readonly UIStreamChunk[]): void {
    for (const chunk of chunks) {
      if (chunk.type === RUN_STEP) this.#step(chunk as RunStepChunk)
      else this.#parts.apply(chunk)
    }
  }

  #step({ id, status, title, detail }: RunStepChunk): void {
    if (status === 'running') {
      this.#steps.get(id)?.done()
      return void this.#steps.set(id, this.#beginStep(title ?? id))
    }
    const step = this.#steps.get(id)
    this.#steps.delete(id)
    if (status === 'done') step?.done(detail)
    else step?.fail(detail)
  }
}
