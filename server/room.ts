/**
 * One loaded session: its document, who is connected to it, and the way of each update through it (SPEC §4):
 *
 *   receive → admit → apply → append to the log → (stored) → broadcast and acknowledge
 *
 * `admit` to `append` is one synchronous step. Nothing leaves the room before it is stored: broadcasts, acknowledgements and
 * answers to readers all go through `log.after`.
 */
import type { Document } from '@hocuspocus/server'
import * as Y from 'yjs'
import type { CloseReason, Report } from '../shared/errors.ts'
import { MAX_SESSION_BYTES, MAX_UNSTORED_BYTES } from '../shared/limits.ts'
import type { Participant } from '../shared/participant.ts'
import { encodeMessage, type ServerMessage } from '../shared/wire.ts'
import { SYNC, statelessFrame, syncFrame } from './frames.ts'
import { Bindings } from './guard/bindings.ts'
import { Guard, mayWait, type Denied, type Sender } from './guard/guard.ts'
import { HeldUpdates } from './guard/held.ts'
import { MAX_CLIENTS_PER_PARTICIPANT } from './guard/limits.ts'
import type { UpdateLog } from './log.ts'
import { States } from './states.ts'

/** A connection as its room sees it. It is also the origin of the transactions that apply what it sent. */
export interface Member extends Sender {
  readonly address: string
  /** It has been sent the state of the document, so that later updates find what they build on. */
  readonly ready: boolean
  /** What it sends need not be stored at once: it sends so much that others would notice the commits. */
  readonly isPatient: boolean
  send(frame: Uint8Array): void
  /** Tells that an update of its own was accepted, once that is stored. */
  acknowledge(): void
  refuse(reason: CloseReason, detail?: RefusalDetail): void
}

/** What was wrong with an update, and at which place. */
export type RefusalDetail = Pick<Denied, 'code' | 'path'>

/** What the room tells about accepted changes; the clerk implements it. */
export interface Watcher {
  /** Called after each applied update, in the same synchronous step. It may write into the document. */
  settle(): void
  destroy(): void
}

export interface RoomOptions {
  readonly document: Document
  readonly log: UpdateLog
  /** Bytes that were read from the store when the document was loaded. */
  readonly loadedBytes: number
  /** Participants by client id, as stored. */
  readonly clients: ReadonlyMap<number, string>
  readonly report: Report
  /** Told of each update that was stored, with its size, and with 0 when something else was; for compaction. */
  readonly onStored: (bytes: number) => void
}

/** Whom the server's client ids belong to: no participant, since no participant's id is empty. */
const SERVER_BINDING = ''

/** Reasons of refused updates that are not just `refused-update`. */
const REASONS: Partial<Record<Denied['code'], CloseReason>> = {
  malformed: 'malformed',
  'too-big': 'too-big',
  'read-only': 'read-only',
}

interface Accepted {
  readonly update: Uint8Array
  /** The member that sent it, or whoever else wrote. */
  readonly origin: unknown
}

export class Room {
  readonly name: string
  readonly document: Document
  readonly members: Set<Member> = new Set()
  readonly #log: UpdateLog
  readonly #bindings: Bindings
  readonly #guard: Guard
  readonly #states: States
  readonly #report: Report
  /** Updates that wait for what they build on, by who sent them. */
  readonly #held = new Map<Member, HeldUpdates>()
  readonly #onStored: (bytes: number) => void
  #watcher: Watcher | null = null
  #bytes: number
  #unstored = 0
  /** What one call of `receive` has changed so far. */
  #accepting: Accepted[] | null = null

