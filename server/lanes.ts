/**
 * How inputs come to agents (SPEC §3): in which lane, what becomes of those that steer, those that wait for their author's
 * word, and those that their author changes, takes back or puts another in the place of; and when an agent's queue waits. Called by the clerk, within its
 * transaction: what was asked and what is decided are one update.
 *
 * More than 400 lines: what is asked about inputs, and what becomes of them by that, is decided in one place.
 */
import * as Y from 'yjs'
import { hasSeen, type Again } from '../shared/branches.ts'
import { cancelOf, readCancel, readHolder, readPause, type Pause } from '../shared/control.ts'
import { readMessageHead, readStamp, readWholePart } from '../shared/entries.ts'
import {
  arrayAt,
  asRecord,
  cancelKey,
  KEY,
  mapAt,
  pausedAgent,
  pausedKey,
  readAskKey,
  recordAt,
  type Ask,
  type SessionRoots,
} from '../shared/layout.ts'
import { MAX_ANSWERS, MAX_MESSAGE_CHARS } from '../shared/limits.ts'
import type { MessageHead } from '../shared/message.ts'
import { readParticipant, type Participant } from '../shared/participant.ts'
import { hasEnded, type RunStatus } from '../shared/run.ts'
import { readInputVerdict, type InputVerdict } from '../shared/verdict.ts'
import type { SessionIndex } from './session-index.ts'

export interface LanesOptions {
  readonly roots: SessionRoots
  /** Messages that have their place, and all runs; the clerk's own. */
  readonly index: SessionIndex
  /** Epoch milliseconds. */
  readonly now: () => number
  /** How old an input may be when it arrives and still start an agent by itself, in milliseconds. */
  readonly intentMs: number
  /** The agents that an input asks. */
  readonly route: (input: Input, active: readonly string[]) => Iterable<string>
  /** Makes the run of an input and its job, unless it is there. */
  readonly makeRun: (input: string, agent: string, urgent: boolean) => void
  /** Makes the n-th run of an input and its job, and gives its id; `asked` is whose wish it is. */
  readonly makeAnother: (run: Y.Map<unknown>, n: number, asked: Omit<Again, 'run' | 'seq'>) => string
  /** Ends a run that no worker has. */
  readonly endUnclaimed: (run: Y.Map<unknown>) => void
  /** Why a run must not be cancelled by somebody; null where it may be. */
  readonly objection: (run: string, by: Participant) => string | null
  /** Holds or lets go the job of a run. */
  readonly hold: (run: string, held: boolean) => void
}

/** A stamped message of a user. */
export interface Input {
  readonly map: Y.Map<unknown>
  readonly head: MessageHead
  readonly from: Participant
  /** How far the author's clock is behind the server's, in milliseconds. */
  readonly behindMs?: number
}

/**
 * Runs and inputs that all edits and wishes for another answer in one update may look through together for what they end: some
 * 20 ms. Nobody makes so many at once but to hold up the server; those above end nothing.
 */
const MAX_STEPS_BEHIND = 100_000

interface Steered {
  readonly run: string
  readonly message: string
  readonly step: number | undefined
}

export class Lanes {
  readonly #options: LanesOptions
  readonly #index: SessionIndex
  readonly #roots: SessionRoots
  /** Inputs whose verdict is `asks` or `steering`: something is still to come of them. */
  readonly #waiting = new Map<string, Y.Map<unknown>>()
  /** Keys of `control` that ask something, and how far the clock of who asks is behind, in milliseconds. */
  readonly #asked = new Map<string, number>()
  #steered: Steered[] = []
  /** What one update may still have looked through for what its edits leave behind. */
  #stepsLeft = MAX_STEPS_BEHIND

