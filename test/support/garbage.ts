/** What a peer that keeps no rule writes: any operation on any type of a session's document. */
import * as Y from 'yjs'
import { askKey, ASKS, cancelKey, KEY, rootsOf } from '../../shared/layout.ts'
import { newMessage } from '../../shared/new-message.ts'
import { MessageWriter } from '../../shared/part-writer.ts'
import { RUN_STATUSES } from '../../shared/run.ts'
import { headOf } from './document.ts'
import type { Chance } from './random.ts'

const IDS = ['a', 'b', 'c', 'd']
const KEYS = [...Object.values(KEY), ...IDS.map(cancelKey), ...IDS, 'junk']

/** One transaction of one to four random operations. */
export function scribble(doc: Y.Doc, chance: Chance): void {
  doc.transact(() => {
    for (let i = chance.int(1, 4); i > 0; i--) operate(chance.pick(typesOf(doc)), chance)
  })
}

/**
 * One transaction that an honest peer would make: a message, an edit, a stamp, a verdict, a token, a run, another answer, a call that
 * waits, an answer, a status, a flag.
 */
export function behave(doc: Y.Doc, chance: Chance): void {
  const { messages, tasks, control, ledger } = rootsOf(doc)
  const message = messages.length === 0 ? undefined : messages.get(chance.int(0, messages.length - 1))
  const run = tasks.length === 0 ? undefined : tasks.get(chance.int(0, tasks.length - 1))
  const texts = typesOf(doc).filter((type) => type instanceof Y.Text)
  doc.transact(() => {
    const name = (): string => chance.pick(IDS) + chance.int(0, 9)
    switch (chance.int(0, 13)) {
      case 0: {
        const run = chance.bool() ? {} : { run: `${chance.pick(IDS)}.x`, parent: name() }
        const writer = new MessageWriter(messages, headOf(name(), { at: chance.int(0, 9), ...run }))
        writer.append(writer.open({ type: chance.pick(['text', 'reasoning', 'tool-x']), toolCallId: 't' }), chance.word())
        writer.add({ type: 'text', text: chance.word() })
        return writer.flush()
      }
      case 1:
        return void (message instanceof Y.Map && message.set(KEY.stamp, { seq: chance.int(1, 50), at: 1, by: 'ada' }))
      case 2:
      case 3: {
        const text = texts.length === 0 ? undefined : (chance.pick(texts) as Y.Text)
        return text?.insert(text.length, chance.word())
      }
      case 4: {
        const map = new Y.Map<unknown>()
        const input = chance.pick(IDS)
        const again = { run: `${input}.x`, by: 'ada', at: 1, seen: chance.int(0, 50), seq: chance.int(0, 50) }
        const more = chance.pick([{}, { parent: `${chance.pick(IDS)}.x` }, { id: `${input}.x~${chance.int(2, 4)}`, again }])
        map.set(KEY.head, { id: `${input}.x`, agent: 'x', input, attempt: 1, at: chance.int(0, 9), ...more })
        map.set(KEY.status, 'pending')
        map.set(KEY.steps, new Y.Array())
        return tasks.push([map])
      }
      case 5:
        return void (run instanceof Y.Map && run.set(KEY.status, chance.pick(RUN_STATUSES)))
      case 6:
        return void control.set(cancelKey(chance.pick(IDS)), { by: 'ada', at: 1 })
      case 7:
      case 8: {
        // An edit, or a message that says where it belongs.
        const more = chance.pick([{ edits: name(), seen: chance.int(0, 50) }, { parent: name() }, { lane: 'steer' as const }])
        const head = headOf(name(), { role: 'user', kind: 'user', by: 'ada', at: chance.int(0, 9), ...more })
        return newMessage(messages, head).push([{ type: 'text', text: chance.word() }])
      }
      case 9:
        return void (
          message instanceof Y.Map &&
          message.set(KEY.verdict, { state: chance.pick(['steering', 'taken', 'asks', 'removed', 'queued']), at: 1, run: 'a.x' })
        )
      case 10:
        return void control.set(askKey(chance.pick(ASKS), name()), { by: 'ada', at: 1, text: chance.word() })
      case 11: {
        const parts = message instanceof Y.Map ? message.get(KEY.parts) : undefined
        const part = new Y.Map<unknown>([
          [
            KEY.head,
            chance.pick([
              { type: 'data-approval', id: 'i' },
              { type: 'tool-x', toolCallId: 't' },
            ]),
          ],
          [KEY.waits, { for: chance.pick(['approval', 'client']) }],
        ])
        return void (parts instanceof Y.Array && parts.push([part]))
      }
      case 12: {
        const waiting = typesOf(doc).filter((type) => type instanceof Y.Map && type.has(KEY.waits)) as Y.Map<unknown>[]
        if (waiting.length === 0) return
        const [key, value] = chance.pick<[string, unknown]>([
          [KEY.answer, { by: 'ada', at: 1, approved: chance.bool(), output: chance.word() }],
          [KEY.claim, { tab: 'one', by: 'ada', n: 1, leaseMs: 1 }],
          [KEY.due, 5],
          [KEY.verdict, { by: 'ada', at: 1, reason: 'no' }],
        ])
        return void chance.pick(waiting).set(key, value)
      }
      default:
        return void ledger.set(KEY.holder, { state: chance.pick(['human', 'waiting', 'agents']), by: 'sue', at: 1 })
    }
  })
}

