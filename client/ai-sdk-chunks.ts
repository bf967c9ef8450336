/**
 * The way back from a reply in the view to the AI SDK's chunks: each look at the reply gives what has come since the last one.
 * What the SDK's own fold makes of them is the reply.
 */
import type { UIMessageChunk } from 'ai'
import type { Message, MessagePart, ReasoningPart, TextPart, ToolPart, ToolState } from '../shared/message.ts'

/** What is known at the other end of one part. */
interface Sent {
  part: MessagePart
  /** Characters of its text, or of its input's text. */
  length: number
  /** Its text may still grow there. */
  open: boolean
}

/** A call goes through its states in this order; a step back, such as before an answer has come to the server, is not shown. */
const RANK: Readonly<Record<ToolState, number>> = {
  'input-streaming': 0,
  'input-available': 1,
  'approval-requested': 2,
  'approval-responded': 3,
  'output-available': 4,
  'output-error': 4,
  'output-denied': 4,
}

export interface ReplyChunksOptions {
  /** Parts that the other end has already, as it has them. */
  readonly known?: readonly MessagePart[]
  /** Nobody at the other end is to run what is called: `onToolCall` of `useChat` is not called for a tool of the reply. */
  readonly silent?: boolean
}

export class ReplyChunks {
  readonly #sent: Sent[]
  readonly #silent: boolean
  #metadata = ''

  constructor({ known = [], silent = false }: ReplyChunksOptions = {}) {
    this.#sent = known.map((part) => ({ part, length: textOf(part).length, open: false }))
    this.#silent = silent
  }

  /** What to add to show the reply as it is now; null when it was begun anew and chunks cannot say so. */
  next(message: Message): UIMessageChunk[] | null {
    const chunks = this.#head(message)
    const { parts } = message
    const changed = this.#sent.findIndex(({ part, length }, index) => !goesOn(part, length, parts[index]))
    if (changed >= 0) {
      const step = this.#sent.findLastIndex(({ part }) => part.type === 'step-start') + 1
      if (changed < step) return null
      this.#sent.length = step
      chunks.push({ type: 'reset-step' })
    }
    for (const [index, part] of parts.entries()) {
      const sent = this.#sent[index]
      if (sent?.part === part) continue
      chunks.push(...this.#part(part, index, sent))
    }
    return chunks
  }

  /** What is open is closed: the run has ended. */
  close(): UIMessageChunk[] {
    const chunks: UIMessageChunk[] = []
    for (const [index, sent] of this.#sent.entries()) {
      if (sent.open) chunks.push({ type: `${sent.part.type as 'text' | 'reasoning'}-end`, id: streamId(sent.part, index) })
      sent.open = false
    }
    return chunks
  }

  #head({ id, metadata }: Message): UIMessageChunk[] {
    const text = JSON.stringify(metadata)
    if (text === this.#metadata) return []
    const isFirst = this.#metadata === ''
    this.#metadata = text
    if (isFirst) return [{ type: 'start', messageId: id, messageMetadata: metadata }]
    return [{ type: 'message-metadata', messageMetadata: metadata }]
  }

  #part(part: MessagePart, index: number, sent: Sent | undefined): UIMessageChunk[] {
    if (sent === undefined) this.#sent.push((sent = { part: { type: part.type }, length: 0, open: false }))
    if (isTool(part) && isTool(sent.part) && RANK[part.state] < RANK[sent.part.state]) return []
    const chunks = this.#since(part, index, sent)
    sent.part = part
    return chunks
  }

  #since(part: MessagePart, index: number, sent: Sent): UIMessageChunk[] {
    const { type } = part
    if (type === 'text' || type === 'reasoning') return streamed(part as TextPart | ReasoningPart, sent, streamId(part, index))
    if (isTool(part)) return this.#tool(part, sent)
    if (type === 'step-start') return [{ type: 'start-step' }]
    // What the SDK has no part for is not shown by it either.
    if (type === 'raw') return []
    if (type.startsWith('data-')) return JSON.stringify(part) === JSON.stringify(sent.part) ? [] : [part as UIMessageChunk]
    return Object.keys(sent.part).length > 1 ? [] : [part as unknown as UIMessageChunk]
  }

  #tool(part: ToolPart, sent: Sent): UIMessageChunk[] {
    const before = isTool(sent.part) ? sent.part : undefined
    const rank = before === undefined ? -1 : RANK[before.state]
    const now = RANK[part.state]
    const { toolCallId } = part
    const chunks: UIMessageChunk[] = []
    if (before === undefined) chunks.push({ type: 'tool-input-start', ...callOf(part) })
    const text = textOf(part)
    if (text.length > sent.length) {
      chunks.push({ type: 'tool-input-delta', toolCallId, inputTextDelta: text.slice(sent.length) })
      sent.length = text.length
    }
    if (rank < 1 && now >= 1) chunks.push(...this.#input(part, sent, now === 4))
    if (before?.approval === undefined) chunks.push(...asked(part))
    if (before?.approval?.approved === undefined) chunks.push(...responded(part))
    if (now === 4 && !(rank === 4 && sameResult(before, part))) chunks.push(outputOf(part))
    return chunks
  }

  /** A whole input; of a call that is done, or that nobody here is to do, in a way that calls nobody. */
  #input(part: ToolPart, sent: Sent, isDone: boolean): UIMessageChunk[] {
    const { toolCallId, input } = part
    if (!isDone) {
      const silent = this.#silent ? { providerExecuted: true } : {}
      return [{ type: 'tool-input-available', ...callOf(part), ...silent, input }]
    }
    if (sent.length > 0 || input === undefined) return []
    return [{ type: 'tool-input-delta', toolCallId, inputTextDelta: JSON.stringify(input) }]
  }
}

