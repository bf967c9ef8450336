/**
 * What the server keeps for one connection, and the loop over its frames. It takes the place of the host's own loop, which
 * awaits hooks between the check and the write; here a frame is decoded, checked, applied and logged in one synchronous step.
 *
 * More than 400 lines: whatever a frame may be is read in one place.
 */
import type { Connection, Document } from '@hocuspocus/server'
import * as decoding from 'lib0/decoding'
import { encodeAwarenessUpdate, removeAwarenessStates } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { CLOSE_REASONS, type CloseReason, type Report } from '../shared/errors.ts'
import type { Participant } from '../shared/participant.ts'
import { encodeMessage, readClientMessage, type ClientMessage, type ServerMessage } from '../shared/wire.ts'
import type { Answers } from './answers.ts'
import type { WorkerLink } from './dispatch.ts'
import { ackFrame, FRAME, presenceFrame, statelessFrame, SYNC, syncFrame } from './frames.ts'
import { applyPresence, MAX_SHOWN, readPresence, type PresenceState } from './presence.ts'
import { isEmptyUpdate, type Member, type RefusalDetail, type Room } from './room.ts'
import type { ConnectionMeter } from './traffic.ts'

/** What a worker's connection to a control document may say. */
export type WorkerMessage = Exclude<ClientMessage, { t: 'mark' | 'claim' | 'clock' }>

/** A tab asks for a client's call. */
type ClaimMessage = Extract<ClientMessage, { t: 'claim' }>

/** Close code of a connection that was refused for good; the reason says why. */
const REFUSED_CODE = 4403
/** `readyState` of a socket. */
const OPEN = 1
const NO_LEASES: ReadonlyMap<string, number> = new Map()
/** Sub-type of an authentication frame: a token. */
const AUTH_TOKEN = 0

/** A worker behind a socket, as it says on its agent's control document. */
interface SocketWorker {
  readonly id: string
  /** Generations under which it writes its runs. */
  readonly leases: Map<string, number>
}

/** The workers behind a socket, by agent. */
export type SocketWorkers = Map<string, SocketWorker>

export interface LinkOptions {
  readonly connection: Connection
  readonly workers: SocketWorkers
  /** Of its socket. */
  readonly answers: Answers
  readonly participant: Participant
  /** Null for a control document, which holds no content. */
  readonly room: Room | null
  readonly meter: ConnectionMeter
  readonly report: Report
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Called for each frame, before anything else is done with it. */
  readonly onFrame: () => void
  /** Runs a task when it is the turn of the socket, before all frames that come from now on. */
  readonly defer: (task: () => void) => void
  /** Whether the token of this connection opens a session. */
  readonly mayOpen: (link: Link, session: string) => boolean
  /** The client has sent a fresh token. */
  readonly onToken: (link: Link, token: string) => void
  readonly onWorkerMessage: (link: Link, message: WorkerMessage) => void
  readonly onClaim: (link: Link, message: ClaimMessage) => void
  readonly onClose: (link: Link) => void
}

export class Link implements Member, WorkerLink {
  readonly participant: Participant
  readonly address: string
  /** How far the client's clock is behind that of the server, in milliseconds; 0 where it does not say. */
  behindMs = 0
  readonly #workers: SocketWorkers
  readonly #connection: Connection
  readonly #document: Document
  readonly #room: Room | null
  readonly #options: LinkOptions
  #ready = false
  /** Presence that waits for the binding of a client id to be stored. */
  #unshown = 0
  #closed = false
  /** Why it was refused before it stood; null otherwise. */
  #objection: CloseReason | null = null
  #isOpen = false
  /** Frames that the host had kept until the connection stood and that are not handled yet. */
  #kept = 0
  /** The client has closed the connection before those frames, or others, were handled. */
  #isLeft = false
  /** A question for the state waits to be answered. */
  #answering = false
  /** The newest presence message of those that came too fast. */
  #latePresence: Uint8Array | null = null
  #presenceTimer: NodeJS.Timeout | undefined
  /** A mark that waits: some update of this connection builds on something that has not come yet. */
  #waitingMark: number | null = null
  /** Its client learns by marks what is stored: an acknowledgement of each update would be a frame per token for nobody. */
  #asksByMarks = false

  constructor(options: LinkOptions) {
    const { connection, room } = options
    this.participant = options.participant
    this.#workers = options.workers
    this.#connection = connection
    this.#document = connection.document
    this.#room = room
    this.#options = options
    this.address = connection.messageAddress
    connection.handleMessage = (data) => this.#hear(data)
    connection.send = (frame) => this.#write(frame)
    room?.members.add(this)
    connection.onClose(() => {
      this.#closed = true
      clearTimeout(this.#presenceTimer)
      room?.leave(this)
      options.onClose(this)
    })
  }

  get ready(): boolean {
    return this.#ready
  }

  get worker(): string | null {
    return this.#workers.get(this.participant.id)?.id ?? null
  }

  get leases(): ReadonlyMap<string, number> {
    return this.#workers.get(this.participant.id)?.leases ?? NO_LEASES
  }

  mayOpen(session: string): boolean {
    return this.#options.mayOpen(this, session)
  }

  get documentName(): string {
    return this.#document.name
  }

  /** Ends the time in which the host is still putting the connection together, and must not find it closed. */
  open(): void {
    queueMicrotask(() => {
      this.#isOpen = true
      this.#leaveIfLeft()
      if (this.#objection !== null) this.refuse(this.#objection)
    })
  }

  #hear(data: Uint8Array): void {
    this.#options.onFrame()
    if (this.#isOpen) return this.receive(data)
    // What the host has kept, thousands of frames, it hands on in one piece.
    this.#kept += 1
    this.#options.defer(() => {
      this.#kept -= 1
      this.receive(data)
      this.#leaveIfLeft()
    })
  }