  constructor(options: RoomOptions) {
    this.name = options.document.name
    this.document = options.document
    this.#log = options.log
    this.#onStored = options.onStored
    this.#bytes = options.loadedBytes
    this.#report = options.report
    this.#bindings = new Bindings(options.clients)
    this.#guard = new Guard(this.document, this.#bindings)
    this.#states = new States(this.document)
    this.document.on('update', this.#onUpdate)
  }

  watch(watcher: Watcher): void {
    this.#watcher = watcher
    watcher.settle()
  }

  /** Updates of this room that are applied but not stored yet. */
  get unstored(): number {
    return this.#unstored
  }

  /** Bytes of all updates, as they were read and as they came. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Takes one update from a member: checks it, applies it and appends it, or refuses the member. One that builds on something
   * that has not come yet waits. This is the one door into the document.
   */
  receive(update: Uint8Array, member: Member): void {
    if (this.#take(update, member) === 'accepted' && this.#held.size > 0) this.retry()
  }

  /** Tries again what waits for something that has come. */
  retry(): void {
    for (let moved = true; moved;) {
      moved = false
      for (const [member, held] of this.#held) {
        for (const update of held.takeDue()) {
          const end = this.#take(update, member)
          if (end === 'accepted') moved = true
          else if (end === 'refused') break
        }
        held.rest()
        if (held.isEmpty) this.#held.delete(member)
      }
    }
  }

  /** True while something that a member sent waits for what it builds on. */
  isWaiting(member: Member): boolean {
    return this.#held.get(member)?.isEmpty === false
  }

  leave(member: Member): void {
    this.members.delete(member)
    this.#held.get(member)?.destroy()
    this.#held.delete(member)
  }

  /** The participant whose client id this is; undefined for one that nobody has shown or used. */
  ownerOf(client: number): string | undefined {
    return this.#bindings.get(client)
  }

  /**
   * Binds a client id that its participant shows before it has written anything; a viewer's as well, so that nobody takes its
   * place. False when that has no effect.
   */
  claim(client: number, { id }: Participant): boolean {
    // An id that has written without being bound is nobody's, and the one of this copy of the document the server's.
    if (this.#bindings.get(client) !== undefined || Y.getState(this.document.store, client) > 0) return false
    if (client === this.document.clientID || this.#bindings.count(id) >= MAX_CLIENTS_PER_PARTICIPANT) return false
    this.#bind(client, id)
    this.#unstored += 1
    this.#log.after(() => {
      this.#unstored -= 1
      this.#onStored(0)
    })
    return true
  }

  /** Runs `task` when all that this room has accepted so far is stored. */
  after(task: () => void): void {
    this.#log.after(task)
  }

  /** What a reader with this state vector lacks, as a frame. To be sent when what the room has accepted so far is stored. */
  stateFrame(address: string, stateVector: Uint8Array): Uint8Array {
    return this.#states.frame(address, stateVector)
  }

  /** Tells every member, at once: for what is not in the document and need not be stored. */
  tell(message: ServerMessage): void {
    const payload = encodeMessage(message)
    for (const member of this.members) member.send(statelessFrame(member.address, payload))
  }

  destroy(): void {
    this.document.off('update', this.#onUpdate)
    this.#states.destroy()
    for (const held of this.#held.values()) held.destroy()
    this.#held.clear()
    this.#watcher?.destroy()
  }

  #take(update: Uint8Array, member: Member): 'accepted' | 'waits' | 'refused' {
    const verdict = this.#guard.check(update, member)
    if (!verdict.ok) return this.#deny(update, member, verdict)
    const bytes = verdict.update
    if (bytes === null) {
      member.acknowledge()
      return 'accepted'
    }
    const full = this.#fullness(bytes)
    if (full !== null) {
      member.refuse(full)
      return 'refused'
    }
    for (const client of verdict.claims) this.#bind(client, member.participant.id)
    const accepted: Accepted[] = []
    this.#accepting = accepted
    try {
      Y.applyUpdate(this.document, bytes, member)
      this.#guard.confirm(verdict)
      this.#watcher?.settle()
    } catch (error) {
      this.#report(error, { stage: 'apply', session: this.name, participant: member.participant.id })
      member.refuse('malformed')
      return 'refused'
    } finally {
      this.#accepting = null
      // Also after a throw: what was applied before it is in the document, and must be in the log.
      if (accepted.length > 0) this.#publish(accepted, member.isPatient)
    }
    member.acknowledge()
    return 'accepted'
  }

  #deny(update: Uint8Array, member: Member, denied: Denied): 'waits' | 'refused' {
    if (mayWait(denied.code)) {
      let held = this.#held.get(member)
      if (held === undefined) this.#held.set(member, (held = new HeldUpdates((first) => this.#refuse(member, first))))
      if (held.add(update, denied)) return 'waits'
    }
    this.#refuse(member, denied)
    return 'refused'
  }

  #refuse(member: Member, { code, path, error }: Denied): void {
    if (code === 'internal') this.#report(error, { stage: 'guard', session: this.name, participant: member.participant.id })
    this.#held.get(member)?.destroy()
    member.refuse(REASONS[code] ?? 'refused-update', { code, path })
  }

  #fullness(update: Uint8Array): CloseReason | null {
    if (this.#bytes + update.byteLength > MAX_SESSION_BYTES) return 'session-full'
    return this.#log.unstoredBytes + update.byteLength > MAX_UNSTORED_BYTES ? 'overloaded' : null
  }

  #bind(client: number, participant: string): void {
    this.#bindings.bind(client, participant)
    this.#log.bind({ session: this.name, client, participant })
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown, _doc: Y.Doc, transaction: Y.Transaction): void => {
    // The server's own writes are under the id of this copy of the document: bound, so that nobody else can ever use it.
    if (transaction.local && this.#bindings.get(this.document.clientID) === undefined)
      this.#bind(this.document.clientID, SERVER_BINDING)
    if (this.#accepting === null) this.#publish([{ update, origin }])
    else this.#accepting.push({ update, origin })
  }

  /**
   * A member's update and what the watcher wrote on seeing it are one entry of the log and one frame: nobody ever sees a
   * message without its stamp.
   */
  #publish(accepted: readonly Accepted[], isPatient = false): void {
    const update = merge(accepted)
    this.#bytes += update.byteLength
    this.#unstored += 1
    this.#log.append(this.name, update, isPatient)
    this.#log.after(() => {
      this.#unstored -= 1
      this.#broadcast(update, accepted)
      this.#onStored(update.byteLength)
    })
  }

  /** One frame buffer for all who share an address; a writer does not get its own update back. */
  #broadcast(update: Uint8Array, accepted: readonly Accepted[]): void {
    const frames = new Map<string, Uint8Array>()
    for (const member of this.members) {
      if (!member.ready) continue
      if (accepted.some(({ origin }) => origin === member)) {
        const others = accepted.filter(({ origin }) => origin !== member)
        if (others.length > 0) member.send(syncFrame(member.address, SYNC.update, merge(others)))
        continue
      }
      let frame = frames.get(member.address)
      if (frame === undefined) frames.set(member.address, (frame = syncFrame(member.address, SYNC.update, update)))
      member.send(frame)
    }
  }
}

function merge(accepted: readonly Accepted[]): Uint8Array {
  const [first] = accepted
  return accepted.length === 1 && first !== undefined ? first.update : Y.mergeUpdates(accepted.map(({ update }) => update))
}

/** True for an update with no structs and no deletes: two zero bytes. */
export function isEmptyUpdate(update: Uint8Array): boolean {
  return update.byteLength === 2 && update[0] === 0 && update[1] === 0
}
