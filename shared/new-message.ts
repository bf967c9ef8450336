/** How a message begins in the document. Apart from `part-writer.ts`, since a page that only sends whole ones needs no more. */
import * as Y from 'yjs'
import { KEY, type Entry } from './layout.ts'
import type { MessageHead } from './message.ts'

/**
 * Adds a message and gives the list of its parts, to be filled. Call it inside a transaction: the parts must travel in the same
 * update.
 */
export function newMessage(messages: Y.Array<Entry>, head: MessageHead): Y.Array<unknown> {
  const map = new Y.Map<unknown>()
  const parts = new Y.Array<unknown>()
  map.set(KEY.head, head)
  map.set(KEY.parts, parts)
  messages.push([map])
  return parts
}
