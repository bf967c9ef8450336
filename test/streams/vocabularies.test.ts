/** What each vocabulary becomes: the meaning of its events, part by part. */
import { describe, expect, test } from 'vitest'
import type { MessagePart } from '../../shared/message.ts'
import { vocabularyOf } from '../../shared/streams/fold.ts'
import { foldEvents, type Folded } from '../support/folding.ts'
import { SIGNATURE } from './fixtures/anthropic.ts'
import { VOCABULARIES, type StreamedEvent } from './support.ts'

function stream(vocabulary: string, name: string): readonly StreamedEvent[] {
  const events = VOCABULARIES[vocabulary]?.[name]
  if (events === undefined) throw new Error(`There is no fixture ${vocabulary}, ${name}.`)
  return events
}

const folded = (vocabulary: string, name: string): Folded => foldEvents(stream(vocabulary, name), { close: 'cut' })
const withoutSteps = ({ parts }: Folded): readonly MessagePart[] => parts.filter(({ type }) => type !== 'step-start')
const ofType = ({ parts }: Folded, type: string): readonly MessagePart[] => parts.filter((part) => part.type === type)
const said = (text: string): MessagePart => ({ type: 'text', text, state: 'done' })

test('[G11] an event is told by its shape', () => {
  for (const [vocabulary, streams] of Object.entries(VOCABULARIES)) {
    const expected = { 'AI SDK': null, Anthropic: 'anthropic', 'OpenAI chat': 'openai-chat' }[vocabulary]
    const name = expected === undefined ? vocabulary.toLowerCase().replace(' ', '-') : expected
    const known = Object.values(streams).flat()
    const foreign = known.filter(
      (event) => !String(event['type']).startsWith('tool-output') && !String(event['type']).startsWith('message_tom'),
    )
    expect([...new Set(foreign.map(vocabularyOf))], vocabulary).toEqual([name])
  }
  expect(vocabularyOf({ type: 'error', errorText: 'x' })).toBeNull()
  expect(vocabularyOf({ type: 'error', code: 'x', message: 'y', param: null, sequence_number: 3 })).toBe('openai-responses')
  expect(vocabularyOf({ type: 'error', error: { type: 'overloaded_error', message: 'x' } })).toBe('anthropic')
  expect(vocabularyOf({ error: { message: 'x' } })).toBe('openai-chat')
  expect(vocabularyOf({})).toBeNull()
})

describe.each(['Anthropic', 'OpenAI chat', 'OpenAI Responses', 'AG-UI'])('[G11] %s', (vocabulary) => {
  test('a plain answer', () => {
    const { parts, end } = folded(vocabulary, 'plain')
    expect(parts).toMatchObject([{ type: 'step-start' }, { type: 'text', text: 'Hello 😀!', state: 'done' }])
    expect(end).toMatchObject({
      finishReason: 'stop',
      usage: { inputTokens: expect.any(Number), outputTokens: expect.any(Number) },
    })
  })

  test('calls with their inputs, their results, and the answer of the next step', () => {
    const texts = ofType(folded(vocabulary, 'tools'), 'text').map((part) => part['text' as keyof MessagePart])
    expect(texts.at(-1)).toBe('The Runner fits.')
    const calls = folded(vocabulary, 'tools').parts.filter(({ type }) => type.startsWith('tool-'))
    expect(calls[0]).toMatchObject({ state: 'output-available', input: { size: 42 } })
    expect(calls).toHaveLength(2)
  })

  test('the input of a call is seen while it is written', () => {
    const events = stream(vocabulary, 'tools')
    const seen = events.flatMap((_, n) => {
      const calls = foldEvents(events.slice(0, n)).parts.filter(({ type }) => type.startsWith('tool-find'))
      return calls.map((part) => (part as { rawInput?: unknown }).rawInput)
    })
    expect([...new Set(seen)]).toEqual(expect.arrayContaining([undefined, '{"size"']))
  })

  test('what failed is told with its code, and what had come stays', () => {
    const { end, ...failed } = folded(vocabulary, 'failed')
    expect(end).toMatchObject({ error: expect.stringMatching(/./), errorCode: expect.stringMatching(/./) })
    expect(ofType({ end, ...failed }, 'text')).toMatchObject([{ text: 'So far', state: 'done' }])
  })
})

