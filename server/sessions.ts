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
 *
 * More than 400 lines: whatever the host is given or denied stands here, so that another version of it is checked against one file.
 */
import { Hocuspocus, type Connection, type Document, type Extension } from '@hocuspocus/server'
import type { CloseReason, Report } from '../shared/errors.ts'
import { SESSION_NAME, type Limits } from '../shared/limits.ts'
import { agentOfControl, type LapseTerms } from '../shared/wire.ts'
import type { Access, Grant } from './access.ts'
import { Answers } from './answers.ts'
import type { MayApprove } from './calls.ts'
import type { MayCancel } from './cancels.ts'
import { Clerk, type Route } from './clerk.ts'
import { Compactor, shouldCompact } from './compaction.ts'
import { Dispatcher } from './dispatch.ts'
import { isAuthentication, isPong, isReadable } from './frames.ts'
import { Grants, type RevokeTarget } from './grants.ts'
import { countedRarely, must, refusal, type HostDocument, type HostSocket } from './host.ts'
import { Lingering } from './lingering.ts'
import { Link, type WorkerMessage } from './link.ts'
import { load, type LogSize, type Stored } from './load.ts'
import { UpdateLog } from './log.ts'
import type { Push } from './push.ts'
import { Room } from './room.ts'
import { SocketWorkers } from './socket-workers.ts'
import { metered, type AcceptedSocket, type JoinedSocket } from './socket.ts'
import { DamagedSession, type Job, type NewJob, type Store } from './store.ts'
import { Traffic, type SocketMeter } from './traffic.ts'
import { Inbox, Payer, Turns, UNSTOPPABLE } from './turns.ts'
import type { Waker } from './wake.ts'

export interface SessionsOptions {
  readonly store: Store
  readonly access: Access
  readonly route: Route
  readonly mayApprove: MayApprove
  readonly report: Report
  readonly leaseMs: number
  readonly idleReturnMs: number
  /** How old an input may be when it arrives and still start an agent by itself, in milliseconds. */
  readonly intentMs: number
  readonly mayCancel: MayCancel | undefined
  /** Calls agents that are not running; made with what tells whether one is. */
  readonly wake?: ((hasWorkerFor: (job: Job) => boolean) => Waker) | undefined
  /** Tells people who do not look; made with the log that keeps what is to be told. */
  readonly push?: ((log: UpdateLog) => Push) | undefined
  readonly limits: Limits
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Close code of a socket that begins with frames that do not decode. */
const MALFORMED_CODE = 4400
/** What it takes to open a session on a connection, in milliseconds, most of it in steps that cannot be measured. */
const OPEN_MS = 1
/** The same for its token. */
const VERIFY_MS = 0.2
/**
 * What it takes to read a byte that comes before a token, in milliseconds. Five times what is measured at once: each is garbage in
 * no time, and 50 MB of that make the collector hold the thread for 10 ms, twice. A token is some hundred bytes.
 */
const STRANGE_BYTE_MS = 2e-5
/** What all loads of sessions together may take of one turn of the event loop, in milliseconds. */
const LOAD_SLICE_MS = 1

interface Context {
  grant: Grant
  /** Puts on somebody's account what is done for him, in milliseconds. */
  charge: (ms: number) => void
}

/** What all connections of one socket share. */
interface SocketState {
  readonly meter: SocketMeter
  readonly answers: Answers
  readonly workers: SocketWorkers
  readonly links: Set<Link>
  /** To be called for each frame that belongs to a connection. */
  readonly onFrame: () => void
  /** Handles what the host had kept when it is the socket's turn, before all that came later. */
  readonly defer: (task: () => void) => void
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
  readonly #waker: Waker | undefined
  readonly #push: Push | undefined
  readonly #compactor: Compactor
  readonly #grants: Grants
  readonly #traffic: Traffic
  readonly #turns = new Turns(() => performance.now())
  /** Sockets that are to be let in. */
  readonly #door: Inbox
  readonly #loadPayer = new Payer(LOAD_SLICE_MS, null)
  readonly #meters = new WeakMap<Request, SocketMeter>()
  readonly #rooms = new Map<string, Loaded>()
  readonly #loaded = new Map<string, Stored>()
  /** How many are about to use a document, by name. */
  readonly #holds = new Map<string, number>()
  readonly #lingering: Lingering
  /** Loaded sessions that can no longer be written to: nobody may join what is not stored. */
  readonly #damaged = new Set<string>()
  #closing = false

