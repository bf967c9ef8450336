/**
 * Folds the AI SDK v7 UI message stream into a message: each chunk's effect on the parts. Any prefix folds to a valid
 * message; a delta without its start makes the part; an unknown chunk is kept as a `raw` part. Nothing throws.
 */
import type { LivePart, MessageWriter } from './part-writer.ts'

/** A chunk as it comes: only `type` is sure. */
export interface UIStreamChunk {
  readonly type: string
  readonly [key: string]: unknown
}

/** How a stream ended, as far as its chunks said. */
export interface StreamEnd {
  /** Text of an `error` chunk. */
  error?: string
  finishReason?: string
  aborted?: boolean
}

const OMIT = new Set(['type', 'id', 'toolCallId', 'toolName', 'input', 'output', 'errorText', 'dynamic', 'inputEncoding'])

export class UIStreamFold {
  readonly #writer: MessageWriter
  readonly #texts = new Map<string, LivePart>()
  readonly #tools = new Map<string, { part: LivePart; done: boolean }>()
  readonly #data = new Map<string, LivePart>()
  readonly #open = new Set<LivePart>()
  #stepStart = 0
  readonly end: StreamEnd = {}

  constructor(writer: MessageWriter) {
    this.#writer = writer
    this.#stepStart = writer.partCount
  }

  apply(chunk: UIStreamChunk): void {
    const { type } = chunk
    switch (type) {
      case 'text-start':
      case 'text-delta':
      case 'text-end':
        return this.#text('text', chunk)
      case 'reasoning-start':
      case 'reasoning-delta':
      case 'reasoning-end':
        return this.#text('reasoning', chunk)
      case 'tool-input-start':
      case 'tool-input-delta':
      case 'tool-input-available':
      case 'tool-input-error':
      case 'tool-output-available':
      case 'tool-output-error':
      case 'tool-output-denied':
        return this.#tool(chunk)
      case 'start-step':
        this.#stepStart = this.#writer.partCount
        return this.#writer.add({ type: 'step-start' })
      case 'reset-step':
        return this.#resetStep()
      case 'error':
        this.end.error = text(chunk['errorText']) || 'The stream ended with an error.'
        return
      case 'abort':
        this.end.aborted = true
        return
      case 'finish':
        if (typeof chunk['finishReason'] === 'string') this.end.finishReason = chunk['finishReason']
        return
      case 'start':
      case 'finish-step':
      case 'message-metadata':
        return
      case 'file':
      case 'source-url':
      case 'source-document':
      case 'reasoning-file':
      case 'custom':
        return this.#writer.add(definedOnly(chunk))
      default:
        if (type.startsWith('data-')) return this.#dataPart(chunk)
        return this.#writer.add({ type: 'raw', event: definedOnly(chunk) })
    }
  }

  /** Closes what is still open: streamed texts are done, tool calls without a result get `errorText`. */
  close(errorText: string): void {
    for (const part of this.#open) this.#writer.set(part, 'state', 'done')
    this.#open.clear()
    for (const tool of this.#tools.values()) {
      if (tool.done) continue
      tool.done = true
      this.#writer.set(tool.part, 'state', 'output-error')
      this.#writer.set(tool.part, 'errorText', errorText)
    }
  }

  #text(type: 'text' | 'reasoning', chunk: UIStreamChunk): void {
    const key = `${type}:${text(chunk['id'])}`
    let part = this.#texts.get(key)
    if (part === undefined) {
      part = this.#writer.open({ type })
      this.#texts.set(key, part)
      this.#open.add(part)
    }
    if (chunk.type.endsWith('-delta')) this.#writer.append(part, text(chunk['delta']))
    if (chunk.type.endsWith('-end')) {
      this.#writer.set(part, 'state', 'done')
      this.#open.delete(part)
      this.#texts.delete(key)
    }
  }

  #tool(chunk: UIStreamChunk): void {
    const id = text(chunk['toolCallId'])
    let tool = this.#tools.get(id)
    if (tool === undefined) {
      const name = text(chunk['toolName']) || 'unknown'
      const more = extras(chunk)
      const head = chunk['dynamic'] === true ? { type: 'dynamic-tool', toolName: name } : { type: `tool-${name}` }
      tool = { part: this.#writer.open({ ...head, toolCallId: id, ...more }), done: false }
      this.#tools.set(id, tool)
    }
    const { part } = tool
    switch (chunk.type) {
      case 'tool-input-delta':
        return this.#writer.append(part, text(chunk['inputTextDelta']))
      case 'tool-input-available':
        this.#writer.set(part, 'input', chunk['input'] ?? null)
        return this.#writer.set(part, 'state', 'input-available')
      case 'tool-input-error':
      case 'tool-output-error':
        if (chunk['input'] !== undefined) this.#writer.set(part, 'input', chunk['input'])
        this.#writer.set(part, 'errorText', text(chunk['errorText']))
        this.#writer.set(part, 'state', 'output-error')
        tool.done = true
        return
      case 'tool-output-available':
        this.#writer.set(part, 'output', chunk['output'] ?? null)
        this.#writer.set(part, 'more', chunk['preliminary'] === true ? { preliminary: true } : {})
        this.#writer.set(part, 'state', 'output-available')
        tool.done = true
        return
      case 'tool-output-denied':
        this.#writer.set(part, 'state', 'output-denied')
        tool.done = true
        return
    }
  }

  #dataPart(chunk: UIStreamChunk): void {
    if (chunk['transient'] === true) return
    if (typeof chunk['id'] !== 'string') return this.#writer.add(definedOnly(chunk))
    // The same type and id replaces the data: it lives under `more`, which is written over the head.
    const key = `${chunk.type}:${chunk['id']}`
    let part = this.#data.get(key)
    if (part === undefined) {
      part = this.#writer.open({ type: chunk.type, id: chunk['id'] })
      this.#data.set(key, part)
    }
    this.#writer.set(part, 'more', { data: chunk['data'] ?? null })
  }

  #resetStep(): void {
    this.#writer.drop(this.#stepStart)
    this.#texts.clear()
    this.#open.clear()
    this.#tools.clear()
    this.#data.clear()
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function definedOnly(chunk: UIStreamChunk): UIStreamChunk {
  return Object.fromEntries(Object.entries(chunk).filter(([, value]) => value !== undefined)) as unknown as UIStreamChunk
}

/** What a tool call's first chunk says besides the known fields: title, providerExecuted, metadata. */
function extras(chunk: UIStreamChunk): Record<string, unknown> {
  return Object.fromEntries(Object.entries(chunk).filter(([key, value]) => value !== undefined && !OMIT.has(key)))
}
