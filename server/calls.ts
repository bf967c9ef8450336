/**
 * Calls that wait for a person, in one session: which tab does a client's call, which answer counts, and when the time is up.
 * All of it is decided here and written into the document, so that every replica sees one decision (SPEC §4).
 *
 * A call is open while its part says that it waits, has no answer, and its run has not ended. What is kept here is an index of
 * the open ones, made when their run says what it waits for, and again when the session is loaded; a token costs nothing here.
 */
import * as Y from 'yjs'
import { callIdOf, readAnswerAsk, readClaim, readWaits, type Answer, type AnswerAsk, type Waits } from '../shared/calls.ts'
import { readMessageHead, readStamp } from '../shared/entries.ts'
import type { Report } from '../shared/errors.ts'
import { arrayAt, asRecord, KEY, recordAt, type Entry, type SessionRoots } from '../shared/layout.ts'
import { MAX_INLINE_BYTES } from '../shared/limits.ts'
import type { Participant } from '../shared/participant.ts'
import { utf8Bytes } from '../shared/reference.ts'
import { hasEnded, type RunStatus } from '../shared/run.ts'

/** A yes or no that somebody has given, as the policy sees it. */
export interface ApprovalAnswer {
  readonly session: string
  readonly run: string
  readonly agent: string
  /** Who answers. */
  readonly from: Participant
  /** Id of the participant whose input the run answers. */
  readonly asker: string | undefined
  readonly approved: boolean
  readonly reason: string | undefined
  /** Name of the tool whose call waits; null for an approval that the agent asked for by itself. */
  readonly tool: string | null
  /** The input of that call, or the data of the approval (`title`, `detail`, …); written by the agent. */
  readonly about: unknown
}

/** Says whether an answer to an approval counts: true, or false or why not, which whoever answered is shown. */
export type MayApprove = (answer: ApprovalAnswer) => boolean | string

export interface CallsOptions {
  readonly session: string
  readonly roots: SessionRoots
  /** Runs by id. */
  readonly runs: ReadonlyMap<string, Entry>
  /** Epoch milliseconds. */
  readonly now: () => number
  /** How long a tab has a call without asking again, in milliseconds. */
  readonly leaseMs: number
  readonly mayApprove: MayApprove
  readonly report: Report
  /** Runs `write` in a transaction of the server's. */
  readonly transact: (write: () => void) => void
}

interface Call {
  readonly message: string
  readonly id: string
  readonly part: Entry
  readonly run: Entry
  readonly waits: Waits
  readonly asker: string | undefined
  lease: NodeJS.Timeout | undefined
  deadline: NodeJS.Timeout | undefined
}

