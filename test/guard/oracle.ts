/**
 * An independent judge of an update: it really applies it to a copy with plain Yjs, compares what is there before and after by
 * path, and says what the sender must not have done. Slow, and shares no code with the guard nor with its policy.
 */
import * as Y from 'yjs'
import type { Sender } from '../../server/guard/guard.ts'

type Json = Record<string, unknown>

interface Snapshot {
  /** Elements of the three arrays by the id of their struct, as JSON. */
  readonly messages: Map<string, Json>
  readonly tasks: Map<string, Json>
  readonly objects: Map<string, unknown>
  readonly control: Json
  readonly ledger: Json
  /** Content of shared objects, by root. */
  readonly roots: Map<string, Json>
  /** What must not be there at all. */
  readonly odd: string[]
}

const ENDED = new Set<unknown>(['complete', 'cancelled', 'error', 'interrupted'])
const same = (a: unknown, b: unknown): boolean => JSON.stringify(canonical(a)) === JSON.stringify(canonical(b))

/** With sorted keys: the order of a map's keys depends on the order of arrival. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, canonical(each)]),
  )
}

function fork(doc: Y.Doc): Y.Doc {
  const copy = new Y.Doc()
  for (const root of ['messages', 'tasks', 'objects']) copy.getArray(root)
  for (const root of ['control', 'ledger']) copy.getMap(root)
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
  return copy
}

/**
 * Everything that a reader sees, in a form that is the same for all replicas. An object without fields is left out: who has
 * only looked at it has its root, and others have not.
 */
export function contentOf(doc: Y.Doc): string {
  const content: Json = {}
  for (const root of ['messages', 'tasks', 'objects']) content[root] = doc.getArray(root).toJSON()
  for (const root of ['control', 'ledger']) content[root] = doc.getMap(root).toJSON()
  for (const name of [...doc.share.keys()].sort()) {
    // One that was only read is there for that replica alone.
    if (name.startsWith('object:') && doc.getMap(name).size > 0) content[name] = doc.getMap(name).toJSON()
  }
  return JSON.stringify(canonical(content))
}

export function judge(doc: Y.Doc, update: Uint8Array, from: Sender, ownerOf: (client: number) => string | undefined): string[] {
  const copy = fork(doc)
  const before = look(copy)
  const had = states(copy)
  try {
    Y.applyUpdate(copy, update)
  } catch (error) {
    return [`Yjs throws: ${String(error)}`]
  }
  const wrong: string[] = []
  if (copy.store.pendingStructs !== null || copy.store.pendingDs !== null) wrong.push('something is pending')
  for (const [client, state] of states(copy)) {
    const owner = ownerOf(client)
    if (state > (had.get(client) ?? 0) && owner !== undefined && owner !== from.participant.id)
      wrong.push(`wrote under the client id of ${owner}`)
    if (state > (had.get(client) ?? 0) && owner === undefined && had.has(client)) wrong.push("wrote under nobody's client id")
  }
  let after: Snapshot
  try {
    after = look(copy)
  } catch (error) {
    return [...wrong, `a reader throws: ${String(error)}`]
  }
  wrong.push(...after.odd.filter((odd) => !before.odd.includes(odd)))
  const { kind, id } = from.participant
  if (kind === 'viewer' && (!same([...states(copy)], [...had]) || contentOf(copy) !== contentOf(fork(doc))))
    wrong.push('a viewer wrote')

  const leased = (run: unknown): boolean => {
    const task = [...before.tasks.values()].find((each) => (each['head'] as Json)?.['id'] === run)
    if (kind !== 'agent' || task === undefined || ENDED.has(task['status'])) return false
    return (task['head'] as Json)['agent'] === id && (task['lease'] as Json | undefined)?.['worker'] === from.worker
  }
  for (const [key, message] of after.messages) {
    const was = before.messages.get(key)
    if (was === undefined) wrong.push(...judgeNewMessage(message, from, leased))
    else if (!same(was, message)) wrong.push(...judgeChangedMessage(was, message, from, leased))
  }
  for (const key of before.messages.keys()) if (!after.messages.has(key)) wrong.push('a message is gone')
  for (const [key, task] of after.tasks) {
    const was = before.tasks.get(key)
    if (was === undefined) wrong.push('a run was made')
    else if (!same(was, task)) wrong.push(...judgeChangedTask(was, task, leased))
  }
  for (const key of before.tasks.keys()) if (!after.tasks.has(key)) wrong.push('a run is gone')
  wrong.push(...judgeObjects(before, after, kind))
  if (!same(before.ledger, after.ledger)) wrong.push('the ledger changed')
  for (const key of new Set([...Object.keys(before.control), ...Object.keys(after.control)])) {
    const now = after.control[key] as Json | undefined
    if (same(before.control[key], now)) continue
    const isAsk = /^(cancel|edit|remove|confirm|resume|answer):/.test(key)
    const may = key.startsWith('handover:')
      ? key === `handover:${id}` && kind !== 'viewer'
      : isAsk && (kind === 'user' || kind === 'support')
    if (!may || now?.['by'] !== id || typeof now['at'] !== 'number') wrong.push(`control ${key}`)
  }
  return wrong
}

