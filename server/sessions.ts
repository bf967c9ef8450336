/**
 * Hocuspocus as the multiplexer of sockets and documents, and what is put in its place: one Extension for its hooks, and
 * four overrides on instances (never on prototypes), each checked at start so that another version cannot pass unnoticed:
 *
 *   shouldUnloadDocument   a document with unstored updates, or that somebody is about to open, stays. As shipped a document
 *                          that was reopened can be unloaded by the timer of its predecessor.
 *   createDocument         holds the document from the moment it is asked for until its connection stands.
 *   createConnection       gives each connection our own frame loop (`link.ts`) before its first frame.
 *   broadcastUpdate        nothing: the room broadcasts, when the update is stored.
 */
import { Hocuspocus, type Connection, type Document, type Extension, type WebSocketLike } from '@hocuspocus/server'
import * as Y from 'yjs'
import type { CloseReason, Report } from '../shared/errors.ts'
import { MAX_SESSIONS_PER_SOCKET, SESSION_NAME } from '../shared/limits.ts'
import { agentOfControl } from '../shared/wire.ts'
import { opens, type Access, type Grant } from './access.ts'
import { Clerk, type Route } from './clerk.ts'
import { Compactor, shouldCompact } from './compaction.ts'
import { Dispatcher } from './dispatch.ts'
import { isReadable } from './frames.ts'
import { Link, type SocketWorkers, type WorkerMessage } from './link.ts'
import { UpdateLog } from './log.ts'
import { Room } from './room.ts'
import { DamagedSession, type Job, type NewJob, type Store } from './store.ts'

export interface SessionsOptions {
  readonly store: Store
  readonly access: Access
  readonly route: Route
  readonly report: Report
  readonly leaseMs: number
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Close code of a socket that begins with frames that do not decode. */
const MALFORMED_CODE = 4400

interface Context {
  grant: Grant
}

/** What a hook throws to refuse: the host sends `reason` to the client. No message, so that the host does not print it. */
interface Refusal {
  readonly reason: CloseReason
}

const refusal = (reason: CloseReason): Refusal => ({ reason })

/** The parts of the host's classes that the overrides replace; not in its public types. */
interface HostSocket {
  createConnection: (...args: unknown[]) => Connection
}
interface HostDocument {
  broadcastUpdate: (update: Uint8Array) => void
}

/** What the frames of one socket are given to. */
export interface AcceptedSocket {
  handleMessage(data: Uint8Array): void
  handleClose(event?: { code: number; reason: string }): void
}

/** What compaction needs to know of a session: what was logged since its snapshot was asked for, and that snapshot's size. */
interface LogSize {
  updates: number
  bytes: number
  snapshotBytes: number
}

interface Loaded {
  readonly room: Room
  readonly clerk: Clerk
  readonly size: LogSize
}

export class Sessions {
  readonly #options: SessionsOptions
  readonly #host: Hocuspocus<Context>
  readonly #log: UpdateLog
  readonly #dispatcher: Dispatcher
  readonly #compactor: Compactor
  readonly #rooms = new Map<string, Loaded>()
  readonly #loaded = new Map<string, { size: LogSize; clients: ReadonlyMap<number, string> }>()
  /** How many are about to use a document, by name. */
  readonly #holds = new Map<string, number>()
  #closing = false

  constructor(options: SessionsOptions) {
    this.#options = options
    const { store, report } = options
    this.#log = new UpdateLog({ store, report, onStall: this.#onStall })
    this.#compactor = new Compactor({ store, report, onCompacted: (session, bytes) => this.#onCompacted(session, bytes) })
    this.#dispatcher = new Dispatcher({
      store,
      report,
      leaseMs: options.leaseMs,
      grant: (job) => this.#grant(job),
      lapse: async (job) => (await this.#use(job.session, ({ clerk }) => clerk.lapse(job.run))) ?? true,
    })
    // flushDelay false: the host hands each broadcast on at once, to the override below.
    this.#host = new Hocuspocus<Context>({ quiet: true, flushDelay: false, extensions: [this.#extension()] })
    this.#overrideHost()
  }

  async start(): Promise<void> {
    await this.#dispatcher.start()
  }

  /** Takes over a socket that was just opened. */
  accept(socket: WebSocketLike, request: Request): AcceptedSocket {
    const client = this.#host.handleConnection(socket, request)
    const host = client as unknown as HostSocket
    const create = must(host, 'createConnection').bind(client)
    let open = 0
    const workers: SocketWorkers = new Map()
    host.createConnection = (...args) => {
      const connection = create(...args)
      open += 1
      connection.onClose(() => (open -= 1))
      this.#adopt(connection, workers, open)
      return connection
    }
    return {
      handleMessage: (data) => {
        // What was on its way when the socket was given up: nothing of it will be acknowledged, so it comes again.
        if (socket.readyState !== WebSocket.OPEN) return
        // Before anybody is let in, since the host prints a stack for each frame that does not decode.
        if (open > 0 || isReadable(data)) client.handleMessage(data)
        else socket.close(MALFORMED_CODE, 'malformed' satisfies CloseReason)
      },
      handleClose: (event) => client.handleClose(event),
    }
  }

