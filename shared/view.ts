/**
 * The immutable view of a session, kept up to date from Yjs events.
 *
 * What it promises:
 * 1. Appending a token costs the same whatever the length of its text and of the session: the delta is added to the string
 *    that is kept, one part and one message are made anew when somebody reads them, and only their listeners are told.
 * 2. What did not change keeps its identity.
 * 3. A listener that throws stops no other.
 * The list `view.messages` is made when it is read, so a reader of single messages never pays for the list.
 *
 * More than 400 lines: what is kept and the events that make it stale are one thing.
 */
import * as Y from 'yjs'
import { Branches, chosenOf, type AnotherRun, type BranchMessage, type Choices } from './branches.ts'
import { askedOf, readHolder, type Holder, type Pause } from './control.ts'
import {
  isSegment,
  messageValue,
  readAnother,
  readLivePart,
  readMessageHead,
  readRun,
  readStamp,
  readText,
  readWholePart,
  type Run,
} from './entries.ts'
import type { Report } from './errors.ts'
import { arrayAt, cancelTarget, KEY, readAskKey, rootsOf, type SessionRoots } from './layout.ts'
import { participantsOf, pausedOf } from './ledger.ts'
import type { Message, MessageHead, MessagePart } from './message.ts'
import type { Participant } from './participant.ts'
import { readInputVerdict } from './verdict.ts'

/** All of a session at one moment. */
export interface SessionView {
  /**
   * In the server's order; messages that it has not stored yet come last, in the order they were written. Of alternatives the one
   * that this viewer has chosen, else the newest, and what belongs to it.
   */
  readonly messages: readonly Message[]
  /** In the order they were asked for. */
  readonly runs: readonly Run[]
  /** Everybody who has ever written in the session, by id. */
  readonly participants: ReadonlyMap<string, Participant>
  /** Who answers: the agents, nobody yet, or a supporter. */
  readonly holder: Holder
  /** Agents whose queues wait for somebody to go on, by name. */
  readonly paused: ReadonlyMap<string, Pause>
}

/**
 * What a listener can be told about: everything, the list of messages or runs, calls that somebody has taken or answered, one
 * message, one run.
 */
export type Topic = 'view' | 'messages' | 'runs' | 'calls' | `message:${string}` | `run:${string}` | 'ledger'

/** Alternatives to each other: a message and its edits, or the answers to one input. */
export interface Siblings {
  /** Oldest first: ids of messages; of answers the ids of their runs, since one may have said nothing yet. */
  readonly ids: readonly string[]
  /** Which of them is shown. */
  readonly index: number
}

interface PartRecord {
  text: string | null
  /** Null: it is to be read again. */
  value: MessagePart | null | undefined
}

interface MessageRecord {
  readonly map: Y.Map<unknown>
  readonly head: MessageHead
  readonly parts: WeakMap<Y.Map<unknown>, PartRecord>
  value: Message | null
}

interface RunRecord {
  readonly map: Y.Map<unknown>
  readonly id: string
  readonly input: string
  readonly parent: string | undefined
  readonly another: AnotherRun | undefined
  value: Run | null
}

type DeepEvents = Y.YEvent<Y.AbstractType<unknown>>[]

export class ViewBuilder {
  readonly #doc: Y.Doc
  readonly #roots: SessionRoots
  readonly #report: Report
  #messages: ReadonlyMap<string, MessageRecord> = new Map()
  #messageOf = new Map<Y.Map<unknown>, MessageRecord>()
  #runs: ReadonlyMap<string, RunRecord> = new Map()
  #runOf = new Map<Y.Map<unknown>, RunRecord>()
  readonly #listeners = new Map<Topic, Set<() => void>>()
  readonly #changed = new Set<Topic>()
  readonly #choices: Choices
  #branches: Branches | null = null
  #order: ReturnType<Branches['shown']> | null = null
  #shown: ReadonlySet<string> | null = null
  readonly #siblings = new Map<string, Siblings>()
  #messageList: readonly Message[] | null = null
  #runList: readonly Run[] | null = null
  #participants: ReadonlyMap<string, Participant> | null = null
  #holder: Holder | null = null
  #paused: ReadonlyMap<string, Pause> | null = null
  #view: SessionView | null = null

