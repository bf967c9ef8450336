/**
 * What sockets, connections and participants use, against the limits (SPEC LIM-2 and on). Nothing here knows of documents
 * or frames: it counts, and says no.
 */
import type { CloseReason } from '../shared/errors.ts'
import type { Limits } from '../shared/limits.ts'
import type { Participant } from '../shared/participant.ts'
import { Bucket } from './rate.ts'

/** A frame from here on may alone be more than a socket should have unread: the state of a large session. */
const LARGE_FRAME_BYTES = 1024 * 1024
/** How long an account outlives its last socket, if it is not whole again: closing and coming back wins nothing. */
const FORGET_MS = 60_000

/** A socket as it is metered. */
export interface MeteredSocket {
  readonly bufferedAmount: number
  close(code: number, reason: CloseReason): void
}

/** What one participant uses over all sockets. */
class Account {
  readonly sockets: Set<SocketMeter> = new Set()
  readonly frames: Bucket
  readonly bytes: Bucket

  constructor(limits: Limits, kind: Participant['kind'], now: () => number) {
    this.frames = new Bucket(kind === 'agent' ? limits.agentFrames : limits.personFrames, now)
    this.bytes = new Bucket(kind === 'agent' ? limits.agentBytes : limits.personBytes, now)
  }

  get unreadBytes(): number {
    let bytes = 0
    for (const socket of this.sockets) bytes += socket.unreadBytes
    return bytes
  }
}

export class Traffic {
  readonly limits: Limits
  readonly now: () => number
  readonly #accounts = new Map<string, Account>()
  /** Sockets that have not shown a token yet, oldest first. */
  readonly #strangers = new Map<SocketMeter, NodeJS.Timeout>()

  /** @param now milliseconds of a clock that never goes back. */
  constructor(limits: Limits, now: () => number) {
    this.limits = limits
    this.now = now
  }

  /** Takes up a new socket. */
  open(socket: MeteredSocket): SocketMeter {
    const meter = new SocketMeter(this, socket)
    const late = setTimeout(() => meter.end(4401, 'bad-token'), this.limits.authenticateMs)
    this.#strangers.set(meter, late)
    if (this.#strangers.size > this.limits.unauthenticatedSockets) {
      const [oldest] = this.#strangers.keys()
      oldest?.end(4429, 'too-many')
    }
    return meter
  }

  /** A socket has shown a valid token, or is gone. */
  acquainted(meter: SocketMeter): void {
    clearTimeout(this.#strangers.get(meter))
    this.#strangers.delete(meter)
  }

  account({ id, kind }: Participant): Account {
    let account = this.#accounts.get(`${kind}:${id}`)
    if (account === undefined) this.#accounts.set(`${kind}:${id}`, (account = new Account(this.limits, kind, this.now)))
    return account
  }

  /** Forgets the account of a participant who is gone, once it is of no more use. */
  settle({ id, kind }: Participant): void {
    const key = `${kind}:${id}`
    const account = this.#accounts.get(key)
    if (account === undefined || account.sockets.size > 0) return
    if (account.frames.full && account.bytes.full) this.#accounts.delete(key)
    else setTimeout(() => this.settle({ id, kind, name: id }), FORGET_MS).unref()
  }
}

/** One socket. */
export class SocketMeter {
  readonly #traffic: Traffic
  readonly #socket: MeteredSocket
  readonly #strays: Bucket
  readonly #participants = new Map<string, Participant>()
  readonly #connections = new Map<string, number>()
  #open = 0
  /** What may still come before a valid token; `Infinity` once there was one. */
  #bytesLeft: number
  #ended = false
  /** What may be unread besides the limit: the rest of a large frame. */
  #allowance = 0

  constructor(traffic: Traffic, socket: MeteredSocket) {
    this.#traffic = traffic
    this.#socket = socket
    this.#strays = new Bucket(traffic.limits.strayFrames, traffic.now)
    this.#bytesLeft = traffic.limits.unauthenticatedBytes
  }

  get unreadBytes(): number {
    return this.#socket.bufferedAmount
  }

  /** It has a connection to some document. */
  get isOpen(): boolean {
    return this.#open > 0
  }

