/**
 * Hocuspocus as the multiplexer of sockets and documents, and what is put in its place: one Extension for its hooks, and
 * overrides on instances (never on prototypes), each checked at start so that another version cannot pass unnoticed:
 *
 *   shouldUnloadDocument   a document with unstored updates, or that somebody is about to open, stays. As shipped a document
 *                          that was reopened can be unloaded by the timer of its predecessor.
 *   createDocument         holds the document from the moment it is asked for until its connection stands.
 *   handleQueueingMessage  drops what comes for a document before its authentication: it was meant for a connection that the
 *                          server has closed meanwhile, and must not be taken for the next one's.
 *   createConnection       gives each connection our own frame loop (`link.ts`) before its first frame.
 *   broadcastUpdate        nothing: the room broadcasts, when the update is stored.
 */
import { Hocuspocus, type Connection, type Document, type Extension } from '@hocuspocus/server'
import type { CloseReason, Report } from '../shared/errors.ts'
import type { Limits } from '../shared/limits.ts'
import { agentOfControl } from '../shared/wire.ts'
import type { Access, Grant } from './access.ts'
import { Clerk, type Route } from './clerk.ts'
import { Compactor, shouldCompact } from './compaction.ts'
import { Dispatcher } from './dispatch.ts'
import { isAuthentication, isReadable } from './frames.ts'
import { Grants, type RevokeTarget } from './grants.ts'
import { must, refusal, type HostDocument, type HostSocket } from './host.ts'
import { Link, type SocketWorkers, type WorkerMessage } from './link.ts'
import { load, type LogSize, type Stored } from './load.ts'
import { UpdateLog } from './log.ts'
import { Room } from './room.ts'
import { metered, type AcceptedSocket, type JoinedSocket } from './socket.ts'
import { DamagedSession, type Job, type NewJob, type Store } from './store.ts'
import { Traffic, type SocketMeter } from './traffic.ts'

export interface SessionsOptions {
  readonly store: Store
  readonly access: Access
  readonly route: Route
  readonly report: Report
  readonly leaseMs: number
  readonly limits: Limits
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Close code of a socket that begins with frames that do not decode. */
const MALFORMED_CODE = 4400

interface Context {
  grant: Grant
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
  readonly #grants: Grants
  readonly #traffic: Traffic
  readonly #meters = new WeakMap<Request, SocketMeter>()
  readonly #rooms = new Map<string, Loaded>()
  readonly #loaded = new Map<string, Stored>()
  /** How many are about to use a document, by name. */
  readonly #holds = new Map<string, number>()
  /** Loaded sessions that can no longer be written to: nobody may join what is not stored. */
  readonly #damaged = new Set<string>()
  #closing = false

