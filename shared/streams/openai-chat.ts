/**
 * OpenAI chat completion chunks, and what the many servers that speak them do otherwise: reasoning in `reasoning_content` or
 * `reasoning`, content as a list, calls without an index or with an id in each fragment, a bare `error`, no end.
 *
 * The first choice is the reply. Others are candidates for it: each is kept whole as a `data-choice` part when it is complete.
 * Audio is kept as its transcript.
 */
import { textIn } from '../json.ts'
import { asRecord } from '../layout.ts'
import type { UIStreamChunk } from '../ui-stream.ts'
import { citedSources } from './citations.ts'
import { raw, wholeInput, type StreamEvent, type Translator } from './translator.ts'
import { addUsage, readOpenAIUsage, type Usage } from './usage.ts'

const FINISH: ReadonlyMap<string, string> = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['tool_calls', 'tool-calls'],
  ['function_call', 'tool-calls'],
  ['content_filter', 'content-filter'],
  ['error', 'error'],
])

type Fields = Readonly<Record<string, unknown>>
type Kind = 'text' | 'reasoning' | 'refusal'

interface Call {
  /** Absent until a fragment has named the tool. */
  call: Fields | null
  readonly id: string
  /** What came of the arguments. */
  input: string
  /** Free text, not JSON. */
  custom: boolean
  metadata: unknown
}

interface Candidate {
  text: string
  reasoning: string
  refusal: string
  readonly toolCalls: Map<string, { name: string; arguments: string }>
  finishReason?: string
}

export class OpenAIChatTranslator implements Translator {
  /** How many completions the stream has begun: several model calls may be piped as one stream. */
  #completions = 0
  /** The current one has said why it ended. */
  #finished = true
  readonly #open = new Set<Kind>()
  readonly #calls = new Map<string, Call>()
  /** What a provider wants to have back with the reasoning (OpenRouter). */
  #reasoningDetails: unknown[] = []
  readonly #candidates = new Map<number, Candidate>()
  #usage: Usage | undefined
  #earlier: Usage | undefined
  #sources = 0

