/** That the request to a model is one that every provider accepts, whatever stands in the session. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, modelMessageSchema, type ModelMessage as SdkModelMessage } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import type { ModelMessage } from '../shared/model-messages.ts'
import type { ParticipantKind } from '../shared/participant.ts'
import { anyPart } from './support/any-part.ts'
import { message, project } from './support/projecting.ts'

describe('[R11] any session', () => {
  const anyMessage = fc
    .record({
      kind: fc.constantFrom<ParticipantKind>('user', 'agent', 'support', 'server'),
      by: fc.constantFrom('ada', 'eve', 'sam', 'bot', 'returns'),
      parts: fc.array(anyPart, { maxLength: 8 }),
      parent: fc.option(fc.constantFrom('m1', 'm2', 'm3'), { nil: undefined }),
      seq: fc.option(fc.nat(5), { nil: undefined }),
    })
    .map(({ kind, by, parts, parent, seq }) => {
      const more = { ...(parent === undefined ? {} : { parent }), run: 'r1' }
      const made = message(kind, by, parts, more)
      const { seq: _, ...unstamped } = made.metadata
      return { ...made, metadata: seq === undefined ? unstamped : { ...unstamped, seq } }
    })
  const anySession = fc.record({ messages: fc.array(anyMessage, { minLength: 1, maxLength: 6 }), cut: fc.boolean() })

  test('is a request that every provider accepts, by our measure and by the SDK (REQ-1)', async () => {
    await fc.assert(
      fc.asyncProperty(anySession, async ({ messages, cut }) => {
        const request = project(messages, { cut })
        expect(z.array(modelMessageSchema).safeParse(request).error).toBeUndefined()
        const model = new MockLanguageModelV4({
          supportedUrls: { '*/*': [/.*/] },
          doGenerate: {
            content: [{ type: 'text', text: 'ok' }],
            finishReason: { unified: 'stop', raw: 'stop' },
            usage: USAGE,
            warnings: [],
          },
        })
        await generateText({ model, messages: request })
      }),
      { numRuns: Number(process.env['SEEDS'] ?? 300) },
    )
  })

  test('reaches a server of chat completions with each call answered', async () => {
    let body: { messages: WireMessage[] } = { messages: [] }
    const provider = createOpenAICompatible({
      name: 'wire',
      baseURL: 'http://127.0.0.1/v1',
      fetch: (_url, init) => {
        body = JSON.parse(init?.body as string) as typeof body
        return Promise.resolve(
          Response.json({ id: 'x', choices: [{ index: 0, message: { content: 'ok' }, finish_reason: 'stop' }] }),
        )
      },
    })
    const withoutFiles = anySession.map(({ messages, cut }) => ({
      cut,
      messages: messages.map((said) => ({ ...said, parts: said.parts.filter(({ type }) => type !== 'file') })),
    }))
    await fc.assert(
      fc.asyncProperty(withoutFiles, async ({ messages, cut }) => {
        await generateText({ model: provider('m'), messages: project(messages, { cut }) })
        expect(wireFaults(body.messages)).toEqual([])
      }),
      { numRuns: Number(process.env['SEEDS'] ?? 100) },
    )
  })
})

const USAGE = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
}

interface WireMessage {
  readonly role: string
  readonly content: unknown
  readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly arguments: string } }[]
  readonly tool_call_id?: string
}

/** What a server of chat completions would refuse. */
function wireFaults(messages: readonly WireMessage[]): string[] {
  const faults: string[] = []
  let open: string[] = []
  for (const { role, content, tool_calls: calls, tool_call_id: id } of messages) {
    if (role === 'tool') {
      if (!open.includes(id ?? '')) faults.push(`a result for ${id}`)
      open = open.filter((other) => other !== id)
      continue
    }
    if (open.length > 0) faults.push(`no result for ${open.join()}`)
    open = (calls ?? []).map((each) => each.id)
    if (role === 'assistant' && !content && open.length === 0) faults.push('an empty answer')
    for (const each of calls ?? []) if (typeof JSON.parse(each.function.arguments) !== 'object') faults.push('no object')
  }
  return open.length > 0 ? [...faults, `no result for ${open.join()}`] : faults
}

test("types: the request is the SDK's `ModelMessage[]`, without a cast", () => {
  expectTypeOf<ModelMessage[]>().toExtend<SdkModelMessage[]>()
})
