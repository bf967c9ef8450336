/** Which message a refusal is put down to. */
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { keptReplica } from '../client/local-store.ts'
import type { MissingMessage } from '../client/missing.ts'
import { Quarantine } from '../client/quarantine.ts'
import type { Participant } from '../shared/participant.ts'

const ADA: Participant = { id: 'ada', kind: 'user', name: 'Ada' }

function docWith(...ids: readonly string[]): Y.Doc {
  const doc = new Y.Doc()
  for (const [i, id] of ids.entries()) {
    const message = new Y.Map<unknown>()
    message.set('head', { id, role: 'user', by: ADA.id, kind: 'user', at: i + 1 })
    message.set('parts', Y.Array.from([{ type: 'text', text: id }]))
    doc.getArray('messages').push([message])
  }
  return doc
}

const idsOf = (messages: readonly MissingMessage[]): string[] => messages.map(({ head }) => head.id)

test('what was sent again is remembered when more is found before the next refusal: the same one is blamed (CLI-8)', () => {
  const quarantine = new Quarantine()
  quarantine.add(docWith('bad'), () => true, { code: 'forbidden', path: null })
  expect(idsOf(quarantine.plan(docWith(), ADA).messages)).toEqual(['bad'])
  // It is in the new replica when what an earlier page has written is found.
  quarantine.recall(keptReplica(docWith('earlier')))
  expect(idsOf(quarantine.plan(docWith('bad'), ADA).messages)).toEqual(['earlier'])
  quarantine.blame(docWith(), ADA)
  // The one that was blamed goes last; what is sent before it is taken.
  expect(idsOf(quarantine.plan(docWith(), ADA).messages)).toEqual(['earlier', 'bad'])
  quarantine.blame(docWith('earlier'), ADA)
  const { messages, refused } = quarantine.plan(docWith('earlier'), ADA)
  expect(idsOf(refused?.messages ?? [])).toEqual(['bad'])
  expect(messages).toEqual([])
})

test('a message that the server has taken is not blamed for the refusal of the one behind it (CLI-8)', () => {
  const quarantine = new Quarantine()
  quarantine.add(docWith('good', 'bad'), () => true, { code: 'forbidden', path: null })
  for (let refusals = 1; refusals <= 2; refusals++) {
    quarantine.plan(docWith(), ADA)
    quarantine.blame(docWith('good'), ADA)
  }
  expect(idsOf(quarantine.plan(docWith(), ADA).refused?.messages ?? [])).toEqual(['bad'])
})
