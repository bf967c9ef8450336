import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { askKey, cancelKey, KEY, pausedKey, rootsOf } from '../shared/layout.ts'
import { textOf, type Message } from '../shared/message.ts'
import { MessageWriter } from '../shared/part-writer.ts'
import { ViewBuilder, type Topic } from '../shared/view.ts'
import { documentOf, forward, headOf, stamp, writeMessage } from './support/document.ts'

interface Watched {
  readonly doc: Y.Doc
  readonly view: ViewBuilder
  /** Topics that were told since the last call, sorted. */
  readonly told: () => string[]
}

function watch(topics: readonly Topic[], doc: Y.Doc = documentOf()): Watched {
  const view = new ViewBuilder(doc, fail)
  const told: string[] = []
  for (const topic of topics) view.subscribe(topic, () => told.push(topic))
  return { doc, view, told: () => told.splice(0).sort() }
}

function fail(error: unknown): never {
  throw error
}

function addRun(doc: Y.Doc, id: string, input: string, at = 1): Y.Map<unknown> {
  const run = new Y.Map<unknown>()
  run.set(KEY.head, { id, agent: 'agent', input, attempt: 1, at })
  run.set(KEY.status, 'pending')
  run.set(KEY.steps, new Y.Array())
  rootsOf(doc).tasks.push([run])
  return run
}

function openText(doc: Y.Doc, id: string): (text: string) => void {
  const writer = new MessageWriter(rootsOf(doc).messages, headOf(id))
  const part = writer.open({ type: 'text' })
  return (text) => {
    writer.append(part, text)
    doc.transact(() => writer.flush())
  }
}

const INPUT = { role: 'user', kind: 'user', by: 'ada' } as const

const idsOf = (messages: readonly Message[]): string[] => messages.map(({ id }) => id)

describe('identity', () => {
  test('what did not change is the same object, from view to view (CLI-7)', () => {
    const { doc, view } = watch([])
    writeMessage(doc, 'q', 'Question', { at: 0 })
    const writer = new MessageWriter(rootsOf(doc).messages, headOf('a'))
    writer.add({ type: 'step-start' })
    const [first, second] = [writer.open({ type: 'text' }), writer.open({ type: 'text' })]
    writer.append(first, 'done')
    doc.transact(() => writer.flush())
    addRun(doc, 'r', 'q')
    const before = view.view
    expect(view.view).toBe(before)

    writer.append(second, 'more')
    doc.transact(() => writer.flush())
    const after = view.view
    expect(after).not.toBe(before)
    expect(after.messages[0]).toBe(before.messages[0])
    expect(after.messages[1]).not.toBe(before.messages[1])
    expect(after.messages[1]?.parts[0]).toBe(before.messages[1]?.parts[0])
    expect(after.messages[1]?.parts[1]).toBe(before.messages[1]?.parts[1])
    expect(after.messages[1]?.parts[2]).not.toBe(before.messages[1]?.parts[2])
    expect(after.runs).toBe(before.runs)
    expect(after.participants).toBe(before.participants)
    expect(after.holder).toBe(before.holder)
    // What was given out before is as it was.
    expect(before.messages[1]?.parts[2]).toMatchObject({ text: '' })
  })

  test('a run that changes leaves the other runs and all messages as they were', () => {
    const { doc, view } = watch([])
    writeMessage(doc, 'q', 'Question')
    const [one] = [addRun(doc, 'one', 'q'), addRun(doc, 'two', 'q')]
    const before = view.view
    one.set(KEY.status, 'active')
    expect(view.view.messages).toBe(before.messages)
    expect(view.view.runs[0]).not.toBe(before.runs[0])
    expect(view.view.runs[1]).toBe(before.runs[1])
  })

  test('the list of ids is the same until a message comes, goes or is placed', () => {
    const { doc, view } = watch([])
    const write = openText(doc, 'a')
    write('one')
    const ids = view.messageIds
    write('two')
    expect(view.messageIds).toBe(ids)
    stamp(rootsOf(doc).messages.get(0), 1)
    expect(view.messageIds).not.toBe(ids)
  })
})