/** Every type of the document that is still there, the roots included. */
function typesOf(doc: Y.Doc): Y.AbstractType<unknown>[] {
  const roots = rootsOf(doc)
  const types: Y.AbstractType<unknown>[] = [...Object.values(roots), doc.getMap('object:cart')] as Y.AbstractType<unknown>[]
  for (const type of types) {
    const values = type instanceof Y.Map ? [...type.values()] : type instanceof Y.Array ? type.toArray() : []
    for (const value of values) if (value instanceof Y.AbstractType) types.push(value as Y.AbstractType<unknown>)
  }
  return types
}

function operate(type: Y.AbstractType<unknown>, chance: Chance): void {
  if (type instanceof Y.Text) {
    const at = chance.int(0, type.length)
    const length = Math.min(type.length - at, chance.int(0, 5))
    chance.pick([
      () => type.insert(at, chance.word(), chance.bool(0.2) ? { bold: true } : undefined),
      () => type.insert(type.length, chance.word()),
      () => type.delete(at, length),
      () => type.format(at, length, { bold: chance.bool() ? true : null }),
      () => type.insertEmbed(at, { image: chance.word() }),
    ])()
  } else if (type instanceof Y.Map) {
    if (chance.bool(0.4)) type.set(chance.pick([KEY.head, KEY.stamp, KEY.status]), value(chance))
    else if (chance.bool(0.7)) type.set(chance.pick(KEYS), anything(chance))
    else type.delete(chance.pick(KEYS))
  } else if (type instanceof Y.Array) {
    const at = chance.int(0, type.length)
    if (chance.bool(0.7)) type.insert(at, [anything(chance)])
    else type.delete(at, Math.min(type.length - at, chance.int(0, 2)))
  }
}

function anything(chance: Chance): unknown {
  switch (chance.int(0, 9)) {
    case 0:
      return new Y.Map(Object.entries({ [chance.pick(KEYS)]: value(chance), [KEY.head]: value(chance) }))
    case 1:
      return Y.Array.from([value(chance), new Y.Text(chance.word()), new Y.Map()] as never[])
    case 2:
      return chance.pick([
        () => new Y.Text(chance.word()),
        () => new Y.XmlText('x'),
        () => new Y.XmlElement('p'),
        () => new Y.Doc(),
      ])()
    default:
      return value(chance)
  }
}

function value(chance: Chance): unknown {
  const id = chance.pick(IDS)
  return chance.pick<() => unknown>([
    () => null,
    () => chance.pick([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, true, '', id, 'done', 'complete', 'suspended']),
    () => new Uint8Array([1, 2]),
    () => [id, { deep: [id] }],
    // Converting this to a string throws.
    () => ({ toString: 1, valueOf: 1, id, type: 'text', text: { toString: 1, valueOf: 1 }, code: { toString: 1, valueOf: 1 } }),
    () => ({
      id,
      role: 'user',
      by: 'ada',
      kind: 'user',
      at: chance.pick([1, Number.NaN]),
      to: chance.pick([undefined, [id], [7]]),
    }),
    () => ({ id, role: 'user', by: 'ada', kind: 'user', at: 1, edits: chance.pick(IDS), parent: chance.pick(IDS), seen: 1 }),
    () => ({ id: `${id}.x~2`, agent: 'x', input: id, at: 1, again: { run: `${id}.x`, by: 'ada', at: 1, seen: 1, seq: 1 } }),
    () => ({ seq: chance.pick([1, 2, Number.NaN, 1e308, '3']), at: 1, by: 'ada' }),
    () => ({ id: `${id}.x`, agent: 'x', input: id, at: chance.pick([1, Number.NaN]), title: chance.pick(['t', 7]) }),
    () => ({
      type: chance.pick(['text', 'tool-x', 'dynamic-tool', 'data-x', 'raw']),
      toolCallId: chance.pick(['t', 7]),
      text: id,
      state: 'odd',
    }),
    () => ({ by: 'ada', at: 1, action: 'take', state: 'human', code: 'c', message: 'm', name: 'cart' }),
  ])()
}
