/** Appending a token costs no work in proportion to its text or to the session: counted, and measured side by side. */
import { expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import { KEY, rootsOf } from '../shared/layout.ts'
import { MessageWriter, type LivePart } from '../shared/part-writer.ts'
import { ViewBuilder } from '../shared/view.ts'
import { documentOf, headOf } from './support/document.ts'

interface Streaming {
  readonly doc: Y.Doc
  readonly view: ViewBuilder
  /** Appends a token, reads the message as its row in a list would, and gives how often listeners were told. */
  token(): void
  readonly told: { row: number; otherRow: number; list: number }
}

/** A session of so many messages, with a reply at its end that has so many characters already. */
function session(messages: number, chars: number): Streaming {
  const doc = documentOf()
  const roots = rootsOf(doc)
  doc.transact(() => {
    for (let i = 0; i < messages; i++) {
      const writer = new MessageWriter(roots.messages, headOf(`m${i}`, { role: 'user' }))
      writer.add({ type: 'text', text: `Message ${i}` })
      writer.flush()
      roots.messages.get(roots.messages.length - 1).set(KEY.stamp, { seq: i + 1, at: i, by: 'ada' })
    }
  })
  const writer = new MessageWriter(roots.messages, headOf('reply'))
  const part: LivePart = writer.open({ type: 'text' })
  writer.append(part, 'x'.repeat(chars))
  doc.transact(() => writer.flush())
  const view = new ViewBuilder(doc, (error) => expect.unreachable(String(error)))
  void view.view
  const told = { row: 0, otherRow: 0, list: 0 }
  view.subscribe('message:reply', () => {
    told.row += 1
    view.message('reply')
  })
  view.subscribe('message:m0', () => void (told.otherRow += 1))
  view.subscribe('messages', () => void (told.list += 1))
  return {
    doc,
    view,
    told,
    token: () => {
      writer.append(part, 'word ')
      doc.transact(() => writer.flush())
    },
  }
}

const READERS = [
  [Y.Text.prototype, 'toString'],
  [Y.Array.prototype, 'toArray'],
  [Y.Array.prototype, 'get'],
  [Y.Map.prototype, 'get'],
  [Y.Map.prototype, 'values'],
] as const

/** How often 100 tokens call what reads the document, and how many elements the arrays had that it gave. */
function readsOf(streaming: Streaming): Record<string, number> {
  const spies = READERS.map(([prototype, name]) => vi.spyOn(prototype as unknown as Record<string, () => unknown>, name))
  for (let i = 0; i < 100; i++) streaming.token()
  const reads: Record<string, number> = { elements: 0 }
  READERS.forEach(([prototype, name], index) => {
    const { calls, results } = spies[index]?.mock ?? { calls: [], results: [] }
    reads[`${prototype.constructor.name}.${name}`] = calls.length
    for (const { value } of results) if (Array.isArray(value)) reads['elements'] = (reads['elements'] ?? 0) + value.length
    spies[index]?.mockRestore()
  })
  return reads
}

test('a token reads as much of the document in a session of 10,000 messages as in one of 100 (CLI-7)', () => {
  const [short, long] = [session(100, 1_000), session(10_000, 1_000)]
  const reads = readsOf(short)
  expect(readsOf(long)).toEqual(reads)
  expect(reads['YText.toString']).toBe(0)
  expect(Object.values(reads).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100)
  expect(long.told).toEqual({ row: 100, otherRow: 0, list: 0 })
})

test('a token does not read its text again, however long that is (CLI-7)', () => {
  // 60 segments of 16,384: the last one has room for 100 tokens.
  const [short, long] = [session(10, 1_000), session(10, 60 * 16_384 + 1_000)]
  const reads = readsOf(short)
  expect(reads['YText.toString']).toBe(0)
  expect(readsOf(long)).toEqual(reads)
})

test('a token is one transaction for whoever views it: what a view reads opens no other', () => {
  const streaming = session(10, 1_000)
  onTestFinished(() => streaming.doc.destroy())
  let transactions = 0
  streaming.doc.on('afterTransactionCleanup', () => void (transactions += 1))
  for (let i = 0; i < 10; i++) streaming.token()
  expect(transactions).toBe(10)
  expect(streaming.told.row).toBe(10)
})

/** Median milliseconds of a token in each session, by turns, so that both have the same of the machine's noise. */
function medians(sessions: readonly Streaming[]): number[] {
  const samples: number[][] = sessions.map(() => [])
  for (let round = 0; round < 30; round++) {
    sessions.forEach((streaming, index) => {
      const startedAt = performance.now()
      for (let i = 0; i < 10; i++) streaming.token()
      samples[index]?.push(performance.now() - startedAt)
    })
  }
  return samples.map((times) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0)
}

test.for([
  { what: '10,000 messages and 100', small: session(100, 1_000), large: session(10_000, 1_000) },
  { what: 'a million characters and a thousand', small: session(10, 1_000), large: session(10, 1_000_000) },
])('side by side: a token costs about the same with $what', ({ small, large }) => {
  const sessions = [small, large]
  onTestFinished(() => sessions.forEach(({ doc }) => doc.destroy()))
  medians(sessions)
  const [less = 0, more = 0] = medians(sessions)
  // Reading all of either would be a hundred times as much; the margin is for a busy machine.
  expect(more / less, `${less.toFixed(3)} ms against ${more.toFixed(3)} ms for ten tokens`).toBeLessThan(4)
})