  constructor(options: SessionsOptions) {
    this.#options = options
    const { store, report, access, limits, now } = options
    this.#grants = new Grants({ access, report, graceMs: limits.tokenGraceMs, now })
    this.#traffic = new Traffic(limits, () => performance.now())
    this.#lingering = new Lingering(limits, (session) => {
      const room = this.#rooms.get(session)?.room
      if (room !== undefined) this.#unload(room.document)
    })
    store.onErase?.((session) => this.#lingering.evict(session))
    this.#door = new Inbox(this.#turns, () => this.#traffic.strangersPayer, UNSTOPPABLE)
    this.#log = new UpdateLog({ store, report, onStall: this.#onStall, onDamaged: this.#onDamaged })
    this.#compactor = new Compactor({ store, report, onCompacted: (session, bytes) => this.#onCompacted(session, bytes) })
    this.#dispatcher = new Dispatcher({
      store,
      report,
      leaseMs: options.leaseMs,
      grant: (job, terms) => this.#grant(job, terms),
      lapse: (job, isReleased) => this.#lapse(job, isReleased),
      onWaiting: (agent) => this.#waker?.look(agent),
    })
    this.#push = options.push?.(this.#log)
    this.#waker = options.wake?.((job) => this.#dispatcher.hasWorkerFor(job))
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
    this.#waker?.start()
    await this.#push?.start()
  }

  /** Lets a socket in, now or when it is the turn of those who are new. */
  admit(task: () => void): void {
    this.#door.add(task)
  }

  /** Takes over a socket that was just opened. */
  accept(socket: JoinedSocket, request: Request): AcceptedSocket {
    const meter = this.#traffic.open(socket)
    this.#meters.set(request, meter)
    const inbox = new Inbox(this.#turns, () => meter.payer, socket)
    const answers = new Answers(socket)
    const client = this.#host.handleConnection(metered(socket, meter, inbox), request)
    const host = client as unknown as HostSocket
    const create = must(host, 'createConnection').bind(client)
    const queue = must(host, 'handleQueueingMessage').bind(client)
    host.handleQueueingMessage = async (data, address, documentName) => {
      if (host.documentConnectionsEstablished.has(address) || isAuthentication(data)) await queue(data, address, documentName)
    }
    const pending = must(host, 'getPendingDocumentCount').bind(client)
    host.getPendingDocumentCount = countedRarely(pending, this.#options.limits.sessionsPerSocket)
    let linked = 0
    const workers = new SocketWorkers()
    const links = new Set<Link>()
    host.createConnection = (...args) => {
      const connection = create(...args)
      this.#adopt(connection, {
        meter,
        answers,
        workers,
        links,
        onFrame: () => (linked += 1),
        defer: (task) => inbox.addEarlier(task),
      })
      return connection
    }
    const handle = (data: Uint8Array): void => {
      // What was on its way when the socket was given up: nothing of it will be acknowledged, so it comes again.
      if (socket.isGivenUp) return
      if (isPong(data)) {
        host.lastMessageReceivedAt = Date.now()
        return meter.stray(data.byteLength)
      }
      // Before anybody is let in, since the host prints a stack for each frame that does not decode.
      if (!meter.isOpen && !isReadable(data)) return socket.close(MALFORMED_CODE, 'malformed' satisfies CloseReason)
      const before = linked
      client.handleMessage(data)
      // Frames that no link has counted belong to no connection.
      if (linked === before) meter.stray(data.byteLength)
    }
    return {
      handleBytes: (bytes) => {
        const { strangersPayer } = this.#traffic
        meter.arriving(bytes)
        if (meter.payer !== strangersPayer) return
        this.#turns.charge(strangersPayer, bytes * STRANGE_BYTE_MS)
        // Where that was too much for now it is not read on: of hundreds that send at once each has one chunk in memory, not all.
        inbox.add(() => {})
      },
      handleMessage: (data) => {
        meter.arrived(data.byteLength)
        inbox.add(() => {
          meter.taken(data.byteLength)
          handle(data)
        })
      },
      // What came before the end is handled first. There may be a thousand sessions to leave.
      handleClose: (event) => {
        for (const link of links) inbox.add(() => link.leave())
        inbox.add(() => {
          meter.closed()
          client.handleClose(event)
        })
      },
    }
  }

  /** What a token grants in a session, or why it grants nothing there. */
  async check(token: string, session: string): Promise<Grant | CloseReason> {
    if (this.#closing) return 'going-away'
    return SESSION_NAME.test(session) ? await this.#grants.check(token, session) : 'bad-session-name'
  }

  /** Ends the connections of the target, and refuses its tokens that were issued until now. */
  revoke(target: RevokeTarget): void {
    this.#grants.revoke(target)
    this.#push?.revoke(target)
  }

  /** Ends the connections whose tokens have been withdrawn. */
  recheck(): void {
    this.#grants.recheck()
  }

  /** A participant's tokens have been withdrawn for good. */
  leave(participant: string): void {
    this.#grants.recheck()
    this.#push?.revoke({ participant })
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
    this.#waker?.stop()
    const deadline = Date.now() + timeoutMs
    for (const { room } of this.#rooms.values()) for (const member of [...room.members]) member.refuse('going-away')
    this.#host.closeConnections()
    // What cannot be delivered in time is put back into the log.
    await this.#push?.stop(timeoutMs / 2)
    const stored = await this.#log.drain(Math.max(0, deadline - Date.now()))
    await this.#compactor.close()
    for (const { room } of this.#rooms.values()) {
      room.destroy()
      room.document.destroy()
    }
    this.#rooms.clear()
    this.#lingering.clear()
    return stored
  }

  // ---- hooks --------------------------------------------------------------------------------------------------------

  #extension(): Extension<Context> {
    return {
      extensionName: 'polylogue',
      onAuthenticate: async ({ token, documentName, connectionConfig, request }) => {
        // What would be written now might come after the last commit.
        if (this.#closing) throw refusal('going-away')
        const meter = this.#meters.get(request)
        // Of a thousand that wait when their socket is given up, the host would note for each that it has nothing to open it with.
        const pass = async (ms: number): Promise<void> => {
          if (meter === undefined) return
          await this.#turns.pass(meter.payer, ms)
          if (meter.isGone) throw refusal('going-away')
        }
        await pass(VERIFY_MS)
        const grant = await this.#grants.check(token, documentName)
        if (typeof grant === 'string') throw refusal(grant)
        meter?.authenticated(grant.participant)
        await pass(OPEN_MS)
        connectionConfig.readOnly = grant.participant.kind === 'viewer'
        // What agents stream is no flood, however much it is.
        const pays = meter !== undefined && grant.participant.kind !== 'agent'
        return { grant, charge: pays ? (ms: number) => this.#turns.charge(meter.payer, ms) : () => {} }
      },
      onLoadDocument: async ({ document, documentName, context }) => {
        if (agentOfControl(documentName) !== null) return
        try {
          const stored = await load(document, this.#options.store, this.#perform)
          this.#loaded.set(documentName, stored)
          // Not before, which would hold up whoever else waits for the same session. The server itself has no context.
          ;(context as Partial<Context> | undefined)?.charge?.(stored.workMs)
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
        // Presence ends with its connection, which is pinged. A page that is hidden gives a sign of life once a minute.
        clearInterval(document.awareness._checkInterval)
        must(document as unknown as HostDocument, 'broadcastUpdate')
        ;(document as unknown as HostDocument).broadcastUpdate = () => {}
        if (agentOfControl(document.name) === null) this.#openRoom(document)
      },
      afterUnloadDocument: async ({ documentName }) => {
        const entry = this.#rooms.get(documentName)
        if (entry === undefined || !entry.room.document.isDestroyed) return
        this.#lingering.forget(documentName)
        entry.room.destroy()
        this.#rooms.delete(documentName)
        this.#damaged.delete(documentName)
        this.#compactIfDue(documentName, entry.size, true)
      },
    }
  }

  readonly #perform = (piece: () => void): Promise<void> => this.#turns.perform(this.#loadPayer, piece)

  #openRoom(document: Document): void {
    const name = document.name
    const { size, clients } = this.#loaded.get(name) ?? {
      size: { updates: 0, bytes: 0, snapshotBytes: 0 },
      clients: new Map<number, string>(),
    }
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
      idleReturnMs: this.#options.idleReturnMs,
      participantOf: (origin) => (origin instanceof Link ? origin.participant : null),
      behindMs: (origin) => (origin instanceof Link ? origin.behindMs : 0),
      now: this.#options.now,
      addJob: (job) => this.#addJob(job),
      endJob: (run) => this.#endJob(name, run),
      holdJob: (run, held) => this.#holdJob(run, held),
      restJob: (run, isResting) => {
        if (!this.#dispatcher.isOfAnother(name, run)) this.#dispatcher.rests(run, isResting)
      },
      intentMs: this.#options.intentMs,
      mayCancel: this.#options.mayCancel,
      claimMs: this.#options.leaseMs,
      mayApprove: this.#options.mayApprove,
      report: this.#options.report,
    })
    this.#rooms.set(name, { room, clerk, size })
    const unwatch = this.#push?.watch(document, (origin) => (origin instanceof Link ? origin.participant : null))
    room.watch({
      settle: () => clerk.settle(),
      destroy: () => {
        clerk.destroy()
        unwatch?.()
      },
    })
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

  #adopt(connection: Connection, { meter: socket, answers, workers, links, onFrame, defer }: SocketState): void {
    const { grant, charge } = connection.context as Context
    const { name } = connection.document
    const { meter, objection } = socket.connect(grant.participant, name)
    const link = new Link({
      connection,
      workers,
      answers,
      participant: grant.participant,
      room: this.#rooms.get(name)?.room ?? null,
      meter,
      report: this.#options.report,
      now: this.#options.now,
      onFrame,
      charge,
      isCrowding: () => this.#turns.isCrowding(socket.payer),
      defer,
      mayOpen: (from, session) => this.#grants.mayOpen(from, session),
      onToken: (from, token) => this.#grants.refresh(from, token),
      onWorkerMessage: (from, message) => this.#onWorker(from, name, message, workers),
      onClaim: ({ participant }, { message, call, tab }) => this.#rooms.get(name)?.clerk.claim(participant, message, call, tab),
      onClose: (gone) => {
        meter.close()
        links.delete(gone)
        this.#grants.release(gone)
        this.#dispatcher.leave(gone)
      },
    })
    links.add(link)
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
    const stated = message.leases.map(({ run, generation }) => [run, generation] as const)
    if (message.t === 'worker') {
      workers.set(link.participant.id, { id: message.worker, leases: new Map(stated) })
      for (const { room } of this.#rooms.values()) room.retry()
    } else if (message.t === 'renew') {
      for (const [run, generation] of stated) workers.renew(link.participant.id, run, generation)
    }
    this.#heard(link, message).catch((error: unknown) =>
      this.#options.report(error, { stage: 'worker', agent: link.participant.id }),
    )
  }

  #heard(link: Link, message: WorkerMessage): Promise<void> {
    if (message.t === 'worker') return this.#dispatcher.join(link, message)
    return message.t === 'renew' ? this.#dispatcher.renew(link, message.leases) : this.#dispatcher.release(link, message.leases)
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

  #holdJob(run: string, held: boolean): void {
    this.#log.hold({ run, held })
    if (!held) this.#log.after(() => this.#dispatcher.released())
  }

  async #grant(job: Job, terms: LapseTerms): Promise<boolean> {
    const granted = await this.#use(job.session, ({ clerk }) => clerk.grant(job.run, job.worker ?? '', job.generation, terms))
    await this.#log.stored()
    return granted === true
  }

  /** Stored before the job is open again: else the next worker might get a run that still looks as if the last one had it. */
  async #lapse(job: Job, isReleased: boolean): Promise<boolean> {
    const isOver = (await this.#use(job.session, ({ clerk }) => clerk.lapse(job.run, isReleased))) ?? true
    await this.#log.stored()
    return isOver
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
      const room = this.#rooms.get(document.name)?.room
      if ((room?.unstored ?? 0) > 0 || !shouldUnload(document)) return false
      return room === undefined || !this.#mayLinger(room)
    }
    const create = must(host, 'createDocument').bind(host)
    host.createDocument = async (...args) => {
      const [name] = args
      this.#hold(name, 1)
      this.#lingering.forget(name)
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

  #mayLinger({ name, bytes }: Room): boolean {
    const mayStay = this.#options.store.onErase !== undefined && !this.#closing && !this.#damaged.has(name)
    return mayStay && this.#lingering.stays(name, bytes)
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
