/** A state in pieces: together they make what it makes in one, and each can be applied when those before it are. */
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { slices } from '../server/slices.ts'
import { canonical } from './support/document.ts'
import { Chance, seeds } from './support/random.ts'

/** Applies one piece after the other; none may wait for a later one. */
function applied(update: Uint8Array): { doc: Y.Doc; sizes: number[] } {
  const doc = new Y.Doc()
  const sizes: number[] = []
  for (const piece of slices(update)) {
    if (piece === null) continue
    sizes.push(piece.byteLength)
    Y.applyUpdate(doc, piece)
    if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null) throw new Error('A piece waits for a later one.')
  }
  return { doc, sizes }
}

const VALUES = [1, -70_000, 0.1, 1e-300, true, null, 'ä€😀', [[], [{ a: { b: [1] } }, 'x'], {}], { deep: [{ deeper: [{}, 2] }] }]

/** Some edits at one of several replicas, each of which knows of the others only now and then. */
function edit(doc: Y.Doc, chance: Chance): void {
  const list = doc.getArray<Y.Map<unknown> | Y.Text>('list')
  const map = doc.getMap('map')
  const text = doc.getText('text')
  doc.transact(() => {
    for (let n = chance.int(1, 40); n > 0; n--) {
      const some = list.length === 0 ? undefined : list.get(chance.int(0, list.length - 1))
      if (chance.bool(0.2)) list.insert(chance.int(0, list.length), [chance.bool() ? new Y.Map() : new Y.Text('begun')])
      else if (chance.bool(0.1) && list.length > 3) list.delete(chance.int(0, list.length - 2), chance.int(1, 2))
      else if (some instanceof Y.Map) some.set(chance.pick(['a', 'b']), chance.pick(VALUES))
      else if (some instanceof Y.Text) some.insert(chance.int(0, some.length), chance.pick(['a', 'ß', '😀', 'word ']))
      else if (chance.bool(0.3) && text.length > 5) text.delete(chance.int(0, text.length - 4), chance.int(1, 3))
      else if (chance.bool()) text.insert(chance.int(0, text.length), chance.word())
      else map.set(chance.pick(['k', 'l', 'm']), chance.pick(VALUES))
    }
  })
}

describe('a state in pieces', () => {
  test.for(seeds(6))('makes the same document as in one, whoever wrote it in what order (seed %i)', (seed) => {
    const chance = new Chance(seed)
    const replicas = Array.from({ length: 4 }, (_, n) => {
      const doc = new Y.Doc({ gc: chance.bool(0.7) })
      doc.clientID = chance.int(1, 2 ** 31) + n
      return doc
    })
    for (let n = 0; n < 100; n++) {
      edit(chance.pick(replicas), chance)
      if (chance.bool(0.3)) Y.applyUpdate(chance.pick(replicas), Y.encodeStateAsUpdate(chance.pick(replicas)))
    }
    const [first, ...others] = replicas as [Y.Doc, ...Y.Doc[]]
    for (const other of others) Y.applyUpdate(first, Y.encodeStateAsUpdate(other))
    const state = Y.encodeStateAsUpdate(first)
    const whole = new Y.Doc()
    Y.applyUpdate(whole, state)
    expect(canonical(applied(state).doc)).toEqual(canonical(whole))
    // That would be what is left to Yjs.
    expect([...slices(state)]).not.toContain(state)
  })

  test('is in many, none of them large', () => {
    const source = new Y.Doc()
    for (let n = 0; n < 20_000; n++) source.getMap('map').set(`k${n % 4_000}`, n)
    const state = Y.encodeStateAsUpdate(source)
    const { doc, sizes } = applied(state)
    expect(doc.getMap('map').toJSON()).toEqual(source.getMap('map').toJSON())
    expect(sizes.length).toBeGreaterThan(10)
    expect(Math.max(...sizes)).toBeLessThan(state.byteLength / 8)
  })

  test('that is not understood, or builds on what it has not, is left to Yjs as it is', () => {
    const source = new Y.Doc()
    source.getMap('map').set('bytes', new Uint8Array(3))
    const strange = Y.encodeStateAsUpdate(source)
    expect([...slices(strange)]).toEqual([strange])
    const earlier = new Y.Doc()
    earlier.getText('text').insert(0, 'earlier')
    const later = new Y.Doc()
    Y.applyUpdate(later, Y.encodeStateAsUpdate(earlier))
    later.getText('text').insert(3, 'later')
    const part = Y.encodeStateAsUpdate(later, Y.encodeStateVector(earlier))
    expect([...slices(part)]).toEqual([part])
    const cut = Y.encodeStateAsUpdate(later).subarray(0, 12)
    expect([...slices(cut)]).toEqual([cut])
  })
})
