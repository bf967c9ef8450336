import {
  convertToModelMessages,
  readUIMessageStream,
  safeValidateUIMessages,
  simulateReadableStream,
  type UIMessage,
  type UIMessageChunk,
} from 'ai'
import { describe, expect, expectTypeOf, test } from 'vitest'
import * as Y from 'yjs'
import { rootsOf } from '../shared/layout.ts'
import {
  TOOL_STATES,
  type Message,
  type MessagePart,
  type ReasoningPart,
  type TextPart,
  type ToolPart,
} from '../shared/message.ts'
import { MessageWriter } from '../shared/part-writer.ts'
import { UIStreamFold, type StreamEnd, type UIStreamChunk } from '../shared/ui-stream.ts'
import { ViewBuilder } from '../shared/view.ts'
import { headOf } from './support/document.ts'
import { Chance, seeds } from './support/random.ts'
import { STREAMS } from './support/ui-streams.ts'

interface Folded {
  readonly parts: readonly MessagePart[]
  readonly end: StreamEnd
}

interface FoldOptions {
  /** Flush after each so many chunks; 0: once, at the end. */
  readonly flushEvery?: number
  /** Close with this text. */
  readonly close?: string
}

/** What a peer reads that got every update of the writer. */
function fold(chunks: readonly unknown[], { flushEvery = 1, close }: FoldOptions = {}): Folded {
  const doc = new Y.Doc()
  const peer = new Y.Doc()
  doc.on('update', (update: Uint8Array) => Y.applyUpdate(peer, update))
  const writer = new MessageWriter(rootsOf(doc).messages, headOf('m'))
  const folding = new UIStreamFold(writer)
  chunks.forEach((chunk, index) => {
    folding.apply(chunk as UIStreamChunk)
    if (flushEvery > 0 && (index + 1) % flushEvery === 0) doc.transact(() => writer.flush())
  })
  if (close !== undefined) folding.close(close)
  doc.transact(() => writer.flush())
  const message = new ViewBuilder(peer, (error) => expect.unreachable(String(error))).message('m')
  return { parts: message?.parts ?? [], end: folding.end }
}

/** What the SDK's own fold makes of the same chunks. */
async function foldBySdk(chunks: readonly UIMessageChunk[]): Promise<UIMessage['parts']> {
  // `start-step` alone makes the SDK show nothing new; metadata does.
  const shown: UIMessageChunk = { type: 'message-metadata', messageMetadata: {} }
  const stream = simulateReadableStream({
    chunks: structuredClone([...chunks, shown]),
    initialDelayInMs: null,
    chunkDelayInMs: null,
  })
  let last: UIMessage | undefined
  for await (const message of readUIMessageStream({ stream, onError: (error) => expect.unreachable(String(error)) }))
    last = message
  return last?.parts ?? []
}

/** As JSON, without the two differences that are meant: we do not guess at a tool's input before it is whole. */
function comparable(parts: readonly unknown[]): unknown {
  const plain = JSON.parse(JSON.stringify(parts)) as Record<string, unknown>[]
  return plain.map((part) => {
    const { input, ...rest } = part
    return part['state'] === 'input-streaming' ? rest : part
  })
}

function hasItsForm(part: MessagePart): boolean {
  const { type, text, toolCallId, state } = part as ToolPart & { text?: unknown }
  if (type.startsWith('tool-')) return typeof toolCallId === 'string' && TOOL_STATES.includes(state)
  return typeof type === 'string' && (!['text', 'reasoning'].includes(type) || typeof text === 'string')
}

const cases = Object.entries(STREAMS)

describe("each chunk has the effect of the AI SDK's own fold", () => {
  test.for(cases)('%s: every prefix', async ([, chunks]) => {
    for (let n = 1; n <= chunks.length; n++) {
      const prefix = chunks.slice(0, n)
      expect(comparable(fold(prefix).parts), `after ${JSON.stringify(prefix.at(-1))}`).toEqual(
        comparable(await foldBySdk(prefix)),
      )
    }
  })

  test.for(cases)('%s: whenever it is flushed', ([, chunks]) => {
    const whole = fold(chunks).parts
    for (const flushEvery of [0, 2, 3, 5]) expect(fold(chunks, { flushEvery }).parts, `every ${flushEvery}`).toEqual(whole)
  })

  test('how it ended is told, and is no part', () => {
    expect(fold([{ type: 'finish', finishReason: 'length' }])).toEqual({ parts: [], end: { finishReason: 'length' } })
    expect(fold([{ type: 'error', errorText: 'Overloaded' }])).toEqual({ parts: [], end: { error: 'Overloaded' } })
    expect(fold([{ type: 'error' }]).end.error).toMatch(/./)
    expect(fold([{ type: 'abort', reason: 'x' }])).toEqual({ parts: [], end: { aborted: true } })
  })
})

