/**
 * What the support desk lists: every session with what it is about and who answers it.
 *
 * It reads the stored documents as any Yjs program may (SPEC.md describes their layout), and each one again only after it
 * was written. So it costs nothing while no desk is open, and shows in nobody's presence.
 */
import type { Store } from 'polylogue/server'
import * as Y from 'yjs'
import type { DeskEntry } from '../shop/desk-entry.ts'

export interface Desk {
  /** The store, watched: give this one to the server. */
  readonly store: Store
  /** Those that wait for a human first, whoever has waited longest at the top; then the latest first; sessions without a message are left out. */
  sessions(): Promise<readonly DeskEntry[]>
  /** Names what `sessions` gives at the moment. */
  readonly version: string
  /** Resolves when something was written since that version, at the latest after `waitMs` milliseconds, and when the desk closes. */
  changed(since: string, waitMs: number): Promise<void>
  /** Lets all go that wait. */
  close(): void
}

/** Agents write many times a second; a list that is read by people need not be made anew for each. */
const PAUSE_MS = 500

const MAX_TITLE_CHARS = 80

export function watchStore(store: Store): Desk {
  const entries = new Map<string, DeskEntry | null>()
  const changed = new Set<string>()
  let begun: Promise<void> | null = null
  // Of another start of the server nothing is known.
  const start = Date.now().toString(36)
  let count = 0
  let closed = false
  let telling: NodeJS.Timeout | undefined
  const waiting = new Set<() => void>()
  const tell = (): void => {
    telling = undefined
    count += 1
    for (const resolve of waiting) resolve()
  }
  const append: Store['append'] = async (batch) => {
    await store.append(batch)
    for (const { session } of batch.entries) changed.add(session)
    if (!closed) telling ??= setTimeout(tell, PAUSE_MS)
  }
  const begin = async (): Promise<void> => {
    for (const session of await store.sessions()) changed.add(session)
  }
  const versionNow = (): string => `${start}.${count}`
  const read = async (): Promise<void> => {
    await (begun ??= begin())
    const todo = [...changed]
    changed.clear()
    for (const session of todo) entries.set(session, await readEntry(store, session))
  }
  let reading: Promise<void> = Promise.resolve()
  return {
    get version() {
      return versionNow()
    },
    async changed(since, waitMs) {
      if (closed || since !== versionNow()) return
      await new Promise<void>((resolve) => {
        const end = (): void => {
          clearTimeout(timer)
          waiting.delete(end)
          resolve()
        }
        const timer = setTimeout(end, waitMs)
        waiting.add(end)
      })
    },
    close() {
      closed = true
      clearTimeout(telling)
      tell()
    },
    // A proxy rather than a copy of the eleven methods: what the interface gains is passed on by itself.
    store: new Proxy(store, {
      get(target, key) {
        if (key === 'append') return append
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    }),
    async sessions() {
      // One after the other: whoever asks while it is read for another one must not be given what was there before.
      await (reading = reading.then(read, read))
      return [...entries.values()].filter((entry) => entry !== null).sort(byUrgency)
    },
  }
}

function byUrgency(a: DeskEntry, b: DeskEntry): number {
  const [aWaits, bWaits] = [a.state === 'waiting', b.state === 'waiting']
  if (aWaits && bWaits) return a.since - b.since
  return Number(bWaits) - Number(aWaits) || b.at - a.at
}

async function readEntry(store: Store, session: string): Promise<DeskEntry | null> {
  const { snapshot, updates } = await store.read(session)
  const doc = new Y.Doc()
  doc.transact(() => {
    for (const update of [snapshot, ...updates]) if (update !== null) Y.applyUpdate(doc, update)
  })
  try {
    return entryOf(session, doc)
  } finally {
    doc.destroy()
  }
}

function entryOf(id: string, doc: Y.Doc): DeskEntry | null {
  const ledger = doc.getMap('ledger')
  const names = namesIn(ledger.get('participants'))
  const customers = new Set<string>()
  let title = ''
  let titleAt = 0
  let at = 0
  let messages = 0
  for (const message of doc.getArray<unknown>('messages')) {
    if (!(message instanceof Y.Map)) continue
    const stamp = record(message.get('stamp'))
    const head = record(message.get('head'))
    if (typeof stamp['at'] !== 'number') continue
    messages += 1
    at = Math.max(at, stamp['at'])
    if (head['kind'] !== 'user') continue
    customers.add(names.get(text(stamp['by'])) ?? 'Guest')
    const said = textIn(message.get('parts'))
    if (said !== '' && stamp['at'] >= titleAt) {
      title = said.slice(0, MAX_TITLE_CHARS)
      titleAt = stamp['at']
    }
  }
  if (messages === 0) return null
  const holder = record(ledger.get('holder'))
  const state = holder['state'] === 'waiting' || holder['state'] === 'human' ? holder['state'] : 'agents'
  const note = state === 'human' ? (names.get(text(holder['by'])) ?? '') : text(holder['reason'])
  const since = state !== 'agents' && typeof holder['at'] === 'number' ? holder['at'] : 0
  return { id, title, customers: [...customers], state, note, since, at, messages }
}

function namesIn(participants: unknown): Map<string, string> {
  const names = new Map<string, string>()
  if (participants instanceof Y.Map) {
    for (const [id, participant] of participants) names.set(id, text(record(participant)['name']) || id)
  }
  return names
}

/** The text of a message that was written whole, as people's are. */
function textIn(parts: unknown): string {
  if (!(parts instanceof Y.Array)) return ''
  return parts
    .toArray()
    .map((part) => (record(part)['type'] === 'text' ? text(record(part)['text']) : ''))
    .join('')
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Y.AbstractType)
    ? (value as Record<string, unknown>)
    : {}
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