  /** A token of the socket was valid. */
  authenticated(): void {
    this.#bytesLeft = Number.POSITIVE_INFINITY
    this.#traffic.acquainted(this)
  }

  /** A new connection to a document, with why it may not be; it counts until it is closed in any case. */
  connect(participant: Participant, documentName: string): { meter: ConnectionMeter; objection: CloseReason | null } {
    const { limits } = this.#traffic
    const account = this.#traffic.account(participant)
    account.sockets.add(this)
    this.#participants.set(participant.id, participant)
    this.#open += 1
    const toSession = (this.#connections.get(documentName) ?? 0) + 1
    this.#connections.set(documentName, toSession)
    const tooMany =
      account.sockets.size > limits.socketsPerParticipant ||
      this.#open > limits.sessionsPerSocket ||
      toSession > limits.connectionsPerSession
    const release = (): void => {
      this.#open -= 1
      const left = (this.#connections.get(documentName) ?? 1) - 1
      if (left > 0) this.#connections.set(documentName, left)
      else this.#connections.delete(documentName)
    }
    return { meter: new ConnectionMeter(this.#traffic, account, release), objection: tooMany ? 'too-many' : null }
  }

  /** Counts a frame that belongs to no connection; ends the socket when there are too many. */
  stray(bytes: number): void {
    this.#bytesLeft -= bytes
    if (this.#bytesLeft < 0) this.end(4429, 'too-big')
    else if (!this.#strays.take(1)) this.end(4429, 'too-fast')
  }

  /** Whether `bytes` may be put behind what is unread already; ends the socket when not. */
  mayQueue(bytes: number): boolean {
    if (this.#ended) return false
    const { unreadBytes, participantUnreadBytes } = this.#traffic.limits
    const unread = this.#socket.bufferedAmount
    this.#allowance = Math.min(this.#allowance, unread)
    const isSlow = unread > unreadBytes + this.#allowance
    if (isSlow || (unread > LARGE_FRAME_BYTES && this.#unreadOfParticipants() > participantUnreadBytes)) {
      this.end(4408, 'slow-reader')
      return false
    }
    if (bytes > LARGE_FRAME_BYTES) this.#allowance = Math.max(this.#allowance, bytes)
    return true
  }

  end(code: number, reason: CloseReason): void {
    if (this.#ended) return
    this.#ended = true
    this.#traffic.acquainted(this)
    this.#socket.close(code, reason)
  }

  /** The socket is closed. */
  closed(): void {
    this.#ended = true
    this.#traffic.acquainted(this)
    for (const participant of this.#participants.values()) {
      this.#traffic.account(participant).sockets.delete(this)
      this.#traffic.settle(participant)
    }
    this.#participants.clear()
  }

  #unreadOfParticipants(): number {
    return Math.max(0, ...[...this.#participants.values()].map((participant) => this.#traffic.account(participant).unreadBytes))
  }
}

/** One connection of a participant to a document. */
export class ConnectionMeter {
  readonly statelessBytes: number
  readonly #account: Account
  readonly #frames: Bucket
  readonly #bytes: Bucket
  readonly #states: Bucket
  readonly presence: Bucket
  readonly #release: () => void

  constructor({ limits, now }: Traffic, account: Account, release: () => void) {
    this.statelessBytes = limits.statelessBytes
    this.#account = account
    this.#frames = new Bucket(limits.connectionFrames, now)
    this.#bytes = new Bucket(limits.connectionBytes, now)
    this.#states = new Bucket(limits.states, now)
    this.presence = new Bucket(limits.presence, now)
    this.#release = release
  }

  /** Counts a frame; gives the reason when it is one too many. */
  frame(bytes: number): CloseReason | null {
    const fits =
      this.#frames.take(1) && this.#bytes.take(bytes) && this.#account.frames.take(1) && this.#account.bytes.take(bytes)
    return fits ? null : 'too-fast'
  }

  /** Counts a question for the state of the document. */
  state(): CloseReason | null {
    return this.#states.take(1) ? null : 'too-fast'
  }

  close(): void {
    this.#release()
  }
}
