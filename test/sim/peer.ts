/** A peer of the simulation: a real session over queues that shuffle, double and lose what is in them. */
import * as decoding from 'lib0/decoding'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { Presence } from '../../client/presence.ts'
import { Session } from '../../client/session.ts'
import { FRAME, SYNC, syncFrame } from '../../server/frames.ts'
import type { Participant } from '../../shared/participant.ts'
import type { Chance } from '../support/random.ts'
import { SESSION, type Connection, type SimServer } from './server.ts'

const NETWORK = Symbol('network')

export interface PeerOptions {
  readonly me: Participant
  readonly clientId: number
  readonly now: () => number
  readonly fail: (error: unknown) => void
  /** What goes to the server may overtake what went before it, which no socket allows. */
  readonly shufflesUp: boolean
  /** Told after each change of the view. */
  readonly onView: (peer: Peer) => void
}

export class Peer {
  readonly me: Participant
  readonly doc: Y.Doc = new Y.Doc()
  readonly session: Session
  readonly #awareness: Awareness
  readonly #shufflesUp: boolean
  #server: Connection | null = null
  /** Frames on their way to the server and back. */
  #up: Uint8Array[] = []
  #down: Uint8Array[] = []
  /** The server has asked for what it lacks: from now on every update goes out as it is made. */
  #settled = false

  constructor({ me, clientId, now, fail, shufflesUp, onView }: PeerOptions) {
    this.me = me
    this.#shufflesUp = shufflesUp
    this.doc.clientID = clientId
    this.#awareness = new Awareness(this.doc)
    const presence = new Presence(this.#awareness, fail)
    this.session = new Session({ id: SESSION, doc: this.doc, presence, report: fail, now })
    this.session.identify(me)
    this.session.subscribe(() => onView(this))
    this.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== NETWORK && this.#settled) this.#up.push(syncFrame(SESSION, SYNC.update, update))
    })
  }

  get online(): boolean {
    return this.#server !== null
  }

  /** Frames under way. */
  get underWay(): number {
    return this.#up.length + this.#down.length
  }

  connect(server: SimServer): void {
    if (this.#server !== null) return
    const down: Uint8Array[] = []
    this.#down = down
    this.#up = [syncFrame(SESSION, SYNC.step1, Y.encodeStateVector(this.doc))]
    this.#server = server.connect(this.me, (frame) => void down.push(frame))
  }

  /** The connection is gone, with what was under way. */
  disconnect(): void {
    this.#server?.close()
    this.#server = null
    this.#settled = false
    this.#up = []
    this.#down = []
  }

  /** Delivers one frame, perhaps not the oldest, perhaps not for the last time. */
  deliver(chance: Chance | null): boolean {
    const queues = [this.#up, this.#down].filter((queue) => queue.length > 0)
    const queue = chance === null ? queues[0] : queues.length > 0 ? chance.pick(queues) : undefined
    if (queue === undefined) return false
    const isUp = queue === this.#up
    const mayShuffle = !isUp || this.#shufflesUp
    const index = chance !== null && mayShuffle && chance.bool(0.4) ? chance.int(0, queue.length - 1) : 0
    const frame = queue[index] as Uint8Array
    if (chance === null || !chance.bool(0.15)) queue.splice(index, 1)
    if (isUp) this.#server?.receive(frame)
    else this.#receive(frame)
    return true
  }

  destroy(): void {
    this.disconnect()
    this.session.destroy()
    this.#awareness.destroy()
    this.doc.destroy()
  }

  #receive(frame: Uint8Array): void {
    const decoder = decoding.createDecoder(frame)
    decoding.readVarString(decoder)
    if (decoding.readVarUint(decoder) !== FRAME.sync) return
    const sub = decoding.readVarUint(decoder)
    const bytes = decoding.readVarUint8Array(decoder)
    if (sub === SYNC.step1) {
      this.#up.push(syncFrame(SESSION, SYNC.step2, Y.encodeStateAsUpdate(this.doc, bytes)))
      this.#settled = true
    } else {
      Y.applyUpdate(this.doc, bytes, NETWORK)
    }
  }
}
