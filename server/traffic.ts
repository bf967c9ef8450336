/**
 * What sockets, connections and participants use, against the limits (SPEC LIM-2 and on). Nothing here knows of documents
 * or frames: it counts, and says no.
 */
import type { CloseReason } from '../shared/errors.ts'
import type { Limits } from '../shared/limits.ts'
import type { Participant } from '../shared/participant.ts'
import { Bucket } from './rate.ts'
import { Payer } from './turns.ts'

/** A frame from here on may alone be more than a socket should have unread: the state of a large session. */
const LARGE_FRAME_BYTES = 1024 * 1024
/** What one participant, or all who have shown no token yet, may take of one turn of the event loop, in milliseconds. */
const PERSON_SLICE_MS = 1
/** An agent's worker has many sessions on one socket, and all that it streams is in its slice. */
const AGENT_SLICE_MS = 5
const STRANGERS_SLICE_MS = 1
/** What all strangers have sent is summed up again after so much more. */
const SUM_BYTES = 256 * 1024
/** How long an account outlives its last socket, if it is not whole again: closing and coming back wins nothing. */
const FORGET_MS = 60_000
/** So long nothing large is taken from a participant who has sent what no client of ours does. */
const OFFENCE_MS = 10_000

/** A socket as it is metered. */
export interface MeteredSocket {
  readonly bufferedAmount: number
  /** It was closed from this side. */
  readonly isGivenUp: boolean
  close(code: number, reason: CloseReason): void
}

/** What one participant uses over all sockets. */
class Account {
  readonly sockets: Set<SocketMeter> = new Set()
  readonly frames: Bucket
  readonly bytes: Bucket
  readonly payer: Payer
  readonly #now: () => number
  #offendedAtMs = Number.NEGATIVE_INFINITY

  constructor(limits: Limits, kind: Participant['kind'], now: () => number) {
    this.#now = now
    const isAgent = kind === 'agent'
    this.frames = new Bucket(isAgent ? limits.agentFrames : limits.personFrames, now)
    this.bytes = new Bucket(isAgent ? limits.agentBytes : limits.personBytes, now)
    this.payer = isAgent
      ? new Payer(AGENT_SLICE_MS, null)
      : new Payer(PERSON_SLICE_MS, new Bucket(limits.personTimeMs, now), new Bucket(limits.personShareMs, now))
  }

  get isRested(): boolean {
    return this.frames.full && this.bytes.full && this.payer.isRested && !this.hasOffended
  }

  /** It has sent, a short time ago, what no client of ours does. */
  get hasOffended(): boolean {
    return this.#now() - this.#offendedAtMs < OFFENCE_MS
  }

  offend(): void {
    this.#offendedAtMs = this.#now()
  }

  get unreadBytes(): number {
    return sumOf(this.sockets, 'unreadBytes')
  }

  /** What has come of frames that are not whole; the sockets count it, since it is looked at for each chunk. */
  unfinishedBytes = 0
}

function sumOf(sockets: Iterable<SocketMeter>, what: 'unreadBytes' | 'strangeBytes'): number {
  let sum = 0
  for (const socket of sockets) sum += socket[what]
  return sum
}

export class Traffic {
  readonly limits: Limits
  readonly now: () => number
  readonly #accounts = new Map<string, Account>()
  /** Sockets that have not shown a token yet, oldest first. */
  readonly #strangers = new Map<SocketMeter, NodeJS.Timeout>()
  /** All of them share what there is for them. */
  readonly strangersPayer: Payer
  /** What all strangers had sent when that was last summed up, and what has come since. */
  #strangeBytes = 0
  #unsummedBytes = 0

