/** Replies of the view as chunks of the AI SDK: what its own fold makes of them is the reply. */
import { readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { ReplyChunks } from '../client/ai-sdk-chunks.ts'
import { rootsOf } from '../shared/layout.ts'
import type { Message, MessagePart } from '../shared/message.ts'
import { MessageWriter } from '../shared/part-writer.ts'
import { UIStreamFold, type UIStreamChunk } from '../shared/ui-stream.ts'
import { ViewBuilder } from '../shared/view.ts'
import { headOf } from './support/document.ts'
import { STREAMS } from './support/ui-streams.ts'

/** The states of a reply that somebody sees who looks after every so many chunks of its stream, and at the end. */
function looksAt(stream: readonly UIMessageChunk[], every: number): Message[] {
  const doc = new Y.Doc()
  const view = new ViewBuilder(doc, (error) => expect.unreachable(String(error)))
  const writer = new MessageWriter(rootsOf(doc).messages, headOf('m', { run: 'q.agent' }))
  const fold = new UIStreamFold(writer)
  const looks: Message[] = []
  stream.forEach((chunk, index) => {
    fold.apply(chunk as UIStreamChunk)
    if ((index + 1) % every !== 0 && index + 1 < stream.length) return
    doc.transact(() => writer.flush())
    const message = view.message('m')
    if (message !== undefined) looks.push(message)
  })
  return looks
}

/** What the SDK shows of chunks, from what it shows already. */
async function shown(chunks: readonly UIMessageChunk[], message?: UIMessage): Promise<UIMessage> {
  const stream = new ReadableStream<UIMessageChunk>({
    start(controller) {
      for (const chunk of structuredClone(chunks)) controller.enqueue(chunk)
      controller.enqueue({ type: 'message-metadata', messageMetadata: {} })
      controller.close()
    },
  })
  let last = message
  const options = { stream, onError: (error: unknown) => expect.unreachable(String(error)) }
  for await (const each of readUIMessageStream(message === undefined ? options : { ...options, message })) last = each
  if (last === undefined) throw new Error('Nothing was shown.')
  return last
}

/** As JSON, without what the SDK guesses of an input before it is whole, and keeps of its text when it failed. */
function comparable(parts: readonly unknown[]): unknown {
  const plain = JSON.parse(JSON.stringify(parts)) as Record<string, unknown>[]
  return plain.map((part) => {
    const { input, rawInput: _, ...rest } = part
    return part['state'] === 'input-streaming' ? rest : { ...rest, ...(input === undefined ? {} : { input }) }
  })
}

const all = (chunks: ReplyChunks, looks: readonly Message[]): UIMessageChunk[] =>
  looks.flatMap((look) => chunks.next(look) ?? expect.unreachable('begun anew'))

const cases = Object.entries(STREAMS)

describe('[G12] a reply as chunks is shown as the reply', () => {
  test.for(cases)('%s: however often it is looked at', async ([, stream]) => {
    for (const every of [1, 2, 3, 5, stream.length]) {
      const looks = looksAt(stream, every)
      const message = await shown(all(new ReplyChunks(), looks))
      expect(message).toMatchObject({ id: 'm', role: 'assistant', metadata: { by: 'agent', run: 'q.agent' } })
      expect(comparable(message.parts), `every ${every}`).toEqual(comparable(looks.at(-1)?.parts ?? []))
    }
  })

  test.for(cases)('%s: taken up from any moment, and looked at again without a change', async ([, stream]) => {
    const looks = looksAt(stream, 1)
    for (let from = 0; from < looks.length; from++) {
      const chunks = new ReplyChunks()
      const given = all(chunks, looks.slice(from))
      expect(comparable((await shown(given)).parts), `from ${from}`).toEqual(comparable(looks.at(-1)?.parts ?? []))
      expect(all(chunks, looks.slice(-1))).toEqual([])
    }
  })

  test('of a call that is done, or in silence, nobody here is asked to run the tool', () => {
    const looks = looksAt(STREAMS['tools'] ?? [], 1)
    const asks = (chunks: readonly UIMessageChunk[]): string[] =>
      chunks.flatMap((chunk) =>
        chunk.type === 'tool-input-available' && chunk.providerExecuted !== true ? [chunk.toolName] : [],
      )
    expect(asks(all(new ReplyChunks(), looks))).toEqual(['find', 'free', 'pay'])
    expect(asks(all(new ReplyChunks({ silent: true }), looks))).toEqual([])
    expect(asks(all(new ReplyChunks(), looks.slice(9, 10)))).toEqual(['free'])
    expect(asks(all(new ReplyChunks(), looks.slice(13, 14)))).toEqual([])
  })

  test('goes on from what the other end has, and steps back for no answer that is on its way', async () => {
    const call = (more: object): MessagePart => ({ type: 'tool-pay', toolCallId: 'c', input: {}, ...more }) as MessagePart
    const asked = call({ state: 'approval-requested', approval: { id: 'a' } })
    const answered = call({ state: 'approval-responded', approval: { id: 'a', approved: true } })
    const done = call({ state: 'output-available', approval: { id: 'a', approved: true }, output: 1 })
    const text: MessagePart = { type: 'text', text: 'Wait.', state: 'done' }
    const reply = (...parts: MessagePart[]): Message => ({
      id: 'm',
      role: 'assistant',
      metadata: { by: 'agent', kind: 'agent', at: 1 },
      parts,
    })
    const chunks = new ReplyChunks({ known: [text, answered] })
    const next = { type: 'text', text: 'Paid.', state: 'done' } satisfies MessagePart
    const given = all(chunks, [reply(text, asked), reply(text, answered), reply(text, done), reply(text, done, next)])
    const types = given.map(({ type }) => type)
    expect(types).toEqual(['start', 'tool-output-available', 'text-start', 'text-delta', 'text-end'])
    const before = { id: 'm', role: 'assistant', parts: [text, answered] } as unknown as UIMessage
    expect(comparable((await shown(given, before)).parts)).toEqual(comparable([text, done, next]))
  })

  test('a reply that was begun anew before its last step cannot be said in chunks', () => {
    const [first, ...rest] = looksAt(STREAMS['answer'] ?? [], 5)
    const other = { ...(first as Message), parts: [{ type: 'text', text: 'Other' }] }
    const chunks = new ReplyChunks()
    expect(chunks.next(rest.at(-1) as Message)).not.toBeNull()
    expect(chunks.next(other)).toBeNull()
  })
})