function judgeNewMessage(message: Json, { participant: { id, kind } }: Sender, leased: (run: unknown) => boolean): string[] {
  const head = message['head'] as Json | undefined
  const parts = message['parts']
  if (typeof head !== 'object' || head === null || !Array.isArray(parts)) return ['a message without head or parts']
  const wrong: string[] = []
  if (head['by'] !== id || head['kind'] !== kind) wrong.push("a message in another's name")
  if (head['role'] !== (kind === 'user' ? 'user' : 'assistant')) wrong.push(`a message as ${String(head['role'])}`)
  if (kind === 'agent' ? !leased(head['run']) : head['run'] !== undefined) wrong.push('a message under a run that is not leased')
  if (Object.keys(message).some((key) => key !== 'head' && key !== 'parts')) wrong.push('a message with more than head and parts')
  return wrong
}

function judgeChangedMessage(was: Json, now: Json, { participant: { id } }: Sender, leased: (run: unknown) => boolean): string[] {
  const head = was['head'] as Json
  const wrong: string[] = []
  if (head['by'] !== id || !leased(head['run'])) wrong.push("another's message, or a closed one, changed")
  for (const key of new Set([...Object.keys(was), ...Object.keys(now)]))
    if (key !== 'parts' && !same(was[key], now[key])) wrong.push(`a message's ${key} changed`)
  const decisions = new Set(decisionsIn(was))
  if (decisionsIn(now).some((decision) => !decisions.has(decision))) wrong.push('a decision of the server was forged')
  return wrong
}

/** What stands at the parts of a message that only the server writes. */
function decisionsIn({ parts }: Json): string[] {
  return ((parts ?? []) as Json[]).flatMap((part) =>
    ['due', 'claim', 'verdict', 'answer']
      .filter((key) => part?.[key] !== undefined)
      .map((key) => JSON.stringify([key, canonical(part[key])])),
  )
}

function judgeChangedTask(was: Json, now: Json, leased: (run: unknown) => boolean): string[] {
  const wrong = leased((was['head'] as Json)['id']) ? [] : ['a run that is not leased changed']
  for (const key of ['head', 'lease', 'attempt', 'verdict']) if (!same(was[key], now[key])) wrong.push(`a run's ${key} changed`)
  if (typeof now['status'] !== 'string' || (now['status'] === 'pending' && was['status'] !== 'pending'))
    wrong.push("a run's status is wrong")
  const [before, after] = [was['steps'], now['steps']] as Json[][]
  if (!Array.isArray(after) || (before ?? []).some((step, at) => !same(step['head'], after[at]?.['head'])))
    wrong.push("a run's steps are gone or changed")
  for (const key of ['steered', 'spawned']) {
    const [had, has] = [was[key], now[key]] as [unknown[] | undefined, unknown]
    if (!Array.isArray(has) || !same(had, has.slice(0, had?.length))) wrong.push(`a run's ${key} is gone or changed`)
  }
  return wrong
}

