/** What the tests of streams share: all fixtures, and what makes other streams of them. */
import fc from 'fast-check'
import type { Message, MessagePart, ToolPart } from '../../shared/message.ts'
import { toModelMessages, type ModelMessage } from '../../shared/model-messages.ts'
import type { Folded } from '../support/folding.ts'
import { TOOL_STATES } from '../../shared/message.ts'
import { STREAMS } from '../support/ui-streams.ts'
import { AG_UI } from './fixtures/ag-ui.ts'
import { ANTHROPIC } from './fixtures/anthropic.ts'
import { OPENAI_CHAT } from './fixtures/openai-chat.ts'
import { OPENAI_RESPONSES } from './fixtures/openai-responses.ts'

export type StreamedEvent = Readonly<Record<string, unknown>>

export const VOCABULARIES: Readonly<Record<string, Readonly<Record<string, readonly StreamedEvent[]>>>> = {
  'AI SDK': STREAMS as unknown as Readonly<Record<string, readonly StreamedEvent[]>>,
  Anthropic: ANTHROPIC,
  'OpenAI chat': OPENAI_CHAT,
  'OpenAI Responses': OPENAI_RESPONSES,
  'AG-UI': AG_UI,
}

/** `[title, events]` of every fixture. */
export const FIXTURES: readonly (readonly [title: string, events: readonly StreamedEvent[]])[] = Object.entries(
  VOCABULARIES,
).flatMap(([vocabulary, streams]) => Object.entries(streams).map(([name, events]) => [`${vocabulary}, ${name}`, events] as const))

/** Events out of order, doubled, lost, with anything in their fields, and things that are no events at all. */
export const anyEvents: fc.Arbitrary<readonly unknown[]> = fc.array(
  fc.oneof(
    { arbitrary: fc.constantFrom(...FIXTURES.flatMap(([, events]) => events)), weight: 4 },
    { arbitrary: fc.constantFrom(...FIXTURES.flatMap(([, events]) => events)).chain(mangled), weight: 4 },
    { arbitrary: fc.jsonValue({ maxDepth: 3 }), weight: 1 },
  ),
  { maxLength: 40 },
)

function mangled(event: StreamedEvent): fc.Arbitrary<unknown> {
  const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('', 0, null, [], {}, '__proto__', 'msg_1', 'constructor'))
  return fc.tuple(fc.constantFrom(...pathsIn(event)), fc.oneof(value, fc.constant(undefined))).map(([path, news]) => {
    return withValue(event, path, news)
  })
}

/** The ways to all values in a value, but not to itself. */
function pathsIn(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, entry]) => [[key], ...pathsIn(entry).map((path) => [key, ...path])])
}

function withValue(value: unknown, [key = '', ...rest]: readonly string[], news: unknown): unknown {
  const copy: Record<string, unknown> = Array.isArray(value) ? ([...value] as never) : { ...(value as object) }
  copy[key] = rest.length === 0 ? news : withValue(copy[key], rest, news)
  return copy
}

/** Where the vocabularies keep what is streamed, piece by piece. */
const DELTAS: readonly (readonly string[])[] = [
  ['delta'],
  ['inputTextDelta'],
  ['delta', 'text'],
  ['delta', 'thinking'],
  ['delta', 'partial_json'],
  ['choices', '0', 'delta', 'content'],
  ['choices', '0', 'delta', 'refusal'],
  ['choices', '0', 'delta', 'reasoning_content'],
  ['choices', '0', 'delta', 'reasoning'],
  ['choices', '0', 'delta', 'tool_calls', '0', 'function', 'arguments'],
  ['choices', '0', 'delta', 'function_call', 'arguments'],
]

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as StreamedEvent)[key] : undefined),
    value,
  )
}

/** The stream with each delta in two, cut where `cuts` says (a fraction of its length); the numbers of events are made anew. */
export function splitDeltas(events: readonly StreamedEvent[], cuts: readonly number[]): readonly StreamedEvent[] {
  let n = 0
  const split = events.flatMap((event) => {
    const deltas = DELTAS.map((path) => [path, valueAt(event, path)] as const).filter(([, delta]) => typeof delta === 'string')
    const [path, delta] = deltas[0] ?? []
    // Two in one event, or an event that says more than its delta: not ours to take apart.
    if (deltas.length !== 1 || path === undefined || typeof delta !== 'string' || namesSomething(event)) return [event]
    const at = Math.round((cuts[n++ % cuts.length] ?? 0) * delta.length)
    return [withValue(event, path, delta.slice(0, at)), withValue(event, path, delta.slice(at))] as StreamedEvent[]
  })
  let sequence = 0
  return split.map((event) => {
    if (!('sequence_number' in event)) return event
    if (event['type'] === 'response.created') sequence = 0
    return { ...event, sequence_number: sequence++ }
  })
}

/** A fragment that begins a call, several calls in one event, or the end of a choice. */
function namesSomething(event: StreamedEvent): boolean {
  const delta = valueAt(event, ['choices', '0', 'delta']) as StreamedEvent | undefined
  if (delta === undefined) return false
  const calls = (delta['tool_calls'] ?? []) as readonly StreamedEvent[]
  const named = [...calls, delta].some((call) => valueAt(call, ['function', 'name']) ?? valueAt(call, ['function_call', 'name']))
  return named || calls.length > 1 || valueAt(event, ['choices', '0', 'finish_reason']) !== null
}

/** What is wrong with the form of parts; with `closed`, nothing may be open either. */
export function faultsOfParts(parts: readonly MessagePart[], closed: boolean): string[] {
  return parts.flatMap((part) => {
    const { type, text, toolCallId, state, errorText } = part as Omit<ToolPart, 'type'> & { type: string; text?: unknown }
    if (typeof type !== 'string' || type === '') return ['a part without a type']
    if (type === 'text' || type === 'reasoning') {
      return typeof text === 'string' && (!closed || state === ('done' as unknown)) ? [] : [`${type}: ${JSON.stringify(part)}`]
    }
    if (!type.startsWith('tool-') && type !== 'dynamic-tool') return []
    const fine = typeof toolCallId === 'string' && TOOL_STATES.includes(state) && (!closed || state.startsWith('output-'))
    return fine && (state !== 'output-error' || typeof errorText === 'string') ? [] : [`${type}: ${JSON.stringify(part)}`]
  })
}

/** The request that follows when an agent has said this, and the user goes on. */
export function requestAfter({ parts }: Folded, complete: boolean): ModelMessage[] {
  const said = (id: string, seq: number, by: string, kind: 'user' | 'agent', content: Message['parts']): Message => ({
    id,
    role: kind === 'user' ? 'user' : 'assistant',
    metadata: { by, kind, at: seq, seq, ...(kind === 'agent' ? { run: 'r' } : {}) },
    parts: content,
  })
  const input = said('3', 3, 'ada', 'user', [{ type: 'text', text: 'Go on' }])
  const messages = [said('1', 1, 'ada', 'user', [{ type: 'text', text: 'Hi' }]), said('2', 2, 'bot', 'agent', parts), input]
  return toModelMessages(messages, { agent: 'bot', input, participants: new Map(), isComplete: () => complete })
}
