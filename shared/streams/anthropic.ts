/**
 * Anthropic Messages events. A content block is a part; what belongs together is said by its index. Signatures of thinking are
 * kept byte for byte: without them the next request is refused.
 */
import { definedOnly, textIn } from '../json.ts'
import { asRecord } from '../layout.ts'
import type { UIStreamChunk } from '../ui-stream.ts'
import { citedSources } from './citations.ts'
import { raw, wholeInput, type StreamEvent, type Translator } from './translator.ts'
import { addUsage, readAnthropicUsage, type Usage } from './usage.ts'

const FINISH: ReadonlyMap<string, string> = new Map([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool-calls'],
  ['refusal', 'content-filter'],
])

/** The block that a delta belongs to, for when its start was missed. */
const BLOCK_OF: ReadonlyMap<string, Fields> = new Map([
  ['text_delta', { type: 'text' }],
  ['citations_delta', { type: 'text' }],
  ['thinking_delta', { type: 'thinking' }],
  ['signature_delta', { type: 'thinking' }],
  ['input_json_delta', { type: 'tool_use' }],
])

type Fields = Readonly<Record<string, unknown>>

/** A content block that is being streamed. */
type Block =
  | { readonly kind: 'text' | 'reasoning'; readonly id: string; meta: Fields; readonly citations: unknown[] }
  | { readonly kind: 'tool'; readonly call: Fields; readonly start: Fields; json: string }
  | { readonly kind: 'compaction'; fields: Fields }

export class AnthropicTranslator implements Translator {
  /** How many messages the stream has begun: several model calls may be piped as one stream. */
  #messages = 0
  readonly #blocks = new Map<number, Block>()
  /** Of this message, in Anthropic's words: each report of it is cumulative, and may leave out what it has said before. */
  #reported: Fields = {}
  #earlier: Usage | undefined
  #sources = 0
  #stopReason: string | undefined

  read(event: StreamEvent): readonly UIStreamChunk[] {
    switch (event['type']) {
      case 'message_start':
        return this.#startMessage(event)
      case 'content_block_start':
        return this.#startBlock(event)
      case 'content_block_delta':
        return this.#delta(event)
      case 'content_block_stop':
        return typeof event['index'] === 'number' ? this.#stopBlock(event['index']) : [raw(event)]
      case 'message_delta':
        this.#stopReason = textIn(asRecord(event['delta'])?.['stop_reason']) || this.#stopReason
        return this.#usage(event['usage'])
      case 'message_stop':
        return [...this.#stopBlocks(), ...this.#finish()]
      case 'ping':
        return []
      case 'error': {
        const error = asRecord(event['error'])
        return [{ type: 'error', errorText: textIn(error?.['message']), ...definedOnly({ code: error?.['type'] }) }]
      }
      default:
        return [raw(event)]
    }
  }

  end(): readonly UIStreamChunk[] {
    return []
  }

  #startMessage(event: StreamEvent): UIStreamChunk[] {
    const open = this.#stopBlocks()
    this.#messages += 1
    this.#earlier = addUsage(this.#earlier, readAnthropicUsage(this.#reported))
    this.#reported = {}
    this.#stopReason = undefined
    return [...open, { type: 'start-step' }, ...this.#usage(asRecord(event['message'])?.['usage'])]
  }

  #usage(reported: unknown): UIStreamChunk[] {
    const news = Object.entries(asRecord(reported) ?? {}).filter(([, value]) => value !== null && value !== undefined)
    this.#reported = { ...this.#reported, ...Object.fromEntries(news) }
    const usage = addUsage(this.#earlier, readAnthropicUsage(this.#reported))
    return usage === undefined ? [] : [{ type: 'message-metadata', messageMetadata: { usage } }]
  }

  #finish(): UIStreamChunk[] {
    const reason = this.#stopReason
    if (reason === undefined) return [{ type: 'finish', finishReason: 'other' }]
    return [{ type: 'finish', finishReason: FINISH.get(reason) ?? 'other', rawFinishReason: reason }]
  }

  // ---- blocks -------------------------------------------------------------------------------------------------------

  #startBlock(event: StreamEvent): UIStreamChunk[] {
    const block = asRecord(event['content_block'])
    const index = event['index']
    if (block === undefined || typeof index !== 'number') return [raw(event)]
    const before = this.#stopBlock(index)
    return [...before, ...(this.#open(index, block) ?? [raw(event)])]
  }

  /** What a block begins with; undefined for one that we do not know. */
  #open(index: number, block: Fields): UIStreamChunk[] | undefined {
    const type = textIn(block['type'])
    switch (type) {
      case 'text':
        return this.#openText('text', index, textIn(block['text']), {}, block['citations'])
      case 'thinking':
        return this.#openText('reasoning', index, textIn(block['thinking']), signed(block['signature']))
      case 'redacted_thinking':
        return this.#openText('reasoning', index, '', { redactedData: block['data'] })
      case 'tool_use':
      case 'server_tool_use':
      case 'mcp_tool_use':
        return this.#openTool(index, block)
      case 'container_upload':
        return [{ type: 'custom', kind: 'anthropic.container-upload', providerMetadata: { anthropic: block } }]
      case 'compaction':
        this.#blocks.set(index, { kind: 'compaction', fields: block })
        return []
      default:
        return type.endsWith('_tool_result') && typeof block['tool_use_id'] === 'string' ? this.#toolResult(block) : undefined
    }
  }