function judgeObjects(before: Snapshot, after: Snapshot, kind: string): string[] {
  const wrong: string[] = []
  for (const [key, value] of before.objects) if (!same(value, after.objects.get(key))) wrong.push('a descriptor changed')
  const byName = new Map<string, Json>()
  for (const value of [...before.objects.values(), ...after.objects.values()]) {
    const descriptor = value as Json
    if (typeof descriptor?.['name'] !== 'string' || !Array.isArray(descriptor['writers'])) {
      wrong.push('a descriptor without name or writers')
      continue
    }
    const known = byName.get(descriptor['name'])
    if (known !== undefined && !same(known['writers'], descriptor['writers'])) wrong.push('descriptors that disagree')
    byName.set(descriptor['name'], known ?? descriptor)
  }
  for (const [root, content] of after.roots) {
    if (same(before.roots.get(root) ?? {}, content)) continue
    const writers = byName.get(root.slice('object:'.length))?.['writers'] as string[] | undefined
    if (writers?.includes(kind) !== true) wrong.push(`${root} changed by no writer`)
  }
  return wrong
}

function look(doc: Y.Doc): Snapshot {
  const odd: string[] = []
  const roots = new Map<string, Json>()
  for (const name of doc.share.keys()) {
    if (name.startsWith('object:') && name.length > 'object:'.length) {
      const map = doc.getMap(name)
      if (map._start !== null) odd.push(`hidden content in ${name}`)
      for (const value of map.values()) if (value instanceof Y.AbstractType) odd.push(`a type in ${name}`)
      roots.set(name, map.toJSON())
    } else if (!['messages', 'tasks', 'objects', 'control', 'ledger'].includes(name)) {
      odd.push(`the root ${name}`)
    }
  }
  for (const [client, structs] of doc.store.clients) for (const struct of structs) inspect(struct, client, odd)
  JSON.stringify([doc.getArray('messages').toJSON(), doc.getArray('tasks').toJSON(), doc.getMap('control').toJSON()])
  return {
    messages: elements(doc.getArray('messages'), odd) as Map<string, Json>,
    tasks: elements(doc.getArray('tasks'), odd) as Map<string, Json>,
    objects: elements(doc.getArray('objects'), odd),
    control: mapOf(doc, 'control', odd),
    ledger: mapOf(doc, 'ledger', odd),
    roots,
    odd,
  }
}

const PLAIN = new Set(['ContentAny', 'ContentString', 'ContentType', 'ContentDeleted'])

function inspect(struct: Y.Item | Y.GC, client: number, odd: string[]): void {
  if (!(struct instanceof Y.Item)) return
  const name = struct.content.constructor.name
  if (!PLAIN.has(name)) odd.push(`content ${name} at ${client}:${struct.id.clock}`)
  if (struct.deleted || !(struct.content instanceof Y.ContentType)) return
  const type = struct.content.type as Y.AbstractType<unknown>
  const isMap = type instanceof Y.Map
  if (isMap ? type._start !== null : type._map.size > 0) odd.push(`hidden content at ${client}:${struct.id.clock}`)
  if (type instanceof Y.XmlElement || type instanceof Y.XmlText || type instanceof Y.XmlFragment)
    odd.push(`XML at ${client}:${struct.id.clock}`)
}

function mapOf(doc: Y.Doc, name: string, odd: string[]): Json {
  const map = doc.getMap(name)
  if (map._start !== null) odd.push(`hidden content in ${name}`)
  return map.toJSON()
}

function elements(array: Y.Array<unknown>, odd: string[]): Map<string, unknown> {
  const found = new Map<string, unknown>()
  if (array._map.size > 0) odd.push('hidden content in an array')
  for (let item = array._start; item !== null; item = item.right) {
    if (item.deleted) continue
    item.content.getContent().forEach((value: unknown, at) => {
      found.set(
        `${item?.id.client}:${(item?.id.clock ?? 0) + at}`,
        value instanceof Y.AbstractType ? (value.toJSON() as unknown) : value,
      )
    })
  }
  return found
}

function states(doc: Y.Doc): Map<number, number> {
  return new Map([...doc.store.clients.keys()].map((client) => [client, Y.getState(doc.store, client)]))
}
