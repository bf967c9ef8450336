/** A session behind the guard, without sockets: the server's document, its clerk, and peers with documents of their own. */
import * as Y from 'yjs'
import { Clerk } from '../../server/clerk.ts'
import { Bindings } from '../../server/guard/bindings.ts'
import { Guard, type Sender, type Verdict } from '../../server/guard/guard.ts'
import { KEY, recordAt, rootsOf, type SessionRoots } from '../../shared/layout.ts'
import type { MessageHead, OtherPart } from '../../shared/message.ts'
import { MessageWriter, type LivePart } from '../../shared/part-writer.ts'
import type { ParticipantKind } from '../../shared/participant.ts'

export function sender(id: string, kind: ParticipantKind, worker: string | null = null): Sender {
  return { participant: { id, kind, name: id }, worker }
}

/** What stands in for `server/guard/guard.ts` where a test tries other versions of it. */
export type GuardMaker = (doc: Y.Doc, bindings: Bindings) => Pick<Guard, 'check' | 'confirm'>

/** Messages with an `at` below its negative are too old to start anything: the clock here begins at 0. */
export const INTENT_MS = 1_000_000

const SERVER_CLIENT = 0x5e5e_5e5e

/** Bindings that can be read back, as a store keeps them. */
class KeptBindings extends Bindings {
  readonly all: Map<number, string> = new Map()

  override bind(client: number, participant: string): void {
    super.bind(client, participant)
    if (!this.all.has(client)) this.all.set(client, participant)
  }
}

export class World {
  readonly doc: Y.Doc = new Y.Doc()
  readonly bindings: KeptBindings = new KeptBindings()
  readonly guard: Pick<Guard, 'check' | 'confirm'>
  readonly clerk: Clerk
  /** Told of each accepted update before it is applied. */
  onAccepted: (update: Uint8Array, from: Sender) => void = () => {}
  /** Every update as it came out of the document, in order: what the log would hold. */
  readonly log: Uint8Array[] = []
  #now = 0

  /** @param agents the agents that every input asks. */
  constructor(agents: readonly string[] = ['bot'], make: GuardMaker = (doc, bindings) => new Guard(doc, bindings)) {
    this.doc.clientID = SERVER_CLIENT
    this.bindings.bind(SERVER_CLIENT, '')
    this.doc.on('update', (update: Uint8Array) => this.log.push(update))
    this.clerk = new Clerk({
      session: 's',
      document: this.doc,
      route: () => agents,
      participantOf: (origin) => (origin as Sender | null)?.participant ?? null,
      idleReturnMs: Number.POSITIVE_INFINITY,
      now: () => ++this.#now,
      addJob: () => {},
      endJob: () => {},
      holdJob: () => {},
      intentMs: INTENT_MS,
      mayCancel: undefined,
      claimMs: 10_000,
      mayApprove: () => true,
      report: (error) => {
        throw error
      },
    })
    this.clerk.settle()
    this.guard = make(this.doc, this.bindings)
  }

  get roots(): SessionRoots {
    return rootsOf(this.doc)
  }

  /** The way of an update through the room. */
  receive(update: Uint8Array, from: Sender): Verdict {
    const verdict = this.guard.check(update, from)
    if (!verdict.ok || verdict.update === null) return verdict
    this.onAccepted(verdict.update, from)
    for (const client of verdict.claims) this.bindings.bind(client, from.participant.id)
    Y.applyUpdate(this.doc, verdict.update, from)
    this.guard.confirm(verdict)
    this.clerk.settle()
    return verdict
  }

  message(id: string): Y.Map<unknown> {
    return entryOf(this.roots.messages, id)
  }

  run(id: string): Y.Map<unknown> {
    return entryOf(this.roots.tasks, id)
  }
}

/** An entry of `messages` or `tasks` by its id. */
export function entryOf(array: Y.Array<Y.Map<unknown>>, id: string): Y.Map<unknown> {
  const found = array.toArray().find((entry) => entry instanceof Y.Map && recordAt(entry, KEY.head)?.['id'] === id)
  if (found === undefined) throw new Error(`There is no ${id}.`)
  return found
}

/** A client: what it writes goes to the world at once while it is online. */
export class Peer {
  readonly doc: Y.Doc = new Y.Doc()
  readonly world: World
  readonly sender: Sender
  /** Every refusal it has met. */
  readonly refused: Verdict[] = []
  online = true

