/** What holds for every vocabulary of streams, whatever comes. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { vocabularyOf } from '../../shared/streams/fold.ts'
import { foldEvents } from '../support/folding.ts'
import { faultsIn } from '../support/model-request.ts'
import { anyEvents, faultsOfParts, requestAfter, VOCABULARIES } from './support.ts'

describe('[G11] nothing throws', () => {
  test('whatever comes, in whatever order: the message has its form, and so has the request (STR-1, STR-2)', () => {
    fc.assert(
      fc.property(anyEvents, fc.nat(4), fc.boolean(), (events, flushEvery, closes) => {
        const folded = foldEvents(events, { flushEvery, ...(closes ? { close: 'cut' } : {}) })
        expect(faultsOfParts(folded.parts, closes)).toEqual([])
        expect(faultsIn(requestAfter(folded, true))).toEqual([])
        expect(faultsIn(requestAfter(folded, false))).toEqual([])
        expect(({} as Record<string, unknown>)['x']).toBeUndefined()
      }),
      { numRuns: Number(process.env['SEEDS'] ?? 300) },
    )
  })

  test('what is of no vocabulary is kept as it came (STR-1)', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 10 }), (values) => {
        const unknown = values.filter((value) => !isKnown(value))
        const kept = foldEvents(unknown).parts
        expect(kept).toEqual(unknown.map((event) => ({ type: 'raw', event: asKept(JSON.parse(JSON.stringify(event))) })))
      }),
    )
  })

  test.for(Object.entries(VOCABULARIES))('%s: an event that does not exist yet is kept between those that do', ([, streams]) => {
    const { plain = streams['answer'] ?? [] } = streams
    const tomorrow = [
      { type: 'tomorrow', deep: [null] },
      { type: 'response.tomorrow.delta', item_id: 'x', delta: 'y' },
      { type: 'TOMORROW_STARTED', id: 'x' },
      { type: 'content_block_start', index: 99, content_block: { type: 'tomorrow' } },
      { object: 'chat.completion.tomorrow', id: 'x' },
    ]
    const before = foldEvents(plain, { close: 'cut' }).parts
    for (const event of tomorrow) {
      const events = plain.flatMap((known) => [known, event])
      const { parts } = foldEvents(events, { close: 'cut' })
      expect(parts.filter(({ type }) => type !== 'raw')).toEqual(before)
      expect(parts.filter(({ type }) => type === 'raw')).toEqual(plain.map(() => ({ type: 'raw', event })))
    }
  })
})

/** Yjs has no key `__proto__`: an object with one is kept as its JSON. */
function asKept(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Object.hasOwn(value, '__proto__')) return JSON.stringify(value)
  const entries = Object.entries(value).map(([key, each]) => [key, asKept(each)] as const)
  return Array.isArray(value) ? entries.map(([, each]) => each) : Object.fromEntries(entries)
}

function isKnown(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return vocabularyOf(value as Record<string, unknown>) !== null || typeof (value as { type?: unknown }).type === 'string'
}

describe('[G11] texts and calls that come in turns do not mix (STR-4)', () => {
  type Line = { readonly id: number; readonly words: readonly string[] }
  const lines = fc.array(fc.array(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 }), {
    minLength: 2,
    maxLength: 4,
  })

  /** How each vocabulary says one piece of a text, and of a call's arguments. */
  const PIECES: Readonly<
    Record<string, { text: (id: number, delta: string) => object; call?: (id: number, delta: string) => object }>
  > = {
    'AI SDK': {
      text: (id, delta) => ({ type: 'text-delta', id: `t${id}`, delta }),
      call: (id, inputTextDelta) => ({ type: 'tool-input-delta', toolCallId: `c${id}`, inputTextDelta }),
    },
    Anthropic: {
      text: (index, text) => ({ type: 'content_block_delta', index, delta: { type: 'text_delta', text } }),
      call: (index, json) => ({ type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json: json } }),
    },
    'OpenAI Responses': {
      text: (id, delta) => ({ type: 'response.output_text.delta', item_id: 'm', output_index: 0, content_index: id, delta }),
      call: (id, delta) => ({ type: 'response.function_call_arguments.delta', item_id: `f${id}`, output_index: id, delta }),
    },
    'AG-UI': {
      text: (id, delta) => ({ type: 'TEXT_MESSAGE_CONTENT', messageId: `m${id}`, delta }),
      call: (id, delta) => ({ type: 'TOOL_CALL_ARGS', toolCallId: `c${id}`, delta }),
    },
  }

  test.for(Object.entries(PIECES))('%s', ([, { text, call }]) => {
    fc.assert(
      fc.property(lines, fc.infiniteStream(fc.nat(100)), (spoken, turns) => {
        for (const [piece, read] of [
          [text, 'text'],
          [call, 'rawInput'],
        ] as const) {
          if (piece === undefined) continue
          const waiting: Line[] = spoken.map((words, id) => ({ id, words: [...words] }))
          const order: number[] = []
          const events: object[] = []
          while (waiting.some(({ words }) => words.length > 0)) {
            const open = waiting.filter(({ words }) => words.length > 0)
            const line = open[turns.next().value % open.length]
            if (line === undefined) continue
            if (!order.includes(line.id)) order.push(line.id)
            events.push(piece(line.id, (line.words as string[]).shift() ?? ''))
          }
          const got = foldEvents(events).parts.map((part) => (part as unknown as Record<string, unknown>)[read])
          expect(got).toEqual(order.map((id) => spoken[id]?.join('').toWellFormed()))
        }
      }),
    )
  })
})
