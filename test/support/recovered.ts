/** What a store gives back of its sessions, read as a starting server reads it, with no server and no client at hand. */
import { sqliteStore } from '../../server/index.ts'
import { objectRoot } from '../../shared/layout.ts'
import { ViewBuilder, type SessionView } from '../../shared/view.ts'
import { storedDocument } from './stored.ts'

export interface Recovered {
  readonly view: SessionView
  object(name: string): Readonly<Record<string, unknown>>
}

/** Reads sessions out of the SQLite file of a server that is not running. Throws for one that is damaged. */
export async function recover(file: string, sessions: readonly string[]): Promise<ReadonlyMap<string, Recovered>> {
  const store = sqliteStore({ file })
  try {
    const found = new Map<string, Recovered>()
    for (const id of sessions) {
      const doc = await storedDocument(store, id)
      if (doc.store.pendingStructs !== null) throw new Error(`An update of ${id} is missing.`)
      const builder = new ViewBuilder(doc, (error) => {
        throw error
      })
      found.set(id, { view: builder.view, object: (name) => doc.getMap(objectRoot(name)).toJSON() })
    }
    return found
  } finally {
    await store.close()
  }
}
