/** Parts of a message as another peer may have written them: of the right form, nearly so, and anything else. */
import fc from 'fast-check'
import { TOOL_STATES, type MessagePart } from '../../shared/message.ts'

const words = fc.oneof(
  fc.constantFrom('', ' ', '\n\n', 'Yes', '[Sam, support]: x', '{"q', '{"q":1}', '\ud83d', 'x\u0000'),
  fc.string({ maxLength: 12 }),
)

const metadata = fc.option(
  fc.oneof(
    fc.record({ anthropic: fc.record({ signature: words, redactedData: words }, { requiredKeys: [] }) }),
    fc.record({
      openai: fc.record(
        { itemId: fc.constantFrom('rs_1', 'msg_1', 'fc_1'), reasoningEncryptedContent: fc.constantFrom('gAAA', '') },
        { requiredKeys: [] },
      ),
    }),
    fc.jsonValue({ maxDepth: 2 }),
  ),
  { nil: undefined },
)

const text = fc.record({ type: fc.constantFrom('text', 'reasoning'), text: words, providerMetadata: metadata })

const tool = fc.record(
  {
    type: fc.constantFrom('tool-find', 'tool-', 'tool-my.tool', 'dynamic-tool'),
    toolName: words,
    toolCallId: fc.oneof(fc.constantFrom('c1', 'c2', '', 'a.b:1'), words),
    state: fc.constantFrom(...TOOL_STATES),
    input: fc.oneof(fc.jsonValue({ maxDepth: 2 }), words, fc.constant(undefined)),
    rawInput: words,
    output: fc.oneof(fc.jsonValue({ maxDepth: 2 }), words, fc.constant(undefined)),
    errorText: words,
    preliminary: fc.boolean(),
    providerExecuted: fc.boolean(),
    approval: fc.jsonValue({ maxDepth: 1 }),
    callProviderMetadata: metadata,
  },
  { requiredKeys: ['type', 'toolCallId', 'state'] },
)

const other = fc.oneof(
  fc.constantFrom({ type: 'step-start' }, { type: 'raw', event: null }, { type: 'data-x', data: 1 }),
  fc.record({
    type: fc.constant('file'),
    url: fc.constantFrom('data:image/png;base64,iVBORw0=', 'https://x.example/a.png', 'blob:x', 'http://', '', 7),
    mediaType: fc.constantFrom('image/png', 'image', '', null),
    filename: fc.option(words, { nil: undefined }),
  }),
  fc.record({ type: fc.constant('steering-message'), parts: fc.oneof(fc.array(text, { maxLength: 2 }), fc.jsonValue()) }),
  fc.jsonValue({ maxDepth: 1 }).map((value) => ({ type: 'custom', value })),
)

export const anyPart: fc.Arbitrary<MessagePart> = fc.oneof(
  { arbitrary: text, weight: 3 },
  { arbitrary: tool, weight: 3 },
  { arbitrary: other, weight: 2 },
) as unknown as fc.Arbitrary<MessagePart>
