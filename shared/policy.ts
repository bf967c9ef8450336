/**
 * Who may write what: one row per place of the document (SPEC §6). A place without a row cannot be written by anybody but the
 * server, and the server's own places have rows without columns, so that the table shows them too.
 *
 * A path is a root and the way down from it: `[]` an element of an array, `{name}` any key of a map (with a prefix where one
 * stands before the brace), anything else that key. Columns name who may do it, in these words:
 *
 *   user, agent, support   the kind of the participant
 *   author                 whoever made the message, in the update that makes it: such a message is written whole
 *   lease                  the worker that holds the lease of the run in question, while that run has not ended
 *   writers                the kinds that the descriptor of the shared object names
 *
 * `add`: a new element, a key without an entry, text at the end. `change`: a key that has one. `remove`: taking an element or
 * key away. Arrays and texts grow at the end only. What a rule reads of the document is its state before the update.
 */
import { readWaits } from './calls.ts'
import { readCancel, readHandover } from './control.ts'
import { askKey, asRecord, ASKS, handoverKey, KEY, pausedKey, ROOT } from './layout.ts'
import { MAX_NAME_CHARS } from './limits.ts'
import type { Participant } from './participant.ts'
import { isRunStatus } from './run.ts'

/** What stands at a place: a Yjs type, a JSON value, or (for parts) either a JSON value or a map. */
export type PlaceType = 'list' | 'map' | 'text' | 'value' | 'value or map'

export interface PolicyRow {
  readonly is: PlaceType
  /** Words as above, with spaces between; absent: nobody but the server. */
  readonly add?: string
  readonly change?: string
  readonly remove?: string
  /** Keys without which a map must not be made. */
  readonly needs?: readonly string[]
  /** What a value must be, at which key of its map; every value must be JSON as well. */
  readonly value?: (value: unknown, sender: Participant, key: string | null) => boolean
}

const isText = (value: unknown): boolean => typeof value === 'string'
const isRecord = (value: unknown): boolean => asRecord(value) !== undefined
const isName = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.length <= MAX_NAME_CHARS
const isTextOrAbsent = (value: unknown): boolean => value === undefined || isText(value)

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0

/** Epoch milliseconds that a date can hold: many readers throw on others. */
const isTime = (value: unknown): boolean => typeof value === 'number' && Math.abs(value) <= 8.64e15

/** A message says who wrote it, and in which role: users as `user`, those who answer as `assistant`. Agents name the run. */
function isHead(value: unknown, sender: Participant): boolean {
  const head = asRecord(value)
  if (head === undefined || head['by'] !== sender.id || head['kind'] !== sender.kind) return false
  if (head['role'] !== (sender.kind === 'user' ? 'user' : 'assistant')) return false
  if (!isName(head['id']) || !isTime(head['at']) || !isTextOrAbsent(head['parent'])) return false
  if (sender.kind === 'agent' ? !isText(head['run']) : head['run'] !== undefined) return false
  // Only users' messages have alternatives. Whose message it is that an edit names is judged by every reader, by the stamps:
  // that message may still be on its way.
  if (head['edits'] !== undefined && !(sender.kind === 'user' && isName(head['edits']))) return false
  if (head['seen'] !== undefined && !isCount(head['seen'])) return false
  const to = head['to']
  return to === undefined || (Array.isArray(to) && to.every(isText))
}

const isSpawn = (value: unknown): boolean => {
  const spawn = asRecord(value)
  // The id grows with the depth; the server makes nothing of one that is not derived.
  return isText(spawn?.['id']) && isName(spawn?.['agent'])
}

const isPart = (value: unknown): boolean => isText(asRecord(value)?.['type'])

const isOwnCancel = (value: unknown, sender: Participant): boolean => {
  const cancel = readCancel(value)
  return cancel?.by === sender.id && isTime(cancel.at)
}
/** What is asked is asked in one's own name; what it says is judged by the server. */
const isOwnAsk = (value: unknown, sender: Participant): boolean => {
  const ask = asRecord(value)
  if (ask === undefined || ask['by'] !== sender.id || !isTime(ask['at'])) return false
  return ask['seen'] === undefined || isCount(ask['seen'])
}
const isOwnHandover = (value: unknown, sender: Participant, key: string | null): boolean => {
  const handover = readHandover(value)
  return key === handoverKey(sender.id) && handover?.by === sender.id && isTime(handover.at)
}

/** Kinds that a descriptor may name. */
const WRITERS: readonly unknown[] = ['user', 'agent', 'support']

/** What a shared object is, and who may write it. All descriptors of one name must say the same. */
export interface Descriptor {
  readonly name: string
  readonly kind: string
  readonly writers: readonly string[]
}

export function readDescriptor(value: unknown): Descriptor | undefined {
  const { name, kind, writers } = asRecord(value) ?? {}
  if (!isName(name) || !/^[A-Za-z0-9_.:-]+$/.test(name) || kind !== 'map') return undefined
  if (!Array.isArray(writers) || !writers.every((writer) => WRITERS.includes(writer))) return undefined
  return { name, kind, writers }
}

const { messages, tasks, objects, control, ledger } = ROOT
const message = `${messages}/[]`
const part = `${message}/${KEY.parts}/[]`
const run = `${tasks}/[]`
const step = `${run}/${KEY.steps}/[]`
const { head, status, detail, progress } = KEY

