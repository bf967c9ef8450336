/** Documents and messages written by hand, for tests below the session. */
import * as Y from 'yjs'
import { KEY, rootsOf } from '../../shared/layout.ts'
import type { MessageHead } from '../../shared/message.ts'
import { MessageWriter } from '../../shared/part-writer.ts'

/** A document whose client id is fixed, so that its bytes are the same in each run. */
export function documentOf(clientId = 0x7fff_ffff): Y.Doc {
  const doc = new Y.Doc()
  doc.clientID = clientId
  return doc
}

export function headOf(id: string, more: Partial<MessageHead> = {}): MessageHead {
  return { id, role: 'assistant', by: 'agent', kind: 'agent', at: 1, ...more }
}

/** Writes a user's message whole. */
export function writeMessage(doc: Y.Doc, id: string, text: string, more: Partial<MessageHead> = {}): Y.Map<unknown> {
  const writer = new MessageWriter(rootsOf(doc).messages, headOf(id, { role: 'user', kind: 'user', by: 'ada', ...more }))
  writer.add({ type: 'text', text })
  doc.transact(() => writer.flush())
  return rootsOf(doc).messages.get(rootsOf(doc).messages.length - 1)
}

export function stamp(map: Y.Map<unknown>, seq: number, by = 'ada'): void {
  map.set(KEY.stamp, { seq, at: seq * 1_000, by })
}

/** Sends each update of one document to another, as it is made. */
export function forward(from: Y.Doc, to: Y.Doc): void {
  Y.applyUpdate(to, Y.encodeStateAsUpdate(from))
  from.on('update', (update: Uint8Array, origin: unknown) => {
    if (origin !== to) Y.applyUpdate(to, update, from)
  })
}

/** The bytes of a document that are the same for all with the same content, however it came to them. */
export function canonical(doc: Y.Doc): Uint8Array {
  const copy = new Y.Doc()
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
  return Y.encodeStateAsUpdate(copy)
}
