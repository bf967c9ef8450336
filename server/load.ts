/** Reads a session from the store into a document. */
import type { Document } from '@hocuspocus/server'
import * as Y from 'yjs'
import { DamagedSession, type Store } from './store.ts'

/** What compaction needs to know of a session: what was logged since its snapshot was asked for, and that snapshot's size. */
export interface LogSize {
  updates: number
  bytes: number
  snapshotBytes: number
}

/** What the store has of a session besides its content. */
export interface Stored {
  readonly size: LogSize
  /** Participants by client id. */
  readonly clients: ReadonlyMap<number, string>
}

/** Rejects with `DamagedSession` when what is stored does not make a whole document, and with what the store throws. */
export async function load(document: Document, store: Store): Promise<Stored> {
  const { snapshot, updates } = await store.read(document.name)
  // After the updates: a binding is stored with the update that needs it, or before.
  const clients = await store.clients(document.name)
  const size: LogSize = { updates: updates.length, bytes: 0, snapshotBytes: snapshot?.byteLength ?? 0 }
  try {
    // One transaction: per update, Yjs copies the state vector twice.
    document.transact(() => {
      if (snapshot !== null) Y.applyUpdate(document, snapshot)
      for (const update of updates) {
        size.bytes += update.byteLength
        Y.applyUpdate(document, update)
      }
    })
  } catch (error) {
    throw new DamagedSession(document.name, `an update does not decode (${String(error)})`)
  }
  const { pendingStructs, pendingDs } = document.store
  if (pendingStructs !== null || pendingDs !== null) throw new DamagedSession(document.name, 'an update is missing')
  return { size, clients }
}
