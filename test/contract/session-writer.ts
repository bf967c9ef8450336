/** Sessions with content of every kind, and compactors that keep what they report, for tests. */
import { onTestFinished } from 'vitest'
import * as Y from 'yjs'
import { Compactor } from '../../server/compaction.ts'
import type { Store } from '../../server/store.ts'

export interface Reported {
  readonly error: unknown
  readonly context: { readonly stage: string; readonly [detail: string]: unknown }
}

/** A compactor that is closed with the test. */
export function startCompactor(store: Store): { compactor: Compactor; reports: Reported[] } {
  const reports: Reported[] = []
  const compactor = new Compactor({ store, report: (error, context) => reports.push({ error, context }) })
  onTestFinished(() => compactor.close())
  return { compactor, reports }
}

export const append = (store: Store, session: string, ...updates: Uint8Array[]): Promise<void> =>
  store.append({ entries: updates.map((update) => ({ session, update })), jobs: [], ended: [] })

/** The document that a session's stored bytes make. */
export async function load(store: Store, session: string): Promise<Y.Doc> {
  const { snapshot, updates } = await store.read(session)
  const doc = new Y.Doc()
  for (const update of snapshot === null ? updates : [snapshot, ...updates]) Y.applyUpdate(doc, update)
  return doc
}

/** A document whose updates are kept, and something that grows it by nested, deleted, overwritten and streamed content. */
export function makeWriter(clientID = 1): { doc: Y.Doc; write: (rounds: number) => Uint8Array[] } {
  const doc = new Y.Doc()
  doc.clientID = clientID
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  let round = 0
  const write = (rounds: number): Uint8Array[] => {
    updates.length = 0
    for (const end = round + rounds; round < end; round++) {
      const text = new Y.Text()
      doc.getArray('messages').push([
        new Y.Map<unknown>([
          ['head', { id: `m${round}` }],
          ['text', text],
        ]),
      ])
      for (const word of ['Hello', ', ', 'world', '! 👋']) text.insert(text.length, word)
      if (round % 3 === 0) text.delete(2, 5)
      if (round % 5 === 0) doc.getArray('messages').delete(0)
      doc.getMap('control').set('state', round)
    }
    return [...updates]
  }
  return { doc, write }
}

export const stateOf = (doc: Y.Doc): string => Buffer.from(Y.encodeStateAsUpdate(doc)).toString('hex')

/** A store as an object whose methods can be replaced one by one. */
export function bind(store: Store): Store {
  return {
    append: (batch) => store.append(batch),
    read: (session) => store.read(session),
    clients: (session) => store.clients(session),
    compact: (session, seq, snapshot) => store.compact(session, seq, snapshot),
    erase: (session) => store.erase(session),
    putBlob: (session, id, type, data) => store.putBlob(session, id, type, data),
    getBlob: (session, id) => store.getBlob(session, id),
    blobBytes: (session) => store.blobBytes(session),
    subscribe: (subscriber, most) => store.subscribe(subscriber, most),
    unsubscribe: (endpoint, session) => store.unsubscribe(endpoint, session),
    unsubscribeAll: (target) => store.unsubscribeAll(target),
    subscribers: (session) => store.subscribers(session),
    subscribed: () => store.subscribed(),
    notices: () => store.notices(),
    takeNotice: (session, id) => store.takeNotice(session, id),
    keep: (name, value) => store.keep(name, value),
    sessions: () => store.sessions(),
    jobs: () => store.jobs(),
    claim: (run, worker, leaseMs) => store.claim(run, worker, leaseMs),
    renew: (run, generation, leaseMs) => store.renew(run, generation, leaseMs),
    extendAll: (leaseMs) => store.extendAll(leaseMs),
    lapsed: () => store.lapsed(),
    reopen: (run, generation) => store.reopen(run, generation),
    close: () => store.close(),
  }
}