  #leaveIfLeft(): void {
    if (this.#isLeft && this.#isOpen && this.#kept === 0) this.leave()
  }

  receive(data: Uint8Array): void {
    if (this.#closed || this.#objection !== null) return
    const reason = this.#options.meter.frame(data.byteLength)
    if (reason !== null) return this.refuse(reason)
    try {
      const decoder = decoding.createDecoder(data)
      decoding.readVarString(decoder)
      this.#isLeft = false
      this.#dispatch(decoding.readVarUint(decoder), decoder, data)
    } catch (error) {
      this.#options.report(error, { stage: 'frame', session: this.#document.name, participant: this.participant.id })
      this.refuse('malformed')
    }
  }

  send(frame: Uint8Array): void {
    if (!this.#closed) this.#write(frame)
  }

  /** Asks the client for a fresh token. */
  requestToken(): void {
    if (!this.#closed) this.#connection.requestToken()
  }

  tell(message: ServerMessage): void {
    if (message.t === 'assign') this.#assign(message.run, message.generation)
    this.send(statelessFrame(this.address, encodeMessage(message)))
  }

  /** What a worker has never had it writes under this lease from the start; otherwise it says from where on it does. */
  #assign(run: string, generation: number): void {
    const leases = this.#workers.get(this.participant.id)?.leases
    if (leases?.has(run) === false) leases.set(run, generation)
  }

  forget(run: string): void {
    this.#workers.get(this.participant.id)?.leases.delete(run)
  }

  /** Ends the connection to this session, with the reason; the socket and its other sessions stay. */
  refuse(reason: CloseReason, detail?: RefusalDetail): void {
    if (this.#closed) return
    if (!this.#isOpen) {
      this.#objection ??= reason
      return
    }
    this.tell({ t: 'refused', reason, ...detail })
    this.#connection.close({ code: CLOSE_REASONS[reason].transient ? 4205 : REFUSED_CODE, reason })
  }

  /** The socket that the host was given keeps what is unread within its limit, whoever writes. */
  #write(frame: Uint8Array): void {
    const { webSocket } = this.#connection
    webSocket.send(frame)
    // Given up by this frame or before: whoever does not read would keep the connection for seconds.
    if (webSocket.readyState > OPEN) this.#connection.close({ code: 4408, reason: 'slow-reader' })
  }

  /**
   * Ends the connection because its client has gone. At once: the host's loop would take turns, and the client may open the
   * session again in its next frame.
   */
  leave(): void {
    this.#connection.close({ code: 1000, reason: 'provider_initiated' })
  }

  #dispatch(type: number, decoder: decoding.Decoder, data: Uint8Array): void {
    switch (type) {
      case FRAME.sync:
      case FRAME.syncReply:
        return this.#sync(decoding.readVarUint(decoder), decoding.readVarUint8Array(decoder))
      case FRAME.awareness:
        return this.#presence(decoding.readVarUint8Array(decoder))
      case FRAME.stateless:
        if (data.byteLength > this.#options.meter.statelessBytes) return this.refuse('too-big')
        return this.#message(decoding.readVarString(decoder))
      case FRAME.queryAwareness:
        return this.#sendPresence()
      case FRAME.auth:
        if (decoding.readVarUint(decoder) !== AUTH_TOKEN) return this.refuse('malformed')
        return this.#options.onToken(this, decoding.readVarString(decoder))
      case FRAME.close:
        // The host keeps frames until a connection stands. A close that others follow is about an earlier connection.
        this.#isLeft = true
        return this.#leaveIfLeft()
      default:
        return this.refuse('malformed')
    }
  }

  #sync(sub: number, bytes: Uint8Array): void {
    switch (sub) {
      case SYNC.step1:
        return this.#answerState(bytes)
      case SYNC.step2:
      case SYNC.update:
        return this.#update(bytes)
      default:
        return this.refuse('malformed')
    }
  }

  /** Answers with what the reader lacks, and asks for what the server lacks, when the reader has read what it was sent before. */
  #answerState(stateVector: Uint8Array): void {
    const reason = this.#options.meter.state()
    if (reason !== null) return this.refuse(reason)
    // The answer that is still to be sent has all that this one would have; what is newer follows it.
    if (this.#answering) return
    this.#answering = true
    this.#options.answers.add((done) => this.#sendState(stateVector, done))
  }

  /** Encoded now, sent when it is stored. */
  #sendState(stateVector: Uint8Array, done: () => void): void {
    if (this.#closed) return done()
    const state = syncFrame(this.address, SYNC.step2, Y.encodeStateAsUpdate(this.#document, stateVector))
    const ask = syncFrame(this.address, SYNC.step1, Y.encodeStateVector(this.#document))
    this.#after(() => {
      this.#answering = false
      this.send(state)
      this.send(ask)
      this.#ready = true
      done()
    })
  }

  #update(update: Uint8Array): void {
    if (this.#room === null) return isEmptyUpdate(update) ? undefined : this.refuse('read-only')
    this.#room.receive(update, this)
  }

  acknowledge(): void {
    if (!this.#asksByMarks) {
      const ack = ackFrame(this.address)
      this.#after(() => this.send(ack))
    }
    if (this.#waitingMark !== null && this.#room?.isWaiting(this) === false) this.#answerMark(this.#waitingMark)
  }

  /** Shows presence; of what comes too fast, the newest. */
  #presence(update: Uint8Array): void {
    const { presence } = this.#options.meter
    if (this.#latePresence === null && presence.take(1)) return this.#show(update)
    this.#latePresence = update
    this.#presenceTimer ??= setTimeout(() => this.#showLate(), presence.waitMs(1)).unref()
  }

  #showLate(): void {
    this.#presenceTimer = undefined
    const late = this.#latePresence
    this.#latePresence = null
    if (late === null || this.#closed) return
    try {
      this.#presence(late)
    } catch {
      this.refuse('malformed')
    }
  }

  /** A client id is bound first, and that stored, before anybody else sees it and could use it. */
  #show(update: Uint8Array): void {
    const room = this.#room
    const states = readPresence(update, (clientId) => this.#mayShow(clientId))
    const claimed = states.filter(({ clientId }) => room?.claim(clientId, this.participant) === true)
    // What comes meanwhile waits behind it: of presence, only the newest counts, and older ones that come later are dropped.
    if (claimed.length === 0 && this.#unshown === 0) return this.#apply(states)
    this.#unshown += 1
    this.#after(() => {
      this.#unshown -= 1
      this.#apply(states)
    })
  }

  /** Whether it may speak for a client id: one of its participant, or one that has no owner and nobody else shows. */
  #mayShow(clientId: number): boolean {
    const owner = this.#room?.ownerOf(clientId)
    if (owner !== undefined) return owner === this.participant.id
    return this.#document.getClients(this.#connection).has(clientId) || !this.#document.awareness.getStates().has(clientId)
  }

  #apply(states: readonly PresenceState[]): void {
    if (this.#closed) return
    try {
      // Asked again: somebody else may have come to have an id meanwhile.
      const own = states.filter(({ clientId }) => this.#mayShow(clientId))
      applyPresence(this.#document.awareness, own, this.participant, this.#origin)
      for (const state of own) this.#hold(state)
    } catch (error) {
      this.#options.report(error, { stage: 'frame', session: this.#document.name, participant: this.participant.id })
      this.refuse('malformed')
    }
  }

  /** By this the host takes note of what the connection does not show any more. */
  get #origin(): object {
    return { source: 'connection', connection: this.#connection }
  }

  /**
   * What a connection shows ends with it, and with no other that showed it before: a client that comes back is on a new socket
   * before the old one is found dead. The host takes note only of ids that it has never seen, and of every connection.
   */
  #hold({ clientId, clock, state }: PresenceState): void {
    const { awareness } = this.#document
    const mine = this.#document.getClients(this.#connection)
    // What was late on its way is not shown, and not held.
    if (state === null || awareness.meta.get(clientId)?.clock !== clock) return
    if (!mine.has(clientId)) {
      for (const other of this.#document.getConnections()) this.#document.getClients(other).delete(clientId)
      mine.add(clientId)
    }
    if (mine.size > MAX_SHOWN) removeAwarenessStates(awareness, [...mine].slice(0, -MAX_SHOWN), this.#origin)
  }

  #sendPresence(): void {
    const { awareness } = this.#document
    if (this.#options.meter.state() !== null) return this.refuse('too-fast')
    if (awareness.getStates().size === 0) return
    this.send(presenceFrame(this.address, encodeAwarenessUpdate(awareness, [...awareness.getStates().keys()])))
  }

  #message(payload: string): void {
    const message = readClientMessage(payload)
    if (message === null) return
    if (message.t === 'claim') return this.#options.onClaim(this, message)
    if (message.t === 'clock') return void (this.behindMs = this.#options.now() - message.at)
    if (message.t !== 'mark') return this.#options.onWorkerMessage(this, message)
    this.#asksByMarks = true
    if (this.#room?.isWaiting(this) === true) this.#waitingMark = message.n
    else this.#answerMark(message.n)
  }

  #answerMark(n: number): void {
    this.#waitingMark = null
    this.#after(() => this.tell({ t: 'marked', n }))
  }

  #after(task: () => void): void {
    if (this.#room === null) task()
    else this.#room.after(task)
  }
}