  /** @param choices what is to be shown of alternatives; call `chose` after changing it. */
  constructor(doc: Y.Doc, report: Report, choices: Choices = new Map()) {
    this.#choices = choices
    this.#doc = doc
    this.#report = report
    this.#roots = rootsOf(doc)
    this.#roots.messages.observeDeep(this.#onMessages)
    this.#roots.tasks.observeDeep(this.#onTasks)
    this.#roots.control.observe(this.#onControl)
    this.#roots.ledger.observeDeep(this.#onLedger)
    doc.on('afterTransaction', this.#notify)
    this.#reconcileMessages()
    this.#reconcileRuns()
    this.#changed.clear()
  }

  get view(): SessionView {
    const { runs, participants, holder, paused } = this
    return (this.#view ??= { messages: this.#list(), runs, participants, holder, paused })
  }

  /** Ids in the order of `view.messages`; the same array until a message comes, goes or is stamped. */
  get messageIds(): readonly string[] {
    return this.#shownLine.ids
  }

  /** Ids of the messages of all branches, in the same order. */
  get allIds(): readonly string[] {
    return this.#tree.all
  }

  /** The last place in the order that was given. */
  get lastSeq(): number {
    return this.#tree.lastSeq
  }

  /** True while choices show another line than others see by default. */
  get isChosen(): boolean {
    return this.#shownLine.isChosen
  }

  get #shownLine(): ReturnType<Branches['shown']> {
    return (this.#order ??= this.#tree.shown(this.#choices))
  }

  get #tree(): Branches {
    return (this.#branches ??= this.#branch())
  }

  /** Whether a message, or what a run answers, is in the line that is shown. */
  isShown(id: string): boolean {
    const run = this.#runs.get(id)
    this.#shown ??= new Set(this.messageIds)
    if (run === undefined) return this.#shown.has(id)
    const root = this.#rootOf(id)
    return this.#shown.has(run.input) && (chosenOf(this.#tree.of(root, root) ?? [], this.#choices) ?? root) === root
  }

  /** The alternatives to a message, or to the answer of a run; undefined where there are none. The same until they change. */
  siblings(id: string): Siblings | undefined {
    const ids = this.#tree.of(id, this.#runs.has(id) ? id : this.#messages.get(id)?.head.run)
    if (ids === undefined) return undefined
    const index = ids.indexOf(chosenOf(ids, this.#choices) ?? '')
    const [key = ''] = ids
    const known = this.#siblings.get(key)
    if (known?.index === index && known.ids.join() === ids.join()) return known
    const siblings = { ids, index }
    this.#siblings.set(key, siblings)
    return siblings
  }

  /** The choices that show a message, or the answer of a run. */
  pathTo(id: string): Map<string, readonly string[]> {
    const run = this.#runs.has(id) ? id : this.#messages.get(id)?.head.run
    return this.#tree.pathTo(this.#runs.get(run ?? '')?.input ?? id, run === undefined ? undefined : this.#rootOf(run))
  }

  /** Ids of the messages of the line that a message, or the answer of a run, is in. */
  lineOf(id: string): readonly string[] {
    return this.#tree.shown(this.pathTo(id)).ids
  }

  /** Choices were changed. */
  chose(): void {
    this.#touch('messages')
    this.#notify()
  }

  message(id: string): Message | undefined {
    const record = this.#messages.get(id)
    return record === undefined ? undefined : (record.value ??= this.#readMessage(record))
  }

  get runs(): readonly Run[] {
    if (this.#runList === null) {
      const runs: Run[] = []
      for (const record of this.#runs.values()) {
        const run = this.#readRun(record)
        if (run !== undefined) runs.push(run)
      }
      // Of one millisecond they stay as the server has added them.
      this.#runList = runs.sort((a, b) => a.at - b.at)
    }
    return this.#runList
  }

  run(id: string): Run | undefined {
    const record = this.#runs.get(id)
    return record === undefined ? undefined : this.#readRun(record)
  }

  get participants(): ReadonlyMap<string, Participant> {
    return (this.#participants ??= participantsOf(this.#roots.ledger))
  }

  get holder(): Holder {
    return (this.#holder ??= readHolder(this.#roots.ledger.get(KEY.holder)))
  }

  get paused(): ReadonlyMap<string, Pause> {
    return (this.#paused ??= pausedOf(this.#roots.ledger))
  }

  /** Calls `listener` after each change of `topic`; gives the function that ends it. */
  subscribe(topic: Topic, listener: () => void): () => void {
    let listeners = this.#listeners.get(topic)
    if (listeners === undefined) this.#listeners.set(topic, (listeners = new Set()))
    // A wrapper, so that one function subscribed twice is told twice and each subscription ends on its own.
    const entry = (): void => listener()
    listeners.add(entry)
    return () => {
      listeners.delete(entry)
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic)
    }
  }

  destroy(): void {
    this.#roots.messages.unobserveDeep(this.#onMessages)
    this.#roots.tasks.unobserveDeep(this.#onTasks)
    this.#roots.control.unobserve(this.#onControl)
    this.#roots.ledger.unobserveDeep(this.#onLedger)
    this.#doc.off('afterTransaction', this.#notify)
    this.#listeners.clear()
  }

  // ---- reading ------------------------------------------------------------------------------------------------------

  #list(): readonly Message[] {
    if (this.#messageList === null) {
      const list: Message[] = []
      for (const id of this.messageIds) {
        const message = this.message(id)
        if (message !== undefined) list.push(message)
      }
      this.#messageList = list
    }
    return this.#messageList
  }

  #branch(): Branches {
    const keys = [...this.#messages.values()].map(({ head, map }): BranchMessage => {
      const stamp = readStamp(map)
      const run = head.run === undefined ? undefined : this.#rootOf(head.run)
      return { ...head, by: stamp?.by ?? head.by, seq: stamp?.seq ?? Number.POSITIVE_INFINITY, run }
    })
    keys.sort((a, b) => (a.seq === b.seq ? a.at - b.at || (a.id < b.id ? -1 : 1) : a.seq - b.seq))
    const runs = [...this.#runs.values()].flatMap(({ another }) => another ?? [])
    return new Branches(keys, runs)
  }

  /** The run that an input asked for, above one that it has asked for. */
  #rootOf(id: string): string {
    let root = id
    // Derived ids grow with each level, so this ends also where somebody has made a ring.
    for (let at = this.#runs.get(id); at?.parent !== undefined && at.parent.length < at.id.length;) {
      root = at.parent
      at = this.#runs.get(root)
    }
    return root
  }

  #readMessage(record: MessageRecord): Message {
    const parts: MessagePart[] = []
    for (const entry of arrayAt(record.map, KEY.parts)?.toArray() ?? []) {
      const part = entry instanceof Y.Map ? this.#readPart(record, entry as Y.Map<unknown>) : readWholePart(entry)
      if (part !== undefined) parts.push(part)
    }
    const { head, map } = record
    const stamp = readStamp(map)
    // Only inputs are judged and asked about: nothing of this is paid for a token.
    if (head.role !== 'user') return messageValue(head, { stamp }, parts)
    const verdict = readInputVerdict(map.get(KEY.verdict))
    return messageValue(head, { stamp, verdict, asked: askedOf(this.#roots.control, head.id) }, parts)
  }

  #readPart(message: MessageRecord, map: Y.Map<unknown>): MessagePart | undefined {
    let part = message.parts.get(map)
    if (part === undefined) message.parts.set(map, (part = { text: null, value: null }))
    if (part.value === null) {
      part.text ??= readText(map)
      part.value = readLivePart(map, part.text)
    }
    return part.value
  }

  #readRun(record: RunRecord): Run | undefined {
    record.value ??= readRun(record.map, this.#roots.control) ?? null
    return record.value ?? undefined
  }

  // ---- events -------------------------------------------------------------------------------------------------------

  readonly #onMessages = (events: DeepEvents): void => {
    let entriesChanged = false
    for (const event of events) {
      const [map, , partMap] = pathTo(event.target, this.#roots.messages)
      if (map === undefined || isRenamed(event, map, KEY.stamp)) entriesChanged = true
      const record = map instanceof Y.Map ? this.#messageOf.get(map as Y.Map<unknown>) : undefined
      if (record !== undefined) this.#messageChanged(record, event, partMap)
    }
    if (entriesChanged) this.#reconcileMessages()
  }

  #messageChanged(record: MessageRecord, event: DeepEvents[number], partMap: unknown): void {
    record.value = null
    this.#touch(`message:${record.head.id}`)
    if (event.target === (record.map as unknown)) {
      const { keysChanged } = event as Y.YMapEvent<unknown>
      if (keysChanged.has(KEY.stamp)) this.#touch('messages')
      if (keysChanged.has(KEY.head)) this.#messageOf.delete(record.map)
    } else if (partMap instanceof Y.Map) {
      if (event.target === (partMap as unknown) && isDecided((event as Y.YMapEvent<unknown>).keysChanged)) this.#touch('calls')
      const part = record.parts.get(partMap as Y.Map<unknown>)
      if (part === undefined) return
      part.text = part.text === null ? null : appended(part.text, event, partMap as Y.Map<unknown>)
      part.value = null
    }
  }

  readonly #onTasks = (events: DeepEvents): void => {
    let entriesChanged = false
    for (const event of events) {
      const [map] = pathTo(event.target, this.#roots.tasks)
      if (map === undefined || isRenamed(event, map)) entriesChanged = true
      const record = map instanceof Y.Map ? this.#runOf.get(map as Y.Map<unknown>) : undefined
      if (record === undefined) continue
      record.value = null
      this.#runChanged(record.id)
      if (isRenamed(event, map)) this.#runOf.delete(record.map)
    }
    if (entriesChanged) this.#reconcileRuns()
  }

  readonly #onControl = (event: Y.YMapEvent<unknown>): void => {
    for (const key of event.keysChanged) {
      const about = readAskKey(String(key))?.target
      const asked = this.#messages.get(about ?? '')
      if (asked !== undefined) {
        asked.value = null
        this.#touch(`message:${asked.head.id}`)
      }
      const target = about ?? cancelTarget(String(key))
      if (target === null) continue
      for (const record of this.#runs.values()) {
        if (record.id !== target && record.input !== target) continue
        record.value = null
        this.#runChanged(record.id)
      }
    }
  }

  readonly #onLedger = (): void => {
    this.#participants = null
    this.#holder = null
    this.#paused = null
    this.#touch('ledger')
  }

  #runChanged(id: string): void {
    this.#touch(`run:${id}`)
    this.#touch('runs')
  }

  #touch(topic: Topic): void {
    this.#changed.add(topic)
    if (topic === 'runs') this.#runList = null
    else if (topic === 'messages') this.#order = this.#branches = this.#shown = null
    if (topic === 'messages' || topic.startsWith('message:')) this.#messageList = null
    this.#view = null
  }

