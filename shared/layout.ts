/**
 * The shape of the document: the only file with its key strings. SPEC.md §2 describes it in words.
 */
import * as Y from 'yjs'

/** Version of the layout; `ledger.version` holds the one a document was made with. 1: the first. */
export const LAYOUT_VERSION = 1

/** The root types. `object:NAME` roots hold shared objects. */
export const ROOT = { messages: 'messages', tasks: 'tasks', objects: 'objects', control: 'control', ledger: 'ledger' } as const

/** Keys inside a message's, part's, run's and step's map, and in the maps `control` and `ledger`. */
export const KEY = {
  head: 'head',
  parts: 'parts',
  text: 'text',
  state: 'state',
  input: 'input',
  output: 'output',
  errorText: 'errorText',
  more: 'more',
  stamp: 'stamp',
  status: 'status',
  error: 'error',
  usage: 'usage',
  steps: 'steps',
  detail: 'detail',
  progress: 'progress',
  waiting: 'waiting',
  lease: 'lease',
  attempt: 'attempt',
  verdict: 'verdict',
  steered: 'steered',
  spawned: 'spawned',
  result: 'result',
  waits: 'waits',
  due: 'due',
  claim: 'claim',
  answer: 'answer',
  version: 'version',
  holder: 'holder',
  participants: 'participants',
} as const

const CANCEL = 'cancel:'
const PAUSED = 'paused:'
const OBJECT = 'object:'

/**
 * What people ask of the server about one thing, each at `control["ASK:TARGET"]`: to change or remove an input that no worker
 * has taken (`edit`, `remove`), to start one that was written too long ago (`confirm`), to go on with an agent's queue
 * (`resume`), the answer to a tool call or an approval (`answer`), and another answer than that of a run (`regenerate`). The server
 * judges them and takes them away.
 */
export const ASKS = ['edit', 'remove', 'confirm', 'resume', 'answer', 'regenerate'] as const

export type Ask = (typeof ASKS)[number]

/** Key of what is asked about a target in `control`. */
export function askKey(ask: Ask, target: string): string {
  return `${ask}:${target}`
}

/** What a key of `control` asks, and about what; null for other keys. */
export function readAskKey(key: string): { readonly ask: Ask; readonly target: string } | null {
  const ask = ASKS.find((each) => key.startsWith(`${each}:`))
  return ask === undefined ? null : { ask, target: key.slice(ask.length + 1) }
}

/** Key in `ledger` that says that an agent's queue is paused. */
export function pausedKey(agent: string): string {
  return PAUSED + agent
}

/** Agent whose queue a key of `ledger` says to be paused; null for other keys. */
export function pausedAgent(key: string): string | null {
  return key.startsWith(PAUSED) ? key.slice(PAUSED.length) : null
}

/** Key of the cancel flag of a run or of an input. */
export function cancelKey(target: string): string {
  return CANCEL + target
}

/** Target of a cancel flag's key; null for other keys. */
export function cancelTarget(key: string): string | null {
  return key.startsWith(CANCEL) ? key.slice(CANCEL.length) : null
}

/**
 * Key in `control` of what a participant asks about who answers. Each has one of their own: of two entries of one key a device that
 * was offline would drop one before it has sent it, and the server could not judge it.
 */
export function handoverKey(by: string): string {
  return `handover:${by}`
}

/** Name of the root type that holds a shared object. */
export function objectRoot(name: string): string {
  return OBJECT + name
}

/** A message or run as it stands in its array. */
export type Entry = Y.Map<unknown>

export interface SessionRoots {
  readonly messages: Y.Array<Entry>
  readonly tasks: Y.Array<Entry>
  readonly objects: Y.Array<unknown>
  readonly control: Y.Map<unknown>
  readonly ledger: Y.Map<unknown>
}

/** The root types of a session's document. */
export function rootsOf(doc: Y.Doc): SessionRoots {
  return {
    messages: doc.getArray<Entry>(ROOT.messages),
    tasks: doc.getArray<Entry>(ROOT.tasks),
    objects: doc.getArray(ROOT.objects),
    control: doc.getMap(ROOT.control),
    ledger: doc.getMap(ROOT.ledger),
  }
}

/** The value under a key if it is a map, else undefined: nobody may rely on what another peer has put there. */
export function mapAt(map: Y.Map<unknown>, key: string): Y.Map<unknown> | undefined {
  const value = map.get(key)
  return value instanceof Y.Map ? (value as Y.Map<unknown>) : undefined
}

export function arrayAt(map: Y.Map<unknown>, key: string): Y.Array<unknown> | undefined {
  const value = map.get(key)
  return value instanceof Y.Array ? (value as Y.Array<unknown>) : undefined
}

export function recordAt(map: Y.Map<unknown>, key: string): Record<string, unknown> | undefined {
  return asRecord(map.get(key))
}

export function stringAt(map: Y.Map<unknown>, key: string): string | undefined {
  const value = map.get(key)
  return typeof value === 'string' ? value : undefined
}

/** A plain JSON object, else undefined. */
export function asRecord(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) return undefined
  return value instanceof Y.AbstractType || value instanceof Y.Doc ? undefined : (value as Record<string, unknown>)
}
