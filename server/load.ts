/** Reads a session from the store into a document. */
import type { Document } from '@hocuspocus/server'
import * as Y from 'yjs'
import { slices } from './slices.ts'
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
  /** How long it took the thread to read it, in milliseconds. */
  readonly workMs: number
}

/** So long one piece of a load is worked at before others have their turn: a log of the largest size takes 20 of these. */
const PIECE_MS = 1

/**
 * Rejects with `DamagedSession` when what is stored does not make a whole document, and with what the store throws. Snapshot
 * and updates are applied in pieces, each of which `perform` runs when there is time for it.
 */
export async function load(document: Document, store: Store, perform: (piece: () => void) => Promise<void>): Promise<Stored> {
  const began = performance.now()
  const reading = store.read(document.name)
  let workMs = performance.now() - began
  const { snapshot, updates } = await reading
  // After the updates: a binding is stored with the update that needs it, or before.
  const clients = await store.clients(document.name)
  const size: LogSize = { updates: updates.length, bytes: 0, snapshotBytes: snapshot?.byteLength ?? 0 }
  try {
    for (const update of updates) size.bytes += update.byteLength
    const pieces = piecesOf(snapshot, updates)
    for (let next = pieces.next(); next.done !== true;) {
      await perform(() => {
        const beganMs = performance.now()
        const endMs = beganMs + PIECE_MS
        // One transaction for many: per transaction, Yjs copies the state vector twice.
        document.transact(() => {
          do {
            if (next.value) Y.applyUpdate(document, next.value)
            next = pieces.next()
          } while (next.done !== true && performance.now() < endMs)
        })
        workMs += performance.now() - beganMs
      })
    }
  } catch (error) {
    throw new DamagedSession(document.name, `an update does not decode (${String(error)})`)
  }
  const { pendingStructs, pendingDs } = document.store
  if (pendingStructs !== null || pendingDs !== null) throw new DamagedSession(document.name, 'an update is missing')
  return { size, clients, workMs }
}

function* piecesOf(snapshot: Uint8Array | null, updates: readonly Uint8Array[]): Generator<Uint8Array | null, void, undefined> {
  if (snapshot !== null) yield* slices(snapshot)
  yield* updates
}
