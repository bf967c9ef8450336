/**
 * A session as the app sees it: an immutable view, and the few things one can do. Everything is written into the local
 * document at once; getting it to the server is the connection's affair. `open.ts` puts the pieces together.
 */
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import { cancelOf, type HandoverAction } from '../shared/control.ts'
import type { Run } from '../shared/entries.ts'
import { SessionError, type CloseReason, type Report } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { cancelKey, KEY, rootsOf } from '../shared/layout.ts'
import { MAX_MESSAGE_CHARS } from '../shared/limits.ts'
import type { Message, MessageHead, OtherPart, TextPart } from '../shared/message.ts'
import type { Participant } from '../shared/participant.ts'
import { MessageWriter } from '../shared/part-writer.ts'
import { hasEnded } from '../shared/run.ts'
import { ViewBuilder, type SessionView, type Topic } from '../shared/view.ts'
import type { ConnectionState } from './connection.ts'
import { SharedObjects, type SharedObject } from './objects.ts'
import type { Presence } from './presence.ts'

/** All that is known about where this client's writes are. Immutable. */
export interface SessionStatus {
  readonly connection: ConnectionState
  /** Why the connection was refused; null otherwise. */
  readonly reason: CloseReason | null
  /** Everything written here is on this device; false too where the device gives no storage. */
  readonly onDevice: boolean
  /** Everything written here is stored at the server; false until `ready`, since earlier pages may have left something. */
  readonly onServer: boolean
  /** The server is there but cannot store at the moment. */
  readonly stalled: boolean
}

/** Where a message is: `writing` to the device, on this `device` only, `sending` over a live connection, `sent`: stored. */
export type Delivery = 'writing' | 'device' | 'sending' | 'sent'

/** What to cancel: one run, all runs that a message asked for, an agent's, mine, or everything. */
export type CancelTarget =
  | { readonly run: string }
  | { readonly message: string }
  | { readonly agent: string }
  | { readonly mine: true }
  | 'all'

export interface SendOptions {
  /** Names of the agents that are asked; an empty list asks nobody. Default: the server decides. */
  readonly to?: readonly string[]
  readonly lane?: 'queue' | 'steer' | 'interrupt'
  /** Id of the message it follows. */
  readonly parent?: string
}

/** What a session is made of; see `open.ts` and `agent.ts`. */
export interface SessionParts {
  readonly id: string
  readonly doc: Y.Doc
  readonly presence: Presence
  readonly report: Report
  /** Epoch milliseconds. */
  readonly now: () => number
}

export class Session {
  readonly id: string
  readonly presence: Presence
  #doc: Y.Doc
  readonly #report: Report
  readonly #now: () => number
  #view: ViewBuilder
  readonly #subscriptions = new Set<{ readonly topic: Topic; readonly listener: () => void; off: () => void }>()
  readonly #objects: SharedObjects
  readonly #statusListeners = new Set<() => void>()
  #status: SessionStatus = { connection: 'offline', reason: null, onDevice: false, onServer: false, stalled: false }
  #me: Participant | null = null
  #closed = false

  constructor(parts: SessionParts) {
    this.id = parts.id
    this.presence = parts.presence
    this.#doc = parts.doc
    this.#report = parts.report
    this.#now = parts.now
    this.#view = new ViewBuilder(parts.doc, parts.report)
    this.#objects = new SharedObjects(parts.doc, parts.report, () => void this.#writer())
  }

  /** Who this client is; null until `ready`. */
  get me(): Participant | null {
    return this.#me
  }

  get status(): SessionStatus {
    return this.#status
  }

  /** All of the session now. Reading `messages` makes a list; for one message or its listeners use `message` and topics. */
  get view(): SessionView {
    return this.#view.view
  }

  /** Ids of all messages in their order; the same array until one comes, goes or is placed. */
  get messageIds(): readonly string[] {
    return this.#view.messageIds
  }

  message(id: string): Message | undefined {
    return this.#view.message(id)
  }

  run(id: string): Run | undefined {
    return this.#view.run(id)
  }

