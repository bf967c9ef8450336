/**
 * Folds the AI SDK v7 UI message stream into a message: each chunk's effect on the parts is that of the SDK's own fold. Any
 * prefix folds to a valid message; a delta without its start makes the part; an unknown chunk is kept as a `raw` part.
 * Nothing throws. A message's own metadata is not taken over: ours says who wrote it and when.
 */
import type { Answer } from './calls.ts'
import { asRecord } from './layout.ts'
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

type Fields = Readonly<Record<string, unknown>>

/** A part that later chunks may still change. */
interface Tracked {
  readonly part: LivePart
  /** Its place among the message's parts. */
  readonly index: number
  /** What is laid over its head. */
  more: Fields
}

interface ToolCall extends Tracked {
  /** `done`: it has a result, or will never get one. */
  state: 'open' | 'failed' | 'done'
  readonly name: string
  /** For whom it waits, if nothing more comes of it in the stream. */
  waits: 'client' | 'approval' | null
}

/** A tool call for which a stream that has ended leaves somebody else to be asked. */
export interface WaitingCall {
  readonly part: LivePart
  readonly name: string
  readonly waits: 'client' | 'approval'
}

export class UIStreamFold {
  readonly #writer: MessageWriter
  readonly #texts = new Map<string, Tracked>()
  readonly #tools = new Map<string, ToolCall>()
  readonly #data = new Map<string, Tracked>()
  /** Index of the first part of the current step. */
  #stepStart: number
  readonly end: StreamEnd = {}

  constructor(writer: MessageWriter) {
    this.#writer = writer
    this.#stepStart = writer.partCount
  }