describe('[G11] Anthropic', () => {
  test('signatures and redacted thinking are kept byte for byte', () => {
    expect(ofType(folded('Anthropic', 'thinking'), 'reasoning')).toEqual([
      {
        type: 'reasoning',
        id: '1:0',
        text: 'They want shoes.',
        state: 'done',
        providerMetadata: { anthropic: { signature: SIGNATURE } },
      },
      {
        type: 'reasoning',
        id: '1:1',
        text: '',
        state: 'done',
        providerMetadata: { anthropic: { redactedData: 'EmwKAhgBEgy3va3pzix' } },
      },
    ])
    const upToSignature = stream('Anthropic', 'thinking').findIndex((event) => JSON.stringify(event).includes(SIGNATURE)) + 1
    const cut = foldEvents(stream('Anthropic', 'thinking').slice(0, upToSignature), { close: 'cut' })
    expect(cut.parts.at(-1)).toMatchObject({ providerMetadata: { anthropic: { signature: SIGNATURE } } })
  })

  test("results of the provider's own tools, sources and citations", () => {
    const parts = withoutSteps(folded('Anthropic', 'serverTools'))
    expect(parts).toMatchObject([
      {
        type: 'tool-web_search',
        providerExecuted: true,
        input: { query: 'shoe sizes' },
        output: [{ encrypted_content: 'Eqs=' }],
      },
      { type: 'source-url', url: 'https://shoes.example/sizes', title: 'Sizes' },
      { type: 'tool-web_fetch', state: 'output-error', errorText: 'url_not_accessible' },
      { type: 'tool-stock', output: [{ text: '3 left' }], callProviderMetadata: { anthropic: { serverName: 'shop' } } },
      { type: 'text', providerMetadata: { anthropic: { citations: [{ cited_text: '42 … 9' }, { document_title: 'Guide' }] } } },
      { type: 'source-url' },
      { type: 'source-document', title: 'Guide', mediaType: 'application/pdf' },
      { type: 'custom', kind: 'anthropic.container-upload' },
      { type: 'custom', providerMetadata: { anthropic: { content: 'They asked for shoes.', encrypted_content: 'zz==' } } },
    ])
    expect(new Set(parts.map((part) => (part as { sourceId?: string }).sourceId)).size).toBe(4)
  })

  test('why it ended, and what all its messages have used', () => {
    expect(folded('Anthropic', 'serverTools').end).toMatchObject({ finishReason: 'other', rawFinishReason: 'pause_turn' })
    expect(folded('Anthropic', 'refused').end).toMatchObject({ finishReason: 'content-filter', rawFinishReason: 'refusal' })
    expect(folded('Anthropic', 'tools').end.usage).toEqual({
      inputTokens: 80,
      outputTokens: 47,
      reasoningTokens: 6,
      cachedInputTokens: 20,
    })
  })

  test('a delta whose start was missed makes its part', () => {
    const delta = (index: number, of: object): object => ({ type: 'content_block_delta', index, delta: of })
    const { parts } = foldEvents([
      delta(0, { type: 'thinking_delta', thinking: 'Hm' }),
      delta(1, { type: 'text_delta', text: 'mid' }),
      delta(2, { type: 'input_json_delta', partial_json: '{' }),
    ])
    expect(parts).toMatchObject([
      { type: 'reasoning', text: 'Hm' },
      { type: 'text', text: 'mid' },
      { type: 'tool-unknown', rawInput: '{' },
    ])
  })
})