  constructor(options: LanesOptions) {
    this.#options = options
    this.#index = options.index
    this.#roots = options.roots
    for (const key of this.#roots.control.keys()) this.noteKey(key)
    for (const map of this.#roots.messages) {
      const id = map instanceof Y.Map ? readMessageHead(map)?.id : undefined
      const verdict = id === undefined ? undefined : readInputVerdict(map.get(KEY.verdict))
      if (id !== undefined && (verdict?.state === 'asks' || verdict?.state === 'steering')) this.#waiting.set(id, map)
    }
  }

  // ---- what is noted ------------------------------------------------------------------------------------------------

  /** A key of `control` has changed. */
  noteKey(key: string, behindMs = 0): void {
    const ask = readAskKey(key)?.ask
    if (ask !== undefined && ask !== 'answer') this.#asked.set(key, behindMs)
  }

  /** Something in a run has changed: maybe it took messages that steer it. */
  noteTask(event: Y.YEvent<Y.AbstractType<unknown>>): void {
    const run = event.target.parent
    if (!(run instanceof Y.Map) || run.get(KEY.steered) !== event.target) return
    const id = recordAt(run as Y.Map<unknown>, KEY.head)?.['id']
    for (const item of event.changes.added) {
      for (const entry of item.content.getContent() as unknown[]) {
        const { message, step } = asRecord(entry) ?? {}
        if (typeof id !== 'string' || typeof message !== 'string') continue
        this.#steered.push({ run: id, message, step: typeof step === 'number' ? step : undefined })
      }
    }
  }

  get isDue(): boolean {
    return this.#asked.size + this.#steered.length > 0
  }

  // ---- new inputs ---------------------------------------------------------------------------------------------------

  /** A user's message was stamped. Nothing comes of it while a human holds the session. */
  take(input: Input): void {
    const { head, map, from, behindMs = 0 } = input
    if (from.kind !== 'user' || head.role !== 'user' || !this.#agentsAnswer) return
    const { now, intentMs } = this.#options
    // What was cancelled with it starts nothing, and is shown as cancelled.
    const isCancelled = readCancel(this.#roots.control.get(cancelKey(head.id))) !== undefined
    if (now() - head.at - behindMs > intentMs && !isCancelled) {
      this.#judge(map, { state: 'asks', reason: 'stale', written: head.at })
      this.#waiting.set(head.id, map)
    } else {
      this.#start(input)
    }
  }

  #start(input: Input): void {
    const { map, head } = input
    const { makeRun, route } = this.#options
    const active = this.#activeRuns()
    const agents = [...new Set(route(input, [...active.keys()]))]
    if (head.lane === 'steer') {
      // One run: who steers means the newest of those under way.
      const runs = agents.flatMap((agent) => active.get(agent) ?? []).sort((a, b) => startOf(b) - startOf(a))
      const run = runs.find((each) => this.#cancelOf(each) === undefined)
      if (run !== undefined) {
        this.#judge(map, { state: 'steering', run: idOf(run) })
        this.#waiting.set(head.id, map)
        return
      }
      if (agents.length > 0) this.#judge(map, { state: 'queued', reason: runs.length > 0 ? 'run-ending' : 'no-run' })
    }
    const stopped = this.#edited(input)
    for (const agent of agents) {
      if (stopped.has(agent)) {
        makeRun(head.id, agent, true)
        continue
      }
      const run = head.lane === 'interrupt' ? active.get(agent) : undefined
      makeRun(head.id, agent, head.lane === 'interrupt' && (run === undefined || this.#interrupt(run, input)))
    }
  }

  /**
   * What somebody had set going, with messages from a place in the order on that they knew of, ends for what goes on in another
   * branch; others' runs go on. Gives the agents that are stopped.
   * @param next the message or run for which it ends.
   */
  #leaveBehind(since: number, { by, at, seen }: Omit<Again, 'run' | 'seq'>, from: Participant, next: string): Set<string> {
    const agents = new Set<string>()
    const isLeft = (map: Y.Map<unknown> | undefined): boolean => {
      this.#stepsLeft -= 1
      const stamp = map === undefined ? undefined : readStamp(map)
      const head = map === undefined || stamp?.by !== by || stamp.seq < since ? undefined : readMessageHead(map)
      if (stamp === undefined || head === undefined || head.id === next) return false
      return hasSeen({ by, at, seen }, { by, at: head.at, seq: stamp.seq })
    }
    for (const [id, map] of this.#waiting) {
      if (this.#stepsLeft <= 0) return agents
      if (isLeft(map)) this.#remove(id, map, by)
    }
    for (const run of this.#index.open()) {
      if (this.#stepsLeft <= 0) return agents
      if (isChild(run) || !isLeft(this.#find(inputOf(run)))) continue
      if (this.#stopFor(run, from, next)) agents.add(agentOf(run))
    }
    return agents
  }

  /** Asks a run to end, for something that takes its place. False where the policy does not let it. */
  #stopFor(run: Y.Map<unknown>, from: Participant, next: string): boolean {
    if (this.#cancelOf(run) !== undefined) return true
    if (this.#options.objection(idOf(run), from) !== null) return false
    this.#roots.control.set(cancelKey(idOf(run)), { by: from.id, at: this.#options.now(), for: next })
    return true
  }

  /** An edit goes before the queues of the agents that it stops. */
  #edited({ head, from }: Input): ReadonlySet<string> {
    const old = head.edits === undefined ? undefined : this.#find(head.edits)
    const stamp = old === undefined ? undefined : readStamp(old)
    if (stamp === undefined || stamp.by !== from.id) return new Set()
    return this.#leaveBehind(stamp.seq, { by: from.id, at: head.at, seen: head.seen ?? Infinity }, from, head.id)
  }

  /** Cancels what an agent is at for an input that goes before it. False where the policy does not let it. */
  #interrupt(run: Y.Map<unknown>, { map, head, from }: Input): boolean {
    const id = idOf(run)
    if (this.#cancelOf(run) !== undefined) return true
    const reason = this.#options.objection(id, from)
    if (reason !== null) {
      this.#judge(map, { state: 'queued', run: id, reason, by: from.id })
      return false
    }
    this.#roots.control.set(cancelKey(id), { by: from.id, at: this.#options.now(), for: head.id })
    return true
  }

  // ---- what runs have taken, and what is asked ----------------------------------------------------------------------

  settle(): void {
    for (const steered of this.#steered.splice(0)) this.#taken(steered)
    for (const [key, behindMs] of this.#asked) {
      const ask = readAskKey(key)
      const value = asRecord(this.#roots.control.get(key))
      const by = value?.['by']
      if (ask?.ask === 'regenerate') this.#regenerate(ask.target, value, behindMs)
      else if (ask !== null && typeof by === 'string') this.#answer(ask.ask, ask.target, by, value?.['text'])
      if (this.#roots.control.has(key)) this.#roots.control.delete(key)
    }
    this.#asked.clear()
    this.#stepsLeft = MAX_STEPS_BEHIND
  }

  /** Inputs that wait and were cancelled: nothing comes of them. */
  dropCancelled(): void {
    for (const [id, map] of this.#waiting) {
      const flag = readCancel(this.#roots.control.get(cancelKey(id)))
      if (flag !== undefined) this.#remove(id, map, flag.by)
    }
  }

  #taken({ run, message, step }: Steered): void {
    const map = this.#find(message)
    const verdict = map === undefined ? undefined : readInputVerdict(map.get(KEY.verdict))
    if (map === undefined || verdict?.run !== run) return
    // It was taken back when the worker had it already: what counts is that the agent has read it.
    const isLate = verdict.state === 'removed'
    if (verdict.state !== 'steering' && !isLate) return
    const late = isLate ? { reason: 'late', ...(verdict.by === undefined ? {} : { by: verdict.by }) } : {}
    this.#waiting.delete(message)
    this.#judge(map, { state: 'taken', run, ...(step === undefined ? {} : { step }), ...late })
  }

  #answer(ask: Ask, target: string, by: string, text: unknown): void {
    if (ask === 'resume') {
      this.#resume(target)
      return
    }
    const map = this.#find(target)
    // Only its author's word counts.
    if (map === undefined || readStamp(map)?.by !== by) return
    const verdict = readInputVerdict(map.get(KEY.verdict))
    if (verdict?.state === 'removed') return
    if (ask === 'confirm') {
      if (verdict?.state === 'asks') this.#confirm(target, map, by)
    } else if (ask === 'remove') {
      if (this.#waiting.has(target) || this.#isUnclaimed(target)) this.#remove(target, map, by)
      else this.#tooLate(target, map, by)
    } else if (ask === 'edit' && isWords(text)) {
      // One that steers may be on its way into the model at this moment.
      if (verdict?.state === 'steering') this.#judge(map, { ...verdict, reason: 'late', by, text })
      else if (verdict?.state === 'asks' || this.#isUnclaimed(target)) rewrite(map, text)
      else this.#tooLate(target, map, by, text)
    }
  }

  /** Another answer to what a run has answered, or is at: for the author of the input or for support, and one at a time. */
  #regenerate(id: string, value: Record<string, unknown> | undefined, behindMs: number): void {
    const { now, intentMs, objection, makeAnother } = this.#options
    const { by, at, seen = Number.MAX_SAFE_INTEGER } = value ?? {}
    const run = this.#index.runs.get(id)
    const input = run === undefined || isChild(run) ? undefined : this.#find(inputOf(run))
    if (run === undefined || input === undefined || typeof by !== 'string' || !this.#agentsAnswer) return
    const from = this.#participant(by)
    if (from === null || (readStamp(input)?.by !== by && from.kind !== 'support')) return
    // As with inputs: nothing begins by itself that was wanted so long ago. What was taken back was never asked.
    if (!(now() - Number(at) - behindMs <= intentMs) || readInputVerdict(input.get(KEY.verdict))?.state === 'removed') return
    const answers = this.#runsOf(inputOf(run)).filter((each) => agentOf(each) === agentOf(run))
    if (answers.length >= MAX_ANSWERS || isWaiting(run) || answers.some((each) => each !== run && !isOver(each))) return
    const isStopped = isOver(run) || this.#cancelOf(run) !== undefined
    if (!isStopped && objection(id, from) !== null) return
    this.#ofRunsOnly(inputOf(run))
    const asked = { by, at: Number(at), seen: Number(seen) }
    const another = makeAnother(run, answers.length + 1, asked)
    if (!isOver(run)) this.#stopFor(run, from, another)
    const reply = this.#index.replyOf(id)
    const stamp = reply === undefined ? undefined : readStamp(reply)
    if (stamp !== undefined) this.#leaveBehind(stamp.seq, asked, from, another)
  }

  /** A cancel of an input means the runs that it has, not those that are still to come. */
  #ofRunsOnly(input: string): void {
    const { control } = this.#roots
    const flag = readCancel(control.get(cancelKey(input)))
    if (flag === undefined) return
    control.delete(cancelKey(input))
    for (const run of this.#runsOf(input)) {
      if (this.#cancelOf(run) === undefined) control.set(cancelKey(idOf(run)), flag)
    }
  }

  #confirm(id: string, map: Y.Map<unknown>, by: string): void {
    const from = this.#participant(by)
    const head = readMessageHead(map)
    if (from === null || head === undefined) return
    this.#waiting.delete(id)
    map.delete(KEY.verdict)
    if (this.#agentsAnswer) this.#start({ map, head, from })
  }

  #remove(id: string, map: Y.Map<unknown>, by: string): void {
    const run = readInputVerdict(map.get(KEY.verdict))?.run
    this.#waiting.delete(id)
    this.#judge(map, { state: 'removed', by, ...(run === undefined ? {} : { run }) })
    for (const each of this.#runsOf(id)) this.#options.endUnclaimed(each)
  }

  #tooLate(id: string, map: Y.Map<unknown>, by: string, text?: string): void {
    const runs = this.#runsOf(id)
    const taken = runs.find(hasBegun)
    const verdict = readInputVerdict(map.get(KEY.verdict))
    const told = { reason: 'late', by, ...(text === undefined ? {} : { text }) }
    if (verdict?.state === 'taken') this.#judge(map, { ...verdict, ...told })
    else if (taken !== undefined) this.#judge(map, { state: 'taken', run: idOf(taken), ...told })
    // Cancelled before anybody had it. One that asks nobody is no input.
    else if (runs.length > 0 && text !== undefined) this.#judge(map, { state: 'removed', ...told })
  }

  // ---- when runs end ------------------------------------------------------------------------------------------------

  /** What was to steer a run that has ended becomes an ordinary input of its agent. True when there was any. */
  release(ended: ReadonlySet<string>): boolean {
    let released = false
    for (const [id, map] of this.#waiting) {
      const verdict = readInputVerdict(map.get(KEY.verdict))
      if (verdict?.state !== 'steering' || !ended.has(verdict.run ?? '')) continue
      released = true
      this.#waiting.delete(id)
      const agent = recordAt(this.#index.runs.get(verdict.run ?? '') ?? map, KEY.head)?.['agent']
      const isAsked = this.#agentsAnswer && typeof agent === 'string'
      this.#judge(map, { state: 'queued', run: verdict.run ?? '', reason: isAsked ? 'run-ended' : 'human' })
      if (isAsked) this.#options.makeRun(id, agent, false)
    }
    return released
  }

  /**
   * An agent's queue waits when somebody has stopped the agent, or its run has failed: what comes next may build on that.
   * Not after an interrupt, and not where nothing waits; what is asked later does not wait.
   */
  pause(ended: ReadonlySet<string>): void {
    const { ledger } = this.#roots
    for (const id of ended) {
      const run = this.#index.runs.get(id)
      if (run === undefined || !run.has(KEY.lease) || isChild(run)) continue
      const status = run.get(KEY.status)
      const cancel = status === 'cancelled' ? this.#cancelOf(run) : undefined
      if (status !== 'error' && (cancel === undefined || cancel.for !== undefined)) continue
      const agent = agentOf(run)
      const held = [...this.#index.open()].filter((each) => agentOf(each) === agent && isWaiting(each)).map(idOf)
      if (held.length === 0) continue
      const by = cancel === undefined ? {} : { by: cancel.by }
      const pause: Pause = {
        at: this.#options.now(),
        reason: status === 'error' ? 'error' : 'cancelled',
        run: id,
        ...by,
        held,
      }
      ledger.set(pausedKey(agent), pause)
      for (const each of held) this.#options.hold(each, true)
    }
    // What waited was removed or cancelled: there is nothing to go on with.
    for (const [key, value] of ledger) {
      const waits = (id: string): boolean => isWaiting(this.#index.runs.get(id))
      if (pausedAgent(key) !== null && readPause(value)?.held.some(waits) !== true) ledger.delete(key)
    }
  }

  #resume(agent: string): void {
    const { ledger } = this.#roots
    const pause = readPause(ledger.get(pausedKey(agent)))
    if (pause === undefined) return
    ledger.delete(pausedKey(agent))
    for (const run of pause.held) if (isWaiting(this.#index.runs.get(run))) this.#options.hold(run, false)
  }

  // ---- reading ------------------------------------------------------------------------------------------------------

  #judge(map: Y.Map<unknown>, verdict: Omit<InputVerdict, 'at'>): void {
    map.set(KEY.verdict, { ...verdict, at: this.#options.now() })
  }

  #participant(id: string): Participant | null {
    return readParticipant(mapAt(this.#roots.ledger, KEY.participants)?.get(id))
  }

  get #agentsAnswer(): boolean {
    return readHolder(this.#roots.ledger.get(KEY.holder)).state === 'agents'
  }

  /** The run that each agent is at, or is just given; of an agent that is at several, by children of others, its own. */
  #activeRuns(): ReadonlyMap<string, Y.Map<unknown>> {
    const active = new Map<string, Y.Map<unknown>>()
    for (const run of this.#index.leased()) if (!isChild(run)) active.set(agentOf(run), run)
    return active
  }

  #cancelOf(run: Y.Map<unknown>): ReturnType<typeof cancelOf> {
    return cancelOf(this.#roots.control, idOf(run), inputOf(run))
  }

  #runsOf(input: string): readonly Y.Map<unknown>[] {
    return this.#index.runsOf(input).filter((run) => !isChild(run))
  }

  /** It stands in a queue, and none of its runs has ever been anybody's. */
  #isUnclaimed(input: string): boolean {
    const runs = this.#runsOf(input)
    return runs.some(isWaiting) && !runs.some(hasBegun)
  }

  #find(id: string): Y.Map<unknown> | undefined {
    return this.#index.message(id)
  }
}

const textAt = (run: Y.Map<unknown>, key: string): string => {
  const value = recordAt(run, KEY.head)?.[key]
  return typeof value === 'string' ? value : ''
}
const idOf = (run: Y.Map<unknown>): string => textAt(run, 'id')
const agentOf = (run: Y.Map<unknown>): string => textAt(run, 'agent')
const inputOf = (run: Y.Map<unknown>): string => textAt(run, 'input')
const isChild = (run: Y.Map<unknown>): boolean => textAt(run, 'parent') !== ''
const isOver = (run: Y.Map<unknown>): boolean => hasEnded(run.get(KEY.status) as RunStatus)

function startOf(run: Y.Map<unknown>): number {
  const at = recordAt(run, KEY.head)?.['at']
  return typeof at === 'number' ? at : 0
}

/** A worker has it, or had it. */
function hasBegun(run: Y.Map<unknown>): boolean {
  const attempt = run.get(KEY.attempt)
  return run.has(KEY.lease) || (run.get(KEY.status) !== 'pending' && !isOver(run)) || (typeof attempt === 'number' && attempt > 1)
}

/** It stands in its agent's queue. */
function isWaiting(run: Y.Map<unknown> | undefined): boolean {
  return run !== undefined && run.get(KEY.status) === 'pending' && !hasBegun(run) && !isChild(run)
}

function isWords(text: unknown): text is string {
  return typeof text === 'string' && text.trim() !== '' && text.length <= MAX_MESSAGE_CHARS
}

/** Puts a text in the place of those that a message has; its other parts stay. */
function rewrite(map: Y.Map<unknown>, text: string): void {
  const parts = arrayAt(map, KEY.parts)
  if (parts === undefined) return
  const rest = parts.toArray().filter((part) => readWholePart(part)?.type !== 'text')
  parts.delete(0, parts.length)
  parts.push([{ type: 'text', text }, ...rest])
}