  /** Brings the records in line with the entries: after one has come or gone, or has changed what it is known by. */
  #reconcileMessages(): void {
    const before = this.#messages
    const now = new Map<string, MessageRecord>()
    for (const map of maps(this.#roots.messages)) {
      const record = this.#messageOf.get(map) ?? newMessageRecord(map)
      if (record === undefined) continue
      // Of two entries with one id (a message posted twice) the stamped one counts, else the first.
      const rival = now.get(record.head.id)
      if (rival === undefined || (!readStamp(rival.map) && readStamp(map))) now.set(record.head.id, record)
    }
    this.#messages = now
    this.#messageOf = new Map([...now.values()].map((record) => [record.map, record]))
    for (const id of new Set([...before.keys(), ...now.keys()])) {
      if (before.get(id) === now.get(id)) continue
      this.#touch(`message:${id}`)
      this.#touch('messages')
    }
  }

  #reconcileRuns(): void {
    const before = this.#runs
    const now = new Map<string, RunRecord>()
    for (const map of maps(this.#roots.tasks)) {
      const record = this.#runOf.get(map) ?? newRunRecord(map)
      if (record !== undefined && !now.has(record.id)) now.set(record.id, record)
    }
    this.#runs = now
    this.#runOf = new Map([...now.values()].map((record) => [record.map, record]))
    for (const id of new Set([...before.keys(), ...now.keys()])) {
      if (before.get(id) === now.get(id)) continue
      this.#runChanged(id)
      if ((now.get(id) ?? before.get(id))?.another !== undefined) this.#touch('messages')
    }
  }

