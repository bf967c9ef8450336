/** The parts of the demo's page that decide without a browser. */
import { Marked } from 'marked'
import { describe, expect, test, vi } from 'vitest'
import { longAnswer } from '../demo/model/common-scripts.ts'
import { approvalOf } from '../demo/web/cards/approval.ts'
import { callState, titleOf } from '../demo/web/cards/call-state.ts'
import { sectionsOf } from '../demo/web/cards/reply-parts.ts'
import { newCutter } from '../demo/web/chat/blocks.ts'
import { Pacer, stepEnd } from '../demo/web/chat/pace.ts'
import { newPartCutter } from '../demo/web/chat/paragraph.ts'
import { fateOf, isOpen, waitingIn } from '../demo/web/chat/queue.ts'
import { rowsOf } from '../demo/web/chat/rows.ts'
import { summaryOf } from '../demo/web/chats/summary.ts'
import { countIn, linesOf, MAX_COUNT } from '../demo/web/shop/cart-lines.ts'
import type { Message, MessagePart, Pause, Run, SessionView, ToolPart } from '../client/index.ts'

/** No queue is on hold. */
const NOBODY: ReadonlyMap<string, Pause> = new Map()

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

describe('parts of a long paragraph that grows', () => {
  const markdown = new Marked({ gfm: true, breaks: true })
  const html = (text: string): string => markdown.parseInline(text, { async: false })
  const WORDS = 'So **many** *words* with `code`, snake_case and [a link](https://example.com/) in them.\nOne more, '

  test('show what the whole shows, are settled once, and never longer than a moment takes', () => {
    const text = WORDS.repeat(60)
    const cut = newPartCutter()
    let before: readonly string[] = []
    for (let end = 2_000; end <= text.length; end += 7) {
      const parts = cut(text.slice(0, end))
      if (parts === null) throw new Error('It is a long paragraph.')
      expect(parts.slice(0, Math.max(0, before.length - 1))).toEqual(before.slice(0, -1))
      expect(parts.at(-1)?.length).toBeLessThan(2_100)
      before = parts
    }
    const whole = cut(text) ?? []
    expect(whole.length).toBeGreaterThan(4)
    expect(whole.map(html).join('')).toBe(html(text.trim()))
    expect(newPartCutter()(text)).toEqual(whole)
  })

  test.each([
    ['a mark that is never closed', `${WORDS} and ** open, ${'words, '.repeat(400)}`],
    ['marks within marks', '**a *b* c** and so on, '.repeat(150)],
    ['blanks before a line’s end', 'one  \ntwo  \n'.repeat(300)],
    ['a word without an end', 'x'.repeat(3_000)],
    ['addresses', 'see www.example.com/a_b, me@example.com and https://example.com/_x_ '.repeat(50)],
  ])('are not cut where that would change them: %s', (_, text) => {
    const parts = newPartCutter()(text) ?? []
    expect(parts.map(html).join('')).toBe(html(text.trim()))
  })

  test.each(['short', '- a list\n'.repeat(300), `${'words '.repeat(400)}\n===`, `${'> '.repeat(40)}${'deep '.repeat(500)}`])(
    'are no affair of anything else: %#',
    (text) => expect(newPartCutter()(text)).toBeNull(),
  )
})