export const POLICY: Readonly<Record<string, PolicyRow>> = {
  // ---- messages: a user's or supporter's is written whole; an agent's grows as long as its run has not ended
  [messages]: { is: 'list' },
  [message]: { is: 'map', add: 'user support agent', needs: [KEY.head, KEY.parts] },
  [`${message}/${head}`]: { is: 'value', add: 'author lease', value: isHead },
  [`${message}/${KEY.parts}`]: { is: 'list', add: 'author lease' },
  [`${message}/${KEY.stamp}`]: { is: 'value' },
  [`${message}/${KEY.verdict}`]: { is: 'value' },
  [part]: { is: 'value or map', add: 'author lease', remove: 'lease', needs: [KEY.head], value: isPart },
  [`${part}/${head}`]: { is: 'value', add: 'lease', value: isPart },
  // The text of a tool's input goes when the whole input is there.
  [`${part}/${KEY.text}`]: { is: 'list', add: 'lease', change: 'lease', remove: 'lease' },
  [`${part}/${KEY.text}/[]`]: { is: 'text', add: 'lease' },
  [`${part}/${KEY.state}`]: { is: 'value', add: 'lease', change: 'lease', value: isText },
  [`${part}/${KEY.input}`]: { is: 'value', add: 'lease', change: 'lease' },
  [`${part}/${KEY.output}`]: { is: 'value', add: 'lease', change: 'lease' },
  [`${part}/${KEY.errorText}`]: { is: 'value', add: 'lease', change: 'lease', value: isText },
  [`${part}/${KEY.more}`]: { is: 'value', add: 'lease', change: 'lease', value: isRecord },
  [`${part}/${KEY.waits}`]: { is: 'value', add: 'lease', change: 'lease', value: (value) => readWaits(value) !== undefined },
  [`${part}/${KEY.due}`]: { is: 'value' },
  [`${part}/${KEY.claim}`]: { is: 'value' },
  [`${part}/${KEY.verdict}`]: { is: 'value' },
  [`${part}/${KEY.answer}`]: { is: 'value' },

  // ---- runs: made by the server, worked on by whoever holds the lease
  [tasks]: { is: 'list' },
  [run]: { is: 'map' },
  [`${run}/${head}`]: { is: 'value' },
  [`${run}/${KEY.lease}`]: { is: 'value' },
  [`${run}/${KEY.attempt}`]: { is: 'value' },
  [`${run}/${KEY.verdict}`]: { is: 'value' },
  [`${run}/${status}`]: { is: 'value', change: 'lease', value: (value) => isRunStatus(value) && value !== 'pending' },
  [`${run}/${KEY.waiting}`]: { is: 'value', add: 'lease', change: 'lease', remove: 'lease', value: isText },
  [`${run}/${KEY.error}`]: { is: 'value', add: 'lease', change: 'lease', value: isRecord },
  [`${run}/${KEY.usage}`]: { is: 'value', add: 'lease', change: 'lease', value: isRecord },
  [`${run}/${KEY.steered}`]: { is: 'list' },
  [`${run}/${KEY.steered}/[]`]: { is: 'value', add: 'lease', value: (value) => isText(asRecord(value)?.['message']) },
  [`${run}/${KEY.spawned}`]: { is: 'list' },
  [`${run}/${KEY.spawned}/[]`]: { is: 'value', add: 'lease', value: isSpawn },
  [`${run}/${KEY.steps}`]: { is: 'list' },
  [step]: { is: 'map', add: 'lease', needs: [head] },
  [`${step}/${head}`]: { is: 'value', add: 'lease', value: (value) => isText(asRecord(value)?.['title']) },
  [`${step}/${status}`]: { is: 'value', add: 'lease', change: 'lease', value: isText },
  [`${step}/${detail}`]: { is: 'value', add: 'lease', change: 'lease', value: isText },
  [`${step}/${progress}`]: { is: 'value', add: 'lease', change: 'lease', value: (value) => typeof value === 'number' },
  [`${step}/${KEY.result}`]: { is: 'value', add: 'lease', change: 'lease' },
  [`${step}/${KEY.parts}`]: { is: 'value', add: 'lease', change: 'lease', value: (value) => typeof value === 'number' },

  // ---- shared objects: what they are and who writes them is said once; the content is a root of its own
  [objects]: { is: 'list' },
  [`${objects}/[]`]: { is: 'value', add: 'user agent support', value: (value) => readDescriptor(value) !== undefined },
  'object:{name}': { is: 'map' },
  'object:{name}/{field}': { is: 'value', add: 'writers', change: 'writers', remove: 'writers' },

  // ---- flags: in one's own name, and never taken back but by the server
  [control]: { is: 'map' },
  [`${control}/cancel:{target}`]: { is: 'value', add: 'user support', change: 'user support', value: isOwnCancel },
  ...Object.fromEntries(
    ASKS.map((ask) => [
      `${control}/${askKey(ask, '{target}')}`,
      { is: 'value', add: 'user support', change: 'user support', value: isOwnAsk } satisfies PolicyRow,
    ]),
  ),
  [`${control}/${handoverKey('{by}')}`]: {
    is: 'value',
    add: 'user support agent',
    change: 'user support agent',
    value: isOwnHandover,
  },

  // ---- what the server alone decides
  [ledger]: { is: 'map' },
  [`${ledger}/${KEY.version}`]: { is: 'value' },
  [`${ledger}/${KEY.participants}`]: { is: 'map' },
  [`${ledger}/${KEY.participants}/{id}`]: { is: 'value' },
  [`${ledger}/${KEY.holder}`]: { is: 'value' },
  [`${ledger}/${pausedKey('{agent}')}`]: { is: 'value' },
}
