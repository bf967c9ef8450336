/** What a store really holds of a session. */
import * as Y from 'yjs'
import type { Store } from '../../server/index.ts'
import { textOf } from '../../shared/message.ts'
import { ViewBuilder, type SessionView } from '../../shared/view.ts'

/** The stored session as a document of its own. */
export async function storedDocument(store: Store, session: string): Promise<Y.Doc> {
  const { snapshot, updates } = await store.read(session)
  const doc = new Y.Doc()
  for (const update of [...(snapshot === null ? [] : [snapshot]), ...updates]) Y.applyUpdate(doc, update)
  return doc
}

/** The view that a client would have of it. */
export async function storedView(store: Store, session: string): Promise<SessionView> {
  return new ViewBuilder(await storedDocument(store, session), (error) => {
    throw error
  }).view
}

/** The texts of its messages, in their order. */
export async function storedTexts(store: Store, session: string): Promise<string[]> {
  return (await storedView(store, session)).messages.map(textOf)
}
