/**
 * Sees what was accepted and writes what the server alone decides, into the same commit (SPEC §5):
 *
 *   new message      → its stamp (place in the order, verified author), and what becomes of an input (`lanes.ts`)
 *   cancel flag      → the end of a run that no worker has, where the policy allows it (`cancels.ts`)
 *   other asks       → the lanes' answer
 *   hand-over        → who holds the session (`holding.ts`)
 *   run asked for    → the run of a sub-agent (`spawns.ts`)
 *   run that ended   → the end of its job, and what becomes of the agent's queue
 *   call that waits  → which tab does it, which answer counts, the end of its time (`calls.ts`)
 *
 * Every event only notes what changed; `settle`, called once per applied update, decides (one decision function).
 */
import * as Y from 'yjs'
import type { AnotherRun } from '../shared/branches.ts'
import { readMessageHead, readRun, readStamp, wholeTextOf } from '../shared/entries.ts'
import { anotherIdOf, runIdOf } from '../shared/ids.ts'
import {
  arrayAt,
  cancelKey,
  handoverKey,
  KEY,
  LAYOUT_VERSION,
  mapAt,
  readAskKey,
  recordAt,
  rootsOf,
  type SessionRoots,
} from '../shared/layout.ts'
import { cancelOf } from '../shared/control.ts'
import type { Report } from '../shared/errors.ts'
import type { Lane } from '../shared/message.ts'
import { readParticipant, type Participant } from '../shared/participant.ts'
import { hasEnded, RUN_TABLE, STEP_AT_END, type RunEvent, type RunStatus } from '../shared/run.ts'
import { Calls, type MayApprove } from './calls.ts'
import { Cancels, type MayCancel } from './cancels.ts'
import { Holding } from './holding.ts'
import { Lanes, type Input } from './lanes.ts'
import type { LapseTerms } from '../shared/wire.ts'
import { clearForRetry, retry } from './retry.ts'
import type { Watcher } from './room.ts'
import { SessionIndex } from './session-index.ts'
import { Spawns, type ChildRun } from './spawns.ts'
import type { NewJob } from './store.ts'
import { writtenAt } from './written.ts'

/** An input as the routing function sees it. */
export interface RoutedInput {
  readonly session: string
  readonly id: string
  readonly text: string
  readonly from: Participant
  /** Agents that the author named, if any. */
  readonly to: readonly string[] | undefined
  readonly lane: Lane
  /** Agents that are at work in the session at this moment: those that can be steered or interrupted. */
  readonly active: readonly string[]
}

/** Says which agents answer an input, by name; none: nobody does. */
export type Route = (input: RoutedInput) => readonly string[]

export interface ClerkOptions {
  readonly session: string
  readonly document: Y.Doc
  readonly route: Route
  /** Who sent what a transaction of this origin applied; null for the server itself. */
  readonly participantOf: (origin: unknown) => Participant | null
  /** How far the clock of whoever sent that is behind this one, in milliseconds. Default: not at all. */
  readonly behindMs?: (origin: unknown) => number
  /** How long support may be silent before the agents answer again, in milliseconds; `Infinity`: for ever. */
  readonly idleReturnMs: number
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly addJob: (job: NewJob) => void
  readonly endJob: (run: string) => void
  /** Holds or lets go the job of a run. */
  readonly holdJob: (run: string, held: boolean) => void
  /** A run waits for somebody, or goes on. */
  readonly restJob?: (run: string, isResting: boolean) => void
  /** How old an input may be when it arrives and still start an agent by itself, in milliseconds. */
  readonly intentMs: number
  readonly mayCancel: MayCancel | undefined
  /** How long a tab has a client's call without asking again, in milliseconds. */
  readonly claimMs: number
  readonly mayApprove: MayApprove
  readonly report: Report
}

/** Origin of the clerk's own transactions. */
const CLERK: unique symbol = Symbol('clerk')

export class Clerk implements Watcher {
  readonly #options: ClerkOptions
  readonly #doc: Y.Doc
  readonly #roots: SessionRoots
  readonly #index = new SessionIndex()
  readonly #calls: Calls
  readonly #known = new Set<string>()
  readonly #spawns: Spawns
  readonly #holding: Holding
  readonly #lanes: Lanes
  readonly #cancels: Cancels
  #lastSeq = 0
  #newMessages: Input[] = []
  #requests: { from: Participant; handovers: unknown[] }[] = []
  readonly #ended = new Set<string>()
  #controlChanged = true

