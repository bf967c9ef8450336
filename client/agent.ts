/**
 * The agent side: a worker that is given runs by the server and joins their sessions as a Yjs peer, all over one socket.
 *
 * More than 400 lines: the worker and the sessions that it joins share one socket and one life.
 */
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { type CloseReason, type Report } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { KEY, recordAt, rootsOf } from '../shared/layout.ts'
import { controlDocument, type LeaseRef, type ServerMessage } from '../shared/wire.ts'
import { checkOptions, type AgentOptions } from './agent-options.ts'
import { AgentRun } from './agent-run.ts'
import { AgentSessions, refusal, type ConnectionEvents, type Joined } from './agent-sessions.ts'
import { Connection, type ConnectionState } from './connection.ts'
import type { Session } from './session.ts'
import { Socket } from './socket.ts'

export type { AgentOptions } from './agent-options.ts'
export type { ApprovalRequest, ModelStream, StreamOptions } from './run-calls.ts'
export type { AgentRun } from './agent-run.ts'
export type { StepHandle } from './run-steps.ts'
export type { Session } from './session.ts'
export type { SpawnedRun, SpawnEnd } from './spawn.ts'
export { SessionError } from '../shared/errors.ts'
export { textOf, type Message } from '../shared/message.ts'
export type { ModelMessage } from '../shared/model-messages.ts'
export type { Usage } from '../shared/streams/usage.ts'
export type { StreamEnd } from '../shared/ui-stream.ts'

export interface Agent {
  readonly name: string
  readonly connection: ConnectionState
  /** Ids of the runs that this worker is at. */
  readonly runs: readonly string[]
  /** Calls `listener` when `connection` or `runs` change; gives the function that ends it. */
  subscribe(listener: () => void): () => void
  /** Interrupts what it is at, or lets another worker go on with it (`onLapse`), waits up to `timeoutMs` (default 5,000) until that is stored, and disconnects. */
  close(timeoutMs?: number): Promise<void>
}

/** Starts a worker. It reconnects by itself, and keeps its runs while it does. */
export function createAgent(options: AgentOptions): Agent {
  checkOptions(options)
  return new Worker(options)
}

/** How long a run may take to appear in its session after it was assigned. */
const APPEAR_MS = 15_000
/** Well below a lease: after an outage of the server a worker must be back while it still holds its runs. */
const LONGEST_RETRY_MS = 2_000
/** Heartbeats per lease: two may be lost. */
const RENEWALS = 3

/** Number of the mark behind a release; a probe of the socket has 0. */
const RELEASED = 1

interface Held {
  readonly generation: number
  /** The one under which the server takes what is written: until it is told, that of an attempt before. */
  writesAs: number
  joined: Joined | null
  run: AgentRun | null
  lost: boolean
}

class Worker implements Agent {
  readonly name: string
  readonly #options: AgentOptions
  readonly #report: Report
  /** New for each process: a restarted worker is another one, and holds no lease. */
  readonly #worker = newId()
  readonly #socket: Socket
  readonly #control: Connection
  readonly #controlDoc = new Y.Doc()
  readonly #controlAwareness = new Awareness(this.#controlDoc)
  readonly #sessions: AgentSessions
  readonly #held = new Map<string, Held>()
  readonly #listeners = new Set<() => void>()
  #state: ConnectionState = 'offline'
  #heartbeat: ReturnType<typeof setInterval> | undefined
  #closed = false
  #onMarked = (): void => {}

