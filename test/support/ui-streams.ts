/** UI message streams in the shapes that the AI SDK emits, one per kind of thing that a stream can hold. */
import type { UIMessageChunk } from 'ai'

const answer: readonly UIMessageChunk[] = [
  { type: 'start', messageId: 'm' },
  { type: 'start-step' },
  { type: 'text-start', id: 't1' },
  { type: 'text-delta', id: 't1', delta: 'Hello ' },
  { type: 'text-delta', id: 't1', delta: '😀' },
  { type: 'text-delta', id: 't1', delta: '' },
  { type: 'text-delta', id: 't1', delta: ' there' },
  { type: 'text-end', id: 't1', providerMetadata: { openai: { itemId: 'msg_1' } } },
  { type: 'finish-step' },
  { type: 'finish', finishReason: 'stop' },
]

const reasoning: readonly UIMessageChunk[] = [
  { type: 'start-step' },
  { type: 'reasoning-start', id: 'r1', providerMetadata: { openai: { itemId: 'rs_1' } } },
  { type: 'reasoning-delta', id: 'r1', delta: 'The user asks' },
  { type: 'text-start', id: 'r1' },
  { type: 'reasoning-delta', id: 'r1', delta: ' for shoes.' },
  { type: 'text-delta', id: 'r1', delta: 'Which size?' },
  { type: 'reasoning-end', id: 'r1', providerMetadata: { openai: { itemId: 'rs_1', encrypted: 'x' } } },
  { type: 'text-end', id: 'r1' },
  { type: 'finish-step' },
]

const tools: readonly UIMessageChunk[] = [
  { type: 'start-step' },
  { type: 'tool-input-start', toolCallId: 'c1', toolName: 'find', title: 'Find', providerMetadata: { google: { thought: 's' } } },
  { type: 'tool-input-delta', toolCallId: 'c1', inputTextDelta: '{"q":' },
  { type: 'tool-input-start', toolCallId: 'c2', toolName: 'free', dynamic: true },
  { type: 'tool-input-delta', toolCallId: 'c1', inputTextDelta: '"shoes"}' },
  { type: 'tool-input-delta', toolCallId: 'c2', inputTextDelta: '{}' },
  { type: 'tool-input-available', toolCallId: 'c1', toolName: 'find', input: { q: 'shoes' } },
  { type: 'tool-input-available', toolCallId: 'c2', toolName: 'free', input: {}, dynamic: true },
  { type: 'tool-output-available', toolCallId: 'c1', output: { found: 0 }, preliminary: true },
  { type: 'tool-output-available', toolCallId: 'c1', output: { found: 1 }, preliminary: true },
  { type: 'tool-output-error', toolCallId: 'c2', errorText: 'No such thing', dynamic: true },
  { type: 'tool-output-available', toolCallId: 'c1', output: { found: 2 }, providerMetadata: { google: { a: 1 } } },
  { type: 'finish-step' },
  // The provider numbers the calls of each step anew.
  { type: 'start-step' },
  { type: 'tool-input-available', toolCallId: 'c1', toolName: 'pay', input: { sum: 3 }, toolMetadata: { cost: 1 } },
  { type: 'tool-input-error', toolCallId: 'c3', toolName: 'pay', input: '{"sum', errorText: 'Not JSON' },
  { type: 'tool-input-available', toolCallId: 'c4', toolName: 'search', input: {}, providerExecuted: true },
  { type: 'tool-output-available', toolCallId: 'c4', output: null, providerExecuted: true },
  { type: 'finish-step' },
  { type: 'start-step' },
  { type: 'tool-output-available', toolCallId: 'c3', output: 'late' },
  { type: 'finish-step' },
]

const approvals: readonly UIMessageChunk[] = [
  { type: 'start-step' },
  { type: 'tool-input-available', toolCallId: 'c1', toolName: 'refund', input: { order: 7 } },
  { type: 'tool-approval-request', toolCallId: 'c1', approvalId: 'a1', reason: 'Money', signature: 's' },
  { type: 'tool-input-available', toolCallId: 'c2', toolName: 'refund', input: { order: 8 } },
  { type: 'tool-approval-request', toolCallId: 'c2', approvalId: 'a2', isAutomatic: true, approvalDescriptor: { sum: 3 } },
  { type: 'tool-approval-response', approvalId: 'a1', approved: true },
  { type: 'tool-approval-response', approvalId: 'a2', approved: false, reason: 'Too much' },
  { type: 'tool-output-denied', toolCallId: 'c2' },
  { type: 'tool-output-available', toolCallId: 'c1', output: 'done' },
]

const others: readonly UIMessageChunk[] = [
  { type: 'start', messageMetadata: { a: 1 } },
  { type: 'start-step' },
  { type: 'source-url', sourceId: 's1', url: 'https://example.com', title: 'Example' },
  { type: 'source-document', sourceId: 's2', mediaType: 'text/plain', title: 'Notes', filename: 'notes.txt' },
  { type: 'file', url: 'data:text/plain,x', mediaType: 'text/plain' },
  { type: 'reasoning-file', url: 'data:text/plain,y', mediaType: 'text/plain', providerMetadata: { x: { y: 1 } } },
  { type: 'custom', kind: 'openai.compaction' },
  { type: 'steering-message', id: 'u1', parts: [{ type: 'text', text: 'make it two' }] },
  { type: 'data-card', data: { n: 1 } },
  { type: 'data-weather', id: 'w', data: { sky: 'grey' } },
  { type: 'data-card', id: 'w', data: { other: true } },
  { type: 'data-weather', id: 'w', data: { sky: 'blue' } },
  { type: 'data-note', data: 'gone', transient: true },
  { type: 'message-metadata', messageMetadata: { b: 2 } },
  { type: 'finish-step' },
  { type: 'finish', finishReason: 'length', messageMetadata: { c: 3 } },
]

const retried: readonly UIMessageChunk[] = [
  { type: 'start-step' },
  { type: 'text-start', id: '1' },
  { type: 'text-delta', id: '1', delta: 'First step. ' },
  { type: 'text-end', id: '1' },
  { type: 'tool-input-available', toolCallId: 'old', toolName: 'slow', input: {} },
  { type: 'data-weather', id: 'w', data: 1 },
  { type: 'finish-step' },
  { type: 'start-step' },
  { type: 'text-start', id: '1' },
  { type: 'text-delta', id: '1', delta: 'A dead attempt' },
  { type: 'tool-input-start', toolCallId: 'dead', toolName: 'find' },
  { type: 'data-card', id: 'c', data: 'dead' },
  { type: 'reset-step' },
  { type: 'text-start', id: '1' },
  { type: 'text-delta', id: '1', delta: 'Second step.' },
  { type: 'tool-output-available', toolCallId: 'old', output: 'at last' },
  { type: 'data-weather', id: 'w', data: 2 },
  { type: 'data-card', id: 'c', data: 'alive' },
  { type: 'text-end', id: '1' },
  { type: 'finish-step' },
]

export const STREAMS: Readonly<Record<string, readonly UIMessageChunk[]>> = {
  answer,
  reasoning,
  tools,
  approvals,
  others,
  retried,
}