  /** Counts for health and metrics. */
  get counts(): { sessions: number; connections: number; unstoredBytes: number; stalled: boolean } {
    return {
      sessions: this.#rooms.size,
      connections: this.#host.getConnectionsCount(),
      unstoredBytes: this.#log.unstoredBytes,
      stalled: this.#log.stalled,
    }
  }

  /**
   * Ends all connections and stores what is left. Gives false when `timeoutMs` passed before everything was stored; nothing
   * of that was ever acknowledged or shown, and its writers still have it.
   */
  async close(timeoutMs: number): Promise<boolean> {
    this.#closing = true
    this.#dispatcher.stop()
    const deadline = Date.now() + timeoutMs
    for (const { room } of this.#rooms.values()) for (const member of [...room.members]) member.refuse('going-away')
    this.#host.closeConnections()
    const stored = await this.#log.drain(Math.max(0, deadline - Date.now()))
    await this.#compactor.close()
    for (const { room } of this.#rooms.values()) {
      room.destroy()
      room.document.destroy()
    }
    this.#rooms.clear()
    return stored
  }

  // ---- hooks --------------------------------------------------------------------------------------------------------

  #extension(): Extension<Context> {
    return {
      extensionName: 'polylogue',
      onAuthenticate: async ({ token, documentName, connectionConfig }) => {
        // What would be written now might come after the last commit.
        if (this.#closing) throw refusal('going-away')
        const agent = agentOfControl(documentName)
        if (agent === null && !SESSION_NAME.test(documentName)) throw refusal('bad-session-name')
        let grant: Grant | null
        try {
          grant = await this.#options.access(token)
        } catch (error) {
          this.#options.report(error, { stage: 'access' })
          throw refusal('unavailable')
        }
        if (grant === null || grant.expiresAt <= this.#options.now()) throw refusal('bad-token')
        if (!opens(grant, documentName)) throw refusal('forbidden')
        connectionConfig.readOnly = grant.participant.kind === 'viewer'
        return { grant }
      },
      onLoadDocument: async ({ document, documentName }) => {
        if (agentOfControl(documentName) !== null) return
        try {
          await this.#load(document)
        } catch (error) {
          // The host forgets the document without destroying it, and its presence timer would run for ever.
          document.destroy()
          this.#options.report(error, { stage: 'load', session: documentName })
          throw refusal(error instanceof DamagedSession ? 'damaged' : 'unavailable')
        }
      },
      afterLoadDocument: async ({ document }) => {
        // The host's own reaction to updates is to schedule whole-document stores; the log takes their place.
        document.onUpdate(() => {})
        must(document as unknown as HostDocument, 'broadcastUpdate')
        ;(document as unknown as HostDocument).broadcastUpdate = () => {}
        if (agentOfControl(document.name) === null) this.#openRoom(document)
      },
      afterUnloadDocument: async ({ documentName }) => {
        const entry = this.#rooms.get(documentName)
        if (entry === undefined || !entry.room.document.isDestroyed) return
        entry.room.destroy()
        this.#rooms.delete(documentName)
        this.#compactIfDue(documentName, entry.size, true)
      },
    }
  }

  async #load(document: Document): Promise<void> {
    const { snapshot, updates } = await this.#options.store.read(document.name)
    // After the updates: a binding is stored with the update that needs it, or before.
    const clients = await this.#options.store.clients(document.name)
    const size: LogSize = { updates: updates.length, bytes: 0, snapshotBytes: snapshot?.byteLength ?? 0 }
    try {
      // One transaction: per update, Yjs copies the state vector twice.
      document.transact(() => {
        if (snapshot !== null) Y.applyUpdate(document, snapshot)
        for (const update of updates) {
          size.bytes += update.byteLength
          Y.applyUpdate(document, update)
        }
      })
    } catch (error) {
      throw new DamagedSession(document.name, `an update does not decode (${String(error)})`)
    }
    const { pendingStructs, pendingDs } = document.store
    if (pendingStructs !== null || pendingDs !== null) throw new DamagedSession(document.name, 'an update is missing')
    this.#loaded.set(document.name, { size, clients })
  }

  #openRoom(document: Document): void {
    const name = document.name
    const { size, clients } = this.#loaded.get(name) ?? { size: { updates: 0, bytes: 0, snapshotBytes: 0 }, clients: new Map() }
    this.#loaded.delete(name)
    const room = new Room({
      document,
      log: this.#log,
      loadedBytes: size.snapshotBytes + size.bytes,
      clients,
      report: this.#options.report,
      onStored: (bytes) => this.#onStored(room, size, bytes),
    })
    const clerk = new Clerk({
      session: name,
      document,
      route: this.#options.route,
      participantOf: (origin) => (origin instanceof Link ? origin.participant : null),
      now: this.#options.now,
      addJob: (job) => this.#addJob(job),
      endJob: (run) => this.#endJob(run),
    })
    this.#rooms.set(name, { room, clerk, size })
    room.watch(clerk)
  }