describe('the pace of texts that grow', () => {
  test('a lot of text comes in few steps, little of it at once, and no character is ever cut', () => {
    for (const text of ['😀'.repeat(10_000), `a${'😀'.repeat(10_000)}`, 'x'.repeat(20_000), 'short', '']) {
      const ends: number[] = []
      for (let at = 0; at < text.length; ends.push(at)) {
        const end = stepEnd(text, at, false)
        expect(end).toBeGreaterThan(at)
        expect(text.slice(at, end).isWellFormed()).toBe(true)
        at = end
      }
      expect(ends.at(-1) ?? 0).toBe(text.length)
      expect(ends.length).toBeLessThan(40)
    }
    expect(stepEnd('x'.repeat(20_000), 19_000, true)).toBeLessThan(19_300)
    expect(stepEnd('short', 0, false)).toBe(5)
    expect(stepEnd('short', 5, false), 'all of it is there').toBe(5)
  })

  test.each([
    ['some **wor', 0, 5, 'the rest of a word is waited for'],
    ['some **words** ', 5, 15, 'one that is complete is not'],
    ['some', 0, 0, 'the first one too'],
    ['some wor', 7, 7, 'what is shown stays shown'],
    ['私は学生です', 2, 6, 'where there are no blanks, each letter ends one'],
    [`see https://example.com/${'x'.repeat(40)}`, 0, 64, 'an address is too long to wait for'],
  ])('a text grows word by word: %j', (text, shown, end, what) => {
    expect(stepEnd(text, shown, true), what).toBe(end)
    expect(stepEnd(text, shown, false), 'all of it, when it is over').toBe(text.length)
  })

  test('a step ends between words', () => {
    const text = 'some **longer** words, '.repeat(500)
    for (let at = stepEnd(text, 0, true); at < text.length; at = stepEnd(text, at, true)) {
      expect(text.slice(at - 1, at + 1)).toMatch(/\s/)
    }
  })

  /** A page whose frames and pauses end when the test says so. */
  function page(): { pacer: Pacer; pass: (ms: number) => void; frame: (ms: number) => void } {
    let now = 0
    const frames: (() => void)[] = []
    let pauses: { at: number; done: () => void }[] = []
    const pass = (ms: number): void => {
      now += ms
      const over = pauses.filter(({ at }) => at <= now)
      pauses = pauses.filter(({ at }) => at > now)
      for (const { done } of over) done()
    }
    const frame = (ms: number): void => {
      pass(ms)
      for (const done of frames.splice(0)) done()
    }
    const after = (ms: number, done: () => void): void => void pauses.push({ at: now + ms, done })
    const afterFrame = (done: () => void): void => void frames.push(done)
    return { pacer: new Pacer({ now: () => now, after, afterFrame }), pass, frame }
  }

  test('the first is shown at once, what comes within its frame together after it, and nothing is left over', () => {
    const { pacer, frame } = page()
    const shown = vi.fn<() => void>()
    for (let i = 0; i < 10; i++) pacer.request(shown)
    expect(shown).toHaveBeenCalledTimes(1)
    frame(16)
    expect(shown).toHaveBeenCalledTimes(2)
    frame(16)
    pacer.request(shown)
    expect(shown).toHaveBeenCalledTimes(3)
  })

  test('what takes long is followed by a pause as long, and then one comes after the other', () => {
    const { pacer, frame, pass } = page()
    const shown: string[] = []
    const [one, two, three] = ['one', 'two', 'three'].map((name) => () => void shown.push(name)) as [
      () => void,
      () => void,
      () => void,
    ]
    pacer.request(one)
    for (const show of [two, three, one]) pacer.request(show)
    frame(80)
    expect(shown).toEqual(['one'])
    pass(79)
    expect(shown).toEqual(['one'])
    pass(1)
    expect(shown).toEqual(['one', 'two'])
    pacer.forget(one)
    frame(16)
    expect(shown, 'it was quick again').toEqual(['one', 'two', 'three'])
    pacer.key()
    frame(16)
    pacer.request(one)
    frame(80)
    pacer.request(two)
    pass(159)
    expect(shown, 'whoever types has more of the time').toHaveLength(4)
    pass(1)
    expect(shown).toEqual(['one', 'two', 'three', 'one', 'two'])
  })

  test('a key goes before it, but whoever types on and on does not stop it', () => {
    const { pacer, frame } = page()
    const shown = vi.fn<() => void>()
    pacer.request(shown)
    frame(16)
    pacer.key()
    pacer.request(shown)
    expect(shown).toHaveBeenCalledTimes(1)
    frame(16)
    expect(shown).toHaveBeenCalledTimes(2)
    pacer.request(shown)
    for (let i = 0; i < 20; i++) {
      pacer.key()
      pacer.key()
      frame(16)
      pacer.key()
    }
    expect(shown.mock.calls.length).toBeGreaterThan(2)
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

test('runs that a run asked for, and those of an input that was taken back, have no row of their own', () => {
  const taken = message('q2')
  const removed: Message = { ...taken, metadata: { ...taken.metadata, verdict: { state: 'removed', at: 1 } } }
  const messages = new Map([message('q1'), message('r1', 'q1.research.orders#1'), removed].map((it) => [it.id, it]))
  const child = { ...run('q1.research.orders#1', 'q1'), parent: 'q1.research' }
  const runs = [run('q1.research', 'q1'), child, run('q2.orders', 'q2', 'cancelled')]
  const rows = rowsOf([...messages.keys()], (id) => messages.get(id), runs, waitingIn(runs, NOBODY))
  expect(rows.map(({ key }) => key)).toEqual(['q1', 'q1.research', 'q2'])
})

describe('what has become of an input', () => {
  const at = (id: string, verdict?: Message['metadata']['verdict']): Message => {
    const it = message(id)
    return { ...it, metadata: { ...it.metadata, seq: 1, ...(verdict === undefined ? {} : { verdict }) } }
  }
  const busy = run('q1.orders', 'q1')
  const waits = { ...run('q2.orders', 'q2', 'pending'), at: 1 }

  const fate = (it: Message, runs: readonly Run[]): ReturnType<typeof fateOf> => fateOf(it, runs, waitingIn(runs, NOBODY))

  test('it waits behind what its agent is at, and nothing is said of one that is answered', () => {
    expect(fate(at('q1'), [busy, waits])).toBeNull()
    expect(fate(at('q2'), [busy, waits])).toEqual({ kind: 'queued', why: '', waits: true })
    expect(fate(at('q2'), [waits]), 'the agent is not there yet').toBeNull()
    expect(fate(message('q2'), [busy, waits]), 'the server has not seen it').toBeNull()
    expect(isOpen(fate(at('q2'), [busy, waits]), at('q2'), [busy, waits])).toBe(true)
  })

  test('it waits for somebody’s word where what was before it was stopped', () => {
    const stopped: Run = { ...busy, status: 'cancelled' }
    const paused = new Map([['orders', { at: 1, reason: 'cancelled' as const, run: busy.id, held: [waits.id] }]])
    expect(fateOf(at('q2'), [stopped, waits], waitingIn([stopped, waits], paused))).toEqual({
      kind: 'queued',
      why: '',
      waits: true,
    })
    expect(fate(at('q2'), [stopped, waits])).toBeNull()
  })

  test('what the server decided is said in words', () => {
    expect(fate(at('q2', { state: 'steering', at: 1, run: 'q1.orders' }), [busy])).toEqual({ kind: 'steering' })
    expect(fate(at('q2', { state: 'taken', at: 1, run: 'q1.orders', step: 2 }), [busy])).toEqual({ kind: 'taken', step: 2 })
    expect(fate(at('q2', { state: 'taken', at: 1, reason: 'late' }), [busy])).toBeNull()
    expect(fate(at('q2', { state: 'asks', at: 1, reason: 'stale' }), [])).toEqual({ kind: 'asks', written: 0 })
    const late = fate(at('q2', { state: 'queued', at: 1, reason: 'run-ended' }), [{ ...waits, status: 'active' }])
    expect(late).toEqual({ kind: 'queued', why: 'what was under way had ended', waits: false })
    expect(isOpen(late, at('q2'), [{ ...waits, status: 'active' }])).toBe(false)
  })
})

test('of a reply in one line, what was said before and after a call does not run together', () => {
  const parts = ['Let me look that up.', 'Order **1042** is on its way.'].map((text) => ({ type: 'text', text }))
  const reply = { id: 'r', role: 'assistant', parts, metadata: { by: 'orders', kind: 'agent', at: 1, seq: 1 } }
  const view = { messages: [reply], runs: [], participants: new Map(), holder: { state: 'agents' } }
  const reading = { id: 's', me: 'mia', seen: null, draft: '', confirmed: true }
  expect(summaryOf(view as unknown as SessionView, reading).snippet).toBe('Let me look that up. Order 1042 is on its way.')
})

describe('approvals', () => {
  const data = (more: object): MessagePart => ({ type: 'data-approval', id: 'p1', ...more })
  const tool = (more: object): MessagePart =>
    ({ type: 'tool-refundMoney', toolCallId: 'c1', state: 'approval-requested', input: { cents: 4 }, ...more }) as MessagePart

  test('both forms read alike', () => {
    expect(approvalOf(data({ data: { title: 'Refund $40?', state: 'requested' } }))).toMatchObject({
      id: 'p1',
      title: 'Refund $40?',
      state: 'requested',
    })
    expect(approvalOf(tool({ approval: { id: 'a1' } }))).toMatchObject({ id: 'a1', title: 'Refund money', state: 'requested' })
    expect(approvalOf(tool({ approval: { id: 'a1', approved: false, reason: 'no' } }))).toMatchObject({
      state: 'denied',
      reason: 'no',
    })
    expect(approvalOf(tool({ approval: { id: 'a1', approved: false }, call: { for: 'approval', expired: true } }))).toMatchObject(
      {
        state: 'expired',
      },
    )
    // What it is to be done with stands beside what that means; money as money.
    const input = { orderId: 1042, amountCents: 15_000, note: 'x' }
    const refund = approvalOf({ ...tool({ approval: { id: 'a1' } }), type: 'tool-refund', input } as MessagePart)
    expect(refund).toMatchObject({ title: 'Pay money back?', forSession: true })
    expect(refund?.inputs).toEqual([
      { name: 'Order', what: 'number of the order', value: '1042' },
      { name: 'Amount', what: 'how much to pay back', value: '$150.00' },
      { name: 'Note', what: '', value: 'x' },
    ])
    expect(approvalOf(tool({}))).toBeNull()
    expect(approvalOf(data({ data: 'nothing' }))).toBeNull()
  })
})

test('a run without a reply stands behind its input, and its reply takes its place under the same key', () => {
  const messages = new Map([message('q1'), message('q2')].map((it) => [it.id, it]))
  const runs = [run('q1.orders', 'q1'), run('q1.returns', 'q1'), run('q2.orders', 'q2')]
  const rows = (): string[] =>
    rowsOf([...messages.keys()], (id) => messages.get(id), runs, waitingIn(runs, NOBODY)).map(({ key }) => key)
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
  const [task] = sectionsOf([...parts, { type: 'data-took', data: { of: 'checkStock-1', ms: 60 } }], undefined).slice(1)
  const thought: MessagePart[] = [
    { type: 'reasoning', text: 'Hm.', state: 'done' },
    { type: 'data-took', data: { of: 'thought', ms: 12_000 } },
  ]
  expect(sectionsOf(thought, undefined)).toMatchObject([{ kind: 'reasoning', tookMs: 12_000 }])
  expect(task?.kind === 'task' && [...task.took], 'how long it took shows at the call').toEqual([['checkStock-1', 60]])
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
