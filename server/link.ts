/**
 * What the server keeps for one connection, and the loop over its frames. It takes the place of the host's own loop, which
 * awaits hooks between the check and the write; here a frame is decoded, checked, applied and logged in one synchronous step.
 */
import type { Connection, Document, WebSocketLike } from '@hocuspocus/server'
import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'
import { CLOSE_REASONS, type CloseReason, type Report } from '../shared/errors.ts'
import { MAX_UNREAD_BYTES } from '../shared/limits.ts'
import type { Participant } from '../shared/participant.ts'
import { encodeMessage, readClientMessage, type ClientMessage, type ServerMessage } from '../shared/wire.ts'
import { ackFrame, FRAME, statelessFrame, SYNC, syncFrame } from './frames.ts'
import { applyPresence, presenceClients } from './presence.ts'
import { isEmptyUpdate, type Member, type RefusalDetail, type Room } from './room.ts'
import type { JoinedSocket } from './socket.ts'

/** What a worker's connection to a control document may say. */
export type WorkerMessage = Exclude<ClientMessage, { t: 'mark' }>

/** Close code of a connection that was refused for good; the reason says why. */
const REFUSED_CODE = 4403

/** Which worker of which agent is behind a socket, as it says on the agent's control document. */
export type SocketWorkers = Map<string, string>

export interface LinkOptions {
  readonly connection: Connection
  readonly workers: SocketWorkers
  readonly participant: Participant
  /** Null for a control document, which holds no content. */
  readonly room: Room | null
  readonly report: Report
  readonly onWorkerMessage: (link: Link, message: WorkerMessage) => void
  readonly onClose: (link: Link) => void
}