  constructor(world: World, from: Sender, clientId?: number) {
    this.world = world
    this.sender = from
    if (clientId !== undefined) this.doc.clientID = clientId
    // As its presence does.
    world.bindings.bind(this.doc.clientID, from.participant.id)
    rootsOf(this.doc)
    this.pull()
    this.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (this.online && origin !== this) this.send(update)
    })
  }

  get roots(): SessionRoots {
    return rootsOf(this.doc)
  }

  send(update: Uint8Array): Verdict {
    const verdict = this.world.receive(update, this.sender)
    if (!verdict.ok) this.refused.push(verdict)
    return verdict
  }

  pull(): void {
    Y.applyUpdate(this.doc, Y.encodeStateAsUpdate(this.world.doc, Y.encodeStateVector(this.doc)), this)
  }

  /** Comes back: takes what it lacks, then hands in what the server lacks, with the delete set of the whole document. */
  reconnect(): Verdict {
    this.online = true
    this.pull()
    return this.send(Y.encodeStateAsUpdate(this.doc, Y.encodeStateVector(this.world.doc)))
  }

  /** Writes a message whole. */
  post(id: string, text: string, more: Partial<MessageHead> = {}): void {
    const { id: by, kind } = this.sender.participant
    const writer = new MessageWriter(this.roots.messages, {
      id,
      role: kind === 'user' ? 'user' : 'assistant',
      by,
      kind,
      at: 1,
      ...more,
    })
    writer.add({ type: 'text', text })
    this.doc.transact(() => writer.flush())
  }

  /** Begins a message of a run. */
  reply(id: string, run: string): Reply {
    return new Reply(this, id, run)
  }

  run(id: string): Y.Map<unknown> {
    return entryOf(this.roots.tasks, id)
  }

  set(map: Y.Map<unknown>, key: string, value: unknown): void {
    this.doc.transact(() => map.set(key, value))
  }

  step(run: string, title: string): Y.Map<unknown> {
    const step = new Y.Map<unknown>()
    this.doc.transact(() => {
      step.set(KEY.head, { title })
      step.set(KEY.status, 'running')
      ;(this.run(run).get(KEY.steps) as Y.Array<unknown>).push([step])
    })
    return step
  }

  /** Writes fields of a shared object, and says what it is where nobody has. */
  object(
    name: string,
    fields: Readonly<Record<string, unknown>>,
    writers: readonly string[] = ['user', 'agent', 'support'],
  ): void {
    this.doc.transact(() => {
      const known = this.roots.objects.toArray().some((value) => (value as { name?: string }).name === name)
      if (!known) this.roots.objects.push([{ name, kind: 'map', writers }])
      const map = this.doc.getMap(`object:${name}`)
      for (const [field, value] of Object.entries(fields)) {
        if (value === undefined) map.delete(field)
        else map.set(field, value)
      }
    })
  }
}

export class Reply {
  readonly #peer: Peer
  readonly #writer: MessageWriter
  #text: LivePart | null = null

  constructor(peer: Peer, id: string, run: string) {
    this.#peer = peer
    const { id: by, kind } = peer.sender.participant
    this.#writer = new MessageWriter(peer.roots.messages, { id, role: 'assistant', by, kind, at: 1, run })
  }

  get parts(): number {
    return this.#writer.partCount
  }

  text(delta: string): void {
    this.#text ??= this.#writer.open({ type: 'text' })
    this.#writer.append(this.#text, delta)
    this.flush()
  }

  endText(): void {
    if (this.#text !== null) this.#writer.set(this.#text, 'state', 'done')
    this.#text = null
    this.flush()
  }

  part(part: OtherPart): void {
    this.#writer.add(part)
    this.flush()
  }

  tool(id: string, output: unknown): void {
    const part = this.#writer.open({ type: 'tool-look', toolCallId: id })
    this.#writer.append(part, '{"q":')
    this.flush()
    this.#writer.set(part, 'input', { q: 1 })
    this.#writer.set(part, 'state', 'input-available')
    this.flush()
    this.#writer.set(part, 'output', output)
    this.#writer.set(part, 'more', { preliminary: true })
    this.#writer.set(part, 'state', 'output-available')
    this.flush()
  }

  drop(from: number): void {
    this.#text = null
    this.#writer.drop(from)
    this.flush()
  }

  flush(): void {
    this.#peer.doc.transact(() => this.#writer.flush())
  }
}