describe('[G11] OpenAI Responses', () => {
  test('reasoning with what the next request needs, also without words', () => {
    const metadata = { openai: { itemId: 'rs_1', reasoningEncryptedContent: 'gAAAAABo+/=' } }
    expect(ofType(folded('OpenAI Responses', 'reasoning'), 'reasoning')).toEqual([
      { type: 'reasoning', id: 'rs_1:0', text: 'They want shoes.', state: 'done', providerMetadata: metadata },
      { type: 'reasoning', id: 'rs_1:1', text: 'I need a size.', state: 'done', providerMetadata: metadata },
    ])
    expect(ofType(folded('OpenAI Responses', 'tools'), 'reasoning')).toMatchObject([
      { text: '', providerMetadata: { openai: { itemId: 'rs_2', reasoningEncryptedContent: 'gAAAAAB=' } } },
    ])
  })

  test('what is done is the truth, whatever was streamed', () => {
    expect(withoutSteps(folded('OpenAI Responses', 'corrected'))).toMatchObject([
      { type: 'reasoning', text: 'Hm, shoes.' },
      { type: 'text', text: 'First text', providerMetadata: { openai: { itemId: 'msg_7', phase: 'commentary' } } },
      { type: 'text', text: 'Second text' },
      { type: 'text', text: 'Spoken words' },
    ])
    expect(folded('OpenAI Responses', 'corrected').end).toMatchObject({
      finishReason: 'length',
      rawFinishReason: 'max_output_tokens',
    })
  })

  test('a response whose deltas were all missed is told by its end', () => {
    const events = stream('OpenAI Responses', 'plain')
    const ends = events.filter(({ type }) => type === 'response.created' || type === 'response.completed')
    expect(foldEvents(ends, { close: 'cut' })).toEqual(folded('OpenAI Responses', 'plain'))
  })

  test('calls: ids, free text, and how it ended', () => {
    const { parts } = folded('OpenAI Responses', 'tools')
    expect(parts.filter(({ type }) => type.startsWith('tool-'))).toEqual([
      {
        type: 'tool-find_shoes',
        toolCallId: 'call_1',
        callProviderMetadata: { openai: { itemId: 'fc_1' } },
        state: 'output-available',
        input: { size: 42 },
        output: [{ name: 'Runner' }],
      },
      {
        type: 'tool-note',
        toolCallId: 'call_2',
        callProviderMetadata: { openai: { itemId: 'ctc_1' } },
        state: 'output-available',
        input: 'size 42',
        output: 'noted',
      },
    ])
    const first = stream('OpenAI Responses', 'tools')
    const called = first.findIndex(({ type }) => type === 'tool-output-available')
    expect(foldEvents(first.slice(0, called)).end.finishReason).toBe('tool-calls')
    expect(folded('OpenAI Responses', 'tools').end).toMatchObject({
      finishReason: 'stop',
      usage: { inputTokens: 50, totalTokens: 75 },
    })
  })

  test("the provider's own tools: what was called, with what, and what came of it", () => {
    expect(withoutSteps(folded('OpenAI Responses', 'serverTools'))).toMatchObject([
      { type: 'tool-web_search', toolCallId: 'ws_1', providerExecuted: true, input: { action: { query: 'shoe sizes' } } },
      { type: 'tool-code_interpreter', input: { code: 'print(42)' }, output: { outputs: [{ type: 'logs', logs: '42' }] } },
      { type: 'tool-stock', state: 'output-error', input: { sku: 'r1' }, errorText: 'No such thing' },
      { type: 'tool-image_generation', state: 'output-available', output: { status: 'completed' } },
      { type: 'file', mediaType: 'image/webp', url: 'data:image/webp;base64,iVBORw0=' },
      { type: 'tool-shell', toolCallId: 'call_s', input: { action: { commands: ['echo 42'] } }, output: [{ stdout: '42\n' }] },
      { type: 'tool-order', toolCallId: 'mcpr_1', state: 'output-error' },
      { type: 'text', text: 'European 42 is US 9.', providerMetadata: { openai: { annotations: [{ title: 'Sizes' }, {}] } } },
      { type: 'source-url', url: 'https://shoes.example/sizes' },
      { type: 'source-document', title: 'guide.pdf', filename: 'guide.pdf' },
    ])
    const asked = stream('OpenAI Responses', 'serverTools')
    const upToRequest = asked.findLastIndex((event) => JSON.stringify(event).includes('mcp_approval_request')) + 1
    expect(foldEvents(asked.slice(0, upToRequest)).parts.at(-1)).toMatchObject({
      state: 'approval-requested',
      approval: { id: 'mcpr_1' },
    })
  })

  test('a refusal is text that says so', () => {
    expect(ofType(folded('OpenAI Responses', 'refused'), 'text')).toMatchObject([
      { text: 'I cannot do that.', providerMetadata: { openai: { refusal: true } } },
    ])
  })
})

