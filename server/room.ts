/**
 * One loaded session: its document, who is connected to it, and the way of each update through it (SPEC §4):
 *
 *   receive → admit → apply → append to the log → (stored) → broadcast and acknowledge
 *
 * `apply` to `append` is one synchronous step. Nothing leaves the room before it is stored: broadcasts, acknowledgements and
 * answers to readers all go through `log.after`.
 */
import type { Document } from '@hocuspocus/server'
import * as Y from 'yjs'
import type { CloseReason } from '../shared/errors.ts'
import { MAX_SESSION_BYTES, MAX_UNSTORED_BYTES } from '../shared/limits.ts'
import type { Participant } from '../shared/participant.ts'
import { encodeMessage, type ServerMessage } from '../shared/wire.ts'
import { SYNC, statelessFrame, syncFrame } from './frames.ts'
import type { UpdateLog } from './log.ts'

/** A connection as its room sees it. It is also the origin of the transactions that apply what it sent. */
export interface Member {
  readonly participant: Participant
  readonly address: string
  /** It has been sent the state of the document, so that later updates find what they build on. */
  readonly ready: boolean
  send(frame: Uint8Array): void
  refuse(reason: CloseReason): void
}

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
  /** Told of each update that was stored, with its size; for compaction. */
  readonly onStored: (bytes: number) => void
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

  /**
   * Takes one update from a member: applies it and appends it, or refuses it whole. Gives the reason of a refusal.
   * This is the one door into the document; the place of the check of who may write what is `#admit`.
   */
  receive(update: Uint8Array, member: Member): CloseReason | null {
    if (member.participant.kind === 'viewer') return this.#isKnown(update) ? null : 'read-only'
    const reason = this.#admit(update)
    if (reason !== null) return reason
    const accepted: Accepted[] = []
    this.#accepting = accepted
    try {
      Y.applyUpdate(this.document, update, member)
      this.#watcher?.settle()
      return null
    } catch {
      return 'malformed'
    } finally {
      this.#accepting = null
      // Also after a throw: what was applied before it is in the document, and must be in the log.
      if (accepted.length > 0) this.#publish(accepted)
    }
  }

  /** True while the document waits for updates that some accepted update builds on. */
  get hasPending(): boolean {
    const { pendingStructs, pendingDs } = this.document.store
    return pendingStructs !== null || pendingDs !== null
  }

  /** Runs `task` when all that this room has accepted so far is stored. */
  after(task: () => void): void {
    this.#log.after(task)
  }

  /** Tells every member, at once: for what is not in the document and need not be stored. */
  tell(message: ServerMessage): void {
    const payload = encodeMessage(message)
    for (const member of this.members) member.send(statelessFrame(member.address, payload))
  }

  destroy(): void {
    this.document.off('update', this.#onUpdate)
    this.#watcher?.destroy()
  }

  #admit(update: Uint8Array): CloseReason | null {
    if (this.#bytes + update.byteLength > MAX_SESSION_BYTES) return 'session-full'
    if (this.#log.unstoredBytes + update.byteLength > MAX_UNSTORED_BYTES) return 'overloaded'
    return null
  }

  /**
   * True for an update that brings nothing new. A reader sends such ones: its answer to the server's SyncStep1 holds all
   * deletions that it knows.
   */
  #isKnown(update: Uint8Array): boolean {
    try {
      return isEmptyUpdate(update) || Y.snapshotContainsUpdate(Y.snapshot(this.document), update)
    } catch {
      return false
    }
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (this.#accepting === null) this.#publish([{ update, origin }])
    else this.#accepting.push({ update, origin })
  }

  /**
   * A member's update and what the watcher wrote on seeing it are one entry of the log and one frame: nobody ever sees a
   * message without its stamp.
   */
  #publish(accepted: readonly Accepted[]): void {
    const update = merge(accepted)
    this.#bytes += update.byteLength
    this.#unstored += 1
    this.#log.append(this.name, update)
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

/** True for an update with no structs and no deletes, as a reader's SyncStep2 is: two zero bytes. */
export function isEmptyUpdate(update: Uint8Array): boolean {
  return update.byteLength === 2 && update[0] === 0 && update[1] === 0
}
