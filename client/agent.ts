/**
 * The agent side: a worker that is given runs by the server and joins their sessions as a Yjs peer, all over one socket.
 */
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { CLOSE_REASONS, SessionError, type CloseReason, type Report } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { AGENT_NAME } from '../shared/limits.ts'
import { controlDocument, type LeaseRef, type ServerMessage } from '../shared/wire.ts'
import { AgentRun } from './agent-run.ts'
import { Connection, type ConnectionState } from './connection.ts'
import { participantOf } from './identity.ts'
import { Presence } from './presence.ts'
import { Session } from './session.ts'
import { Socket } from './socket.ts'
import { StoredWrites } from './stored.ts'

export type { AgentRun, StepHandle } from './agent-run.ts'
export type { Session } from './session.ts'
export { SessionError } from '../shared/errors.ts'
export { textOf, type Message } from '../shared/message.ts'

export interface AgentOptions {
  /** The server's address, for example `ws://127.0.0.1:8787/sync`. */
  readonly url: string
  /** A token of kind `agent` whose subject is `name`, or a function that fetches one. */
  readonly token: string | (() => string | Promise<string>)
  /** The agent's name. Several processes with one name share its work: each input goes to one of them. */
  readonly name: string
  /**
   * Does one run. The run is complete when it returns, an error when it throws. Must end soon after `run.signal` fires.
   */
  readonly run: (run: AgentRun) => Promise<void> | void
  /** Runs at a time in this process. Default 100. */
  readonly slots?: number
  /** Longest time that streamed text waits for more before it is sent. Default 24 ms, 0 to 1,000. */
  readonly flushEveryMs?: number
  /** Where background failures go, and what the handler throws. Default: `console.error`. */
  readonly onError?: Report
}

export interface Agent {
  readonly name: string
  readonly connection: ConnectionState
  /** Ids of the runs that this worker is at. */
  readonly runs: readonly string[]
  /** Calls `listener` when `connection` or `runs` change; gives the function that ends it. */
  subscribe(listener: () => void): () => void
  /** Interrupts what it is at, waits up to `timeoutMs` (default 5,000) until that is stored, and disconnects. */
  close(timeoutMs?: number): Promise<void>
}

/** Starts a worker. It reconnects by itself, and keeps its runs while it does. */
export function createAgent(options: AgentOptions): Agent {
  if (typeof options.run !== 'function') throw new SessionError('bad-argument', 'createAgent needs a function `run`.')
  if (!AGENT_NAME.test(options.name)) {
    throw new SessionError(
      'bad-argument',
      `An agent's name is 1 to 64 of A-Z a-z 0-9 _ -; it is ${JSON.stringify(options.name)}.`,
    )
  }
  const { slots = 1, flushEveryMs = 0 } = options
  if (!Number.isSafeInteger(slots) || slots < 1)
    throw new SessionError('bad-argument', `slots must be 1 or more; it is ${slots}.`)
  if (!(flushEveryMs >= 0 && flushEveryMs <= 1_000)) {
    throw new SessionError('bad-argument', `flushEveryMs must be 0 to 1,000; it is ${flushEveryMs}.`)
  }
  return new Worker(options)
}

/** How long a session stays open after its last run here: the next input often comes soon. */
const LINGER_MS = 30_000
/** How long a run may take to appear in its session after it was assigned. */
const APPEAR_MS = 15_000
/** Well below a lease: after an outage of the server a worker must be back while it still holds its runs. */
const LONGEST_RETRY_MS = 2_000
/** Heartbeats per lease: two may be lost. */
const RENEWALS = 3

interface Joined {
  readonly session: Session
  readonly doc: Y.Doc
  readonly live: Promise<void>
  readonly stored: () => Promise<void>
  readonly close: () => void
  /** It was refused, or there was no token for it: the next run opens it anew. */
  failed: boolean
  users: number
  linger: ReturnType<typeof setTimeout> | undefined
}

