/** What a refused replica holds and the server does not. */
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { missing } from '../client/missing.ts'

describe('what one replica has and another lacks', () => {
  interface Pair {
    readonly mine: Y.Doc
    readonly server: Y.Doc
    /** Brings the server what one of mine has. */
    readonly push: () => void
  }
  function pair(): Pair {
    const [mine, server] = [new Y.Doc(), new Y.Doc()]
    const push = (): void => Y.applyUpdate(server, Y.encodeStateAsUpdate(mine))
    return { mine, server, push }
  }
  function say(doc: Y.Doc, id: string, by: string, at = 1): void {
    const message = new Y.Map<unknown>()
    message.set('head', { id, role: 'user', by, kind: 'user', at })
    message.set('parts', Y.Array.from([{ type: 'text', text: id }]))
    doc.getArray('messages').push([message])
  }
  const all = (): boolean => true

  test('a field that somebody has changed since it was stored is not missing; one that is deleted only here is (CLI-9)', () => {
    const { mine, server, push } = pair()
    mine.getMap('object:o').set('stored', 1)
    mine.getMap('object:o').set('deleted', 1)
    mine.getMap('object:o').set('same', 1)
    push()
    server.getMap('object:o').set('stored', 2)
    server.getMap('object:o').set('theirs', 3)
    mine.getMap('object:o').delete('deleted')
    mine.getMap('object:o').set('mine', { deep: [1] })
    mine.getMap('object:o').set('same', 1)
    mine.getMap('object:other').set('gone', 1)
    mine.getMap('object:other').delete('gone')
    const { fields } = missing({ from: mine, to: server, by: 'ada', counts: all })
    expect(fields).toEqual({ o: { deleted: undefined, mine: { deep: [1] } } })
    expect('deleted' in (fields['o'] ?? {})).toBe(true)
    expect(missing({ from: mine, to: server, by: 'ada', counts: () => false }).fields).toEqual({ o: { deleted: undefined } })
  })

  test('messages, cancels, asks and answers: those of the participant that the server has not, in their order (CLI-8)', () => {
    const { mine, server, push } = pair()
    say(mine, 'stored', 'ada')
    mine.getMap('control').set('remove:m', { by: 'ada', at: 1 })
    push()
    // Judged, and taken away by the server.
    server.getMap('control').delete('remove:m')
    mine.getMap('control').set('edit:m', { by: 'ada', at: 1, text: 'changed' })
    say(mine, 'second', 'ada', 3)
    say(mine, 'first', 'ada', 2)
    say(mine, 'forged', 'bob')
    // The server has it by another way: another tab has sent it again.
    say(mine, 'twice', 'ada')
    say(server, 'twice', 'ada')
    mine.getMap('control').set('cancel:m', { by: 'ada', at: 1 })
    mine.getMap('control').set('cancel:n', { by: 'bob', at: 1 })
    mine.getMap('control').set('answer:a', { by: 'ada', at: 1, message: 'm', call: 'c', output: 'typed' })
    mine.getMap('control').set('answer:b', { by: 'bob', at: 1 })
    mine.getMap('control').set('handover:ada', { by: 'ada', at: 1 })
    const { messages, cancels } = missing({ from: mine, to: server, by: 'ada', counts: all })
    expect(messages.map(({ head, parts }) => [head.id, parts])).toEqual([
      ['first', [{ type: 'text', text: 'first' }]],
      ['second', [{ type: 'text', text: 'second' }]],
    ])
    expect(cancels).toEqual({
      'cancel:m': { by: 'ada', at: 1 },
      'edit:m': { by: 'ada', at: 1, text: 'changed' },
      'answer:a': { by: 'ada', at: 1, message: 'm', call: 'c', output: 'typed' },
    })
    expect(missing({ from: mine, to: server, by: 'ada', counts: () => false }).messages).toEqual([])
  })
})