  /** @param now milliseconds of a clock that never goes back. */
  constructor(limits: Limits, now: () => number) {
    this.limits = limits
    this.now = now
    this.strangersPayer = new Payer(STRANGERS_SLICE_MS, null, new Bucket(limits.strangersShareMs, now))
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

  /** Ends the stranger that has sent most when all of them together have sent too much; `bytes` have come since the last time. */
  boundStrangers(bytes: number): void {
    this.#unsummedBytes += bytes
    const { allUnauthenticatedBytes } = this.limits
    // There may be hundreds, and each chunk comes by.
    if (this.#unsummedBytes < SUM_BYTES && this.#strangeBytes + this.#unsummedBytes <= allUnauthenticatedBytes) return
    const strangers = [...this.#strangers.keys()]
    this.#strangeBytes = sumOf(strangers, 'strangeBytes')
    this.#unsummedBytes = 0
    if (this.#strangeBytes <= allUnauthenticatedBytes) return
    strangers.reduce((most, meter) => (meter.strangeBytes > most.strangeBytes ? meter : most)).end(4429, 'too-many')
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
    if (account.isRested) this.#accounts.delete(key)
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
  /** What has come since the last whole frame; the beginning of the next one, in the chunk that ends it, is not counted. */
  #unfinishedBytes = 0
  /** Of whole frames that wait for their turn. */
  #waitingBytes = 0
  #payer: Payer
  #ended = false
  #isClosed = false
  /** What may be unread besides the limit: the rest of a large frame. */
  #allowance = 0

  constructor(traffic: Traffic, socket: MeteredSocket) {
    this.#traffic = traffic
    this.#socket = socket
    this.#strays = new Bucket(traffic.limits.strayFrames, traffic.now)
    this.#bytesLeft = traffic.limits.unauthenticatedBytes
    this.#payer = traffic.strangersPayer
  }

  get unreadBytes(): number {
    return this.#socket.bufferedAmount
  }

  /** Closed, by either side. */
  get isGone(): boolean {
    return this.#isClosed || this.#socket.isGivenUp
  }

  /** What it has sent before its first valid token. */
  get strangeBytes(): number {
    const { unauthenticatedBytes } = this.#traffic.limits
    return this.#bytesLeft === Number.POSITIVE_INFINITY ? 0 : unauthenticatedBytes - this.#bytesLeft + this.#heldBytes
  }

  /** What has come and has not been handled. */
  get #heldBytes(): number {
    return this.#unfinishedBytes + this.#waitingBytes
  }

  /** On whose account its frames are handled: the first participant's who has shown a token on it. */
  get payer(): Payer {
    return this.#payer
  }

  /** It has a connection to some document. */
  get isOpen(): boolean {
    return this.#open > 0
  }

  /** A token of the socket was valid. */
  authenticated(participant: Participant): void {
    this.#bytesLeft = Number.POSITIVE_INFINITY
    this.#traffic.acquainted(this)
    this.#belongsTo(participant)
  }

  #belongsTo(participant: Participant): Account {
    const account = this.#traffic.account(participant)
    if (this.#isClosed) {
      this.#traffic.settle(participant)
      return account
    }
    const key = `${participant.kind}:${participant.id}`
    if (this.#participants.has(key)) return account
    account.sockets.add(this)
    account.unfinishedBytes += this.#unfinishedBytes
    if (this.#participants.size === 0) this.#payer = account.payer
    this.#participants.set(key, participant)
    return account
  }

  /** A new connection to a document, with why it may not be; it counts until it is closed in any case. */
  connect(participant: Participant, documentName: string): { meter: ConnectionMeter; objection: CloseReason | null } {
    const { limits } = this.#traffic
    const account = this.#belongsTo(participant)
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

  /** Counts what comes of a frame that may not be whole yet, before it is kept. */
  arriving(bytes: number): void {
    this.#countUnfinished(bytes)
    if (this.#bytesLeft !== Number.POSITIVE_INFINITY) {
      if (this.#heldBytes > this.#bytesLeft) this.end(4429, 'too-big')
      else this.#traffic.boundStrangers(bytes)
      return
    }
    const { participantUnfinishedBytes, waitingBytes } = this.#traffic.limits
    // No session is open yet, and so much may not wait for one.
    if (!this.isOpen && this.#unfinishedBytes > waitingBytes) return this.end(4429, 'too-fast')
    const isLarge = this.#unfinishedBytes > LARGE_FRAME_BYTES
    for (const account of this.#accounts()) {
      // A large frame that will be too much when it is whole, or most likely garbage again, is not put together first, which is
      // most of what it costs.
      const isTooFast = isLarge && (account.hasOffended || account.bytes.waitMs(this.#unfinishedBytes) > 0)
      if (isTooFast || account.unfinishedBytes > participantUnfinishedBytes) return this.end(4429, 'too-fast')
    }
  }

  /** A frame of so many bytes is whole, and waits for its turn. */
  arrived(bytes: number): void {
    this.#countUnfinished(-this.#unfinishedBytes)
    this.#waitingBytes += bytes
  }

  /** The turn of such a frame has come. */
  taken(bytes: number): void {
    this.#waitingBytes -= bytes
  }

  /** Counts a frame that belongs to no connection; ends the socket when there are too many. */
  stray(bytes: number): void {
    this.#bytesLeft -= bytes
    if (this.#bytesLeft < 0) this.end(4429, 'too-big')
    else if (!this.#strays.take(1)) this.end(4429, 'too-fast')
    else if (!this.#accounts().every((account) => account.bytes.take(bytes))) this.end(4429, 'too-fast')
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
    this.#countUnfinished(-this.#unfinishedBytes)
    this.#isClosed = true
    this.#traffic.acquainted(this)
    for (const participant of this.#participants.values()) {
      this.#traffic.account(participant).sockets.delete(this)
      this.#traffic.settle(participant)
    }
    this.#participants.clear()
  }

  #unreadOfParticipants(): number {
    return Math.max(0, ...this.#accounts().map(({ unreadBytes }) => unreadBytes))
  }

  #countUnfinished(bytes: number): void {
    if (bytes === 0 || this.#isClosed) return
    this.#unfinishedBytes += bytes
    for (const account of this.#accounts()) account.unfinishedBytes += bytes
  }

  #accounts(): Account[] {
    return [...this.#participants.values()].map((participant) => this.#traffic.account(participant))
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

  /** What came on it no client of ours sends: for a while nothing large is taken from its participant. */
  offend(): void {
    this.#account.offend()
  }

  close(): void {
    this.#release()
  }
}