interface Held {
  readonly generation: number
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
  readonly #sessions = new Map<string, Joined>()
  readonly #held = new Map<string, Held>()
  readonly #listeners = new Set<() => void>()
  #state: ConnectionState = 'offline'
  #heartbeat: ReturnType<typeof setInterval> | undefined
  #closed = false

  constructor(options: AgentOptions) {
    this.name = options.name
    this.#options = options
    this.#report = options.onError ?? ((error, { stage }) => console.error(`polylogue agent ${options.name}:`, stage, error))
    this.#socket = new Socket(options.url, LONGEST_RETRY_MS)
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
    for (const held of this.#held.values()) held.run?.interrupt()
    const stored = Promise.allSettled([...this.#sessions.values()].map((joined) => joined.stored()))
    let timer: ReturnType<typeof setTimeout> | undefined
    await Promise.race([stored, new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs)))])
    clearTimeout(timer)
    clearInterval(this.#heartbeat)
    for (const joined of this.#sessions.values()) joined.close()
    this.#control.close()
    this.#socket.destroy()
    this.#controlDoc.destroy()
  }

  // ---- the control document -----------------------------------------------------------------------------------------

  #receive(message: ServerMessage): void {
    if (message.t === 'assign') void this.#work(message)
    else if (message.t === 'lost') this.#lose(message.run, message.generation)
  }

  #setState(state: ConnectionState, reason: CloseReason | null): void {
    this.#state = state
    if (state === 'refused') this.#report(refusal(this.name, reason), { stage: 'connect' })
    if (state === 'live') {
      this.#control.send({ t: 'worker', worker: this.#worker, slots: this.#options.slots ?? 100, leases: this.#leases() })
    }
    this.#tell()
  }

  #leases(): LeaseRef[] {
    return [...this.#held].filter(([, held]) => !held.lost).map(([run, { generation }]) => ({ run, generation }))
  }

