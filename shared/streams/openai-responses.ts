/**
 * OpenAI Responses events. Everything is keyed by the id of its item and an index in it, never by order; what a `done` says is
 * the truth, whatever was streamed before; an event that was sent twice (after `starting_after`) changes nothing.
 *
 * Not kept: audio (its transcript is), partial images, and the marks that a tool is at work.
 */
import { definedOnly, textIn } from '../json.ts'
import { asRecord } from '../layout.ts'
import type { UIStreamChunk } from '../ui-stream.ts'
import { citedSources } from './citations.ts'
import { callOf, callOutput, finishedCall, isCall, isCallOutput } from './openai-items.ts'
import { raw, wholeInput, type StreamEvent, type Translator } from './translator.ts'
import { addUsage, readOpenAIUsage, type Usage } from './usage.ts'

type Fields = Readonly<Record<string, unknown>>

/** A text of a message or of reasoning. */
interface Text {
  readonly type: 'text' | 'reasoning'
  readonly id: string
  readonly item: string
  meta: Fields
  /** Its annotations by their index, each a source that was told. */
  readonly annotations: Map<unknown, unknown>
  /** Hash of what its end said: an end that says nothing new is not told again. */
  said: string | null
}

/** Events that tell only that something is under way, or what comes again with the finished item. */
const SILENT: ReadonlySet<string> = new Set([
  'response.queued',
  'response.in_progress',
  'response.audio.delta',
  'response.audio.done',
  'response.audio.transcript.done',
  'response.reasoning_summary_part.added',
  'response.reasoning_summary_part.done',
  'response.image_generation_call.partial_image',
  'response.shell_call_command.done',
  'response.code_interpreter_call_code.done',
  'response.mcp_call_arguments.done',
  'response.compaction.compacting',
])
const SILENT_ENDING = /^response\.\w+_(call|tools)\.(in_progress|searching|interpreting|generating|completed|failed)$/

const TOOL_DELTAS: ReadonlySet<string> = new Set([
  'response.function_call_arguments.delta',
  'response.custom_tool_call_input.delta',
  'response.code_interpreter_call_code.delta',
  'response.mcp_call_arguments.delta',
])

export class OpenAIResponsesTranslator implements Translator {
  #response: string | undefined
  #responses = 0
  #sequence = -1
  /** By item, kind and index. */
  readonly #texts = new Map<string, Text>()
  /** Calls by the id of their item, and by the index of the output: shell events know only that. */
  readonly #calls = new Map<string, Fields>()
  /** What is laid over all texts of an item. */
  readonly #items = new Map<string, Fields>()
  /** Finished items as JSON: `response.completed` says them again. */
  readonly #finished = new Map<string, string>()
  /** What was said of the input of a call, as JSON. */
  readonly #inputs = new Map<unknown, string>()
  /** Output of a shell so far. */
  readonly #outputs = new Map<string, string>()
  #calledClient = false
  #usage: Usage | undefined
  #earlier: Usage | undefined
  #sources = 0

