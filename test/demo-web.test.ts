/** The parts of the demo's page that decide without a browser. */
import { describe, expect, test } from 'vitest'
import { longAnswer } from '../demo/model/common-scripts.ts'
import { callState, titleOf } from '../demo/web/cards/call-state.ts'
import { sectionsOf } from '../demo/web/cards/reply-parts.ts'
import { newCutter } from '../demo/web/chat/blocks.ts'
import { rowsOf } from '../demo/web/chat/rows.ts'
import { countIn, linesOf, MAX_COUNT } from '../demo/web/shop/cart-lines.ts'
import type { Message, MessagePart, Run, ToolPart } from '../client/index.ts'

const TRICKY = [
  '- one\n- two\n\n  still two\n\n- three\n\nafter',
  '1. a\n2. b\n\n\n3. c\n\n> quote\nlazy\n\n> another',
  '```js\nconst a = 1\n\n\nconst b = 2\n```\n\ntext\n\n    code by indent\n\n    more',
  'Setext\n===\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\ntext\n---\n***\nend',
  '<div>\n\n*html*\n\n</div>\n\n[ref]: https://example.com\n\n[ref] and ~~that~~',
  'windows\r\nlines\r\n\r\n- x\r\n- y\r\n',
]

describe('blocks of a text that grows', () => {
  test.each([longAnswer('headphones'), ...TRICKY])('are those of the whole text, character by character: %#', (text) => {
    const cut = newCutter()
    for (let end = 1; end <= text.length; end++) {
      const grown = text.slice(0, end)
      const blocks = cut(grown)
      expect(blocks.join('')).toBe(grown.replaceAll(/\r\n?/g, '\n'))
      expect(blocks).toEqual(newCutter()(grown))
    }
  })

  test('only ever change at the end', () => {
    const cut = newCutter()
    const text = longAnswer('headphones')
    let before: readonly string[] = []
    for (let end = 1; end <= text.length; end += 3) {
      const blocks = cut(text.slice(0, end))
      expect(blocks.slice(0, Math.max(0, before.length - 2))).toEqual(before.slice(0, -2))
      before = blocks
    }
    expect(before.length).toBeGreaterThan(8)
    expect(cut('another text')).toEqual(['another text'])
  })
})

function message(id: string, run?: string): Message {
  const metadata = {
    by: run === undefined ? 'mia' : 'orders',
    kind: 'user' as const,
    at: 0,
    ...(run === undefined ? {} : { run }),
  }
  return { id, role: run === undefined ? 'user' : 'assistant', metadata, parts: [] }
}

function run(id: string, input: string, status: Run['status'] = 'active'): Run {
  return { id, agent: id.split('.')[1] ?? '', input, attempt: 1, status, steps: [], at: 0 }
}

test('a run without a reply stands behind its input, and its reply takes its place under the same key', () => {
  const messages = new Map([message('q1'), message('q2')].map((it) => [it.id, it]))
  const runs = [run('q1.orders', 'q1'), run('q1.returns', 'q1'), run('q2.orders', 'q2')]
  const rows = (): string[] => rowsOf([...messages.keys()], (id) => messages.get(id), runs).map(({ key }) => key)
  expect(rows()).toEqual(['q1', 'q1.orders', 'q1.returns', 'q2', 'q2.orders'])
  messages.set('r1', message('r1', 'q1.returns'))
  expect(rows()).toEqual(['q1', 'q1.orders', 'q2', 'q2.orders', 'q1.returns'])
})

function call(name: string, state: ToolPart['state'], more: Partial<ToolPart> = {}): ToolPart {
  return { type: `tool-${name}`, toolCallId: `${name}-1`, state, ...more }
}

test('a reply shows texts in place, one progress card for all steps, and results as cards', () => {
  const parts: MessagePart[] = [
    { type: 'step-start' },
    { type: 'text', text: 'I will order it.', state: 'done' },
    call('checkStock', 'output-available'),
    { type: 'step-start' },
    call('takePayment', 'output-available'),
    call('confirmOrder', 'output-available', { output: { order: {} } }),
    call('getProduct', 'input-available'),
    { type: 'text', text: '', state: 'streaming' },
  ]
  const sections = sectionsOf(parts, run('q.orders', 'q'))
  expect(sections.map(({ kind }) => kind)).toEqual(['text', 'task', 'card', 'card'])
  expect(sections[1]).toMatchObject({
    calls: [{ toolCallId: 'checkStock-1' }, { toolCallId: 'takePayment-1' }, { toolCallId: 'confirmOrder-1' }],
  })
  expect(new Set(sections.map(({ key }) => key)).size).toBe(4)
  expect(sectionsOf([], { ...run('q.x', 'q'), steps: [{ title: 'a', status: 'running' }] })).toMatchObject([{ kind: 'task' }])
})

test('a tool call that its run’s end cut short is as its run is', () => {
  expect(callState(call('a', 'input-available'), run('r', 'q', 'active')).text).toBe('Running')
  expect(callState(call('a', 'input-available'), run('r', 'q', 'interrupted')).text).toBe('Interrupted')
  expect(callState(call('a', 'output-error'), run('r', 'q', 'cancelled')).text).toBe('Cancelled')
  expect(callState(call('a', 'output-error'), run('r', 'q', 'complete')).text).toBe('Failed')
  expect(callState(call('a', 'output-available'), run('r', 'q', 'cancelled')).text).toBe('Done')
  expect(titleOf('takePayment')).toBe('Take payment')
})

test('a cart counts what are numbers, in the catalogue’s order', () => {
  const cart = { 'LUM-65': 2, 'SON-XM': 1, 'HAL-Q7': 0, other: 3, bad: 'many', 'VEL-AIR': 1e9 }
  expect(linesOf(cart).map(({ sku, count }) => `${count} ${sku}`)).toEqual([
    '1 SON-XM',
    `${MAX_COUNT} VEL-AIR`,
    '2 LUM-65',
    '3 other',
  ])
  expect(countIn(cart, 'bad')).toBe(0)
})