  read(event: StreamEvent): readonly UIStreamChunk[] {
    const chunks: UIStreamChunk[] = []
    const choices = Array.isArray(event['choices']) ? (event['choices'] as readonly unknown[]) : undefined
    for (const value of choices ?? []) {
      const choice = asRecord(value)
      if (choice === undefined) chunks.push(raw(value))
      else if (choice['index'] !== undefined && choice['index'] !== 0) chunks.push(...this.#candidate(choice))
      else chunks.push(...this.#choice(choice))
    }
    const usage = readOpenAIUsage(event['usage'])
    if (usage !== undefined) {
      this.#usage = usage
      chunks.push({ type: 'message-metadata', messageMetadata: { usage: addUsage(this.#earlier, usage) } })
    }
    if (event['error'] !== undefined && event['error'] !== null) chunks.push(errorOf(event['error']))
    else if (choices === undefined && usage === undefined) chunks.push(raw(event))
    return chunks
  }

  end(): readonly UIStreamChunk[] {
    return this.#flushCandidates()
  }

  #choice(choice: Fields): UIStreamChunk[] {
    // A whole completion says `message` where a chunk says `delta`.
    const delta = asRecord(choice['delta']) ?? asRecord(choice['message']) ?? {}
    const finishReason = choice['finish_reason']
    const chunks = this.#finished && saysSomething(delta) ? this.#begin() : []
    chunks.push(
      ...this.#reasoning(delta),
      ...this.#content(delta['content']),
      ...this.#say('text', textIn(asRecord(delta['audio'])?.['transcript'])),
      ...this.#say('refusal', textIn(delta['refusal'])),
      ...this.#toolCalls(delta),
      ...this.#sourcesIn(delta['annotations']),
    )
    if (typeof finishReason === 'string' && finishReason !== '') chunks.push(...this.#finish(finishReason))
    return chunks
  }

  #begin(): UIStreamChunk[] {
    this.#completions += 1
    this.#finished = false
    this.#calls.clear()
    this.#earlier = addUsage(this.#earlier, this.#usage)
    this.#usage = undefined
    return [{ type: 'start-step' }]
  }

  #finish(reason: string): UIStreamChunk[] {
    this.#finished = true
    const ends = [...this.#open].map((kind) => this.#endText(kind))
    const inputs = [...this.#calls.values()].flatMap((call) => this.#wholeCall(call))
    return [...ends, ...inputs, { type: 'finish', finishReason: FINISH.get(reason) ?? 'other', rawFinishReason: reason }]
  }

  // ---- text ---------------------------------------------------------------------------------------------------------

  #say(kind: Kind, delta: string): UIStreamChunk[] {
    if (delta === '') return []
    const type = kind === 'reasoning' ? 'reasoning' : 'text'
    const id = `${this.#completions}:${kind}`
    const start = {
      type: `${type}-start`,
      id,
      ...(kind === 'refusal' ? { providerMetadata: { openai: { refusal: true } } } : {}),
    }
    const chunks: UIStreamChunk[] = this.#open.has(kind) ? [] : [start]
    this.#open.add(kind)
    return [...chunks, { type: `${type}-delta`, id, delta }]
  }

  #endText(kind: Kind): UIStreamChunk {
    this.#open.delete(kind)
    const id = `${this.#completions}:${kind}`
    if (kind !== 'reasoning') return { type: 'text-end', id }
    const details = this.#reasoningDetails
    this.#reasoningDetails = []
    return {
      type: 'reasoning-end',
      id,
      ...(details.length > 0 ? { providerMetadata: { openrouter: { reasoning_details: details } } } : {}),
    }
  }

  #content(content: unknown): UIStreamChunk[] {
    if (!Array.isArray(content)) return this.#say('text', textIn(content))
    return content.flatMap((value) => {
      const part = asRecord(value)
      if (part?.['type'] === 'text') return this.#say('text', textIn(part['text']))
      if (part?.['type'] === 'thinking') return this.#say('reasoning', joinedText(part['thinking']))
      return [raw(value)]
    })
  }

  #reasoning(delta: Fields): UIStreamChunk[] {
    const details = delta['reasoning_details']
    if (Array.isArray(details)) this.#reasoningDetails.push(...(details as unknown[]))
    // Some servers say it in both: it is one text.
    return this.#say('reasoning', textIn(delta['reasoning_content']) || textIn(delta['reasoning']))
  }

  #sourcesIn(annotations: unknown): UIStreamChunk[] {
    if (!Array.isArray(annotations)) return []
    return citedSources(annotations, () => `${this.#completions}:source:${this.#sources++}`)
  }

  // ---- tools --------------------------------------------------------------------------------------------------------

  #toolCalls(delta: Fields): UIStreamChunk[] {
    const { tool_calls: calls, function_call: old } = delta
    const chunks = Array.isArray(calls) ? calls.flatMap((value, place) => this.#fragment(value, place)) : []
    return asRecord(old) === undefined ? chunks : [...chunks, ...this.#fragment({ function: old }, 'function_call')]
  }

  #fragment(value: unknown, place: number | string): UIStreamChunk[] {
    const fragment = asRecord(value)
    if (fragment === undefined) return [raw(value)]
    const custom = asRecord(fragment['custom'])
    const said = asRecord(fragment['function']) ?? custom
    const name = textIn(said?.['name'])
    const call = this.#callOf(fragment, name, place)
    if (custom !== undefined) call.custom = true
    call.metadata ??= thoughtSignature(fragment)
    const delta = textIn(said?.['arguments'] ?? said?.['input'])
    call.input += delta
    if (call.call !== null) return delta === '' ? [] : [inputDelta(call.call, delta)]
    if (name === '') return []
    return this.#openCall(call, name)
  }

  /** The call that a fragment belongs to: by index; some servers give none, or one index to several whole calls. */
  #callOf(fragment: Fields, name: string, place: number | string): Call {
    const key = String(typeof fragment['index'] === 'number' ? fragment['index'] : place)
    const id = textIn(fragment['id'])
    const known = this.#calls.get(key)
    if (known !== undefined && (id === '' || id === known.id || name === '')) return known
    if (known !== undefined) this.#calls.set(`${key}:${known.id}`, known)
    const call: Call = { call: null, id: id || `call_${this.#completions}_${key}`, input: '', custom: false, metadata: undefined }
    this.#calls.set(key, call)
    return call
  }