  #beat(leaseMs: number): void {
    this.#heartbeat ??= setInterval(() => {
      const leases = this.#leases()
      if (leases.length > 0) this.#control.send({ t: 'renew', leases })
    }, leaseMs / RENEWALS)
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
    if (this.#closed || this.#held.get(id)?.generation === generation) return
    const held: Held = { generation, run: null, lost: false }
    this.#held.set(id, held)
    this.#beat(leaseMs)
    this.#tell()
    try {
      const joined = this.#join(sessionId)
      try {
        await this.#do(joined, id, held)
        await joined.stored()
      } finally {
        this.#leave(sessionId, joined)
      }
    } catch (error) {
      if (!this.#closed) this.#report(error, { stage: 'run', run: id })
    } finally {
      if (this.#held.get(id) === held) this.#held.delete(id)
      this.#tell()
    }
  }

  async #do(joined: Joined, id: string, held: Held): Promise<void> {
    await joined.live
    const found = await this.#appear(joined, id)
    if (found === null || held.lost || this.#closed) return
    const run = new AgentRun({
      session: joined.session,
      doc: joined.doc,
      ...found,
      agent: this.name,
      now: Date.now,
      flushEveryMs: this.#options.flushEveryMs,
    })
    held.run = run
    // Cancelled before anybody was there to hear it: the handler is never called.
    if (!run.start()) return
    joined.session.presence.set({ run: id })
    try {
      await this.#options.run(run)
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

  /** The run and its input, once they are in the session; null when they do not come. */
  #appear(joined: Joined, id: string): Promise<Pick<ConstructorParameters<typeof AgentRun>[0], 'run' | 'input'> | null> {
    const { session } = joined
    return new Promise((resolve) => {
      const look = (): void => {
        const run = session.run(id)
        const input = run === undefined ? undefined : session.message(run.input)
        if (run === undefined || input === undefined) return
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

  // ---- sessions -----------------------------------------------------------------------------------------------------

  #join(id: string): Joined {
    const known = this.#sessions.get(id)
    if (known !== undefined) {
      known.users += 1
      clearTimeout(known.linger)
      return known
    }
    const joined = this.#open(id)
    this.#sessions.set(id, joined)
    return joined
  }

  #leave(id: string, joined: Joined): void {
    joined.users -= 1
    if (joined.users > 0 || this.#closed) return
    if (joined.failed) {
      if (this.#sessions.get(id) === joined) this.#sessions.delete(id)
      joined.close()
      return
    }
    joined.linger = setTimeout(() => {
      if (this.#sessions.get(id) === joined) this.#sessions.delete(id)
      joined.close()
    }, LINGER_MS)
    ;(joined.linger as { unref?: () => void }).unref?.()
  }

  /** One client id per session for as long as it stays open. */
  #open(id: string): Joined {
    const doc = new Y.Doc()
    const awareness = new Awareness(doc)
    const session = new Session({ id, doc, presence: new Presence(awareness, this.#report), report: this.#report, now: Date.now })
    let origin: unknown = null
    const writes = new StoredWrites({
      doc,
      isForeign: (from) => from === origin,
      onStored: (onServer) => session.setStatus({ onServer }),
      // Nobody looks at it while a text streams: the run's end waits for a mark of its own.
      markEveryMs: 1_000,
    })
    session.setStatus({ onServer: true })
    const live = Promise.withResolvers<void>()
    const refused = Promise.withResolvers<never>()
    refused.promise.catch(() => {})
    const connection = this.#connect(id, doc, awareness, {
      onState: (state, reason) => {
        session.setStatus({ connection: state, reason })
        if (state === 'refused') {
          refused.reject(refusal(id, reason))
          // Not within the connection's own event, but before the session is opened anew over the same socket.
          queueMicrotask(() => connection.close())
          this.#abandon(id, session)
        } else if (state === 'live') {
          writes.live()
          live.resolve()
        }
      },
      onMessage: (message) => {
        if (message.t === 'marked') writes.marked(message.n)
      },
    })
    origin = connection.origin
    writes.attach(connection)
    const identified = this.#token().then((token) => {
      if (!session.closed) session.identify(participantOf(token))
    })
    const ready = Promise.race([refused.promise, Promise.all([live.promise, identified]).then(() => {})])
    const close = (): void => {
      session.destroy()
      writes.destroy()
      connection.close()
      doc.destroy()
    }
    const stored = (): Promise<void> => Promise.race([refused.promise, writes.whenStored()])
    const joined: Joined = { session, doc, live: ready, stored, close, failed: false, users: 1, linger: undefined }
    // Whoever waits for it reports it.
    ready.catch(() => (joined.failed = true))
    return joined
  }

  /**
   * The server has refused what was written here (a lease that went to somebody else meanwhile): nothing of this replica can
   * reach it any more. Runs here are lost, and the next one gets a fresh replica.
   */
  #abandon(id: string, session: Session): void {
    const joined = this.#sessions.get(id)
    if (joined?.session === session) {
      this.#sessions.delete(id)
      joined.failed = true
      if (joined.users === 0) {
        clearTimeout(joined.linger)
        queueMicrotask(() => joined.close())
      }
    }
    for (const held of this.#held.values()) {
      if (held.run?.session !== session) continue
      held.lost = true
      held.run.lose()
    }
  }

  #connect(
    name: string,
    doc: Y.Doc,
    awareness: Awareness,
    on: Pick<ConstructorParameters<typeof Connection>[0], 'onState' | 'onMessage'>,
  ): Connection {
    return new Connection({ socket: this.#socket, name, doc, awareness, token: () => this.#token(), report: this.#report, ...on })
  }

  async #token(): Promise<string> {
    const { token } = this.#options
    return typeof token === 'string' ? token : await token()
  }
}

function refusal(what: string, reason: CloseReason | null): SessionError {
  return new SessionError('forbidden', `The server refuses ${what}: ${CLOSE_REASONS[reason ?? 'unavailable'].says}.`)
}