  constructor(options: AgentOptions) {
    this.name = options.name
    this.#options = options
    this.#report = options.onError ?? ((error, { stage }) => console.error(`polylogue agent ${options.name}:`, stage, error))
    this.#socket = new Socket(options.url, LONGEST_RETRY_MS)
    this.#sessions = new AgentSessions({
      url: options.url,
      connect: (...of) => this.#connect(...of),
      token: () => this.#token(),
      report: this.#report,
      onRefused: (session) => this.#abandon(session),
    })
    this.#control = this.#connect(controlDocument(options.name), this.#controlDoc, this.#controlAwareness, {
      onState: (state, reason) => this.#setState(state, reason),
      onMessage: (message) => this.#receive(message),
    })
  }

  get connection(): ConnectionState {
    return this.#state
  }

  get runs(): readonly string[] {
    return [...this.#held.keys()]
  }

  subscribe(listener: () => void): () => void {
    const entry = (): void => listener()
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  async close(timeoutMs = 5_000): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const goesOn = (this.#options.onLapse ?? 'interrupt') !== 'interrupt'
    const left = this.#leases()
    // Nothing new meanwhile.
    this.#introduce(0)
    for (const held of this.#held.values()) {
      if (goesOn) held.run?.release()
      else held.run?.interrupt()
    }
    const released = this.#sessions.stored().then(() => this.#release(left))
    let timer: ReturnType<typeof setTimeout> | undefined
    await Promise.race([released, new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs)))])
    clearTimeout(timer)
    clearInterval(this.#heartbeat)
    this.#sessions.close()
    this.#control.close()
    this.#socket.destroy()
    this.#controlDoc.destroy()
  }

  // ---- the control document -----------------------------------------------------------------------------------------

  /** Gives leases back; resolves when the server has heard of it, which it may never do. Those of ended runs have no effect. */
  async #release(leases: readonly LeaseRef[]): Promise<void> {
    if (leases.length === 0 || !this.#control.send({ t: 'release', leases })) return
    await new Promise<void>((resolve) => {
      this.#onMarked = resolve
      if (!this.#control.send({ t: 'mark', n: RELEASED })) resolve()
    })
  }

  #receive(message: ServerMessage): void {
    if (message.t === 'assign') void this.#work(message)
    else if (message.t === 'lost') this.#lose(message.run, message.generation)
    else if (message.t === 'marked' && message.n === RELEASED) this.#onMarked()
  }

  #setState(state: ConnectionState, reason: CloseReason | null): void {
    this.#state = state
    if (state === 'refused') this.#report(refusal(this.name, reason), { stage: 'connect' })
    if (state === 'live') {
      this.#introduce(this.#closed ? 0 : (this.#options.slots ?? 100))
    }
    this.#tell()
  }

  /** Also with leases that are lost: what was written under them may still be on its way. */
  #introduce(slots: number): void {
    const { onLapse, maxAttempts } = this.#options
    const leases = [...this.#held].map(([run, { writesAs }]) => ({ run, generation: writesAs }))
    this.#control.send({
      t: 'worker',
      worker: this.#worker,
      slots,
      leases,
      ...(onLapse === undefined ? {} : { onLapse }),
      ...(maxAttempts === undefined ? {} : { maxAttempts }),
    })
  }

  /** Leases that it can do something with. */
  #leases(): LeaseRef[] {
    const own = [...this.#held].filter(([, held]) => !held.lost && held.writesAs === held.generation)
    return own.map(([run, { generation }]) => ({ run, generation }))
  }

  /** Also when it has no lease: the server gives nothing to a worker that may be stuck. */
  #beat(leaseMs: number): void {
    this.#heartbeat ??= setInterval(() => this.#control.send({ t: 'renew', leases: this.#leases() }), leaseMs / RENEWALS)
  }

  #lose(run: string, generation: number): void {
    const held = this.#held.get(run)
    if (held === undefined || held.generation !== generation) return
    held.lost = true
    held.run?.lose()
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener()
      } catch (error) {
        this.#report(error, { stage: 'listener', topic: 'agent' })
      }
    }
  }

  // ---- runs ---------------------------------------------------------------------------------------------------------

  async #work(message: Extract<ServerMessage, { t: 'assign' }>): Promise<void> {
    const { run: id, session: sessionId, generation, leaseMs } = message
    const before = this.#held.get(id)
    if (this.#closed || before?.generation === generation) return
    const held: Held = { generation, writesAs: before?.writesAs ?? generation, joined: null, run: null, lost: false }
    this.#held.set(id, held)
    this.#beat(leaseMs)
    this.#tell()
    try {
      if (generation > 1 && !(await this.#takeOver(id, before, held))) return
      await this.#settle(sessionId)
      // A replica that is refused for what another run has written there, before this one has begun: a fresh one will do.
      if (!(await this.#in(sessionId, id, held))) await this.#in(sessionId, id, held)
    } catch (error) {
      if (!this.#closed) this.#report(error, { stage: 'run', run: id })
    } finally {
      if (this.#held.get(id) === held) this.#held.delete(id)
      this.#tell()
    }
  }

  /** Does a run in its session. False when that was refused before the run had begun, though it had been let in. */
  async #in(session: string, id: string, held: Held): Promise<boolean> {
    const joined = this.#sessions.join(session)
    held.joined = joined
    let isLive = false
    try {
      await joined.live
      isLive = true
      await this.#do(joined, id, held)
      await joined.stored()
      return true
    } catch (error) {
      if (joined.failed && isLive && held.run === null) return false
      throw error
    } finally {
      this.#sessions.leave(joined)
    }
  }

  /** What was written in a session under leases that are lost reaches its end first, stored or refused with its replica. */
  async #settle(session: string): Promise<void> {
    const lost = [...this.#held.values()].filter(({ joined, lost }) => lost && joined?.session.id === session)
    for (const { joined } of lost) await joined?.stored().catch(() => {})
  }

  /**
   * Somebody has had the run before, perhaps this worker. What it has written under the old lease reaches its end first,
   * stored or refused (then with its replica); from there on it writes under the new one, and says so. False when that has
   * been lost as well.
   */
  async #takeOver(id: string, before: Held | undefined, held: Held): Promise<boolean> {
    if (before !== undefined) {
      before.lost = true
      before.run?.lose()
      await before.joined?.stored().catch(() => {})
    }
    if (this.#closed || this.#held.get(id) !== held) return false
    held.writesAs = held.generation
    // A connection that does not stand says so when it does.
    if (this.#state === 'live') this.#control.send({ t: 'renew', leases: [{ run: id, generation: held.generation }] })
    return !held.lost
  }

  async #do(joined: Joined, id: string, held: Held): Promise<void> {
    const found = await Promise.race([this.#appear(joined, id, held.generation), joined.refused])
    if (found === null || joined.failed || held.lost || this.#closed) return
    const run = new AgentRun({
      session: joined.session,
      doc: joined.doc,
      ...found,
      agent: this.name,
      now: Date.now,
      flushEveryMs: this.#options.flushEveryMs,
      blobs: joined.blobs,
      stored: joined.stored,
    })
    held.run = run
    await run.untilReturned().catch(() => {})
    // Cancelled before anybody was there to hear it: the handler is never called.
    if (!run.start()) return
    joined.session.presence.set({ run: id })
    try {
      await this.#options.run(run)
      await run.untilReturned()
      run.complete()
    } catch (error) {
      if (!run.over) {
        run.fail(error)
        this.#report(error, { stage: 'run', run: id })
      }
    } finally {
      joined.session.presence.set({ run: null })
    }
  }

  /** The run and its input, once they are in the session, with this worker's lease; null when they do not come. */
  #appear(
    joined: Joined,
    id: string,
    generation: number,
  ): Promise<Pick<ConstructorParameters<typeof AgentRun>[0], 'run' | 'input'> | null> {
    const { session } = joined
    return new Promise((resolve) => {
      const look = (): void => {
        const run = session.run(id)
        const input = run === undefined ? undefined : session.message(run.input)
        if (run === undefined || input === undefined || leasedAs(joined.doc, id) !== generation) return
        done({ run, input })
      }
      const done = (value: Parameters<typeof resolve>[0]): void => {
        clearTimeout(timer)
        unsubscribe()
        resolve(value)
      }
      const timer = setTimeout(() => done(null), APPEAR_MS)
      const unsubscribe = session.subscribe(look)
      look()
    })
  }

  /**
   * The server has refused what was written here (a lease that went to somebody else meanwhile): nothing of this replica can
   * reach it any more. Runs here are lost, and the next one gets a fresh replica.
   */
  #abandon(session: Session): void {
    const lost: LeaseRef[] = []
    for (const [run, held] of this.#held) {
      if (held.run?.session !== session) continue
      if (!held.lost) lost.push({ run, generation: held.generation })
      held.lost = true
      held.run.lose()
    }
    // Whoever else is to have them need not wait for their leases to run out.
    if (lost.length > 0) this.#control.send({ t: 'release', leases: lost })
  }

  #connect(name: string, doc: Y.Doc, awareness: Awareness, on: ConnectionEvents): Connection {
    return new Connection({ socket: this.#socket, name, doc, awareness, token: () => this.#token(), report: this.#report, ...on })
  }

  async #token(): Promise<string> {
    const { token } = this.#options
    return typeof token === 'string' ? token : await token()
  }
}

/** Generation of the lease that a run has, as far as this replica knows. */
function leasedAs(doc: Y.Doc, id: string): unknown {
  for (const run of rootsOf(doc).tasks) {
    if (run instanceof Y.Map && recordAt(run, KEY.head)?.['id'] === id) return recordAt(run, KEY.lease)?.['generation']
  }
  return undefined
}