  #openCall(call: Call, toolName: string): UIStreamChunk[] {
    call.call = {
      toolCallId: call.id,
      toolName,
      ...(call.metadata === undefined ? {} : { providerMetadata: call.metadata }),
    }
    const start = { type: 'tool-input-start', ...call.call }
    return call.input === '' ? [start] : [start, inputDelta(call.call, call.input)]
  }

  #wholeCall(call: Call): UIStreamChunk[] {
    const opened = call.call === null ? this.#openCall(call, 'unknown') : []
    const named = call.call ?? {}
    const whole = call.custom ? { type: 'tool-input-available', input: call.input, ...named } : wholeInput(named, call.input)
    return [...opened, whole]
  }

  // ---- other choices ------------------------------------------------------------------------------------------------

  #candidate(choice: Fields): UIStreamChunk[] {
    const { index, finish_reason: finishReason } = choice
    if (typeof index !== 'number') return [raw(choice)]
    const delta = asRecord(choice['delta']) ?? asRecord(choice['message']) ?? {}
    if (!saysSomething(delta) && !this.#candidates.has(index)) return []
    let candidate = this.#candidates.get(index)
    if (candidate === undefined) {
      this.#candidates.set(index, (candidate = { text: '', reasoning: '', refusal: '', toolCalls: new Map() }))
    }
    candidate.text += joinedText(delta['content'])
    candidate.reasoning += textIn(delta['reasoning_content']) || textIn(delta['reasoning'])
    candidate.refusal += textIn(delta['refusal'])
    for (const [place, value] of (Array.isArray(delta['tool_calls']) ? delta['tool_calls'] : []).entries()) {
      const fragment = asRecord(value)
      const said = asRecord(fragment?.['function']) ?? asRecord(fragment?.['custom'])
      const key = String(typeof fragment?.['index'] === 'number' ? fragment['index'] : place)
      const { name = '', arguments: input = '' } = candidate.toolCalls.get(key) ?? {}
      const more = textIn(said?.['arguments'] ?? said?.['input'])
      candidate.toolCalls.set(key, { name: name || textIn(said?.['name']), arguments: input + more })
    }
    if (typeof finishReason !== 'string') return []
    candidate.finishReason = finishReason
    return this.#flushCandidate(index, candidate)
  }

  #flushCandidate(index: number, candidate: Candidate): UIStreamChunk[] {
    this.#candidates.delete(index)
    const { text, reasoning, refusal, toolCalls, finishReason } = candidate
    const data = {
      index,
      text,
      ...(reasoning === '' ? {} : { reasoning }),
      ...(refusal === '' ? {} : { refusal }),
      ...(toolCalls.size === 0 ? {} : { toolCalls: [...toolCalls.values()] }),
      ...(finishReason === undefined ? {} : { finishReason }),
    }
    return [{ type: 'data-choice', data }]
  }

  #flushCandidates(): UIStreamChunk[] {
    return [...this.#candidates].flatMap(([index, candidate]) => this.#flushCandidate(index, candidate))
  }
}

/** Some servers send an empty delta along with the usage, after the end. */
function saysSomething(delta: Fields): boolean {
  return Object.entries(delta).some(([key, value]) => {
    if (key === 'role' || value === null || value === undefined || value === '') return false
    return !(Array.isArray(value) && value.length === 0)
  })
}

function inputDelta(call: Fields, inputTextDelta: string): UIStreamChunk {
  return { type: 'tool-input-delta', toolCallId: call['toolCallId'], inputTextDelta }
}

/** A text, or the texts in a list of parts. */
function joinedText(value: unknown): string {
  if (!Array.isArray(value)) return textIn(value)
  return value.map((part) => textIn(asRecord(part)?.['text'])).join('')
}

/** Google's models want their signature back with the call. */
function thoughtSignature(fragment: Fields): unknown {
  const signature = asRecord(asRecord(fragment['extra_content'])?.['google'])?.['thought_signature']
  return typeof signature === 'string' ? { google: { thoughtSignature: signature } } : undefined
}

function errorOf(value: unknown): UIStreamChunk {
  const error = asRecord(value)
  const code = error?.['code'] ?? error?.['type']
  const errorText = textIn(error?.['message']) || textIn(value)
  return { type: 'error', errorText, ...(typeof code === 'string' || typeof code === 'number' ? { code: String(code) } : {}) }
}
