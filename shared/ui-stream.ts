/**
 * Folds the AI SDK v7 UI message stream into a message: each chunk's effect on the parts is that of the SDK's own fold. Any
 * prefix folds to a valid message; a delta without its start makes the part; an unknown chunk is kept as a `raw` part.
 * Nothing throws. Of a message's own metadata only the usage is taken over: ours says who wrote it and when.
 *
 * The other vocabularies of streams are translated into these chunks (`streams/`), which for their sake may say a little more
 * than the SDK's: `text` in `text-end` and `reasoning-end` is the whole text, whatever was streamed; what comes for a text that
 * has ended goes to that text; `raw` keeps its `event` as it is; `error` may have a `code`, `finish` a `rawFinishReason`.
 */
import type { Answer } from './calls.ts'
import { definedOnly, plainJson, textIn } from './json.ts'
import { asRecord } from './layout.ts'
import type { ToolState } from './message.ts'
import type { LivePart, MessageWriter } from './part-writer.ts'
import { addUsage, readUsage, type Usage } from './streams/usage.ts'

/** A chunk as it comes: only `type` is sure. */
export interface UIStreamChunk {
  readonly type: string
  readonly [key: string]: unknown
}

/** How a stream ended, as far as its events said. */
export interface StreamEnd {
  /** Text of an error. */
  error?: string
  /** The provider's code for that error. */
  errorCode?: string
  /** `stop`, `length`, `content-filter`, `tool-calls`, `error`, `interrupted` or `other`. Absent: it was cut. */
  finishReason?: string
  /** The same in the provider's own word, such as `pause_turn`. */
  rawFinishReason?: string
  aborted?: boolean
  /** Of all model calls in the stream together, as far as they are known. */
  usage?: Usage
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

interface Streamed extends Tracked {
  /** All that was appended. */
  text: string
  ended: boolean
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
  /** By kind and id. One that has ended stays until another begins under its id. */
  readonly #texts = new Map<string, Streamed>()
  /** By id of the call. */
  readonly #tools = new Map<string, ToolCall>()
  /** All that may have to be closed, those too whose id another has taken. */
  #unclosed: (Streamed | ToolCall)[] = []
  readonly #data = new Map<string, Tracked>()
  /** Index of the first part of the current step. */
  #stepStart: number
  /** Of the streams before: an answer that needed others is made of several. */
  #usedBefore: Usage | undefined
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
        this.end.error = textIn(chunk['errorText']) || 'The stream ended with an error.'
        if (typeof chunk['code'] === 'string') this.end.errorCode = chunk['code']
        return
      case 'abort':
        this.end.aborted = true
        return
      case 'finish':
        if (typeof chunk['finishReason'] === 'string') this.end.finishReason = chunk['finishReason']
        if (typeof chunk['rawFinishReason'] === 'string') this.end.rawFinishReason = chunk['rawFinishReason']
        return this.#metadata(chunk)
      case 'start':
        this.#usedBefore = this.end.usage
        return this.#metadata(chunk)
      case 'message-metadata':
        return this.#metadata(chunk)
      case 'finish-step':
        return
      case 'file':
      case 'source-url':
      case 'source-document':
      case 'reasoning-file':
      case 'steering-message':
      case 'custom':
        return this.#writer.add({ type, ...fieldsOf(chunk) })
      case 'raw':
        return this.raw('event' in chunk ? chunk['event'] : chunk)
      default:
        return typeof type === 'string' && type.startsWith('data-') ? this.#dataPart(chunk) : this.raw(chunk)
    }
  }

  /** Keeps an event that means nothing to us. */
  raw(event: unknown): void {
    this.#writer.add({ type: 'raw', event: plainJson(event) })
  }

  /** Closes what is still open: streamed texts are done, tool calls without a result get `errorText`. */
  close(errorText: string): void {
    for (const tracked of this.#unclosed) {
      if ('text' in tracked) this.#endText(tracked)
      else if (tracked.state === 'open') this.#closeTool(tracked, errorText)
    }
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
      this.#lay(tool, { approval: plainJson({ ...asRecord(tool.more['approval']), approved: approved === true, reason }) })
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
    const id = textIn(chunk['id'])
    const key = `${type}:${id}`
    const fields = definedOnly({ providerMetadata: chunk['providerMetadata'], citations: chunk['citations'] })
    let known = chunk.type.endsWith('-start') ? undefined : this.#texts.get(key)
    if (known === undefined) {
      known = { ...this.#open({ type, ...(type === 'reasoning' ? { id } : {}), ...fields }), text: '', ended: false }
      this.#texts.set(key, known)
      this.#unclosed.push(known)
    } else {
      this.#lay(known, fields)
    }
    if (chunk.type.endsWith('-delta')) {
      if (known.ended) this.#writer.set(known.part, 'state', 'streaming')
      known.ended = false
      this.#append(known, textIn(chunk['delta']))
    }
    if (chunk.type.endsWith('-end')) {
      if (typeof chunk['text'] === 'string') this.#makeWhole(known, chunk['text'])
      this.#endText(known)
    }
  }

  #append(streamed: Streamed, delta: string): void {
    streamed.text += delta
    this.#writer.append(streamed.part, delta)
  }

  #makeWhole(streamed: Streamed, text: string): void {
    if (!text.startsWith(streamed.text)) {
      this.#writer.clear(streamed.part)
      streamed.text = ''
    }
    this.#append(streamed, text.slice(streamed.text.length))
  }

  #endText(streamed: Streamed): void {
    if (!streamed.ended) this.#writer.set(streamed.part, 'state', 'done')
    streamed.ended = true
  }

  #metadata(chunk: UIStreamChunk): void {
    const metadata = asRecord(chunk['messageMetadata'])
    const usage = readUsage(metadata?.['usage']) ?? readUsage(metadata?.['totalUsage'])
    if (usage !== undefined) this.end.usage = addUsage(this.#usedBefore, usage) ?? usage
  }

  #toolInput(chunk: UIStreamChunk): void {
    const tool = this.#tool(chunk)
    switch (chunk.type) {
      case 'tool-input-delta':
        this.#lay(tool, toolFields(chunk, 'callProviderMetadata'))
        return this.#writer.append(tool.part, textIn(chunk['inputTextDelta']))
      case 'tool-input-available':
        this.#lay(tool, toolFields(chunk, 'callProviderMetadata'))
        this.#writer.set(tool.part, 'input', plainJson(chunk['input'] ?? null))
        tool.waits = chunk['providerExecuted'] === true ? null : 'client'
        return this.#await(tool, 'input-available')
      case 'tool-input-error':
        this.#lay(tool, toolFields(chunk, 'resultProviderMetadata'))
        if (chunk['input'] !== undefined) this.#writer.set(tool.part, 'input', plainJson(chunk['input']))
        return this.#fail(tool, textIn(chunk['errorText']))
    }
  }

  #toolOutput(chunk: UIStreamChunk): void {
    const tool = this.#tool(chunk)
    if (chunk.type === 'tool-output-denied') return this.#deny(tool)
    const { preliminary: _, ...more } = tool.more
    const fields = toolFields(chunk, 'resultProviderMetadata')
    this.#lay(tool, chunk['preliminary'] === true ? { ...fields, preliminary: true } : fields, more)
    if (chunk.type === 'tool-output-error') return this.#fail(tool, textIn(chunk['errorText']))
    tool.state = 'done'
    this.#writer.set(tool.part, 'output', plainJson(chunk['output'] ?? null))
    this.#writer.set(tool.part, 'state', 'output-available')
  }

  /** A call that waits for something. One that has its result waits for nothing any more, whatever comes late. */
  #await(tool: ToolCall, state: ToolState): void {
    if (tool.state === 'done') return
    tool.state = 'open'
    this.#writer.set(tool.part, 'state', state)
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
    const id = textIn(approvalId)
    if (chunk.type === 'tool-approval-request') {
      const tool = this.#tool(chunk)
      const asked = { id, descriptor: approvalDescriptor, inputSchemaInput, requestReason: reason, signature }
      this.#lay(tool, { approval: plainJson({ ...asked, ...(isAutomatic === true ? { isAutomatic } : {}) }) })
      tool.waits = isAutomatic === true ? null : 'approval'
      return this.#await(tool, 'approval-requested')
    }
    const tool = [...this.#tools.values()].find(({ more }) => asRecord(more['approval'])?.['id'] === id)
    if (tool === undefined) return this.raw(chunk)
    const approval = plainJson({ ...asRecord(tool.more['approval']), approved: chunk['approved'] === true, reason })
    this.#lay(tool, { ...toolFields(chunk, 'callProviderMetadata'), approval })
    tool.waits = null
    this.#await(tool, 'approval-responded')
  }

  /** The tool call that a chunk is about; made where there is none. */
  #tool(chunk: UIStreamChunk): ToolCall {
    const id = textIn(chunk['toolCallId'])
    const known = this.#tools.get(id)
    // Some providers number the calls of each step anew: an input in a later step is another call.
    const begins = chunk.type === 'tool-input-start' || chunk.type === 'tool-input-available' || chunk.type === 'tool-input-error'
    if (known !== undefined && !(begins && known.index < this.#stepStart)) return known
    const name = textIn(chunk['toolName']) || 'unknown'
    const head = chunk['dynamic'] === true ? { type: 'dynamic-tool', toolName: name } : { type: `tool-${name}` }
    const opened = this.#open({ ...head, toolCallId: id, ...toolFields(chunk, 'callProviderMetadata') })
    const tool: ToolCall = { ...opened, state: 'open', name, waits: null }
    this.#tools.set(id, tool)
    this.#unclosed.push(tool)
    return tool
  }

  #dataPart(chunk: UIStreamChunk): void {
    if (chunk['transient'] === true) return
    if (typeof chunk['id'] !== 'string') return this.#writer.add({ type: chunk.type, ...fieldsOf(chunk) })
    // The same type and id replaces the data: it lives under `more`, which is written over the head.
    const key = `${chunk.type}:${chunk['id']}`
    let known = this.#data.get(key)
    if (known === undefined) {
      known = this.#open({ type: chunk.type, id: chunk['id'] })
      this.#data.set(key, known)
    }
    this.#lay(known, { data: plainJson(chunk['data'] ?? null) })
  }

  #open(head: Fields): Tracked {
    const index = this.#writer.partCount
    return { part: this.#writer.open(plainJson(head) as Record<string, unknown>), index, more: {} }
  }

  /** Lays fields over the head of a part, and over `base`: what lies there already. */
  #lay(tracked: Tracked, fields: Fields, base: Fields = tracked.more): void {
    const said = Object.entries(asRecord(plainJson(fields)) ?? {})
    const news = said.filter(([key, value]) => key in base || !isSame(value, tracked.part.head[key]))
    const more = { ...base, ...Object.fromEntries(news) }
    if (isSame(more, tracked.more)) return
    tracked.more = more
    this.#writer.set(tracked.part, 'more', more)
  }

  #resetStep(): void {
    this.#writer.drop(this.#stepStart)
    this.#unclosed = this.#unclosed.filter(({ index }) => index < this.#stepStart)
    for (const tracked of [this.#texts, this.#tools, this.#data] as Map<string, Tracked>[]) {
      for (const [key, { index }] of tracked) if (index >= this.#stepStart) tracked.delete(key)
    }
  }
}

/** All that a chunk says. */
function fieldsOf(chunk: UIStreamChunk): Fields {
  const json = plainJson(chunk)
  return asRecord(json) ?? (json === null ? {} : { json })
}

/** What a chunk says of a tool call besides its input, output and state, under the names that a part has. */
function toolFields(chunk: UIStreamChunk, metadata: 'callProviderMetadata' | 'resultProviderMetadata'): Fields {
  const { title, toolMetadata, providerExecuted, providerMetadata } = chunk
  return definedOnly({ title, toolMetadata, providerExecuted, [metadata]: providerMetadata })
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