describe('listeners', () => {
  test('each is told what it has asked for, once a transaction, after it', () => {
    const { doc, view, told } = watch(['view', 'messages', 'message:q', 'message:a', 'runs', 'run:r', 'run:other', 'ledger'])
    writeMessage(doc, 'q', 'Question')
    expect(told()).toEqual(['message:q', 'messages', 'view'])
    const write = openText(doc, 'a')
    write('x')
    expect(told()).toEqual(['message:a', 'messages', 'view'])
    write('y')
    expect(told()).toEqual(['message:a', 'view'])
    const run = addRun(doc, 'r', 'q')
    expect(told()).toEqual(['run:r', 'runs', 'view'])
    doc.transact(() => {
      run.set(KEY.status, 'active')
      write('z')
    })
    expect(told()).toEqual(['message:a', 'run:r', 'runs', 'view'])
    rootsOf(doc).control.set(cancelKey('q'), { by: 'ada', at: 1 })
    expect(told()).toEqual(['run:r', 'runs', 'view'])
    expect(view.run('r')?.cancel).toEqual({ by: 'ada', at: 1 })
    rootsOf(doc).ledger.set(KEY.holder, { state: 'human', by: 'sue', at: 1 })
    expect(told()).toEqual(['ledger', 'view'])
    stamp(rootsOf(doc).messages.get(0), 1)
    expect(told()).toEqual(['message:q', 'messages', 'view'])
    rootsOf(doc).messages.delete(0, 1)
    expect(told()).toEqual(['message:q', 'messages', 'view'])
    doc.getMap('object:cart').set('a', 1)
    expect(told()).toEqual([])
  })

  test('[S9] one that throws stops no other, and is reported (CLI-5)', () => {
    const doc = documentOf()
    const reported: unknown[] = []
    const view = new ViewBuilder(doc, (error, context) => reported.push([String(error), context]))
    const told: string[] = []
    view.subscribe('messages', () => {
      told.push('first')
      throw new Error('broken')
    })
    view.subscribe('messages', () => void told.push('second'))
    view.subscribe('view', () => void told.push('view'))
    writeMessage(doc, 'q', 'Question')
    expect(told).toEqual(['first', 'second', 'view'])
    expect(reported).toEqual([['Error: broken', { stage: 'listener', topic: 'messages' }]])
    writeMessage(doc, 'r', 'Another')
    expect(told).toHaveLength(6)
  })

  test('one function subscribed twice is told twice, and each subscription ends on its own', () => {
    const { doc, view } = watch([])
    let count = 0
    const listener = (): void => void (count += 1)
    const [end] = [view.subscribe('view', listener), view.subscribe('view', listener)]
    writeMessage(doc, 'a', 'x')
    expect(count).toBe(2)
    end()
    end()
    writeMessage(doc, 'b', 'x')
    expect(count).toBe(3)
  })

  test('[S10] after destroy none is told (CLI-4)', () => {
    const { doc, view, told } = watch(['view', 'messages'])
    view.destroy()
    writeMessage(doc, 'a', 'x')
    expect(told()).toEqual([])
  })

  test('one that reads sees what it is told of, and may write', () => {
    const { doc, view } = watch([])
    const seen: string[] = []
    view.subscribe('messages', () => {
      seen.push(idsOf(view.view.messages).join())
      if (seen.length === 1) writeMessage(doc, 'b', 'x')
    })
    writeMessage(doc, 'a', 'x')
    expect(seen).toEqual(['a', 'a,b'])
  })
})

