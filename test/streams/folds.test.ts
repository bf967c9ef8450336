/** What holds for the fixtures of every vocabulary, wherever they are cut. */
import { safeValidateUIMessages, type UIMessage } from 'ai'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldEvents } from '../support/folding.ts'
import { faultsIn } from '../support/model-request.ts'
import { chunksOf } from '../support/replay.ts'
import { faultsOfParts, FIXTURES, requestAfter, splitDeltas, VOCABULARIES } from './support.ts'

describe('[G11] any prefix of any stream', () => {
  test.for(FIXTURES)('%s: folds to a valid message, open and closed (STR-2)', async ([, events]) => {
    for (let n = 0; n <= events.length; n++) {
      const prefix = events.slice(0, n)
      const open = foldEvents(prefix, { flushEvery: 0 })
      expect(faultsOfParts(open.parts, false)).toEqual([])
      const closed = foldEvents(prefix, { close: 'cut', flushEvery: 0 })
      expect(faultsOfParts(closed.parts, true), `after event ${n}`).toEqual([])
      // The SDK has no message without a part, and no part for what is unknown.
      const parts = [{ type: 'step-start' }, ...closed.parts.filter(({ type }) => type !== 'raw')]
      const message = { id: 'm', role: 'assistant', parts } as unknown as UIMessage
      expect(await safeValidateUIMessages({ messages: [message] }), `after event ${n}`).toMatchObject({ success: true })
    }
  })

  test.for(FIXTURES)('[R11] %s: projects to a request that every provider accepts, open and closed (REQ-1)', ([, events]) => {
    for (let n = 0; n <= events.length; n++) {
      const prefix = events.slice(0, n)
      const close = 'The run ended: cancelled.'
      for (const folded of [foldEvents(prefix, { flushEvery: 0 }), foldEvents(prefix, { flushEvery: 0, close })]) {
        expect(faultsIn(requestAfter(folded, false)), `cut after event ${n}`).toEqual([])
        expect(faultsIn(requestAfter(folded, true)), `complete after event ${n}`).toEqual([])
      }
    }
  })

  test.for(FIXTURES)('[R10] %s: every text that came is in the next request (REQ-2)', ([, events]) => {
    for (let n = 0; n <= events.length; n++) {
      const folded = foldEvents(events.slice(0, n), { close: 'cut', flushEvery: 0 })
      const texts = folded.parts.flatMap((part) => (part.type === 'text' ? [String(part['text'])] : []))
      const request = requestAfter(folded, false).flatMap(({ role, content }) =>
        role === 'assistant' ? content.flatMap((part) => (part.type === 'text' ? [part.text] : [])) : [],
      )
      expect(request).toEqual(texts.filter((text) => text.trim() !== ''))
    }
  })
})

describe('[G11] one stream, told otherwise, is the same message', () => {
  test.for(FIXTURES)('%s: whenever it is flushed', ([, events]) => {
    const whole = foldEvents(events, { close: 'cut' })
    for (const flushEvery of [0, 2, 3, 7]) expect(foldEvents(events, { flushEvery, close: 'cut' })).toEqual(whole)
  })

  test.for(FIXTURES)('%s: wherever its deltas are cut (STR-3)', ([, events]) => {
    const whole = foldEvents(events, { close: 'cut' })
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 }), (cuts) => {
        const split = splitDeltas(events, cuts)
        const { parts, ...rest } = foldEvents(split, { close: 'cut', flushEvery: 3 })
        expect({ ...rest, parts: withoutNumbers(parts) }).toEqual({ ...whole, parts: withoutNumbers(whole.parts) })
      }),
      { numRuns: 20 },
    )
  })

  test.for(FIXTURES)('%s: exported as JSON and folded again, at any moment', ([, events]) => {
    for (let n = 0; n <= events.length; n++) {
      for (const options of [{ flushEvery: 0 }, { flushEvery: 0, close: 'cut' }]) {
        const { parts } = foldEvents(events.slice(0, n), options)
        const exported = JSON.parse(JSON.stringify(parts)) as typeof parts
        expect(foldEvents(chunksOf(exported), { flushEvery: 0 }).parts, `after event ${n}`).toEqual(parts)
      }
    }
  })

  test('events that were sent twice change nothing, where they have numbers (STR-3)', () => {
    for (const [name, events] of Object.entries(VOCABULARIES['OpenAI Responses'] ?? {})) {
      const whole = foldEvents(events, { close: 'cut' })
      const twice = events.flatMap((event, at) => [event, ...events.slice(lastCreated(events, at), at + 1).filter(isNumbered)])
      expect(foldEvents(twice, { close: 'cut' }), name).toEqual(whole)
    }
  })
})

const isNumbered = (event: object): boolean => 'sequence_number' in event

/** Where the response of an event began. */
function lastCreated(events: readonly Readonly<Record<string, unknown>>[], at: number): number {
  return Math.max(
    0,
    events.findLastIndex((event, index) => index <= at && event['type'] === 'response.created'),
  )
}

/** The numbers in raw events are not the message's. */
function withoutNumbers(parts: readonly object[]): unknown {
  return JSON.parse(JSON.stringify(parts, (key, value: unknown) => (key === 'sequence_number' ? undefined : value)))
}