  readonly #notify = (): void => {
    if (this.#changed.size === 0) return
    const topics: Topic[] = [...this.#changed, 'view']
    this.#changed.clear()
    for (const topic of topics) {
      for (const listener of [...(this.#listeners.get(topic) ?? [])]) {
        try {
          listener()
        } catch (error) {
          this.#report(error, { stage: 'listener', topic })
        }
      }
    }
  }
}

/** The types on the way from a root down to a target, without the root; empty when the target is not below it. */
function pathTo(target: Y.AbstractType<unknown>, root: Y.AbstractType<any>): Y.AbstractType<unknown>[] {
  const path: Y.AbstractType<unknown>[] = []
  for (
    let type: Y.AbstractType<unknown> | null = target;
    type !== null;
    type = type._item?.parent as Y.AbstractType<unknown> | null
  ) {
    if (type === root) return path
    if (type._item === null) return []
    path.unshift(type)
  }
  return []
}

/** True when an event changes what an entry is known by: its head, or `also`. */
function isRenamed(event: DeepEvents[number], entry: unknown, also?: string): boolean {
  if (event.target !== entry || !(event.target instanceof Y.Map)) return false
  const { keysChanged } = event as Y.YMapEvent<unknown>
  return keysChanged.has(KEY.head) || (also !== undefined && keysChanged.has(also))
}

/** The server has decided something about a part that waits. */
function isDecided(keys: ReadonlySet<unknown>): boolean {
  return keys.has(KEY.claim) || keys.has(KEY.answer) || keys.has(KEY.verdict)
}

function newMessageRecord(map: Y.Map<unknown>): MessageRecord | undefined {
  const head = readMessageHead(map)
  return head === undefined ? undefined : { map, head, parts: new WeakMap(), value: null }
}

function newRunRecord(map: Y.Map<unknown>): RunRecord | undefined {
  const run = readRun(map)
  if (run === undefined) return undefined
  const { id, input, parent } = run
  return { map, id, input, parent, another: readAnother(map), value: null }
}

function* maps(array: Y.Array<Y.Map<unknown>>): Generator<Y.Map<unknown>> {
  for (const entry of array.toArray()) if (entry instanceof Y.Map) yield entry
}

/**
 * The text after an event that only appended to its last segment, or null when it must be read anew. Yjs' `event.delta` would say
 * what was appended, but opens a transaction of its own for that, at the cost of all that follows one.
 */
function appended(text: string, event: Y.YEvent<Y.AbstractType<unknown>>, part: Y.Map<unknown>): string | null {
  const { target } = event
  // A change of the part's own values (state, output) leaves its text as it was.
  if (target === (part as unknown)) return (event as Y.YMapEvent<unknown>).keysChanged.has(KEY.text) ? null : text
  if (!isSegment(target) || arrayAt(part, KEY.text) !== target.parent || target._item?.next) return null
  let end = ''
  for (let item = target._start; item; item = item.right) {
    if (event.adds(item)) {
      if (item.deleted || !(item.content instanceof Y.ContentString)) return null
      end += item.content.str
    } else if (event.deletes(item) || (end && !item.deleted)) return null
  }
  // Two events in one transaction (a new segment and its text): the array's own event has made the text null already.
  return end ? text + end : null
}