  /**
   * Calls `listener` after each change of the topic and gives the function that ends it. Topics: `view` (anything; the
   * default), `messages` (the list), `message:ID`, `runs`, `run:ID`, `ledger` (participants and holder), `status`.
   */
  subscribe(listener: () => void, topic: Topic | 'status' = 'view'): () => void {
    if (topic !== 'status') {
      const subscription = { topic, listener, off: this.#view.subscribe(topic, listener) }
      this.#subscriptions.add(subscription)
      return () => {
        subscription.off()
        this.#subscriptions.delete(subscription)
      }
    }
    const entry = (): void => listener()
    this.#statusListeners.add(entry)
    return () => void this.#statusListeners.delete(entry)
  }

  /**
   * Writes a message; it is in the view when this returns, and on its way as soon as there is one. Gives its id. Throws
   * `SessionError`: `too-big` above MAX_MESSAGE_CHARS, `bad-argument` for an empty one, `closed`, `forbidden` for viewers and
   * agents (an agent writes in its runs).
   */
  send(content: string | readonly (TextPart | OtherPart)[], options: SendOptions = {}): string {
    const me = this.#writer()
    if (me.kind === 'agent') throw new SessionError('forbidden', 'An agent writes in its runs: `run.write` or `run.pipe`.')
    const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content
    const chars = typeof content === 'string' ? content.length : JSON.stringify(parts).length
    if (parts.length === 0 || (typeof content === 'string' && content.trim() === '')) {
      throw new SessionError('bad-argument', 'A message needs some text or a part.')
    }
    if (chars > MAX_MESSAGE_CHARS) {
      throw new SessionError('too-big', `A message may have ${MAX_MESSAGE_CHARS} characters; this one has ${chars}.`)
    }
    const head: MessageHead = {
      id: newId(),
      role: me.kind === 'user' ? 'user' : 'assistant',
      by: me.id,
      kind: me.kind,
      at: this.#nextAt(),
      ...(options.to === undefined ? {} : { to: [...options.to] }),
      ...(options.lane === undefined ? {} : { lane: options.lane }),
      ...(options.parent === undefined ? {} : { parent: options.parent }),
    }
    this.post(head, parts as readonly OtherPart[])
    return head.id
  }

  /**
   * Asks to end runs; works offline, and before any agent is there. Gives the ids of what it asked to end: runs, or messages
   * whose run does not exist yet. What has ended already is left as it is.
   */
  cancel(target: CancelTarget, reason?: string): string[] {
    const me = this.#writer()
    if (me.kind === 'agent')
      throw new SessionError('forbidden', 'An agent cannot cancel; it ends its own run by returning or throwing.')
    const { control } = rootsOf(this.#doc)
    const targets = this.#cancelTargets(target).filter((id) => cancelOf(control, id, id) === undefined)
    if (targets.length === 0) return targets
    const flag = { by: me.id, at: this.#now(), ...(reason === undefined ? {} : { reason }) }
    this.#doc.transact(() => {
      for (const id of targets) control.set(cancelKey(id), flag)
    }, this)
    return targets
  }

  /** A shared object by name: a map of JSON values, made by its first write. Writing to it throws as `send` does. */
  object(name: string): SharedObject {
    return this.#objects.get(name)
  }

  /** Takes back this participant's last change to shared objects; others' changes stay. False when there is none. */
  undo(): boolean {
    return this.#objects.undo()
  }

  redo(): boolean {
    return this.#objects.redo()
  }

  /** Asks for a human: the agents stay silent until the session is handed back. */
  requestHuman(reason?: string): void {
    this.#handover('request', reason)
  }

  /** Support only: answers in the agents' place. */
  take(): void {
    this.#handover('take')
  }

  /** Gives the session back to the agents. */
  handBack(): void {
    this.#handover('return')
  }

  /** Where a message of this client is. */
  delivery(id: string): Delivery {
    if (this.message(id)?.metadata.seq !== undefined) return 'sent'
    if (this.#status.connection === 'live') return 'sending'
    return this.#status.onDevice ? 'device' : 'writing'
  }

  // ---- for those who put a session together -------------------------------------------------------------------------

  /** @internal */
  identify(me: Participant): void {
    this.#me = me
    this.presence.appear(me)
    this.tellStatus()
  }

  /** @internal */
  setStatus(change: Partial<SessionStatus>): void {
    const status = { ...this.#status, ...change }
    const keys = Object.keys(status) as (keyof SessionStatus)[]
    if (keys.every((key) => status[key] === this.#status[key])) return
    this.#status = status
    this.tellStatus()
  }

  /** @internal Writes a message, in a transaction of its own. */
  post(head: MessageHead, parts: readonly OtherPart[]): void {
    const writer = new MessageWriter(rootsOf(this.#doc).messages, head)
    for (const part of parts) writer.add(part)
    this.#doc.transact(() => writer.flush(), this)
  }

  /**
   * @internal Goes on with another document: the view is made anew, subscriptions and shared objects stay. `write` may write
   * into it before anybody is told.
   */
  moveTo(doc: Y.Doc, awareness: Awareness, write: () => void): void {
    this.#view.destroy()
    this.#doc = doc
    this.#view = new ViewBuilder(doc, this.#report)
    write()
    this.#objects.moveTo(doc)
    this.presence.moveTo(awareness)
    for (const subscription of this.#subscriptions) {
      subscription.off = this.#view.subscribe(subscription.topic, subscription.listener)
    }
    for (const { topic, listener } of [...this.#subscriptions]) this.#tell(listener, topic)
  }

  /** @internal */
  destroy(): void {
    if (this.#closed) return
    this.#closed = true
    this.#subscriptions.clear()
    this.#statusListeners.clear()
    this.#view.destroy()
    this.#objects.destroy()
    this.presence.destroy()
  }

  get closed(): boolean {
    return this.#closed
  }

  /** @internal */
  protected tellStatus(): void {
    for (const listener of [...this.#statusListeners]) this.#tell(listener, 'status')
  }

  #tell(listener: () => void, topic: string): void {
    try {
      listener()
    } catch (error) {
      this.#report(error, { stage: 'listener', topic })
    }
  }

  #writer(): Participant {
    if (this.#closed) throw new SessionError('closed', `The session ${this.id} is closed.`)
    if (this.#me === null) throw new SessionError('closed', 'The session is not ready yet: wait for `session.ready`.')
    if (this.#me.kind === 'viewer') throw new SessionError('forbidden', 'A viewer cannot write.')
    return this.#me
  }

  /** The time, or a moment after the last message that waits for its place: of two of one millisecond the first stays first. */
  #nextAt(): number {
    const last = this.message(this.messageIds.at(-1) ?? '')?.metadata
    return last === undefined || last.seq !== undefined ? this.#now() : Math.max(this.#now(), last.at + 1)
  }

  #handover(action: HandoverAction, reason?: string): void {
    const me = this.#writer()
    const request = { action, by: me.id, at: this.#now(), ...(reason === undefined ? {} : { reason }) }
    this.#doc.transact(() => rootsOf(this.#doc).control.set(KEY.handover, request), this)
  }

  #cancelTargets(target: CancelTarget): string[] {
    const running = (run: Run): boolean => !hasEnded(run.status)
    if (target === 'all') return [...this.#runIds(running), ...this.#unasked(() => true)]
    if ('run' in target) {
      const run = this.run(target.run)
      return run !== undefined && !running(run) ? [] : [target.run]
    }
    if ('message' in target) {
      const runs = this.view.runs.filter((run) => run.input === target.message)
      return runs.length > 0 && !runs.some(running) ? [] : [target.message]
    }
    if ('agent' in target) return this.#runIds((run) => running(run) && run.agent === target.agent)
    const mine = (message: Message | undefined): boolean => message?.metadata.by === this.#me?.id
    return [...this.#runIds((run) => running(run) && mine(this.message(run.input))), ...this.#unasked(mine)]
  }

  #runIds(matches: (run: Run) => boolean): string[] {
    return this.view.runs.filter(matches).map((run) => run.id)
  }

  /** Users' messages that the server has not seen yet: their runs are still to be made. */
  #unasked(matches: (message: Message) => boolean): string[] {
    return this.view.messages
      .filter((message) => message.role === 'user' && message.metadata.seq === undefined && matches(message))
      .map((message) => message.id)
  }
}
