import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { textOf, type TextPart } from '../shared/message.ts'
import { ViewBuilder, type SessionView } from '../shared/view.ts'
import { documentOf } from './support/document.ts'
import { behave, scribble } from './support/garbage.ts'
import { Chance, seeds } from './support/random.ts'

interface Peer {
  readonly doc: Y.Doc
  /** Kept up to date from events. */
  readonly view: ViewBuilder
  /** Updates that it has not been given yet. */
  readonly inbox: Uint8Array[]
}

function fail(error: unknown): never {
  throw error
}

/** All that can be read of a view, its branches included. */
function plain(builder: ViewBuilder): unknown {
  const view: SessionView = builder.view
  for (const message of view.messages) {
    expect(typeof textOf(message)).toBe('string')
    const texts = message.parts.filter(({ type }) => type === 'text' || type === 'reasoning')
    expect(texts.filter((part) => typeof (part as TextPart).text !== 'string')).toEqual([])
  }
  const ids = [...builder.allIds, ...view.runs.map(({ id }) => id)]
  const branches = ids.map((id) => [id, builder.siblings(id), builder.isShown(id), builder.lineOf(id)])
  return { ...view, participants: [...view.participants], branches, isChosen: builder.isChosen }
}

/** Peers that tell each other what they write, in any order and twice. */
function peersOf(count: number, chance: Chance): Peer[] {
  const peers = Array.from({ length: count }, (_, index) => {
    const doc = documentOf(index + 1)
    return { doc, view: new ViewBuilder(doc, fail), inbox: [] as Uint8Array[] }
  })
  for (const peer of peers) {
    peer.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin === 'network') return
      for (const { doc, inbox } of peers)
        if (doc !== peer.doc) inbox.splice(chance.int(0, inbox.length), 0, ...(chance.bool(0.2) ? [update] : []), update)
    })
  }
  return peers
}

function deliver({ doc, inbox }: Peer, count: number): void {
  for (const update of inbox.splice(0, count)) Y.applyUpdate(doc, update, 'network')
}

test.for([
  { what: 'honest peers', write: behave, count: 30 },
  { what: 'peers that keep no rule', write: scribble, count: 60 },
  {
    what: 'both',
    write: (doc: Y.Doc, chance: Chance): void => (chance.bool(0.8) ? behave : scribble)(doc, chance),
    count: 30,
  },
])('what a view has kept from events is what a new one reads, whatever $what write (DOC-3)', ({ write, count }) => {
  for (const seed of seeds(count)) {
    const chance = new Chance(seed)
    const peers = peersOf(3, chance)
    for (let step = 0; step < 50; step++) {
      const peer = chance.pick(peers)
      if (chance.bool(0.6)) write(peer.doc, chance)
      else deliver(peer, chance.int(1, 10))
      // Reading fills what the view keeps; not reading leaves it to be filled later.
      if (chance.bool(0.3)) plain(peer.view)
      if (chance.bool(0.3)) for (const id of ['a1', 'b2', 'a', 'b']) peer.view.message(id)
      const compared = chance.bool(0.3) ? [peer] : []
      for (const { doc, view } of compared) {
        expect(plain(view), `seed ${seed}, step ${step}`).toEqual(plain(new ViewBuilder(doc, fail)))
      }
    }
    for (const peer of peers) deliver(peer, Number.POSITIVE_INFINITY)
    const [first, ...others] = peers.map(({ view }) => plain(view))
    for (const other of others) expect(other, `seed ${seed}: all peers see the same`).toEqual(first)
    for (const { doc } of peers) expect(first, `seed ${seed}: at rest`).toEqual(plain(new ViewBuilder(doc, fail)))
  }
})