  constructor(options: SessionsOptions) {
    this.#options = options
    const { store, report, access, limits, now } = options
    this.#grants = new Grants({ access, report, graceMs: limits.tokenGraceMs, now })
    this.#traffic = new Traffic(limits, () => performance.now())
    this.#log = new UpdateLog({ store, report, onStall: this.#onStall, onDamaged: this.#onDamaged })
    this.#compactor = new Compactor({ store, report, onCompacted: (session, bytes) => this.#onCompacted(session, bytes) })
    this.#dispatcher = new Dispatcher({
      store,
      report,
      leaseMs: options.leaseMs,
      grant: (job) => this.#grant(job),
      lapse: async (job) => (await this.#use(job.session, ({ clerk }) => clerk.lapse(job.run))) ?? true,
    })
    // flushDelay false: the host hands each broadcast on at once, to the override below.
    this.#host = new Hocuspocus<Context>({
      quiet: true,
      flushDelay: false,
      maxUnauthenticatedQueueMessages: limits.waitingFrames,
      maxUnauthenticatedQueueSize: limits.waitingBytes,
      // A worker that comes back asks for all its sessions before the first token is checked.
      maxPendingDocuments: limits.sessionsPerSocket,
      extensions: [this.#extension()],
    })
    this.#overrideHost()
  }

  async start(): Promise<void> {
    await this.#dispatcher.start()
  }

  /** Takes over a socket that was just opened. */
  accept(socket: JoinedSocket, request: Request): AcceptedSocket {
    const meter = this.#traffic.open(socket)
    this.#meters.set(request, meter)
    const client = this.#host.handleConnection(metered(socket, meter), request)
    const host = client as unknown as HostSocket
    const create = must(host, 'createConnection').bind(client)
    const queue = must(host, 'handleQueueingMessage').bind(client)
    host.handleQueueingMessage = async (data, address, documentName) => {
      if (host.documentConnectionsEstablished.has(address) || isAuthentication(data)) await queue(data, address, documentName)
    }
    let linked = 0
    const workers: SocketWorkers = new Map()
    host.createConnection = (...args) => {
      const connection = create(...args)
      this.#adopt(connection, meter, workers, () => (linked += 1))
      return connection
    }
    return {
      handleMessage: (data) => {
        // What was on its way when the socket was given up: nothing of it will be acknowledged, so it comes again.
        if (socket.readyState !== WebSocket.OPEN) return
        // Before anybody is let in, since the host prints a stack for each frame that does not decode.
        if (!meter.isOpen && !isReadable(data)) return socket.close(MALFORMED_CODE, 'malformed' satisfies CloseReason)
        const before = linked
        client.handleMessage(data)
        // Frames that no link has counted belong to no connection.
        if (linked === before) meter.stray(data.byteLength)
      },
      handleClose: (event) => {
        meter.closed()
        client.handleClose(event)
      },
    }
  }

  /** Ends the connections of the target, and refuses its tokens that were issued until now. */
  revoke(target: RevokeTarget): void {
    this.#grants.revoke(target)
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
      onAuthenticate: async ({ token, documentName, connectionConfig, request }) => {
        // What would be written now might come after the last commit.
        if (this.#closing) throw refusal('going-away')
        const grant = await this.#grants.check(token, documentName)
        if (typeof grant === 'string') throw refusal(grant)
        this.#meters.get(request)?.authenticated()
        connectionConfig.readOnly = grant.participant.kind === 'viewer'
        return { grant }
      },
      onLoadDocument: async ({ document, documentName }) => {
        if (agentOfControl(documentName) !== null) return
        try {
          this.#loaded.set(documentName, await load(document, this.#options.store))
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
        this.#damaged.delete(documentName)
        this.#compactIfDue(documentName, entry.size, true)
      },
    }
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
      endJob: (run) => this.#endJob(name, run),
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

  /** Nothing that its members are told after this leaves the server. Who comes next is refused by the load. */
  readonly #onDamaged = (session: string): void => {
    const room = this.#rooms.get(session)?.room
    this.#damaged.add(session)
    for (const member of [...(room?.members ?? [])]) member.refuse('damaged')
  }

  // ---- connections --------------------------------------------------------------------------------------------------

  #adopt(connection: Connection, socket: SocketMeter, workers: SocketWorkers, onFrame: () => void): void {
    const { grant } = connection.context as Context
    const { name } = connection.document
    const { meter, objection } = socket.connect(grant.participant, name)
    const link = new Link({
      connection,
      workers,
      participant: grant.participant,
      room: this.#rooms.get(name)?.room ?? null,
      meter,
      report: this.#options.report,
      onFrame,
      onToken: (from, token) => this.#grants.refresh(from, token),
      onWorkerMessage: (from, message) => this.#onWorker(from, name, message, workers),
      onClose: (gone) => {
        meter.close()
        this.#grants.release(gone)
        this.#dispatcher.leave(gone)
      },
    })
    if (this.#closing) link.refuse('going-away')
    else if (this.#damaged.has(name)) link.refuse('damaged')
    else if (objection !== null) link.refuse(objection)
    else {
      this.#grants.hold(link, grant)
      if (this.#log.stalled) link.tell({ t: 'stalled', stalled: true })
    }
    link.open()
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
    // Somebody has chosen the id of an input of another session: that one's job stays as it is, and this run has none.
    if (!this.#dispatcher.expect(job)) return
    this.#log.addJob(job)
    this.#log.after(() => this.#dispatcher.added(job))
  }

  #endJob(session: string, run: string): void {
    if (this.#dispatcher.isOfAnother(session, run)) return
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
