/**
 * A session as the app sees it: an immutable view, and the few things one can do. Everything is written into the local
 * document at once; getting it to the server is the connection's affair. `open.ts` puts the pieces together.
 *
 * More than 400 lines: it is all that an app can call, and half of it says what the calls do.
 */
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { Choices } from '../shared/branches.ts'
import { cancelOf, type HandoverAction } from '../shared/control.ts'
import type { Run } from '../shared/entries.ts'
import { SessionError, type CloseReason, type Report } from '../shared/errors.ts'
import { anotherIdOf, newId } from '../shared/ids.ts'
import { jsonOf } from '../shared/json.ts'
import { askKey, cancelKey, handoverKey, rootsOf, type Ask } from '../shared/layout.ts'
import { MAX_MESSAGE_CHARS } from '../shared/limits.ts'
import type { Lane, Message, MessageHead, OtherPart, TextPart } from '../shared/message.ts'
import type { Participant } from '../shared/participant.ts'
import { newMessage } from '../shared/new-message.ts'
import { hasEnded } from '../shared/run.ts'
import { ViewBuilder, type SessionView, type Siblings, type Topic } from '../shared/view.ts'
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
  /** Default `queue`. */
  readonly lane?: Lane
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

type Content = string | readonly (TextPart | OtherPart)[]

export class Session {
  readonly id: string
  readonly presence: Presence
  #doc: Y.Doc
  readonly #report: Report
  readonly #now: () => number
  #view: ViewBuilder
  readonly #choices = new Map<string, readonly string[]>()
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
    this.#view = new ViewBuilder(parts.doc, parts.report, this.#choices)
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

  /** Ids of the messages that are shown, in their order; the same array until one comes, goes or is placed, or another branch is chosen. */
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
   * The alternatives to a message (its edits) or to a reply (other answers; by its own id or that of its run), and which one is
   * shown; undefined where there are none. The same object until that changes, which listeners of `messages` are told.
   */
  siblings(id: string): Siblings | undefined {
    return this.#view.siblings(id)
  }

  /** Whether a message, or what a run answers, is in the branch that is shown. */
  isShown(id: string): boolean {
    return this.#view.isShown(id)
  }

  /**
   * Calls `listener` after each change of the topic and gives the function that ends it. Topics: `view` (anything; the
   * default), `messages` (the list), `message:ID`, `runs`, `run:ID`, `calls` (taken or answered), `ledger` (participants and holder), `status`.
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
   * `SessionError`: `too-big` above MAX_MESSAGE_CHARS, `bad-argument` for an empty one or a key `__proto__`, `closed`, `forbidden` for viewers and
   * agents (an agent writes in its runs).
   */
  send(content: Content, options: SendOptions = {}): string {
    // Who looks at another branch than others do writes there; else it is the server's order that says where it belongs.
    const parent = this.#view.isChosen ? this.messageIds.at(-1) : undefined
    return this.#send(content, parent === undefined ? options : { parent, ...options })
  }

  /**
   * Writes another text in the place of an own message: both stay, as alternatives, and what came after the old one is not shown
   * with the new one. What that message and the author's later ones have set going is cancelled. Works offline; gives the id of
   * the new message, which asks the same agents unless `options` say otherwise. Throws as `send` does, and `not-found` and
   * `forbidden` for a message that is not there, not one's own or not a user's. For one that still waits there is `editQueued`.
   */
  edit(id: string, content: Content, options: Omit<SendOptions, 'parent'> = {}): string {
    const { role, metadata } = this.#own(id)
    if (role !== 'user') throw new SessionError('forbidden', `The message ${id} is not a user's.`)
    const to = metadata.to === undefined ? {} : { to: metadata.to }
    const edit = this.#send(content, { ...to, ...options }, { edits: id, seen: this.#view.lastSeq })
    this.choose(edit)
    return edit
  }