describe('[G11] OpenAI chat completions', () => {
  test('one choice is the reply, the others are candidates', () => {
    expect(withoutSteps(folded('OpenAI chat', 'choices'))).toEqual([
      said('Yes, please.'),
      {
        type: 'data-choice',
        data: { index: 1, text: 'No, thanks.', toolCalls: [{ name: 'find', arguments: '{}' }], finishReason: 'tool_calls' },
      },
    ])
  })

  test('what other servers do otherwise', () => {
    expect(withoutSteps(folded('OpenAI chat', 'dialects'))).toMatchObject([
      { type: 'reasoning', text: 'They want shoes.' },
      said('Which size?'),
      { type: 'reasoning', text: 'Hm, 42?', providerMetadata: { openrouter: { reasoning_details: [{ signature: 'c2ln' }] } } },
      said('Is it 42?'),
      {
        type: 'tool-find',
        toolCallId: 'call_3',
        input: { size: 42 },
        callProviderMetadata: { google: { thoughtSignature: 'dGg=' } },
      },
      { type: 'tool-find', toolCallId: 'call_4', input: { size: 43 } },
      { type: 'source-url', url: 'https://shoes.example' },
    ])
    expect(withoutSteps(folded('OpenAI chat', 'oddities'))).toMatchObject([
      { type: 'tool-find', toolCallId: 'call_5', input: { a: 1 } },
      { type: 'tool-find', toolCallId: 'call_6', input: { a: 2 } },
      { type: 'tool-old', input: { x: 1 } },
      said('Spoken words'),
    ])
    expect(foldEvents([{ error: 'Out of memory' }]).end).toEqual({ error: 'Out of memory' })
  })

  test('a refusal is text that says so, and free text is no JSON', () => {
    expect(ofType(folded('OpenAI chat', 'refused'), 'text')).toMatchObject([
      { text: 'I cannot do that.', providerMetadata: { openai: { refusal: true } } },
    ])
    expect(ofType(folded('OpenAI chat', 'tools'), 'tool-note')).toMatchObject([{ input: 'size 42', output: 'noted' }])
  })
})