describe('any prefix is a valid message', () => {
  test.for(cases)('%s: closed after any chunk, the SDK takes it for a message and for a prompt', async ([, chunks]) => {
    for (let n = 1; n <= chunks.length; n++) {
      const { parts } = fold(chunks.slice(0, n), { close: 'cut' })
      for (const part of parts) {
        expect('state' in part ? part.state : 'done', JSON.stringify(part)).toMatch(/^(done|output-)/)
        expect('errorText' in part ? part.errorText : 'none', JSON.stringify(part)).toMatch(/./)
      }
      // A message without a part is none, to the SDK.
      const message = { id: 'm', role: 'assistant', parts: [{ type: 'step-start' }, ...parts] } as unknown as UIMessage
      expect(await safeValidateUIMessages({ messages: [message] }), `after chunk ${n}`).toMatchObject({ success: true })
      await expect(convertToModelMessages([message])).resolves.toBeInstanceOf(Array)
    }
  })

  test('a delta without its start makes the part', () => {
    expect(fold([{ type: 'text-delta', id: 'x', delta: 'mid' }]).parts).toEqual([
      { type: 'text', text: 'mid', state: 'streaming' },
    ])
    expect(fold([{ type: 'tool-input-delta', toolCallId: 'x', inputTextDelta: '{' }]).parts).toEqual([
      { type: 'tool-unknown', toolCallId: 'x', state: 'input-streaming', input: undefined, rawInput: '{' },
    ])
    expect(fold([{ type: 'tool-output-available', toolCallId: 'x', output: 1 }]).parts).toMatchObject([
      { type: 'tool-unknown', toolCallId: 'x', state: 'output-available', output: 1 },
    ])
  })

  test('an unknown chunk is kept as it came, in a raw part', () => {
    const unknown = { type: 'tomorrow', deep: { list: [1, 'two', null] } }
    expect(fold([unknown]).parts).toEqual([{ type: 'raw', event: unknown }])
    expect(fold([{ type: 'tool-approval-response', approvalId: 'nobody', approved: true }]).parts).toMatchObject([
      { type: 'raw' },
    ])
    for (const odd of [null, 7, 'text', [], { type: 7 }]) expect(fold([odd]).parts).toEqual([{ type: 'raw', event: odd }])
  })

  test('a value that a tool goes on changing, or that JSON does not know, is what JSON says at that moment', () => {
    const output = { at: new Date(0), count: 1 }
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    const chunks = [{ type: 'tool-output-available', toolCallId: 'x', output }]
    const doc = new Y.Doc()
    const writer = new MessageWriter(rootsOf(doc).messages, headOf('m'))
    const folding = new UIStreamFold(writer)
    for (const chunk of chunks) folding.apply(chunk)
    output.count = 2
    folding.apply({ type: 'data-x', data: circle })
    folding.apply({ type: 'data-y', data: 10n })
    doc.transact(() => writer.flush())
    expect(new ViewBuilder(doc, () => {}).message('m')?.parts).toEqual([
      {
        type: 'tool-unknown',
        toolCallId: 'x',
        state: 'output-available',
        input: undefined,
        output: { at: '1970-01-01T00:00:00.000Z', count: 1 },
      },
      { type: 'data-x' },
      { type: 'data-y' },
    ])
  })

  test('chunks lost, doubled, shuffled and mangled: nothing throws, and what is there has its form', () => {
    const all = Object.values(STREAMS).flat() as unknown as Record<string, unknown>[]
    const values: readonly unknown[] = [undefined, null, 0, '', 'c1', [], {}, true, { id: 'a1' }]
    for (const seed of seeds(150)) {
      const chance = new Chance(seed)
      const chunks = Array.from({ length: chance.int(1, 60) }, () => {
        const chunk = { ...chance.pick(all) }
        if (chance.bool(0.2)) chunk[chance.pick(Object.keys(chunk))] = chance.pick(values)
        return chunk
      })
      const { parts } = fold(chunks, { flushEvery: chance.int(0, 4), ...(chance.bool() ? { close: 'cut' } : {}) })
      expect(
        parts.filter((part) => !hasItsForm(part)),
        `seed ${seed}`,
      ).toEqual([])
    }
  })
})

test("types: the SDK's messages and parts are ours; our text and reasoning parts are the SDK's", () => {
  type SdkPart = UIMessage['parts'][number]
  expectTypeOf<UIMessage<Message['metadata']> & { metadata: Message['metadata'] }>().toExtend<Message>()
  expectTypeOf<SdkPart>().toExtend<MessagePart>()
  expectTypeOf<Extract<SdkPart, { toolCallId: string }>>().toExtend<ToolPart>()
  expectTypeOf<TextPart>().toExtend<SdkPart>()
  expectTypeOf<ReasoningPart>().toExtend<SdkPart>()
  expectTypeOf<ToolPart['state']>().toEqualTypeOf<Extract<SdkPart, { toolCallId: string }>['state']>()
  expectTypeOf<Message['role']>().toEqualTypeOf<UIMessage['role']>()
})