  read(event: StreamEvent): readonly UIStreamChunk[] {
    if (this.#isOld(event)) return []
    const type = textIn(event['type'])
    switch (type) {
      case 'response.created':
        return this.#begin(asRecord(event['response']))
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
        return this.#finish(asRecord(event['response']) ?? {}, type)
      case 'error':
        return [errorChunk(event)]
      case 'response.output_item.added':
        return this.#addItem(event)
      case 'response.output_item.done':
        return this.#finishItem(asRecord(event['item'])) ?? [raw(event)]
      case 'response.content_part.added':
      case 'response.content_part.done':
        return this.#contentPart(event, type.endsWith('.done'))
      case 'response.output_text.delta':
        return this.#delta(this.#textOf(event, 'text'), event['delta'])
      case 'response.output_text.done':
        return this.#whole(this.#textOf(event, 'text'), event['text'])
      case 'response.output_text.annotation.added':
        return this.#annotate(event)
      case 'response.refusal.delta':
        return this.#delta(this.#textOf(event, 'refusal'), event['delta'])
      case 'response.refusal.done':
        return this.#whole(this.#textOf(event, 'refusal'), event['refusal'])
      case 'response.reasoning_summary_text.delta':
        return this.#delta(this.#textOf(event, 'summary'), event['delta'])
      case 'response.reasoning_summary_text.done':
        return this.#whole(this.#textOf(event, 'summary'), event['text'])
      case 'response.reasoning_text.delta':
        return this.#delta(this.#textOf(event, 'reasoning'), event['delta'])
      case 'response.reasoning_text.done':
        return this.#whole(this.#textOf(event, 'reasoning'), event['text'])
      case 'response.audio.transcript.delta':
        return this.#delta(this.#textOf(event, 'transcript'), event['delta'])
      case 'response.function_call_arguments.done':
        return this.#once(wholeInput(this.#callBy(event), textIn(event['arguments'])))
      case 'response.custom_tool_call_input.done':
        return this.#once({ type: 'tool-input-available', ...this.#callBy(event), input: textIn(event['input']) })
      case 'response.shell_call_command.added':
      case 'response.shell_call_command.delta':
        return this.#toolDelta(event, textIn(event['command'] ?? event['delta']))
      case 'response.shell_call_output_content.delta':
      case 'response.shell_call_output_content.done':
        return this.#shellOutput(event)
      default:
        if (TOOL_DELTAS.has(type)) return this.#toolDelta(event, textIn(event['delta']))
        return SILENT.has(type) || SILENT_ENDING.test(type) ? [] : [raw(event)]
    }
  }

  end(): readonly UIStreamChunk[] {
    return []
  }

  /** True for an event that was read before. Each response counts anew. */
  #isOld(event: StreamEvent): boolean {
    const sequence = event['sequence_number']
    if (event['type'] === 'response.created') {
      const id = asRecord(event['response'])?.['id']
      if (id !== this.#response || this.#responses === 0) this.#sequence = -1
    }
    if (typeof sequence !== 'number') return false
    if (sequence <= this.#sequence) return true
    this.#sequence = sequence
    return false
  }

  #begin(response: Fields | undefined): UIStreamChunk[] {
    this.#response = textIn(response?.['id'])
    this.#responses += 1
    this.#calledClient = false
    this.#earlier = addUsage(this.#earlier, this.#usage)
    this.#usage = undefined
    for (const known of [this.#texts, this.#calls, this.#items, this.#finished, this.#inputs, this.#outputs]) known.clear()
    return [{ type: 'start-step' }]
  }

  #finish(response: Fields, type: string): UIStreamChunk[] {
    const output = Array.isArray(response['output']) ? (response['output'] as readonly unknown[]) : []
    const chunks = output.flatMap((item) => this.#finishItem(asRecord(item)) ?? [raw(item)])
    this.#usage = readOpenAIUsage(response['usage']) ?? this.#usage
    const usage = addUsage(this.#earlier, this.#usage)
    const reason = asRecord(response['incomplete_details'])?.['reason']
    const raws = typeof reason === 'string' ? { rawFinishReason: reason } : {}
    const metadata = usage === undefined ? {} : { messageMetadata: { usage } }
    if (response['status'] === 'cancelled') chunks.push({ type: 'abort' })
    if (type === 'response.failed') chunks.push(errorChunk(asRecord(response['error']) ?? {}))
    return [...chunks, { type: 'finish', finishReason: this.#finishReason(type, reason), ...raws, ...metadata }]
  }

  #finishReason(type: string, reason: unknown): string {
    if (type === 'response.failed') return 'error'
    if (type === 'response.completed') return this.#calledClient ? 'tool-calls' : 'stop'
    if (reason === 'max_output_tokens') return 'length'
    return reason === 'content_filter' ? 'content-filter' : 'other'
  }

  // ---- items --------------------------------------------------------------------------------------------------------

  #addItem(event: StreamEvent): UIStreamChunk[] {
    const item = asRecord(event['item'])
    if (item === undefined) return [raw(event)]
    const id = textIn(item['id'])
    if (item['type'] === 'message')
      this.#items.set(id, definedOnly({ itemId: id || undefined, phase: item['phase'] ?? undefined }))
    else if (item['type'] === 'reasoning') this.#items.set(id, { itemId: id })
    else if (isCall(item)) return this.#startCall(item, event['output_index'])
    // Of everything else the finished item says more.
    return []
  }

  #startCall(item: Fields, outputIndex: unknown): UIStreamChunk[] {
    const call = callOf(item)
    this.#calls.set(textIn(item['id']), call)
    this.#calls.set(`output ${String(outputIndex)}`, call)
    if (call['providerExecuted'] !== true) this.#calledClient = true
    return [{ type: 'tool-input-start', ...call }]
  }

  /** What a finished item says, or nothing when it was said; undefined for what is no item. */
  #finishItem(item: Fields | undefined): UIStreamChunk[] | undefined {
    if (item === undefined) return undefined
    const { type, id } = item
    const key = textIn(id) || `${String(type)} ${textIn(item['call_id'])}`
    const json = JSON.stringify(item)
    if (this.#finished.get(key) === json) return []
    this.#finished.set(key, json)
    if (type === 'message') return this.#finishMessage(textIn(id), item)
    if (type === 'reasoning') return this.#finishReasoning(textIn(id), item)
    if (isCallOutput(item)) return [callOutput(item)]
    if (isCall(item)) {
      const started = this.#calls.has(textIn(id)) ? [] : this.#startCall(item, undefined)
      return [...started, ...finishedCall(item).flatMap((chunk) => this.#once(chunk))]
    }
    if (type === 'compaction') {
      const openai = { type, itemId: id, encryptedContent: item['encrypted_content'] }
      return [{ type: 'custom', kind: 'openai.compaction', providerMetadata: { openai } }]
    }
    return [raw(item)]
  }

  #finishMessage(id: string, item: Fields): UIStreamChunk[] {
    this.#items.set(id, definedOnly({ itemId: id || undefined, phase: item['phase'] ?? undefined }))
    return listIn(item['content']).flatMap((part, index) => this.#wholePart(id, index, part))
  }

  #finishReasoning(id: string, item: Fields): UIStreamChunk[] {
    const encrypted = textIn(item['encrypted_content']) || undefined
    this.#items.set(id, definedOnly({ itemId: id || undefined, reasoningEncryptedContent: encrypted }))
    const at = (kind: 'summary' | 'reasoning', index: number): Text => this.#textAt(id, kind, index)
    const chunks = [
      ...listIn(item['summary']).flatMap((part, index) => this.#whole(at('summary', index), asRecord(part)?.['text'])),
      ...listIn(item['content']).flatMap((part, index) => this.#whole(at('reasoning', index), asRecord(part)?.['text'])),
    ]
    // Reasoning without words: it is its encrypted content that the next request needs.
    return chunks.length > 0 || encrypted === undefined ? chunks : this.#whole(at('summary', 0), '')
  }

  // ---- texts --------------------------------------------------------------------------------------------------------

  #contentPart(event: StreamEvent, done: boolean): UIStreamChunk[] {
    const id = textIn(event['item_id'])
    const index = numberIn(event['content_index'])
    if (done) return this.#wholePart(id, index, event['part'])
    return asRecord(event['part'])?.['type'] === 'output_text' ? this.#delta(this.#textAt(id, 'text', index), '') : []
  }

  #wholePart(id: string, index: number, value: unknown): UIStreamChunk[] {
    const part = asRecord(value)
    switch (part?.['type']) {
      case 'output_text': {
        const text = this.#textAt(id, 'text', index)
        const sources = listIn(part['annotations']).flatMap((annotation, place) => this.#source(text, place, annotation))
        return [...sources, ...this.#whole(text, part['text'])]
      }
      case 'refusal':
        return this.#whole(this.#textAt(id, 'refusal', index), part['refusal'])
      case 'reasoning_text':
        return this.#whole(this.#textAt(id, 'reasoning', index), part['text'])
      default:
        return [raw(value)]
    }
  }

  #textOf(event: StreamEvent, kind: TextKind): Text {
    const index = kind === 'summary' ? event['summary_index'] : event['content_index']
    return this.#textAt(textIn(event['item_id']), kind, numberIn(index))
  }

  #textAt(item: string, kind: TextKind, index: number): Text {
    const key = `${item || this.#responses}:${kind}:${index}`
    let text = this.#texts.get(key)
    if (text === undefined) {
      const type = kind === 'summary' || kind === 'reasoning' ? 'reasoning' : 'text'
      const id = kind === 'summary' ? `${item || this.#responses}:${index}` : key
      const meta = kind === 'refusal' ? { refusal: true } : {}
      this.#texts.set(key, (text = { type, id, item, meta, annotations: new Map(), said: null }))
    }
    return text
  }

  #delta(text: Text, delta: unknown): UIStreamChunk[] {
    // What was said whole is not added to.
    if (text.said !== null) return []
    return [{ type: `${text.type}-delta`, id: text.id, delta: textIn(delta), ...this.#metadataOf(text) }]
  }

  #whole(text: Text, value: unknown): UIStreamChunk[] {
    const end = { type: `${text.type}-end`, id: text.id, text: textIn(value), ...this.#metadataOf(text) }
    const said = JSON.stringify(end)
    if (said === text.said) return []
    text.said = said
    return [end]
  }

  #metadataOf(text: Text): { providerMetadata?: unknown } {
    const annotations = text.annotations.size > 0 ? { annotations: [...text.annotations.values()] } : {}
    const openai = { ...this.#items.get(text.item), ...text.meta, ...annotations }
    return Object.keys(openai).length === 0 ? {} : { providerMetadata: { openai } }
  }

  #annotate(event: StreamEvent): UIStreamChunk[] {
    return this.#source(this.#textOf(event, 'text'), event['annotation_index'], event['annotation'])
  }

  #source(text: Text, index: unknown, annotation: unknown): UIStreamChunk[] {
    if (text.annotations.has(index)) return []
    text.annotations.set(index, annotation)
    return citedSources([annotation], () => `${text.id}:source:${this.#sources++}`)
  }

  // ---- tools --------------------------------------------------------------------------------------------------------

  #callBy(event: StreamEvent): Fields {
    const key = textIn(event['item_id']) || `output ${String(event['output_index'])}`
    let call = this.#calls.get(key)
    if (call === undefined) this.#calls.set(key, (call = { toolCallId: `${this.#responses}:${key}`, toolName: '' }))
    return call
  }

  /** The whole input of a call, unless that was said. */
  #once(chunk: UIStreamChunk): UIStreamChunk[] {
    if (!chunk.type.startsWith('tool-input-')) return [chunk]
    const { toolCallId, input } = chunk
    const said = JSON.stringify(input)
    if (this.#inputs.get(toolCallId) === said) return []
    this.#inputs.set(toolCallId, said)
    return [chunk]
  }

  #toolDelta(event: StreamEvent, inputTextDelta: string): UIStreamChunk[] {
    return inputTextDelta === ''
      ? []
      : [{ type: 'tool-input-delta', toolCallId: this.#callBy(event)['toolCallId'], inputTextDelta }]
  }

  #shellOutput(event: StreamEvent): UIStreamChunk[] {
    const toolCallId = textIn(this.#callBy(event)['toolCallId'])
    const delta = asRecord(event['delta'])
    const known = this.#outputs.get(toolCallId) ?? ''
    const stream = known + textIn(delta?.['stdout'] ?? event['delta']) + textIn(delta?.['stderr'])
    this.#outputs.set(toolCallId, stream)
    return [{ type: 'tool-output-available', toolCallId, preliminary: true, output: event['output'] ?? stream }]
  }
}

type TextKind = 'text' | 'refusal' | 'transcript' | 'summary' | 'reasoning'

function errorChunk(error: Fields): UIStreamChunk {
  const code = typeof error['code'] === 'string' ? { code: error['code'] } : {}
  return { type: 'error', errorText: textIn(error['message']), ...code }
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : []
}

function numberIn(value: unknown): number {
  return typeof value === 'number' ? value : 0
}