  apply(chunk: UIStreamChunk): void {
    const type: unknown = asRecord(chunk)?.['type']
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
        return this.#toolInput(chunk)
      case 'tool-approval-request':
      case 'tool-approval-response':
        return this.#approval(chunk)
      case 'tool-output-available':
      case 'tool-output-error':
      case 'tool-output-denied':
        return this.#toolOutput(chunk)
      case 'start-step':
        this.#writer.add({ type: 'step-start' })
        this.#stepStart = this.#writer.partCount
        return
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
      case 'steering-message':
      case 'custom':
        return this.#writer.add({ type, ...(plain(chunk) as object) })
      default:
        if (typeof type === 'string' && type.startsWith('data-')) return this.#dataPart(chunk)
        return this.#writer.add({ type: 'raw', event: plain(chunk) })
    }
  }

  /** Closes what is still open: streamed texts are done, tool calls without a result get `errorText`. */
  close(errorText: string): void {
    for (const { part } of this.#texts.values()) this.#writer.set(part, 'state', 'done')
    this.#texts.clear()
    for (const tool of this.#tools.values()) if (tool.state === 'open') this.#closeTool(tool, errorText)
  }

  /** Calls that the stream has left without a result: of tools that it cannot do itself, or that somebody must approve. */
  waiting(): WaitingCall[] {
    const calls: WaitingCall[] = []
    for (const { part, name, state, waits } of this.#tools.values()) {
      if (state === 'open' && waits !== null) calls.push({ part, name, waits })
    }
    return calls
  }

  /** An answer has come into the part of a call; the next stream goes on from it. */
  answered(part: LivePart, { approved, reason }: Answer): void {
    const tool = [...this.#tools.values()].find((each) => each.part === part)
    if (tool === undefined) return
    if (tool.waits === 'client') tool.state = 'done'
    else {
      this.#lay(tool, { approval: plain({ ...asRecord(tool.more['approval']), approved: approved === true, reason }) })
      this.#writer.set(part, 'state', 'approval-responded')
    }
    tool.waits = null
  }

  #closeTool(tool: ToolCall, errorText: string): void {
    const { approval, ...more } = tool.more
    const approved = asRecord(approval)?.['approved']
    if (approved === false) return this.#deny(tool)
    // A call that failed while it waited was never approved, and a prompt may not say that it was asked for and left open.
    if (approved === undefined) this.#lay(tool, {}, more)
    this.#fail(tool, errorText)
  }

  #text(type: 'text' | 'reasoning', chunk: UIStreamChunk): void {
    const id = text(chunk['id'])
    const key = `${type}:${id}`
    const fields = definedOnly({ providerMetadata: chunk['providerMetadata'], citations: chunk['citations'] })
    let known = chunk.type.endsWith('-start') ? undefined : this.#texts.get(key)
    if (known === undefined) {
      known = this.#open({ type, ...(type === 'reasoning' ? { id } : {}), ...fields })
      this.#texts.set(key, known)
    } else {
      this.#lay(known, fields)
    }
    if (chunk.type.endsWith('-delta')) this.#writer.append(known.part, text(chunk['delta']))
    if (chunk.type.endsWith('-end')) {
      this.#writer.set(known.part, 'state', 'done')
      this.#texts.delete(key)
    }
  }

  #toolInput(chunk: UIStreamChunk): void {
    const tool = this.#tool(chunk)
    switch (chunk.type) {
      case 'tool-input-delta':
        return this.#writer.append(tool.part, text(chunk['inputTextDelta']))
      case 'tool-input-available':
        this.#lay(tool, toolFields(chunk, 'callProviderMetadata'))
        this.#writer.set(tool.part, 'input', plain(chunk['input'] ?? null))
        tool.waits = chunk['providerExecuted'] === true ? null : 'client'
        return this.#writer.set(tool.part, 'state', 'input-available')
      case 'tool-input-error':
        this.#lay(tool, toolFields(chunk, 'resultProviderMetadata'))
        if (chunk['input'] !== undefined) this.#writer.set(tool.part, 'input', plain(chunk['input']))
        return this.#fail(tool, text(chunk['errorText']))
    }
  }

  #toolOutput(chunk: UIStreamChunk): void {
    const tool = this.#tool(chunk)
    if (chunk.type === 'tool-output-denied') return this.#deny(tool)
    const { preliminary: _, ...more } = tool.more
    const fields = toolFields(chunk, 'resultProviderMetadata')
    this.#lay(tool, chunk['preliminary'] === true ? { ...fields, preliminary: true } : fields, more)
    if (chunk.type === 'tool-output-error') return this.#fail(tool, text(chunk['errorText']))
    if (tool.state === 'failed') this.#writer.set(tool.part, 'errorText', undefined)
    tool.state = 'done'
    this.#writer.set(tool.part, 'output', plain(chunk['output'] ?? null))
    this.#writer.set(tool.part, 'state', 'output-available')
  }

  #fail(tool: ToolCall, errorText: string): void {
    tool.state = 'failed'
    this.#writer.set(tool.part, 'errorText', errorText)
    this.#writer.set(tool.part, 'state', 'output-error')
  }

  #deny(tool: ToolCall): void {
    tool.state = 'done'
    this.#writer.set(tool.part, 'state', 'output-denied')
  }

  #approval(chunk: UIStreamChunk): void {
    const { approvalId, approvalDescriptor, inputSchemaInput, reason, isAutomatic, signature } = chunk
    const id = text(approvalId)
    if (chunk.type === 'tool-approval-request') {
      const tool = this.#tool(chunk)
      const asked = { id, descriptor: approvalDescriptor, inputSchemaInput, requestReason: reason, signature }
      this.#lay(tool, { approval: plain({ ...asked, ...(isAutomatic === true ? { isAutomatic } : {}) }) })
      tool.waits = isAutomatic === true ? null : 'approval'
      return this.#writer.set(tool.part, 'state', 'approval-requested')
    }
    const tool = [...this.#tools.values()].find(({ more }) => asRecord(more['approval'])?.['id'] === id)
    if (tool === undefined) return this.#writer.add({ type: 'raw', event: plain(chunk) })
    const approval = plain({ ...asRecord(tool.more['approval']), approved: chunk['approved'] === true, reason })
    this.#lay(tool, { ...toolFields(chunk, 'callProviderMetadata'), approval })
    tool.waits = null
    this.#writer.set(tool.part, 'state', 'approval-responded')
  }

  /** The tool call that a chunk is about; made where there is none. */
  #tool(chunk: UIStreamChunk): ToolCall {
    const id = text(chunk['toolCallId'])
    const known = this.#tools.get(id)
    // Some providers number the calls of each step anew: an input in a later step is another call.
    const begins = chunk.type === 'tool-input-start' || chunk.type === 'tool-input-available' || chunk.type === 'tool-input-error'
    if (known !== undefined && !(begins && known.index < this.#stepStart)) return known
    const name = text(chunk['toolName']) || 'unknown'
    const head = chunk['dynamic'] === true ? { type: 'dynamic-tool', toolName: name } : { type: `tool-${name}` }
    const opened = this.#open({ ...head, toolCallId: id, ...toolFields(chunk, 'callProviderMetadata') })
    const tool: ToolCall = { ...opened, state: 'open', name, waits: null }
    this.#tools.set(id, tool)
    return tool
  }

  #dataPart(chunk: UIStreamChunk): void {
    if (chunk['transient'] === true) return
    if (typeof chunk['id'] !== 'string') return this.#writer.add({ type: chunk.type, ...(plain(chunk) as object) })
    // The same type and id replaces the data: it lives under `more`, which is written over the head.
    const key = `${chunk.type}:${chunk['id']}`
    let known = this.#data.get(key)
    if (known === undefined) {
      known = this.#open({ type: chunk.type, id: chunk['id'] })
      this.#data.set(key, known)
    }
    this.#lay(known, { data: plain(chunk['data'] ?? null) })
  }

  #open(head: Fields): Tracked {
    const index = this.#writer.partCount
    return { part: this.#writer.open(plain(head) as Record<string, unknown>), index, more: {} }
  }

  /** Lays fields over the head of a part, and over `base`: what lies there already. */
  #lay(tracked: Tracked, fields: Fields, base: Fields = tracked.more): void {
    const more = plain({ ...base, ...fields }) as Fields
    if (JSON.stringify(more) === JSON.stringify(tracked.more)) return
    tracked.more = more
    this.#writer.set(tracked.part, 'more', more)
  }

  #resetStep(): void {
    this.#writer.drop(this.#stepStart)
    for (const tracked of [this.#texts, this.#tools, this.#data] as Map<string, Tracked>[]) {
      for (const [key, { index }] of tracked) if (index >= this.#stepStart) tracked.delete(key)
    }
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** What a chunk says of a tool call besides its input, output and state, under the names that a part has. */
function toolFields(chunk: UIStreamChunk, metadata: 'callProviderMetadata' | 'resultProviderMetadata'): Fields {
  const { title, toolMetadata, providerExecuted, providerMetadata } = chunk
  return definedOnly({ title, toolMetadata, providerExecuted, [metadata]: providerMetadata })
}

function definedOnly(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

/**
 * The value as JSON has it, as if it had come over a wire: a tool may return dates or class instances, and may go on writing
 * into what it has returned. Null for what JSON has no form for.
 */
function plain(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value) ?? 'null') as unknown
  } catch {
    return null
  }
}