  constructor(options: ClerkOptions) {
    this.#options = options
    this.#doc = options.document
    this.#roots = rootsOf(this.#doc)
    const { session, now, idleReturnMs, intentMs, mayCancel, holdJob } = options
    const shared = { roots: this.#roots, runs: this.#index.runs, now }
    this.#spawns = new Spawns({ ...shared, make: (child) => this.#makeRun(child) })
    this.#holding = new Holding({ ...shared, idleReturnMs, wake: () => this.settle() })
    const { claimMs: leaseMs, mayApprove, report } = options
    const transact = (write: () => void): void => this.#doc.transact(write, CLERK)
    this.#calls = new Calls({ ...shared, session, leaseMs, mayApprove, report, transact })
    for (const map of this.#roots.messages) this.#learnMessage(map)
    this.#learnRuns(this.#roots.tasks)
    this.#cancels = new Cancels({
      ...shared,
      runsOf: (input) => this.#index.runsOf(input),
      session,
      mayCancel,
      participant: (id) => this.#participant(id),
    })
    this.#lanes = new Lanes({
      roots: this.#roots,
      index: this.#index,
      now,
      intentMs,
      route: (input, active) => this.#route(input, active),
      makeRun: (input, agent, urgent) => this.#makeRun({ id: runIdOf(input, agent), agent, input }, urgent),
      makeAnother: (run, n, asked) => {
        const { id, agent, input } = recordAt(run, KEY.head) as { id: string; agent: string; input: string }
        const another = anotherIdOf(input, agent, n)
        this.#makeRun({ id: another, agent, input, again: { ...asked, run: id, seq: this.#lastSeq } })
        return another
      },
      endUnclaimed: (run) => this.#end(run, run.get(KEY.status) as RunStatus, 'cancel'),
      objection: (run, by) => this.#cancels.objection(run, by),
      hold: holdJob,
    })
    for (const [id, run] of this.#index.runs) {
      this.#calls.look(run)
      if (run.get(KEY.status) === 'suspended') options.restJob?.(id, true)
    }
    this.#roots.messages.observe(this.#onMessages)
    this.#roots.tasks.observeDeep(this.#onTasks)
    this.#roots.control.observe(this.#onControl)
  }

  destroy(): void {
    this.#holding.destroy()
    this.#roots.messages.unobserve(this.#onMessages)
    this.#roots.tasks.unobserveDeep(this.#onTasks)
    this.#roots.control.unobserve(this.#onControl)
    this.#calls.destroy()
  }

  settle(): void {
    const isDue = this.#controlChanged || this.#lanes.isDue || this.#calls.hasWork || this.#spawns.pending || this.#holding.isIdle
    if (!isDue && this.#newMessages.length + this.#requests.length + this.#ended.size === 0) return
    const messages = this.#newMessages.splice(0).sort((a, b) => a.head.at - b.head.at)
    const requests = this.#requests.splice(0)
    const controlChanged = this.#controlChanged
    this.#controlChanged = false
    this.#doc.transact(() => {
      // Before what was just written: it may have come after all that time.
      const unanswered = this.#holding.returnIfIdle()
      if (unanswered !== null) this.#lanes.take(unanswered)
      // A hand-over first: a message that came with it is for whoever holds the session then.
      for (const { from, handovers } of requests) {
        // Also who only ever cancels: people want to see by whom.
        this.#introduce(from)
        for (const handover of handovers) if (this.#holding.decide(from, handover)) this.#restUnbegun()
      }
      for (const input of messages) {
        const { head } = input
        this.#stamp(input)
        this.#lanes.take(input)
        if (this.#roots.control.has(cancelKey(head.id))) this.#cancels.note(head.id)
      }
      this.#lanes.settle()
      this.#cancels.settle()
      this.#calls.settle()
      this.#spawns.make()
      const orphans = this.#spawns.stopOrphans()
      if (controlChanged || messages.length > 0 || orphans) this.#cancelUnclaimed()
      if (controlChanged) this.#lanes.dropCancelled()
      if (this.#ended.size === 0) return
      if (this.#lanes.release(this.#ended)) this.#cancelUnclaimed()
      this.#lanes.pause(this.#ended)
    }, CLERK)
    for (const run of this.#ended) this.#options.endJob(run)
    this.#ended.clear()
  }

  /** A tab of a participant asks for a client's call, or says that it is still at it. */
  claim(from: Participant, message: string, call: string, tab: string): void {
    this.#calls.claim(from, message, call, tab)
  }

  /** Writes that a worker has the run now, and on which terms. False for a run that has ended, which stays as it is. */
  grant(run: string, worker: string, generation: number, terms: LapseTerms = {}): boolean {
    const map = this.#index.runs.get(run)
    if (map === undefined || hasEnded(map.get(KEY.status) as RunStatus)) return false
    this.#doc.transact(() => {
      map.set(KEY.lease, { worker, generation, ...terms })
      clearForRetry(map, this.#roots.messages)
    }, CLERK)
    this.#index.given(map)
    this.#restUnbegun()
    return true
  }

  /**
   * Decides about a run whose worker is gone, or has given it up: cancelled if somebody has asked for that, else what its
   * agent wants. Gives false for a run that is to be given to a worker again, like one that its worker never started.
   */
  lapse(run: string, isReleased = false): boolean {
    const map = this.#index.runs.get(run)
    const value = map === undefined ? undefined : readRun(map, this.#roots.control)
    if (map === undefined || value === undefined || hasEnded(value.status)) {
      // What came of its end was decided then.
      this.#options.endJob(run)
    } else if (value.status === 'pending' && value.cancel === undefined) {
      // The lease is taken away at once: whoever had it must not begin now.
      this.#doc.transact(() => map.delete(KEY.lease), CLERK)
      return false
    } else {
      const isCancelled = value.cancel !== undefined
      const goesOn = this.#doc.transact(() => {
        if (!isCancelled && retry(map, value.status, isReleased)) return true
        this.#end(map, value.status, isCancelled ? 'cancel' : 'lapse')
        return false
      }, CLERK)
      if (goesOn) return false
    }
    this.settle()
    return true
  }

  // ---- what is noted ------------------------------------------------------------------------------------------------

  readonly #onMessages = (event: Y.YArrayEvent<Y.Map<unknown>>, transaction: Y.Transaction): void => {
    if (transaction.origin === CLERK) return
    const from = this.#options.participantOf(transaction.origin)
    const behindMs = this.#options.behindMs?.(transaction.origin) ?? 0
    for (const item of event.changes.added) {
      for (const map of item.content.getContent()) {
        const head = map instanceof Y.Map ? readMessageHead(map as Y.Map<unknown>) : undefined
        if (head === undefined || from === null || this.#known.has(head.id)) continue
        this.#known.add(head.id)
        this.#newMessages.push({ map: map as Y.Map<unknown>, head, from, behindMs })
      }
    }
  }

  readonly #onTasks = (events: Y.YEvent<Y.AbstractType<unknown>>[]): void => {
    for (const event of events) {
      this.#spawns.note(event)
      const run = event.target as unknown as Y.Map<unknown>
      const isRun = event.target.parent === (this.#roots.tasks as unknown)
      if (event.target === (this.#roots.tasks as unknown)) {
        for (const item of event.changes.added) this.#learnRuns(item.content.getContent())
      } else if (isRun && event.keys.has(KEY.status)) {
        this.#calls.look(run)
        const id = recordAt(run, KEY.head)?.['id']
        const status = run.get(KEY.status) as RunStatus
        if (typeof id === 'string' && hasEnded(status)) this.#ended.add(id)
        else if (typeof id === 'string') this.#options.restJob?.(id, status === 'suspended')
      } else if (isRun && event.keys.has(KEY.waiting)) this.#calls.look(run)
      else this.#lanes.noteTask(event)
    }
  }

  readonly #onControl = (event: Y.YMapEvent<unknown>, transaction: Y.Transaction): void => {
    if (transaction.origin === CLERK) return
    this.#controlChanged = true
    for (const key of event.keysChanged) {
      this.#lanes.noteKey(String(key), this.#options.behindMs?.(transaction.origin))
      this.#cancels.noteKey(String(key))
    }
    const from = this.#options.participantOf(transaction.origin)
    if (from === null) return
    const handover = handoverKey(from.id)
    const isHandover = event.keysChanged.has(handover)
    this.#requests.push({ from, handovers: isHandover ? writtenAt(transaction, this.#roots.control, handover) : [] })
    for (const key of event.keysChanged) if (readAskKey(key)?.ask === 'answer') this.#calls.note(key, from)
  }

  #learnMessage(map: unknown): void {
    if (!(map instanceof Y.Map)) return
    const head = readMessageHead(map)
    const stamp = readStamp(map)
    if (head === undefined || stamp === undefined) return
    this.#known.add(head.id)
    this.#index.addMessage(map, head)
    this.#lastSeq = Math.max(this.#lastSeq, stamp.seq)
    const by = this.#participant(stamp.by)
    if (by !== null) this.#holding.said(map, head, stamp, by)
  }

  #learnRuns(entries: Iterable<unknown>): void {
    for (const map of entries) {
      if (!(map instanceof Y.Map)) continue
      const id = recordAt(map, KEY.head)?.['id']
      if (typeof id === 'string' && this.#index.addRun(map)) this.#spawns.learn(id, map)
    }
  }

  // ---- what is decided ----------------------------------------------------------------------------------------------

  #stamp({ map, head, from, behindMs }: Input): void {
    this.#introduce(from)
    this.#lastSeq += 1
    const stamp = { seq: this.#lastSeq, at: this.#options.now(), by: from.id }
    map.set(KEY.stamp, stamp)
    this.#known.add(head.id)
    this.#index.addMessage(map, head)
    this.#holding.said(map, head, stamp, from, behindMs)
  }

  #introduce(participant: Participant): void {
    const { ledger } = this.#roots
    let participants = mapAt(ledger, KEY.participants)
    if (participants === undefined) {
      participants = new Y.Map<unknown>()
      ledger.set(KEY.version, LAYOUT_VERSION)
      ledger.set(KEY.participants, participants)
    }
    const known = participants.get(participant.id) as Participant | undefined
    if (known?.name === participant.name && known.kind === participant.kind) return
    participants.set(participant.id, { id: participant.id, kind: participant.kind, name: participant.name })
  }

  #participant(id: string): Participant | null {
    return readParticipant(mapAt(this.#roots.ledger, KEY.participants)?.get(id))
  }

  #route({ map, head, from }: Input, active: readonly string[]): readonly string[] {
    const { session, route } = this.#options
    return route({ session, id: head.id, text: wholeTextOf(map), from, to: head.to, lane: head.lane ?? 'queue', active })
  }

  /** Makes a run, for an input or for another run, and its job. */
  #makeRun(head: Omit<ChildRun, 'parent'> & Partial<ChildRun> & Partial<AnotherRun>, urgent = false): void {
    const { id, agent, input, parent } = head
    if (this.#index.runs.has(id)) return
    const { session, now, addJob } = this.#options
    const run = new Y.Map<unknown>()
    run.set(KEY.head, { ...head, attempt: 1, at: now() })
    run.set(KEY.status, 'pending')
    for (const list of [KEY.steps, KEY.steered, KEY.spawned]) run.set(list, new Y.Array())
    this.#roots.tasks.push([run])
    this.#index.addRun(run)
    this.#spawns.learn(id, run)
    addJob({ run: id, session, agent, input, ...(parent === undefined ? {} : { parent }), ...(urgent ? { urgent } : {}) })
  }

  /** Runs that workers have and do not begin, since a human holds the session, wait as well. */
  #restUnbegun(): void {
    if (this.#holding.holder.state !== 'human') return
    for (const run of this.#index.leased()) {
      const id = recordAt(run, KEY.head)?.['id']
      if (run.get(KEY.status) === 'pending' && typeof id === 'string') this.#options.restJob?.(id, true)
    }
  }

  /** A cancel for a run that no worker has taken ends it at once; otherwise its worker does. */
  #cancelUnclaimed(): void {
    for (const map of this.#index.open()) {
      if (map.get(KEY.status) !== 'pending' || map.has(KEY.lease)) continue
      const { id, input } = recordAt(map, KEY.head) as { id: string; input: string }
      if (cancelOf(this.#roots.control, id, input) !== undefined) this.#end(map, 'pending', 'cancel')
    }
  }

  #end(map: Y.Map<unknown>, status: RunStatus, event: RunEvent): void {
    const end = RUN_TABLE[status][event]
    if (end === null) return
    map.set(KEY.status, end)
    // Noted here as well: of a run that is made and ended in one transaction there is no event.
    const id = recordAt(map, KEY.head)?.['id']
    if (typeof id === 'string') this.#ended.add(id)
    if (!(end in STEP_AT_END)) return
    for (const step of arrayAt(map, KEY.steps)?.toArray() ?? []) {
      if (step instanceof Y.Map && (step.get(KEY.status) ?? 'running') === 'running') {
        step.set(KEY.status, STEP_AT_END[end as keyof typeof STEP_AT_END])
      }
    }
  }
}
