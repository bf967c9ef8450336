import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { arrayAt, KEY, rootsOf } from '../shared/layout.ts'
import { MAX_SEGMENT_CHARS } from '../shared/limits.ts'
import type { MessagePart } from '../shared/message.ts'
import { MessageWriter, type LivePart } from '../shared/part-writer.ts'
import { ViewBuilder } from '../shared/view.ts'
import { documentOf, headOf } from './support/document.ts'
import { Chance, seeds } from './support/random.ts'

interface Written {
  readonly doc: Y.Doc
  readonly writer: MessageWriter
  /** Updates that the document has made. */
  readonly updates: Uint8Array[]
  readonly flush: () => void
  readonly parts: () => readonly MessagePart[]
  /** The same, as a peer sees it that got every update. */
  readonly partsElsewhere: () => readonly MessagePart[]
  readonly segments: (part: LivePart) => string[]
}

function start(): Written {
  const doc = documentOf()
  const writer = new MessageWriter(rootsOf(doc).messages, headOf('m'))
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  const partsIn = (of: Y.Doc): readonly MessagePart[] => new ViewBuilder(of, fail).message('m')?.parts ?? []
  return {
    doc,
    writer,
    updates,
    flush: () => doc.transact(() => writer.flush()),
    parts: () => partsIn(doc),
    partsElsewhere: () => {
      const other = new Y.Doc()
      for (const update of updates) Y.applyUpdate(other, update)
      return partsIn(other)
    },
    segments: (part) => (part.map === null ? [] : (arrayAt(part.map, KEY.text)?.toArray() ?? []).map(String)),
  }
}

function fail(error: unknown): never {
  throw error
}

describe('when it is written', () => {
  test('nothing is in the document before the first flush, and an empty flush writes nothing', () => {
    const { doc, writer, updates, flush } = start()
    flush()
    writer.add({ type: 'step-start' })
    expect(rootsOf(doc).messages.length).toBe(0)
    expect(updates).toEqual([])
    flush()
    flush()
    expect(updates).toHaveLength(1)
    expect(rootsOf(doc).messages.length).toBe(1)
  })

  test('what is written within one flush travels as one update, in its order (DOC-2)', () => {
    const { writer, updates, flush, parts, partsElsewhere } = start()
    writer.add({ type: 'step-start' })
    const first = writer.open({ type: 'text' })
    writer.append(first, 'Hello ')
    const tool = writer.open({ type: 'tool-find', toolCallId: 't' })
    writer.append(first, 'there')
    writer.set(first, 'state', 'done')
    writer.set(tool, 'input', { q: 1 })
    writer.set(tool, 'state', 'input-available')
    writer.set(tool, 'output', ['x'])
    writer.set(tool, 'state', 'output-available')
    writer.add({ type: 'data-x', data: 1 })
    expect(writer.partCount).toBe(4)
    expect(writer.hasWrites).toBe(true)
    flush()
    expect(writer.hasWrites).toBe(false)
    expect(updates).toHaveLength(1)
    expect(parts()).toEqual([
      { type: 'step-start' },
      { type: 'text', text: 'Hello there', state: 'done' },
      { type: 'tool-find', toolCallId: 't', state: 'output-available', input: { q: 1 }, output: ['x'] },
      { type: 'data-x', data: 1 },
    ])
    expect(partsElsewhere()).toEqual(parts())
  })

  test('deltas that come between two flushes are one insert', () => {
    const { doc, writer, updates, flush } = start()
    const part = writer.open({ type: 'text' })
    flush()
    const before = Y.encodeStateVector(doc)
    for (let i = 0; i < 1_000; i++) writer.append(part, 'word ')
    flush()
    expect(updates).toHaveLength(2)
    // An array for the segments, a segment, one string.
    expect(Y.decodeUpdate(Y.encodeStateAsUpdate(doc, before)).structs).toHaveLength(3)
  })

  test('two texts that grow by turns stay two texts, and one insert each for a run of deltas', () => {
    const { doc, writer, flush, parts } = start()
    const [one, two] = [writer.open({ type: 'text' }), writer.open({ type: 'reasoning' })]
    flush()
    for (let i = 0; i < 40; i++) {
      writer.append(i % 20 < 10 ? one : two, i % 20 < 10 ? 'a' : 'b')
      if (i % 10 === 9) flush()
    }
    expect(parts()).toMatchObject([{ text: 'a'.repeat(20) }, { text: 'b'.repeat(20) }])
    const strings = Y.decodeUpdate(Y.encodeStateAsUpdate(doc)).structs.filter(
      (struct) => struct instanceof Y.Item && struct.content instanceof Y.ContentString,
    )
    expect(strings).toHaveLength(4)
  })
})