  /**
   * Asks for another answer to the same input, by the id of a reply or of its run; the old one stays beside it, as it is. Works
   * offline: until the server has judged it, `run.asked` says so. Where the server refuses it, `run.verdict` says why: for an input
   * of somebody else (except for support), while another answer is under way or a human answers, for a run that nobody has begun,
   * and from MAX_ANSWERS answers on. Throws `SessionError`: `not-found` for what is no reply, `closed`, `forbidden`.
   */
  regenerate(id: string): void {
    const run = this.run(this.message(id)?.metadata.run ?? id)
    if (run === undefined) throw new SessionError('not-found', `No reply ${id} in the session ${this.id}.`)
    this.ask('regenerate', run.id, { seen: this.#view.lastSeq })
    const { ids } = this.siblings(run.id) ?? { ids: [''] }
    const chosen = this.#choices.get(ids[0] as string)
    if (chosen === undefined) return
    // The new one is shown when it is there; until then what was chosen.
    this.#choices.set(ids[0] as string, [anotherIdOf(run.input, run.agent, ids.length + 1), ...chosen])
    this.#chose()
  }

  /**
   * Shows the branch that a message is in, or a run's answer, in the place of its alternatives. For this viewer only, and kept on
   * the device. Throws `SessionError` `not-found`.
   */
  choose(id: string): void {
    if (this.message(id) === undefined && this.run(id) === undefined)
      throw new SessionError('not-found', `No message ${id} in the session ${this.id}.`)
    for (const [key, [chosen = '']] of this.#view.pathTo(id)) {
      // Whoever looks at the newest sees the next one too.
      if (this.siblings(chosen)?.ids.at(-1) === chosen) this.#choices.delete(key)
      else this.#choices.set(key, [chosen])
    }
    this.#chose()
  }

  #send(content: Content, options: SendOptions, more: Pick<MessageHead, 'edits' | 'seen'> = {}): string {
    const me = this.#writer()
    if (me.kind === 'agent') throw new SessionError('forbidden', 'An agent writes in its runs.')
    const parts = typeof content === 'string' ? [{ type: 'text', text: content }] : (jsonOf(content) as OtherPart[])
    const chars = typeof content === 'string' ? content.length : JSON.stringify(parts).length
    checkContent(parts.length === 0 || (typeof content === 'string' && content.trim() === ''), chars)
    const head: MessageHead = {
      id: newId(),
      role: me.kind === 'user' ? 'user' : 'assistant',
      by: me.id,
      kind: me.kind,
      at: this.#nextAt(),
      ...(options.to === undefined ? {} : { to: [...options.to] }),
      ...(options.lane === undefined ? {} : { lane: options.lane }),
      ...(options.parent === undefined ? {} : { parent: options.parent }),
      ...more,
    }
    this.post(head, parts)
    return head.id
  }

  /**
   * Asks to end runs; works offline, and before any agent is there. Gives the ids of what it asked to end: runs, or messages
   * whose run does not exist yet. What has ended already is left as it is.
   */
  cancel(target: CancelTarget, reason?: string): string[] {
    const me = this.#person()
    const { control } = rootsOf(this.#doc)
    const targets = this.#cancelTargets(target).filter((id) => cancelOf(control, id, id) === undefined)
    this.#flag(targets.map(cancelKey), me, reason === undefined ? {} : { reason })
    return targets
  }

  /**
   * Asks to change the text of an own message that no agent has taken yet; works offline. Until the server has judged it, it
   * is in `metadata.asked`. One that comes too late is kept in `metadata.verdict.text`. Throws as `send` does, and `not-found`
   * and `forbidden` for a message that is not there or another's.
   */
  editQueued(id: string, text: string): void {
    checkContent(text.trim() === '', text.length)
    this.#askAbout('edit', id, { text })
  }

  /** Asks to take back an own message that no agent has taken yet; `metadata.verdict` says what became of it. Throws as above. */
  remove(id: string): void {
    this.#askAbout('remove', id)
  }

  /** Starts an own message whose verdict is `asks`: it came so late that nothing was started by it. Throws as above. */
  confirm(id: string): void {
    this.#askAbout('confirm', id)
  }

  /** Lets the queue of an agent go on that waits since the agent was stopped or has failed; see `view.paused`. */
  resume(agent: string): void {
    this.ask('resume', agent, {})
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

  /** @internal Asks something of the server, in one's own name. */
  ask(ask: Ask, target: string, fields: Readonly<Record<string, unknown>>): void {
    this.#flag([askKey(ask, target)], this.#person(), fields)
  }

  /** @internal Ids of the messages of all branches, in their order. */
  get allIds(): readonly string[] {
    return this.#view.allIds
  }

  /** @internal Ids of the messages of the branch that a message, or the answer of a run, is in. */
  lineOf(id: string): readonly string[] {
    return this.#view.lineOf(id)
  }

  /** @internal The choices that are to be kept. */
  get choices(): Choices {
    return this.#choices
  }

  /** @internal Choices that were kept; those of this page count more. */
  recallChoices(choices: Choices): void {
    for (const [key, ids] of choices) if (!this.#choices.has(key)) this.#choices.set(key, ids)
    this.#view.chose()
  }

  /** @internal Choices have changed. */
  protected keepChoices(): void {}

  /** @internal Writes a message, in a transaction of its own. */
  post(head: MessageHead, parts: readonly OtherPart[]): void {
    this.#doc.transact(() => newMessage(rootsOf(this.#doc).messages, head).push([...parts]), this)
  }

  /**
   * @internal Goes on with another document: the view is made anew, subscriptions and shared objects stay. `write` may write
   * into it before anybody is told.
   */
  moveTo(doc: Y.Doc, awareness: Awareness, write: () => void): void {
    this.#view.destroy()
    this.#doc = doc
    this.#view = new ViewBuilder(doc, this.#report, this.#choices)
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
    if (this.#me === null) throw new SessionError('closed', 'Wait for `session.ready`.')
    if (this.#me.kind === 'viewer') throw new SessionError('forbidden', 'A viewer cannot write.')
    return this.#me
  }

  /** Whoever may ask for more than a human. */
  #person(): Participant {
    const me = this.#writer()
    if (me.kind === 'agent') throw new SessionError('forbidden', 'An agent cannot ask for that.')
    return me
  }

  #chose(): void {
    this.#view.chose()
    this.keepChoices()
  }

  /** The time, or a moment after the last message that waits for its place: of two of one millisecond the first stays first. */
  #nextAt(): number {
    const last = this.message(this.#view.allIds.at(-1) ?? '')?.metadata
    return last === undefined || last.seq !== undefined ? this.#now() : Math.max(this.#now(), last.at + 1)
  }

  #handover(action: HandoverAction, reason?: string): void {
    const me = this.#writer()
    this.#flag([handoverKey(me.id)], me, { action, ...(reason === undefined ? {} : { reason }) })
  }

  #flag(keys: readonly string[], { id: by }: Participant, fields: Readonly<Record<string, unknown>>): void {
    const value = { ...fields, by, at: this.#now() }
    this.#doc.transact(() => {
      for (const key of keys) rootsOf(this.#doc).control.set(key, value)
    }, this)
  }

  #askAbout(ask: Ask, id: string, more: { readonly text?: string } = {}): void {
    this.#own(id)
    this.ask(ask, id, more)
  }

  #own(id: string): Message {
    const me = this.#writer()
    const message = this.message(id)
    if (message === undefined) throw new SessionError('not-found', `No message ${id} in the session ${this.id}.`)
    if (message.metadata.by !== me.id) throw new SessionError('forbidden', `The message ${id} is another participant's.`)
    return message
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

  /** Users' messages whose runs are still to be made: the server has not seen them yet, or they steer the run of another. */
  #unasked(matches: (message: Message) => boolean): string[] {
    const isUnasked = ({ role, metadata }: Message): boolean =>
      role === 'user' && (metadata.seq === undefined || metadata.verdict?.state === 'steering')
    // Of all branches: what cannot be seen is to be stopped as well.
    return this.#view.allIds.filter((id) => {
      const message = this.message(id)
      return message !== undefined && isUnasked(message) && matches(message)
    })
  }
}

function checkContent(isEmpty: boolean, chars: number): void {
  if (isEmpty) throw new SessionError('bad-argument', 'A message needs some text or a part.')
  if (chars > MAX_MESSAGE_CHARS) {
    throw new SessionError('too-big', `A message may have ${MAX_MESSAGE_CHARS} characters; this one has ${chars}.`)
  }
}