describe('order and duplicates (DOC-4)', () => {
  test('[S8] by stamp; what has none comes last, by the time it was written and then by id', () => {
    const { doc, view } = watch([])
    const [third, late, first] = ['third', 'late', 'first'].map((id) => writeMessage(doc, id, id, { at: 5 }))
    writeMessage(doc, 'pending-b', 'x', { at: 7 })
    writeMessage(doc, 'pending-a', 'x', { at: 7 })
    writeMessage(doc, 'pending-c', 'x', { at: 3 })
    stamp(third as Y.Map<unknown>, 30)
    stamp(first as Y.Map<unknown>, 10)
    expect(idsOf(view.view.messages)).toEqual(['first', 'third', 'pending-c', 'late', 'pending-a', 'pending-b'])
    stamp(late as Y.Map<unknown>, 20)
    expect(idsOf(view.view.messages)).toEqual(['first', 'late', 'third', 'pending-c', 'pending-a', 'pending-b'])
    expect(view.view.messages.map(({ metadata }) => metadata.seq)).toEqual([10, 20, 30, undefined, undefined, undefined])
  })

  test('a stamp brings the verified author and time', () => {
    const { doc, view } = watch([])
    const map = writeMessage(doc, 'a', 'x', { by: 'forged', at: 1 })
    expect(view.message('a')?.metadata).toMatchObject({ by: 'forged', at: 1 })
    stamp(map, 2, 'ada')
    expect(view.message('a')?.metadata).toMatchObject({ by: 'ada', at: 2_000, seq: 2 })
  })

  test('of two entries with one id the stamped one counts, whenever it is stamped, and else the first', () => {
    const { doc, view } = watch([])
    writeMessage(doc, 'a', 'one')
    const second = writeMessage(doc, 'a', 'two')
    expect(view.view.messages.map(textOf)).toEqual(['one'])
    stamp(second, 1)
    expect(view.view.messages.map(textOf)).toEqual(['two'])
    rootsOf(doc).messages.delete(1, 1)
    expect(view.view.messages.map(textOf)).toEqual(['one'])
    rootsOf(doc).messages.delete(0, 1)
    expect(view.view.messages).toEqual([])
  })

  test('an entry that is given another head is another message, and one that loses it is none', () => {
    const { doc, view } = watch([])
    const map = writeMessage(doc, 'a', 'text')
    expect(view.message('a')).toBeDefined()
    map.set(KEY.head, headOf('b', { role: 'user' }))
    expect([view.message('a'), view.message('b')]).toMatchObject([undefined, { id: 'b', role: 'user' }])
    map.set(KEY.head, 'nothing')
    expect(view.view.messages).toEqual([])
    map.set(KEY.head, headOf('c'))
    expect(idsOf(view.view.messages)).toEqual(['c'])
  })

  test('runs stand in the order in which they were asked for, also within one millisecond', () => {
    const { doc, view } = watch([])
    for (const [id, at] of [
      ['z', 2],
      ['b', 2],
      ['c', 2],
      ['a', 1],
    ] as const)
      addRun(doc, id, 'q', at)
    expect(view.view.runs.map(({ id }) => id)).toEqual(['a', 'z', 'b', 'c'])
  })

  test('of two runs with one id the first counts, and the other one when that is gone', () => {
    const { doc, view } = watch([])
    const [one, two] = [addRun(doc, 'r', 'q'), addRun(doc, 'r', 'q')]
    one.set(KEY.status, 'active')
    two.set(KEY.status, 'complete')
    expect(view.view.runs.map(({ status }) => status)).toEqual(['active'])
    rootsOf(doc).tasks.delete(0, 1)
    expect(view.view.runs.map(({ status }) => status)).toEqual(['complete'])
  })
})