  #openText(kind: 'text' | 'reasoning', index: number, text: string, meta: Fields, citations?: unknown): UIStreamChunk[] {
    const id = `${this.#messages}:${index}`
    this.#blocks.set(index, { kind, id, meta, citations: Array.isArray(citations) ? [...(citations as unknown[])] : [] })
    const start = { type: `${kind}-start`, id, ...metadata(meta) }
    return text === '' ? [start] : [start, { type: `${kind}-delta`, id, delta: text }]
  }

  #openTool(index: number, block: Fields): UIStreamChunk[] {
    const server = block['type'] !== 'tool_use'
    const mcp = block['type'] === 'mcp_tool_use' ? { type: 'mcp-tool-use', serverName: block['server_name'] } : {}
    const call = {
      toolCallId: textIn(block['id']) || `${this.#messages}:${index}`,
      toolName: textIn(block['name']),
      ...(server ? { providerExecuted: true } : {}),
      ...metadata({ ...mcp, caller: block['caller'] }),
    }
    this.#blocks.set(index, { kind: 'tool', call, start: asRecord(block['input']) ?? {}, json: '' })
    return [{ type: 'tool-input-start', ...call }]
  }

  /** The result of a tool that the provider ran; it comes whole. */
  #toolResult(block: Fields): UIStreamChunk[] {
    const { content } = block
    const of = { toolCallId: block['tool_use_id'], providerExecuted: true }
    const code = asRecord(content)?.['error_code']
    if (typeof code === 'string') return [{ type: 'tool-output-error', ...of, errorText: code }]
    if (block['is_error'] === true) {
      return [
        { type: 'tool-output-error', ...of, errorText: typeof content === 'string' ? content : JSON.stringify(content ?? '') },
      ]
    }
    const found = block['type'] === 'web_search_tool_result' && Array.isArray(content) ? content : []
    return [{ type: 'tool-output-available', ...of, output: content }, ...this.#sourcesOf(found)]
  }

  #delta(event: StreamEvent): UIStreamChunk[] {
    const delta = asRecord(event['delta'])
    const index = event['index']
    if (delta === undefined || typeof index !== 'number') return [raw(event)]
    const missed = this.#blocks.has(index) ? undefined : BLOCK_OF.get(textIn(delta['type']))
    const opened = missed === undefined ? undefined : this.#open(index, missed)
    const block = this.#blocks.get(index)
    const extended = block === undefined ? undefined : this.#extend(block, delta)
    return [...(opened ?? []), ...(extended ?? [raw(event)])]
  }

  /** What a delta adds to its block; undefined when it does not fit. */
  #extend(block: Block, delta: Fields): UIStreamChunk[] | undefined {
    const type = delta['type']
    if (block.kind === 'tool') {
      if (type !== 'input_json_delta') return undefined
      const inputTextDelta = textIn(delta['partial_json'])
      block.json += inputTextDelta
      return inputTextDelta === '' ? [] : [{ type: 'tool-input-delta', toolCallId: block.call['toolCallId'], inputTextDelta }]
    }
    if (block.kind === 'compaction') {
      if (type !== 'compaction_delta') return undefined
      const { type: _, ...news } = delta
      block.fields = { ...block.fields, ...news }
      return []
    }
    const { id } = block
    if (block.kind === 'text') {
      if (type === 'text_delta') return [{ type: 'text-delta', id, delta: textIn(delta['text']) }]
      if (type !== 'citations_delta') return undefined
      block.citations.push(delta['citation'])
      return this.#sourcesOf([delta['citation']])
    }
    if (type === 'thinking_delta') return [{ type: 'reasoning-delta', id, delta: textIn(delta['thinking']) }]
    if (type !== 'signature_delta') return undefined
    // At once: what is cut after its signature is complete.
    block.meta = { ...block.meta, ...signed(delta['signature']) }
    return [{ type: 'reasoning-delta', id, delta: '', ...metadata(block.meta) }]
  }

  #stopBlock(index: number): UIStreamChunk[] {
    const block = this.#blocks.get(index)
    this.#blocks.delete(index)
    switch (block?.kind) {
      case undefined:
        return []
      case 'text':
        return [
          {
            type: 'text-end',
            id: block.id,
            ...metadata({ citations: block.citations.length > 0 ? block.citations : undefined }),
          },
        ]
      case 'reasoning':
        return [{ type: 'reasoning-end', id: block.id, ...metadata(block.meta) }]
      case 'tool':
        // Without a delta the input is what the block began with.
        return [wholeInput(block.call, block.json === '' ? JSON.stringify(block.start) : block.json)]
      case 'compaction':
        return [{ type: 'custom', kind: 'anthropic.compaction', ...metadata(block.fields) }]
    }
  }

  #stopBlocks(): UIStreamChunk[] {
    return [...this.#blocks.keys()].flatMap((index) => this.#stopBlock(index))
  }

  #sourcesOf(found: readonly unknown[]): UIStreamChunk[] {
    return citedSources(found, () => `${this.#messages}:source:${this.#sources++}`)
  }
}

function signed(signature: unknown): Fields {
  return typeof signature === 'string' && signature !== '' ? { signature } : {}
}

function metadata(fields: Fields): { providerMetadata?: unknown } {
  const known = definedOnly(fields)
  return Object.keys(known).length === 0 ? {} : { providerMetadata: { anthropic: known } }
}
