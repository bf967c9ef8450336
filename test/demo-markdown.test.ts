/** Markdown that grows, in the demo's page: what is kept of a list or a table is what reading all of it anew would give. */
import fc from 'fast-check'
import { Lexer } from 'marked'
import { describe, expect, test, vi } from 'vitest'
import { newCutter } from '../demo/web/chat/blocks.ts'
import { newReader, tailOf, type Pieces } from '../demo/web/chat/pieces.ts'

/** What lists and tables are made of, and what ends them, nests in them, or only seems to. */
const LINES = [
  ...[
    '- entry',
    '- **half',
    '* star',
    '+ plus',
    '-',
    '- ',
    '-\t',
    '\t- tab',
    '- [ ] open',
    '- [x] done',
    '- # heading',
    '- > quote',
  ],
  ...['1. one', '2. two', '12. twelve', '3) three', '1.', '- ```', '  - nested', '    - deep', '   1. numbered', '  goes on'],
  ...['| a | b |', '|---|--:|', '|:-|-|', '|-|', '| 1 | 2 |', '| x', 'y |', 'a | b | c', 'a|b', '-|-', '|', '||'],
  ...['lazy', '    code', '', '', ' ', '\t', '  ', '  \tblank', '---', '- - -', '===', '# heading', '> quote', '```', '  ```'],
  ...['<div>', '</div>', '<b>', '<!-- never closed', '[it]: https://example.com'],
]
const OFTEN = ['- entry', '- entry\n\n', '1. one', '2. two\n', '| r | s |', '- entry\n  - nested', '- entry\n\n  more of it']
const BEGINNINGS = ['', '| a | b |\n|---|--:|\n', '- f\n- g\n- h\n', '1. f\n2. g\n3. h\n', 'text\n\n']

const line = fc.oneof(fc.constantFrom(...LINES), fc.constantFrom(...OFTEN))
const markdown = fc
  .tuple(fc.constantFrom(...BEGINNINGS), fc.array(line, { minLength: 1, maxLength: 24 }))
  .map(([beginning, lines]) => beginning + lines.join('\n'))
/** How much comes at a time. */
const steps = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 })

function* beginningsOf(text: string, sizes: readonly number[]): Generator<string> {
  for (let at = 0, i = 0; at < text.length; i++) {
    at = Math.min(text.length, at + (sizes[i % sizes.length] ?? 1))
    yield text.slice(0, at)
  }
}

test('blocks and their pieces are at each moment those of the whole text', () => {
  fc.assert(
    fc.property(markdown, steps, (text, sizes) => {
      const cut = newCutter()
      const readers = new Map<number, (block: string) => Pieces>()
      for (const grown of beginningsOf(text, sizes)) {
        const blocks = cut(grown)
        expect(blocks).toEqual(newCutter()(grown))
        blocks.forEach((block, i) => {
          const read = readers.get(i) ?? newReader()
          readers.set(i, read)
          expect(read(block)).toEqual(newReader()(block))
          // As it is read again with its end healed.
          const healed = `${block}**`
          expect(read(healed)).toEqual(newReader()(healed))
        })
      }
    }),
    { numRuns: Number(process.env['SEEDS'] ?? 300) },
  )
})

describe('one more entry or row', () => {
  test.each([
    ['list', '- an entry with **bold**\n'],
    ['numbered list', '1. an entry\n   of two lines\n'],
    ['loose list', '- an entry\n\n'],
    ['table', '| some | row |\n'],
  ])('costs a few of them, however long it is: %s', (kind, piece) => {
    const text = (kind === 'table' ? '| a | b |\n|---|--:|\n' : '') + piece.repeat(400)
    const cut = newCutter()
    const read = newReader()
    const readAt = (end: number): Pieces => {
      const blocks = cut(text.slice(0, end))
      expect(blocks).toHaveLength(1)
      return read(blocks[0] ?? '')
    }
    let before = readAt(text.length / 2)
    readAt(text.length / 2 + piece.length)
    const lexed = vi.spyOn(Lexer.prototype, 'blockTokens')
    for (let end = text.length / 2 + 2 * piece.length; end <= text.length; end += piece.length) {
      const now = readAt(end)
      const groupsOf = (pieces: Pieces): readonly (readonly string[])[] =>
        pieces.kind === 'list' ? pieces.items : pieces.kind === 'table' ? pieces.rows : []
      const settled = groupsOf(before).slice(0, -2)
      expect(settled.length).toBeGreaterThan(4)
      settled.forEach((group, i) => expect(groupsOf(now)[i], 'what is settled is the same').toBe(group))
      before = now
    }
    const lengths = lexed.mock.calls.map(([it]) => it.length)
    expect(lengths.length).toBeGreaterThan(100)
    expect(Math.max(...lengths)).toBeLessThan(10 * piece.length + 40)
  })
})

test('the end that may be half is the last entry or row', () => {
  const endOf = (text: string): string => text.slice(tailOf(newReader()(text), text))
  expect(endOf('- one\n- one')).toBe('- one')
  expect(endOf('- a\n'.repeat(100) + '- **b')).toBe('- **b')
  expect(endOf('| a |\n|---|\n| b |\n| **c')).toBe('| **c')
  expect(endOf('```\ncode')).toBe('')
  expect(endOf('words **and')).toBe('words **and')
})