describe('texts', () => {
  test('a text that another peer edits in its middle is read anew', () => {
    const [doc, other] = [documentOf(1), documentOf(2)]
    const { view } = watch([], doc)
    const write = openText(doc, 'a')
    write('Hello there')
    forward(doc, other)
    forward(other, doc)
    expect(textOf(view.message('a') as Message)).toBe('Hello there')
    const segment = (
      (rootsOf(other).messages.get(0).get(KEY.parts) as Y.Array<Y.Map<unknown>>).get(0).get(KEY.text) as Y.Array<Y.Text>
    ).get(0)
    segment.insert(5, ',')
    expect(textOf(view.message('a') as Message)).toBe('Hello, there')
    segment.delete(0, 1)
    other.transact(() => {
      segment.insert(0, 'h')
      segment.insert(segment.length, '!')
    })
    write(' You')
    expect(textOf(view.message('a') as Message)).toBe('hello, there! You')
  })

  test('edits of two peers at once, in the middle and at the end, come out the same for both', () => {
    const [doc, other] = [documentOf(1), documentOf(2)]
    const [here, there] = [watch([], doc).view, watch([], other).view]
    const write = openText(doc, 'a')
    write('one two')
    Y.applyUpdate(other, Y.encodeStateAsUpdate(doc))
    expect(textOf(there.message('a') as Message)).toBe('one two')
    const segment = (
      (rootsOf(other).messages.get(0).get(KEY.parts) as Y.Array<Y.Map<unknown>>).get(0).get(KEY.text) as Y.Array<Y.Text>
    ).get(0)
    segment.insert(3, ' and a half')
    segment.insert(segment.length, '?')
    write(' three')
    Y.applyUpdate(other, Y.encodeStateAsUpdate(doc))
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(other))
    const text = textOf(here.message('a') as Message)
    expect(text).toBe(textOf(there.message('a') as Message))
    expect(text).toContain('one and a half two')
    expect(textOf(new ViewBuilder(doc, fail).message('a') as Message)).toBe(text)
  })

  test('what is added besides an end, and taken back, may change what stood there: the text is read anew', () => {
    const doc = documentOf()
    const { view } = watch([], doc)
    const write = openText(doc, 'a')
    write('a😀b')
    const segment = (
      (rootsOf(doc).messages.get(0).get(KEY.parts) as Y.Array<Y.Map<unknown>>).get(0).get(KEY.text) as Y.Array<Y.Text>
    ).get(0)
    const both = (): string[] => [view, new ViewBuilder(doc, fail)].map((it) => textOf(it.message('a') as Message))
    expect(both()).toEqual(['a😀b', 'a😀b'])
    // Within a pair of surrogates, which Yjs does not keep then.
    doc.transact(() => {
      segment.format(0, 2, { bold: true })
      segment.insert(segment.length, '!')
    })
    expect(both()[0]).toBe(both()[1])
    doc.transact(() => {
      segment.insert(1, 'x')
      segment.delete(1, 1)
      segment.insert(segment.length, '?')
    })
    expect(both()[0]).toBe(both()[1])
    expect(both()[0]).toMatch(/b!\?$/)
  })

  test('a text longer than a segment reads whole, while it grows', () => {
    const { doc, view } = watch([])
    const write = openText(doc, 'a')
    let text = ''
    for (let i = 0; i < 60; i++) {
      const piece = `${i} `.repeat(300)
      write(piece)
      text += piece
      expect(textOf(view.message('a') as Message)).toBe(text)
    }
    expect(text.length).toBeGreaterThan(3 * 16_384)
  })
})

describe('lanes', () => {
  test('what is asked about an input and what was decided are in its metadata, and tell that message alone (CLI-1)', () => {
    const { doc, view, told } = watch(['message:m', 'message:other', 'messages', 'runs', 'ledger'])
    const map = writeMessage(doc, 'm', 'Hello', INPUT)
    writeMessage(doc, 'other', 'Hi', INPUT)
    told()
    const { control, ledger } = rootsOf(doc)
    doc.transact(() => control.set(askKey('edit', 'm'), { by: 'ada', at: 1, text: 'Hello there' }))
    expect(told()).toEqual(['message:m'])
    expect(view.message('m')?.metadata.asked).toEqual({ edit: 'Hello there' })
    doc.transact(() => {
      control.delete(askKey('edit', 'm'))
      map.set(KEY.verdict, { state: 'taken', at: 5, run: 'm.bot', reason: 'late', text: 'Hello there' })
    })
    expect(told()).toEqual(['message:m'])
    expect(view.message('m')?.metadata).not.toHaveProperty('asked')
    expect(view.message('m')?.metadata.verdict).toMatchObject({ state: 'taken', text: 'Hello there' })

    const before = view.view
    const pause = { at: 1, reason: 'error', run: 'r', held: ['m.bot'] } as const
    doc.transact(() => ledger.set(pausedKey('bot'), pause))
    expect(told()).toEqual(['ledger'])
    expect(view.view.paused).toEqual(new Map([['bot', pause]]))
    expect(view.view.messages).toBe(before.messages)
    const { paused } = view.view
    openText(doc, 'reply')('word')
    expect(view.view.paused).toBe(paused)
  })

  test('the refusal of a cancel is on its run', () => {
    const { doc, view, told } = watch(['run:r', 'runs'])
    const run = addRun(doc, 'r', 'q')
    told()
    run.set(KEY.verdict, { about: 'cancel', by: 'ada', at: 1, reason: 'No.' })
    expect(told()).toEqual(['run:r', 'runs'])
    expect(view.run('r')?.verdict).toEqual({ about: 'cancel', by: 'ada', at: 1, reason: 'No.' })
  })
})
