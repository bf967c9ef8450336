/**
 * A server without sockets, clock or disk: the real room and clerk over queues. What is appended is stored when the simulation
 * says so, and what is not stored is gone after a crash.
 */
import type { Document } from '@hocuspocus/server'
import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'
import { Clerk } from '../../server/clerk.ts'
import { FRAME, SYNC, syncFrame } from '../../server/frames.ts'
import type { UpdateLog } from '../../server/log.ts'
import { Room, type Member } from '../../server/room.ts'
import type { ClientBinding, Job, NewJob } from '../../server/store.ts'
import type { Participant } from '../../shared/participant.ts'

export const SESSION = 's'

/** One connection from the server's side. */
export class Connection implements Member {
  readonly participant: Participant
  readonly worker: string | null
  readonly address: string = SESSION
  readonly send: (frame: Uint8Array) => void
  ready = false
  readonly isPatient: boolean = false
  readonly #room: Room

  constructor(room: Room, participant: Participant, worker: string | null, send: (frame: Uint8Array) => void) {
    this.#room = room
    this.participant = participant
    this.worker = worker
    this.send = (frame) => {
      if (room.members.has(this)) send(frame)
    }
    room.members.add(this)
  }

  receive(frame: Uint8Array): void {
    const decoder = decoding.createDecoder(frame)
    decoding.readVarString(decoder)
    if (decoding.readVarUint(decoder) !== FRAME.sync) throw new Error('An honest peer sends nothing else here.')
    const sub = decoding.readVarUint(decoder)
    const bytes = decoding.readVarUint8Array(decoder)
    if (sub === SYNC.step1) {
      const { document } = this.#room
      const frames = [
        syncFrame(SESSION, SYNC.step2, Y.encodeStateAsUpdate(document, bytes)),
        syncFrame(SESSION, SYNC.step1, Y.encodeStateVector(document)),
      ]
      this.#room.after(() => {
        for (const answer of frames) this.send(answer)
        this.ready = true
      })
      return
    }
    this.#room.receive(bytes, this)
  }

  acknowledge(): void {}

  refuse(reason: string, detail?: unknown): never {
    throw new Error(`The server refused an honest peer: ${reason} ${JSON.stringify(detail)}`)
  }

  close(): void {
    this.#room.leave(this)
  }
}

type SimJob = { -readonly [K in keyof Job]: Job[K] }

interface Group {
  updates: Uint8Array[]
  clients: ClientBinding[]
  jobs: NewJob[]
  ended: string[]
  tasks: (() => void)[]
}

const emptyGroup = (): Group => ({ updates: [], clients: [], jobs: [], ended: [], tasks: [] })

export class SimServer {
  /** What the disk holds: it survives a crash. */
  readonly stored: Uint8Array[] = []
  readonly jobs: Map<string, SimJob> = new Map()
  document!: Document
  clerk!: Clerk
  #room!: Room
  readonly #clients = new Map<number, string>()
  #group: Group = emptyGroup()
  readonly #now: () => number
  readonly #route: (text: string) => readonly string[]

  constructor(now: () => number, route: (text: string) => readonly string[]) {
    this.#now = now
    this.#route = route
    this.#load()
  }

  /** True while something is accepted that is not stored. */
  get hasUnstored(): boolean {
    const { updates, clients, jobs, ended } = this.#group
    return updates.length + clients.length + jobs.length + ended.length > 0
  }

  connect(participant: Participant, worker: string | null, send: (frame: Uint8Array) => void): Connection {
    return new Connection(this.#room, participant, worker, send)
  }

  /** Stores what has gathered, and releases what waits for it. */
  commit(): void {
    const { updates, clients, jobs, ended, tasks } = this.#group
    this.#group = emptyGroup()
    this.stored.push(...updates)
    for (const { client, participant } of clients) this.#clients.set(client, participant)
    for (const job of jobs) {
      if (!this.jobs.has(job.run)) this.jobs.set(job.run, { ...job, state: 'open', generation: 0, worker: null, expiresAt: 0 })
    }
    for (const run of ended) this.jobs.delete(run)
    for (const task of tasks) task()
  }

  /** Everything that is not stored is gone, and so are all connections. */
  crash(): void {
    this.#room.destroy()
    this.document.destroy()
    this.#group = emptyGroup()
    this.#load()
  }

  /** The lease of a job goes to a worker; it is told when that is stored. */
  claim(job: SimJob, worker: string, tell: (job: Job) => void): void {
    job.state = 'leased'
    job.worker = worker
    job.generation += 1
    this.clerk.grant(job.run, worker, job.generation)
    const granted: Job = { ...job }
    this.#after(() => tell(granted))
  }

  /** The lease of a job has run out. */
  lapse(job: SimJob): void {
    if (this.clerk.lapse(job.run)) return
    job.state = 'open'
    job.worker = null
  }

  #load(): void {
    this.document = Object.assign(new Y.Doc(), { name: SESSION }) as unknown as Document
    this.document.transact(() => {
      for (const update of this.stored) Y.applyUpdate(this.document, update)
    })
    const log = {
      unstoredBytes: 0,
      append: (_session: string, update: Uint8Array): unknown => this.#group.updates.push(update),
      bind: (binding: ClientBinding): unknown => this.#group.clients.push(binding),
      after: (task: () => void): void => this.#after(task),
    }
    const room = new Room({
      document: this.document,
      log: log as unknown as UpdateLog,
      loadedBytes: 0,
      clients: this.#clients,
      report: (error) => {
        throw error
      },
      onStored: () => {},
    })
    this.#room = room
    this.clerk = new Clerk({
      session: SESSION,
      document: this.document,
      claimMs: 10_000,
      mayApprove: () => true,
      report: (error) => {
        throw error
      },
      route: ({ text }) => this.#route(text),
      participantOf: (origin) => (origin instanceof Connection ? origin.participant : null),
      idleReturnMs: Number.POSITIVE_INFINITY,
      now: this.#now,
      addJob: (job) => this.#group.jobs.push(job),
      endJob: (run) => this.#group.ended.push(run),
      // Nobody here says to go on, and nobody is away for an hour.
      holdJob: () => {},
      intentMs: Number.POSITIVE_INFINITY,
      mayCancel: undefined,
    })
    room.watch(this.clerk)
  }

  #after(task: () => void): void {
    if (this.hasUnstored) this.#group.tasks.push(task)
    else task()
  }
}
