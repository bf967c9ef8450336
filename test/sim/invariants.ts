/** What must hold in a simulation that has come to rest. */
import { deepEqual, equal } from 'node:assert/strict'
import * as Y from 'yjs'
import { rootsOf } from '../../shared/layout.ts'
import { textOf } from '../../shared/message.ts'
import { hasEnded } from '../../shared/run.ts'
import { ViewBuilder, type SessionView } from '../../shared/view.ts'
import { canonical } from '../support/document.ts'
import type { Chance } from '../support/random.ts'

export interface Sent {
  /** Participant who sent it. */
  readonly by: string
  readonly id: string
  readonly text: string
}

export interface AtRest {
  readonly server: Y.Doc
  readonly stored: readonly Uint8Array[]
  readonly peers: readonly { readonly doc: Y.Doc; readonly view: SessionView }[]
  /** What was sent, per replica and in its order. */
  readonly sent: readonly (readonly Sent[])[]
  /** What each run has written while it could. */
  readonly written: ReadonlyMap<string, string>
  readonly chance: Chance
}

export function checkAtRest(rest: AtRest): void {
  checkBytes(rest)
  const view = readView(rest.server)
  for (const peer of rest.peers) deepEqual(plain(peer.view), plain(view), 'all see the same')
  equal(rootsOf(rest.server).messages.length, view.messages.length, 'no message is there twice')
  checkMessages(rest, view)
  checkReplies(rest, view)
  checkRuns(view)
}

function checkBytes({ server, stored, peers, chance }: AtRest): void {
  const bytes = Buffer.from(canonical(server))
  for (const doc of [server, ...peers.map((peer) => peer.doc)]) {
    deepEqual([doc.store.pendingStructs, doc.store.pendingDs], [null, null], 'nothing waits')
    equal(bytes.equals(canonical(doc)), true, '[S6] all have the same bytes')
  }
  for (const updates of [stored, shuffled([...stored, ...stored], chance)]) {
    const doc = new Y.Doc()
    for (const update of updates) Y.applyUpdate(doc, update)
    equal(bytes.equals(canonical(doc)), true, '[S6] the store gives the same, in any order and twice')
  }
}

function checkMessages({ sent }: AtRest, { messages }: SessionView): void {
  const places = messages.map(({ metadata }) => metadata.seq)
  deepEqual(
    places,
    [...places.keys()].map((index) => index + 1),
    '[S8] every stamp is there, once',
  )
  for (const ofOne of sent) {
    const ids = new Set(ofOne.map(({ id }) => id))
    const received = messages.filter(({ id }) => ids.has(id))
    const asSent = received.map((message): Sent => ({ by: message.metadata.by, id: message.id, text: textOf(message) }))
    deepEqual(asSent, ofOne, 'all that a replica has sent, in its order and under its name')
  }
}

function checkReplies({ sent, written }: AtRest, { messages, runs }: SessionView): void {
  const replies = messages.filter(({ metadata }) => metadata.run !== undefined)
  equal(new Set(replies.map(({ metadata }) => metadata.run)).size, replies.length, '[S1] a run has one reply')
  equal(messages.length, replies.length + sent.flat().length, 'there is nothing else')
  for (const reply of replies) {
    const run = runs.find(({ id }) => id === reply.metadata.run)
    const whole = written.get(run?.id ?? '') ?? ''
    equal(whole.startsWith(textOf(reply)), true, `the reply of ${run?.id} is what was written: ${whole}`)
    const isWhole = run?.status === 'complete' || run?.status === 'error'
    equal(isWhole ? textOf(reply) : whole, whole, `the reply of ${run?.id}, which is over, is all that was written`)
  }
}

function checkRuns({ runs }: SessionView): void {
  deepEqual(
    runs.filter(({ status }) => !hasEnded(status)),
    [],
    'every run has ended',
  )
  equal(new Set(runs.map(({ id }) => id)).size, runs.length, 'a run is there once')
  deepEqual(
    runs.flatMap(({ steps }) => steps.filter(({ status }) => status === 'running')),
    [],
    'no step still runs',
  )
}

function readView(doc: Y.Doc): SessionView {
  const builder = new ViewBuilder(doc, (error) => {
    throw error
  })
  const { view } = builder
  builder.destroy()
  return view
}

function plain(view: SessionView): unknown {
  return { ...view, participants: [...view.participants] }
}

function shuffled<T>(list: T[], chance: Chance): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = chance.int(0, i)
    ;[list[i], list[j]] = [list[j] as T, list[i] as T]
  }
  return list
}