/** Longest time that a timer can be set to. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export class Calls {
  readonly #options: CallsOptions
  readonly #open = new Map<string, Call>()
  /** Answers that have come, by their key, and whose they are. */
  #asked: { readonly key: string; readonly from: Participant }[] = []
  /** Runs that wait for something new. */
  readonly #waiting = new Set<Entry>()

  constructor(options: CallsOptions) {
    this.#options = options
  }

  /** There is something to decide at the next `settle`. */
  get hasWork(): boolean {
    return this.#asked.length + this.#waiting.size > 0
  }

  destroy(): void {
    for (const call of this.#open.values()) this.#forget(call)
    this.#waiting.clear()
  }

  /** A run has changed its status or what it waits for. */
  look(run: Entry): void {
    const status = run.get(KEY.status) as RunStatus
    if (hasEnded(status)) {
      for (const call of this.#open.values()) if (call.run === run) this.#forget(call)
      // What an earlier attempt has asked stays open until the next one comes to it.
    } else if (status === 'suspended' || run.has(KEY.attempt)) this.#waiting.add(run)
  }

  /** Somebody has asked for an answer to be taken. */
  note(key: string, from: Participant): void {
    this.#asked.push({ key, from })
  }

  /** Decides on what has come. To be called within a transaction of the server's. */
  settle(): void {
    for (const run of this.#waiting) this.#index(run)
    this.#waiting.clear()
    const { control } = this.#options.roots
    for (const { key, from } of this.#asked.splice(0)) {
      const ask = readAnswerAsk(control.get(key))
      control.delete(key)
      const call = ask === undefined ? undefined : this.#find(ask.message, ask.call)
      if (ask !== undefined && call !== undefined) this.#judge(call, ask, from)
    }
  }

  /** A tab asks for a client's call, or says that it is still at it. What it may not have has no effect. */
  claim(from: Participant, message: string, id: string, tab: string): void {
    const call = this.#find(message, id)
    if (call === undefined || call.waits.for !== 'client' || from.kind !== 'user' || from.id !== call.asker) return
    const now = readClaim(call.part.get(KEY.claim))
    if (now?.tab !== undefined && now.tab !== tab) return
    if (now?.tab === undefined) {
      const { leaseMs, transact } = this.#options
      transact(() => call.part.set(KEY.claim, { tab, by: from.id, n: (now?.n ?? 0) + 1, leaseMs }))
    }
    this.#lend(call)
  }

  // ---- the index ----------------------------------------------------------------------------------------------------

  #find(message: string, id: string): Call | undefined {
    const call = this.#open.get(keyOf(message, id))
    if (call === undefined) return undefined
    const isOver =
      call.part._item?.deleted !== false || call.part.has(KEY.answer) || hasEnded(call.run.get(KEY.status) as RunStatus)
    if (!isOver) return call
    this.#forget(call)
    return undefined
  }

  /** Takes in the parts of a run's reply that wait; gives each its deadline. */
  #index(run: Entry): void {
    const id = recordAt(run, KEY.head)?.['id']
    for (const entry of this.#options.roots.messages) {
      const head = entry instanceof Y.Map ? readMessageHead(entry) : undefined
      if (head === undefined || head.run !== id) continue
      for (const part of arrayAt(entry, KEY.parts)?.toArray() ?? []) {
        if (part instanceof Y.Map) this.#take(head.id, part as Entry, run)
      }
    }
  }

  #take(message: string, part: Entry, run: Entry): void {
    const waits = readWaits(part.get(KEY.waits))
    const id = callIdOf(part)
    if (waits === undefined || id === undefined || part.has(KEY.answer)) return
    const key = keyOf(message, id)
    const known = this.#open.get(key)
    if (known?.part === part) return
    // Some providers number the calls of each step anew: the later one is meant.
    if (known !== undefined) this.#forget(known)
    const call: Call = { message, id, part, run, waits, asker: this.#askerOf(run), lease: undefined, deadline: undefined }
    this.#open.set(key, call)
    if (waits.expiresInMs !== undefined && typeof part.get(KEY.due) !== 'number') {
      part.set(KEY.due, this.#options.now() + waits.expiresInMs)
    }
    this.#watch(call)
    // After a start: the tab could not be heard meanwhile, and gets its full time again.
    if (readClaim(part.get(KEY.claim))?.tab !== undefined) this.#lend(call)
  }

  /** Whose input it is that the run, or the one that asked for it, answers. */
  #askerOf(run: Entry): string | undefined {
    const { runs, roots } = this.#options
    let head = recordAt(run, KEY.head)
    for (let depth = 0; typeof head?.['parent'] === 'string' && depth < 16; depth++) {
      const parent = runs.get(head['parent'])
      if (parent === undefined) break
      head = recordAt(parent, KEY.head)
    }
    for (const entry of roots.messages) {
      const stamp = entry instanceof Y.Map ? readStamp(entry) : undefined
      if (stamp !== undefined && readMessageHead(entry)?.id === head?.['input']) return stamp.by
    }
    return undefined
  }

  #forget(call: Call): void {
    clearTimeout(call.lease)
    clearTimeout(call.deadline)
    this.#open.delete(keyOf(call.message, call.id))
  }

  // ---- time ---------------------------------------------------------------------------------------------------------

  /** Lets the tab that has the call have it for a full lease from now. */
  #lend(call: Call): void {
    clearTimeout(call.lease)
    call.lease = setTimeout(() => {
      const claim = readClaim(call.part.get(KEY.claim))
      if (this.#find(call.message, call.id) !== call || claim === undefined) return
      const { leaseMs, transact } = this.#options
      transact(() => call.part.set(KEY.claim, { n: claim.n, leaseMs }))
    }, this.#options.leaseMs)
  }

  #watch(call: Call): void {
    const due = call.part.get(KEY.due)
    if (typeof due !== 'number') return
    const waitMs = Math.min(LONGEST_TIMER_MS, Math.max(0, due - this.#options.now()))
    call.deadline = setTimeout(() => {
      if (this.#find(call.message, call.id) !== call) return
      if (due > this.#options.now()) return this.#watch(call)
      this.#options.transact(() => this.#write(call, expired(call.waits, this.#options.now())))
    }, waitMs)
  }

  // ---- answers ------------------------------------------------------------------------------------------------------

  #judge(call: Call, ask: AnswerAsk, from: Participant): void {
    const at = this.#options.now()
    const { output, errorText, approved } = ask
    const reason = typeof ask.reason === 'string' ? ask.reason : undefined
    const due = call.part.get(KEY.due)
    // Its timer may be late: after a start, behind other work, by a clock that was set.
    if (typeof due === 'number' && due <= at) return this.#write(call, expired(call.waits, at))
    if (call.waits.for === 'approval') {
      if (typeof approved !== 'boolean') return
      const refusal = this.#refusal(call, from, approved, reason)
      if (refusal !== null) call.part.set(KEY.verdict, { by: from.id, at, ...(refusal === '' ? {} : { reason: refusal }) })
      else this.#write(call, { by: from.id, at, approved, ...(reason === undefined ? {} : { reason }) })
      return
    }
    // What a tab did under a claim that another one has by now was done twice: the other one's counts.
    const isLate = ask.claim !== undefined && ask.claim !== readClaim(call.part.get(KEY.claim))?.n
    if (from.kind !== 'user' || from.id !== call.asker || isLate) return
    if (output === undefined && typeof errorText !== 'string') return
    const result = output === undefined ? { errorText } : { output }
    if (utf8Bytes(JSON.stringify(result)) > MAX_INLINE_BYTES + 1_024) {
      call.part.set(KEY.verdict, { by: from.id, at, reason: `An answer may have ${MAX_INLINE_BYTES} bytes in the document.` })
      return
    }
    this.#write(call, { by: from.id, at, ...result } as Answer)
  }

  /** Null where the answer counts, else why not. */
  #refusal({ part, run, asker }: Call, from: Participant, approved: boolean, reason: string | undefined): string | null {
    if (from.kind !== 'user' && from.kind !== 'support') return ''
    const { session, mayApprove, report } = this.#options
    const { id, agent } = recordAt(run, KEY.head) ?? {}
    const tool = toolOf(part)
    const about = tool === null ? asRecord(recordAt(part, KEY.more)?.['data']) : part.get(KEY.input)
    try {
      const may: unknown = mayApprove({
        session,
        run: String(id),
        agent: String(agent),
        from,
        asker,
        approved,
        reason,
        tool,
        about,
      })
      return may === true ? null : typeof may === 'string' ? may : ''
    } catch (error) {
      report(error, { stage: 'mayApprove', session })
      return ''
    }
  }

  #write(call: Call, answer: Answer): void {
    call.part.set(KEY.answer, answer)
    this.#forget(call)
  }
}

/** The answer of nobody. */
function expired({ for: kind }: Waits, at: number): Answer {
  if (kind === 'client') return { at, expired: true, errorText: 'Nobody answered in time.' }
  return { at, expired: true, approved: false, reason: 'Nobody answered in time.' }
}

/** Name of the tool that a part calls; null for a part that is no tool call. */
function toolOf(part: Entry): string | null {
  const { type, toolName } = recordAt(part, KEY.head) ?? {}
  if (type === 'dynamic-tool') return typeof toolName === 'string' ? toolName : ''
  return typeof type === 'string' && type.startsWith('tool-') ? type.slice('tool-'.length) : null
}

function keyOf(message: string, id: string): string {
  return JSON.stringify([message, id])
}
