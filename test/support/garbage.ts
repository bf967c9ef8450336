/** What a peer that keeps no rule writes: any operation on any type of a session's document. */
import * as Y from 'yjs'
import { cancelKey, KEY, rootsOf } from '../../shared/layout.ts'
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

/** One transaction that an honest peer would make: a message, a stamp, a token, a run, a status, a step, a flag. */
export function behave(doc: Y.Doc, chance: Chance): void {
  const { messages, tasks, control, ledger } = rootsOf(doc)
  const message = messages.length === 0 ? undefined : messages.get(chance.int(0, messages.length - 1))
  const run = tasks.length === 0 ? undefined : tasks.get(chance.int(0, tasks.length - 1))
  const texts = typesOf(doc).filter((type) => type instanceof Y.Text)
  doc.transact(() => {
    switch (chance.int(0, 7)) {
      case 0: {
        const writer = new MessageWriter(messages, headOf(chance.pick(IDS) + chance.int(0, 9), { at: chance.int(0, 9) }))
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
        map.set(KEY.head, { id: `${chance.pick(IDS)}.x`, agent: 'x', input: chance.pick(IDS), attempt: 1, at: chance.int(0, 9) })
        map.set(KEY.status, 'pending')
        map.set(KEY.steps, new Y.Array())
        return tasks.push([map])
      }
      case 5:
        return void (run instanceof Y.Map && run.set(KEY.status, chance.pick(RUN_STATUSES)))
      case 6:
        return void control.set(cancelKey(chance.pick(IDS)), { by: 'ada', at: 1 })
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
