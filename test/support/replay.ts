/** A message's parts, as the UI message chunks that make them: what one would send to a client that comes late. */
import type { MessagePart } from '../../shared/message.ts'
import type { UIStreamChunk } from '../../shared/ui-stream.ts'

type Part = Readonly<Record<string, unknown>>

export function chunksOf(parts: readonly MessagePart[]): UIStreamChunk[] {
  return parts.flatMap((part, index) => chunksOfPart(part as Part, String(index)))
}

function chunksOfPart(part: Part, index: string): UIStreamChunk[] {
  const type = String(part['type'])
  switch (type) {
    case 'step-start':
      return [{ type: 'start-step' }]
    case 'text':
    case 'reasoning':
      return chunksOfText(type, part, index)
    default:
      return type === 'dynamic-tool' || type.startsWith('tool-') ? chunksOfTool(part) : [part as UIStreamChunk]
  }
}

function chunksOfText(type: string, { text, state, id = '', ...more }: Part, index: string): UIStreamChunk[] {
  const { type: _, ...fields } = more
  const key = type === 'reasoning' ? id : index
  return [
    { type: `${type}-start`, id: key, ...fields },
    { type: `${type}-delta`, id: key, delta: text },
    ...(state === 'done' ? [{ type: `${type}-end`, id: key }] : []),
  ]
}

function chunksOfTool(part: Part): UIStreamChunk[] {
  const { toolCallId, input, rawInput, output, errorText, approval, state, preliminary } = part
  const dynamic = part['type'] === 'dynamic-tool'
  const call = {
    toolCallId,
    toolName: dynamic ? part['toolName'] : String(part['type']).slice('tool-'.length),
    ...(dynamic ? { dynamic } : {}),
    title: part['title'],
    toolMetadata: part['toolMetadata'],
    providerExecuted: part['providerExecuted'],
    providerMetadata: part['callProviderMetadata'],
  }
  const result = { toolCallId, providerMetadata: part['resultProviderMetadata'] }
  const chunks: UIStreamChunk[] = [{ type: 'tool-input-start', ...call }]
  if (rawInput !== undefined) chunks.push({ type: 'tool-input-delta', toolCallId, inputTextDelta: rawInput })
  if (input !== undefined && state !== 'output-error') chunks.push({ type: 'tool-input-available', ...call, input })
  chunks.push(...chunksOfApproval(toolCallId, approval as Part | undefined))
  switch (state) {
    case 'output-available':
      return [...chunks, { type: 'tool-output-available', ...result, output, ...(preliminary === true ? { preliminary } : {}) }]
    case 'output-error':
      // The input of a call that failed may be half of one.
      return [...chunks, { type: 'tool-input-error', ...result, ...(input === undefined ? {} : { input }), errorText }]
    case 'output-denied':
      return [...chunks, { type: 'tool-output-denied', toolCallId }]
    default:
      return chunks
  }
}

function chunksOfApproval(toolCallId: unknown, approval: Part | undefined): UIStreamChunk[] {
  if (approval === undefined) return []
  const { id, approved, descriptor, inputSchemaInput, requestReason, reason, isAutomatic, signature } = approval
  const asked = { approvalDescriptor: descriptor, inputSchemaInput, reason: requestReason, isAutomatic, signature }
  return [
    { type: 'tool-approval-request', toolCallId, approvalId: id, ...asked },
    ...(approved === undefined ? [] : [{ type: 'tool-approval-response', approvalId: id, approved, reason }]),
  ]
}