  #onStored(room: Room, size: LogSize, bytes: number): void {
    if (bytes > 0) size.updates += 1
    size.bytes += bytes
    this.#compactIfDue(room.name, size, false)
    if (room.unstored === 0 && room.members.size === 0) this.#unload(room.document)
  }

  /** A session that nobody uses any more is made small also when it is short. */
  #compactIfDue(session: string, size: LogSize, idle: boolean): void {
    const { updates, bytes, snapshotBytes } = size
    if (!shouldCompact({ updatesSinceSnapshot: updates, bytesSinceSnapshot: bytes, snapshotBytes, idle })) return
    size.updates = 0
    size.bytes = 0
    this.#compactor.request(session)
  }

  #onCompacted(session: string, snapshotBytes: number): void {
    const loaded = this.#rooms.get(session)
    if (loaded !== undefined) loaded.size.snapshotBytes = snapshotBytes
  }

  readonly #onStall = (stalled: boolean): void => {
    for (const { room } of this.#rooms.values()) room.tell({ t: 'stalled', stalled })
  }

  // ---- connections --------------------------------------------------------------------------------------------------

  #adopt(connection: Connection, workers: SocketWorkers, open: number): void {
    const context = connection.context as Context
    const link = new Link({
      connection,
      workers,
      participant: context.grant.participant,
      room: this.#rooms.get(connection.document.name)?.room ?? null,
      report: this.#options.report,
      onWorkerMessage: (from, message) => this.#onWorker(from, connection.document.name, message, workers),
      onClose: (gone) => this.#dispatcher.leave(gone),
    })
    if (this.#closing) link.refuse('going-away')
    else if (open > MAX_SESSIONS_PER_SOCKET) link.refuse('overloaded')
    else if (this.#log.stalled) link.tell({ t: 'stalled', stalled: true })
  }

  #onWorker(link: Link, documentName: string, message: WorkerMessage, workers: SocketWorkers): void {
    if (agentOfControl(documentName) !== link.participant.id) return
    if (message.t === 'worker') {
      workers.set(link.participant.id, message.worker)
      for (const { room } of this.#rooms.values()) room.retry()
    }
    const done =
      message.t === 'worker'
        ? this.#dispatcher.join(link, message.worker, message.slots, message.leases)
        : this.#dispatcher.renew(link, message.leases)
    done.catch((error: unknown) => this.#options.report(error, { stage: 'worker', agent: link.participant.id }))
  }

  // ---- jobs ---------------------------------------------------------------------------------------------------------

  #addJob(job: NewJob): void {
    this.#log.addJob(job)
    this.#log.after(() => this.#dispatcher.added(job))
  }

  #endJob(run: string): void {
    this.#log.endJob(run)
    this.#log.after(() => this.#dispatcher.ended(run))
  }

  async #grant(job: Job): Promise<void> {
    await this.#use(job.session, ({ clerk }) => clerk.grant(job.run, job.worker ?? '', job.generation))
    await this.#log.stored()
  }

  /** Does something in a session, loading it where it is not. */
  async #use<T>(session: string, task: (entry: Loaded) => T): Promise<T | undefined> {
    this.#hold(session, 1)
    try {
      const config = { readOnly: false, isAuthenticated: true }
      const document = await this.#host.createDocument(session, new Request('http://localhost'), 'server', config)
      const entry = this.#rooms.get(session)
      setImmediate(() => this.#unload(document))
      return entry === undefined ? undefined : task(entry)
    } finally {
      this.#hold(session, -1)
    }
  }

  // ---- the life of documents ----------------------------------------------------------------------------------------

  #overrideHost(): void {
    const host = this.#host
    const shouldUnload = must(host, 'shouldUnloadDocument').bind(host)
    host.shouldUnloadDocument = (document) => {
      // A failed load was never in the map; the host itself must be able to drop it.
      if (host.documents.get(document.name) !== document) return false
      if ((this.#holds.get(document.name) ?? 0) > 0) return false
      if ((this.#rooms.get(document.name)?.room.unstored ?? 0) > 0) return false
      return shouldUnload(document)
    }
    const create = must(host, 'createDocument').bind(host)
    host.createDocument = async (...args) => {
      const [name] = args
      this.#hold(name, 1)
      try {
        return await create(...args)
      } finally {
        // The connection is made within the microtasks after this; then the host counts it itself.
        setImmediate(() => {
          this.#hold(name, -1)
          const document = host.documents.get(name)
          if (document !== undefined) this.#unload(document)
        })
      }
    }
  }

  #hold(name: string, by: 1 | -1): void {
    const holds = (this.#holds.get(name) ?? 0) + by
    if (holds > 0) this.#holds.set(name, holds)
    else this.#holds.delete(name)
  }

  #unload(document: Document): void {
    this.#host.unloadDocument(document).catch((error: unknown) => {
      this.#options.report(error, { stage: 'unload', session: document.name })
    })
  }
}

/** A method that an override replaces; throws when this version of the host does not have it. */
function must<T, K extends keyof T>(target: T, key: K): T[K] {
  if (typeof target[key] !== 'function') {
    throw new Error(`This version of @hocuspocus/server has no ${String(key)}: it must be the one that package.json pins.`)
  }
  return target[key]
}