describe('[G11] AG-UI', () => {
  test('reasoning, also by its old names', () => {
    expect(ofType(folded('AG-UI', 'reasoning'), 'reasoning')).toMatchObject([
      { text: 'They want shoes.', state: 'done', providerMetadata: { 'ag-ui': { encryptedValue: 'gAAA+/=' } } },
    ])
    expect(ofType(folded('AG-UI', 'old'), 'reasoning')).toMatchObject([{ text: 'They want shoes.' }, { text: 'Which size?' }])
  })

  test('steps and sub-agents are steps of the run', () => {
    expect(folded('AG-UI', 'tools').steps).toEqual(['looking: done', 'answering: done'])
    expect(folded('AG-UI', 'pieces').steps).toEqual(['finder: done', 'checker: failed (No stock system)'])
  })

  test('messages in pieces, each lane its own', () => {
    expect(withoutSteps(folded('AG-UI', 'pieces'))).toMatchObject([
      { type: 'reasoning', text: 'Hm, shoes.' },
      said('Let me look.'),
      { ...said('Found the Runner.'), providerMetadata: { 'ag-ui': { subagentRunId: 's1', subagent: 'finder' } } },
      { type: 'tool-find', toolCallId: 'c1', input: { a: 1 } },
      { type: 'tool-find', toolCallId: 'c2', input: { a: 2 } },
      said('Done.'),
    ])
    expect(folded('AG-UI', 'pieces').end.finishReason).toBe('tool-calls')
  })

  test('state and activities are patched; a patch that does not fit is kept as it came', () => {
    const { parts, end } = folded('AG-UI', 'state')
    expect(parts).toMatchObject([
      { type: 'step-start' },
      { type: 'data-state', data: { cart: [{ sku: 'r1' }], total: 90 } },
      { type: 'data-search', id: 'a1', data: { found: ['Runner'] } },
      { type: 'raw', event: { type: 'STATE_DELTA' } },
      { type: 'text' },
      { type: 'data-interrupt', data: { message: 'Pay 90?' } },
    ])
    expect(end).toMatchObject({ finishReason: 'other', rawFinishReason: 'interrupt' })
    const asked = foldEvents([
      { type: 'TOOL_CALL_START', toolCallId: 'c1', toolCallName: 'pay' },
      { type: 'TOOL_CALL_END', toolCallId: 'c1' },
      { type: 'RUN_FINISHED', outcome: { type: 'interrupt', interrupts: [{ id: 'i1', toolCallId: 'c1', message: 'Pay?' }] } },
    ])
    expect(asked.parts).toMatchObject([{ state: 'approval-requested', approval: { id: 'i1', requestReason: 'Pay?' } }])
  })

  test('a snapshot is the truth about this run, and what stood before it is history', () => {
    expect(withoutSteps(folded('AG-UI', 'snapshots'))).toMatchObject([
      said('Which size do you have?'),
      { type: 'reasoning', text: 'They want shoes.', providerMetadata: { 'ag-ui': { encryptedValue: 'gCCC=' } } },
      { type: 'tool-find', input: { q: 'shoes' }, output: 'Runner' },
      { type: 'data-search', data: { found: 1 } },
    ])
    // The same words under another id are the same words.
    const renamed = [
      ...stream('AG-UI', 'plain').slice(0, -1),
      { type: 'MESSAGES_SNAPSHOT', messages: [{ id: 'x', role: 'assistant', content: 'Hello 😀!' }] },
    ]
    expect(withoutSteps(foldEvents(renamed))).toEqual([said('Hello 😀!')])
  })

  test('a message that has ended may go on; what a user says is no part of the answer', () => {
    const again = [...stream('AG-UI', 'plain').slice(0, -1), { type: 'TEXT_MESSAGE_START', messageId: 'm1' }]
    const { parts } = foldEvents([...again, { type: 'TEXT_MESSAGE_CONTENT', messageId: 'm1', delta: ' Again.' }], {
      close: 'cut',
    })
    expect(parts).toEqual([{ type: 'step-start' }, said('Hello 😀! Again.')])
    expect(ofType(folded('AG-UI', 'unknown'), 'text')).toEqual([said('Still here.')])
    expect(ofType(folded('AG-UI', 'unknown'), 'data-message')).toEqual([
      { type: 'data-message', id: 'u1', data: { role: 'user', text: 'Shoes?' } },
    ])
  })

  test('what was cancelled there was cut, and its usage is that of all models', () => {
    expect(folded('AG-UI', 'cancelled').end).toEqual({ aborted: true })
    expect(folded('AG-UI', 'plain').end.usage).toEqual({
      inputTokens: 11,
      outputTokens: 6,
      totalTokens: 15,
      reasoningTokens: 1,
      cachedInputTokens: 4,
    })
  })
})

test("[G11] usage in an AI SDK stream's metadata is taken over, whichever way it is said", () => {
  const usage = {
    inputTokens: 10,
    inputTokenDetails: { noCacheTokens: 6, cacheReadTokens: 4, cacheWriteTokens: undefined },
    outputTokens: 5,
    outputTokenDetails: { textTokens: 3, reasoningTokens: 2 },
    totalTokens: 15,
  }
  const normal = { inputTokens: 10, outputTokens: 5, totalTokens: 15, reasoningTokens: 2, cachedInputTokens: 4 }
  for (const messageMetadata of [{ usage }, { totalUsage: usage }, { usage: normal }]) {
    expect(foldEvents([{ type: 'finish', finishReason: 'stop', messageMetadata }]).end.usage).toEqual(normal)
  }
  expect(foldEvents([{ type: 'message-metadata', messageMetadata: { usage: { inputTokens: 'many' } } }]).end).toEqual({})
})