describe('what it costs', () => {
  /** Words of four letters: as many characters as a token has. */
  const tokens = Array.from({ length: 1_200 }, (_, index) => `${String(index).padStart(3, '0').slice(-3)} `)

  function bytesPerToken(tokensPerFlush: number): { wire: number; stored: number; text: number } {
    const { doc, writer, updates, flush } = start()
    const part = writer.open({ type: 'text' })
    flush()
    tokens.forEach((token, index) => {
      writer.append(part, token)
      if ((index + 1) % tokensPerFlush === 0) flush()
    })
    const wire = updates.slice(1).reduce((sum, update) => sum + update.byteLength, 0)
    return { wire: wire / tokens.length, stored: Y.encodeStateAsUpdate(doc).byteLength, text: tokens.join('').length }
  }

  test('a flush adds at most 22 bytes to its text, however many tokens it holds', () => {
    for (const tokensPerFlush of [1, 3, 10]) {
      const { wire } = bytesPerToken(tokensPerFlush)
      expect(wire, `${tokensPerFlush} tokens a flush`).toBeLessThan(4 + 22 / tokensPerFlush)
      expect(wire).toBeGreaterThan(4)
    }
  })

  test('[S1] a streamed text is stored as a text, not as its deltas', () => {
    for (const tokensPerFlush of [1, 3, 10]) {
      const { stored, text } = bytesPerToken(tokensPerFlush)
      expect(stored).toBeLessThan(text * 1.01 + 150)
    }
  })

  test("a tool's input is not stored twice: whole it stands for its streamed text", () => {
    const { doc, writer, flush, parts } = start()
    const input = { list: Array.from({ length: 200 }, (_, i) => `item ${i}`) }
    const json = JSON.stringify(input)
    const part = writer.open({ type: 'tool-x', toolCallId: 't' })
    for (let at = 0; at < json.length; at += 20) {
      writer.append(part, json.slice(at, at + 20))
      flush()
    }
    expect(parts()).toEqual([{ type: 'tool-x', toolCallId: 't', state: 'input-streaming', input: undefined, rawInput: json }])
    writer.set(part, 'input', input)
    writer.set(part, 'state', 'input-available')
    flush()
    expect(parts()).toEqual([{ type: 'tool-x', toolCallId: 't', state: 'input-available', input }])
    expect(Y.encodeStateAsUpdate(doc).byteLength).toBeLessThan(json.length * 1.2 + 200)
  })
})

describe('segments', () => {
  test('a text is cut into segments of at most 16,384 code units, however it comes (DOC-2)', () => {
    for (const size of [1, 7, 4_000, MAX_SEGMENT_CHARS, 50_000]) {
      const { writer, flush, parts, segments } = start()
      const text = Array.from({ length: 50_000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('')
      const part = writer.open({ type: 'text' })
      for (let at = 0; at < text.length; at += size) {
        writer.append(part, text.slice(at, at + size))
        if (at % 71 === 0) flush()
      }
      flush()
      expect(segments(part).map((segment) => segment.length)).toEqual([16_384, 16_384, 16_384, 848])
      expect(parts()).toMatchObject([{ text }])
    }
  })

  test('a surrogate pair is never cut, between segments or between deltas (DOC-2)', () => {
    const { writer, flush, partsElsewhere, segments } = start()
    const part = writer.open({ type: 'text' })
    const text = `${'x'.repeat(MAX_SEGMENT_CHARS - 1)}😀${'y'.repeat(MAX_SEGMENT_CHARS - 1)}😀z`
    for (const unit of text.split('')) writer.append(part, unit)
    flush()
    expect(segments(part).map((segment) => segment.length)).toEqual([16_385, 16_385, 1])
    expect(segments(part).every((segment) => segment.isWellFormed())).toBe(true)
    expect(partsElsewhere()).toMatchObject([{ text }])
  })

  test('any text, cut anywhere, flushed at any time, arrives as it was (DOC-2)', () => {
    for (const seed of seeds(40)) {
      const chance = new Chance(seed)
      const { writer, flush, parts, partsElsewhere, segments } = start()
      const part = writer.open({ type: 'text' })
      const piece = (): string => chance.pick(['a', 'ß', '漢', '😀', '👩‍👩‍👧', '\n', '\u0000', 'word '])
      let text = ''
      while (text.length < 40_000) text += piece().repeat(chance.int(1, 400))
      for (let at = 0; at < text.length;) {
        const size = chance.bool(0.9) ? chance.int(1, 900) : chance.int(1, 20_000)
        writer.append(part, text.slice(at, at + size))
        at += size
        if (chance.bool(0.3)) flush()
      }
      flush()
      expect(parts(), `seed ${seed}`).toMatchObject([{ text }])
      expect(partsElsewhere(), `seed ${seed}`).toEqual(parts())
      for (const segment of segments(part)) expect(segment.length).toBeLessThanOrEqual(MAX_SEGMENT_CHARS + 1)
    }
  })

  test('half a pair that stays alone reads the same at its writer and everywhere else', () => {
    const { writer, flush, parts, partsElsewhere } = start()
    const part = writer.open({ type: 'text' })
    writer.append(part, 'a\ud83d')
    flush()
    writer.append(part, 'b\ude00c')
    flush()
    expect(parts()).toMatchObject([{ text: 'a\ufffdb\ufffdc' }])
    expect(partsElsewhere()).toEqual(parts())
  })
})

describe('dropping parts', () => {
  test('what is dropped is gone, flushed or not, and what comes after takes its place', () => {
    for (const flushedBefore of [true, false]) {
      const { writer, flush, parts, partsElsewhere } = start()
      writer.add({ type: 'step-start' })
      const kept = writer.open({ type: 'text' })
      writer.append(kept, 'kept')
      const dead = writer.open({ type: 'text' })
      writer.append(dead, 'dead')
      writer.add({ type: 'data-dead', data: 1 })
      if (flushedBefore) flush()
      writer.drop(2)
      expect(writer.partCount).toBe(2)
      const next = writer.open({ type: 'text' })
      writer.append(next, 'next')
      flush()
      expect(parts()).toMatchObject([{ type: 'step-start' }, { text: 'kept' }, { text: 'next' }])
      expect(partsElsewhere()).toEqual(parts())
    }
  })

  test('late writes to a dropped part go nowhere and do not throw', () => {
    const { writer, flush, parts } = start()
    const dead = writer.open({ type: 'text' })
    writer.append(dead, 'dead')
    flush()
    writer.drop(0)
    writer.append(dead, 'more')
    writer.set(dead, 'state', 'done')
    writer.set(dead, 'input', {})
    flush()
    writer.append(dead, 'and more')
    flush()
    writer.drop(7)
    flush()
    expect(parts()).toEqual([])
    expect(writer.partCount).toBe(0)
  })
})