function isTool(part: MessagePart): part is ToolPart {
  return (part.type === 'dynamic-tool' || part.type.startsWith('tool-')) && 'toolCallId' in part
}

function textOf(part: MessagePart): string {
  const text = isTool(part) ? part.rawInput : part['text' as keyof MessagePart]
  return typeof text === 'string' ? text : ''
}

/** True when a part is one that was sent before and has only grown since. */
function goesOn(before: MessagePart, length: number, now: MessagePart | undefined): boolean {
  if (now === before) return true
  if (now?.type !== before.type) return false
  if (isTool(before)) return isTool(now) && now.toolCallId === before.toolCallId
  return textOf(now).startsWith(textOf(before).slice(0, length))
}

function streamed(part: TextPart | ReasoningPart, sent: Sent, id: string): UIMessageChunk[] {
  const { type, text, state } = part
  const chunks: UIMessageChunk[] = []
  if (!('text' in sent.part)) {
    chunks.push({ type: `${type}-start`, id })
    sent.open = true
  }
  if (!sent.open) return chunks
  if (text.length > sent.length) chunks.push({ type: `${type}-delta`, id, delta: text.slice(sent.length) })
  sent.length = text.length
  if (state === 'streaming') return chunks
  sent.open = false
  chunks.push({ type: `${type}-end`, id, ...named(part, { providerMetadata: 'providerMetadata', citations: 'citations' }) })
  return chunks
}

/** The id of a streamed part in its chunks: a reasoning's own, which stands in the part. */
function streamId(part: MessagePart, index: number): string {
  const { id } = part as { readonly id?: unknown }
  return part.type === 'reasoning' && typeof id === 'string' ? id : String(index)
}

/** Fields of a part under the names that chunks have for them, without those that are not there. */
function named(part: MessagePart, names: Readonly<Record<string, string>>): Record<string, never> {
  const fields = Object.entries(names).map(([of, as]) => [as, part[of as keyof MessagePart]] as const)
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined)) as Record<string, never>
}

/** What all chunks of a call's input say of it. */
function callOf(part: ToolPart): { toolCallId: string; toolName: string; dynamic?: boolean } {
  const { type, toolCallId, toolName } = part
  const name = type === 'dynamic-tool' ? { toolName: toolName ?? 'unknown', dynamic: true } : { toolName: type.slice(5) }
  const more = { title: 'title', toolMetadata: 'toolMetadata', providerExecuted: 'providerExecuted' }
  return { toolCallId, ...name, ...named(part, { ...more, callProviderMetadata: 'providerMetadata' }) }
}

function asked({ toolCallId, approval }: ToolPart): UIMessageChunk[] {
  if (approval === undefined) return []
  const more = { inputSchemaInput: 'inputSchemaInput', isAutomatic: 'isAutomatic', signature: 'signature' }
  const fields = named(approval as unknown as MessagePart, { ...more, descriptor: 'approvalDescriptor', requestReason: 'reason' })
  return [{ type: 'tool-approval-request', approvalId: approval.id, toolCallId, ...fields }]
}

function responded({ approval }: ToolPart): UIMessageChunk[] {
  if (approval?.approved === undefined) return []
  const { id, approved, reason } = approval
  return [{ type: 'tool-approval-response', approvalId: id, approved, ...(reason === undefined ? {} : { reason }) }]
}

function sameResult(before: ToolPart | undefined, now: ToolPart): boolean {
  const of = (part: ToolPart | undefined): string =>
    JSON.stringify([part?.state, part?.output, part?.errorText, part?.preliminary === true])
  return of(before) === of(now)
}

function outputOf(part: ToolPart): UIMessageChunk {
  const { toolCallId, state, input, output, errorText = '' } = part
  if (state === 'output-denied') return { type: 'tool-output-denied', toolCallId }
  const more = named(part, {
    preliminary: 'preliminary',
    toolMetadata: 'toolMetadata',
    resultProviderMetadata: 'providerMetadata',
  })
  if (state === 'output-available') return { type: 'tool-output-available', toolCallId, output, ...more }
  // An input that never became whole is kept as the text that it is.
  if (typeof input === 'string') return { type: 'tool-input-error', ...callOf(part), ...more, input, errorText }
  return { type: 'tool-output-error', toolCallId, errorText, ...more }
}