export class Link implements Member {
  readonly participant: Participant
  readonly address: string
  readonly #workers: SocketWorkers
  readonly #connection: Connection
  readonly #document: Document
  readonly #room: Room | null
  readonly #report: Report
  readonly #onWorkerMessage: (link: Link, message: WorkerMessage) => void
  /** The host's own loop; it still gets the frames of authentication. */
  readonly #hostReceive: (data: Uint8Array) => void
  #ready = false
  /** Presence that waits for the binding of a client id to be stored. */
  #unshown = 0
  #closed = false
  /** Size of the state that was asked for last: unread, it may stand beside `MAX_UNREAD_BYTES`, or no long session would open. */
  #stateBytes = 0
  /** Bytes of answers that are made but wait for the store. */
  #waitingBytes = 0
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
    this.#report = options.report
    this.#onWorkerMessage = options.onWorkerMessage
    this.address = connection.messageAddress
    this.#hostReceive = connection.handleMessage.bind(connection)
    connection.handleMessage = (data) => this.receive(data)
    // Presence is sent by the host itself, and must not pass the limit either.
    connection.send = (frame) => this.#write(frame)
    room?.members.add(this)
    connection.onClose(() => {
      this.#closed = true
      room?.leave(this)
      options.onClose(this)
    })
  }

  get ready(): boolean {
    return this.#ready
  }

  get worker(): string | null {
    return this.#workers.get(this.participant.id) ?? null
  }

  receive(data: Uint8Array): void {
    if (this.#closed) return
    try {
      const decoder = decoding.createDecoder(data)
      decoding.readVarString(decoder)
      this.#dispatch(decoding.readVarUint(decoder), decoder, data)
    } catch (error) {
      this.#report(error, { stage: 'frame', session: this.#document.name, participant: this.participant.id })
      this.refuse('malformed')
    }
  }

  send(frame: Uint8Array): void {
    if (!this.#closed) this.#write(frame)
  }

  tell(message: ServerMessage): void {
    this.send(statelessFrame(this.address, encodeMessage(message)))
  }

  /** Ends the connection to this session, with the reason; the socket and its other sessions stay. */
  refuse(reason: CloseReason, detail?: RefusalDetail): void {
    if (this.#closed) return
    this.tell({ t: 'refused', reason, ...detail })
    this.#connection.close({ code: CLOSE_REASONS[reason].transient ? 4205 : REFUSED_CODE, reason })
  }

  #write(frame: Uint8Array): void {
    const socket = this.#connection.webSocket as WebSocketLike & Partial<JoinedSocket>
    if ((socket.bufferedAmount ?? 0) <= MAX_UNREAD_BYTES + this.#stateBytes) socket.send(frame)
    else this.#giveUp()
  }

  /** No farewell: a reader that does not read would not get it. The socket goes, and with it what waits in it. */
  #giveUp(): void {
    if (this.#closed) return
    this.#connection.webSocket.close(4408, 'slow-reader')
    this.#connection.close({ code: 4408, reason: 'slow-reader' })
  }

  #dispatch(type: number, decoder: decoding.Decoder, data: Uint8Array): void {
    switch (type) {
      case FRAME.sync:
      case FRAME.syncReply:
        return this.#sync(decoding.readVarUint(decoder), decoding.readVarUint8Array(decoder))
      case FRAME.awareness:
        return this.#presence(decoding.readVarUint8Array(decoder))
      case FRAME.stateless:
        return this.#message(decoding.readVarString(decoder))
      case FRAME.queryAwareness:
        return
      case FRAME.auth:
        return this.#hostReceive(data)
      case FRAME.close:
        // At once: the host's loop would take turns, and the client may open the session again in its next frame.
        return this.#connection.close({ code: 1000, reason: 'provider_initiated' })
      default:
        return this.refuse('malformed')
    }
  }

  #sync(sub: number, bytes: Uint8Array): void {
    switch (sub) {
      case SYNC.step1:
        return this.#sendState(bytes)
      case SYNC.step2:
      case SYNC.update:
        return this.#update(bytes)
      default:
        return this.refuse('malformed')
    }
  }

  /** Answers with what the reader lacks, and asks for what the server lacks. Encoded now, sent when it is stored. */
  #sendState(stateVector: Uint8Array): void {
    const state = syncFrame(this.address, SYNC.step2, Y.encodeStateAsUpdate(this.#document, stateVector))
    const ask = syncFrame(this.address, SYNC.step1, Y.encodeStateVector(this.#document))
    this.#stateBytes = state.byteLength
    // Until it may be sent it is memory that this reader costs: who keeps asking is as bad as who never reads.
    this.#waitingBytes += state.byteLength
    if (this.#waitingBytes > MAX_UNREAD_BYTES + state.byteLength) return this.#giveUp()
    this.#after(() => {
      this.#waitingBytes -= state.byteLength
      this.send(state)
      this.send(ask)
      this.#ready = true
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

  /** Shows presence. A client id is bound first, and that stored, before anybody else sees it and could use it. */
  #presence(update: Uint8Array): void {
    const room = this.#room
    const claimed = presenceClients(update).filter((client) => room?.claim(client, this.participant) === true)
    // What comes meanwhile waits behind it: of presence, only the newest counts, and older ones that come later are dropped.
    if (claimed.length === 0 && this.#unshown === 0) return this.#showPresence(update)
    this.#unshown += 1
    this.#after(() => {
      this.#unshown -= 1
      this.#showPresence(update)
    })
  }

  #showPresence(update: Uint8Array): void {
    if (this.#closed) return
    const shown = this.#document.getClients(this.#connection)
    const states = this.#document.awareness.getStates()
    const owner = (clientId: number): boolean => {
      const bound = this.#room?.ownerOf(clientId)
      return bound === undefined ? shown.has(clientId) || !states.has(clientId) : bound === this.participant.id
    }
    try {
      applyPresence(this.#document.awareness, update, this.participant, owner, {
        source: 'connection',
        connection: this.#connection,
      })
    } catch (error) {
      this.#report(error, { stage: 'frame', session: this.#document.name, participant: this.participant.id })
      this.refuse('malformed')
    }
  }

  #message(payload: string): void {
    const message = readClientMessage(payload)
    if (message === null) return
    if (message.t !== 'mark') return this.#onWorkerMessage(this, message)
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
