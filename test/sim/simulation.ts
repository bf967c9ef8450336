/**
 * A whole session by chance: users, support and agents who write, stream, cancel and hand over, over a network that shuffles,
 * doubles, delays and loses, with a server that crashes. One seed makes one history.
 */
import type { Session } from '../../client/session.ts'
import type { Run } from '../../shared/entries.ts'
import type { Participant } from '../../shared/participant.ts'
import { hasEnded, RUN_TABLE, type RunStatus } from '../../shared/run.ts'
import { Chance } from '../support/random.ts'
import { checkAtRest, type Sent } from './invariants.ts'
import { Peer, type PeerOptions } from './peer.ts'
import { SimServer } from './server.ts'
import { Worker } from './worker.ts'

const PEOPLE: readonly Participant[] = [
  { id: 'ada', kind: 'user', name: 'Ada' },
  { id: 'ada', kind: 'user', name: 'Ada' },
  { id: 'bob', kind: 'user', name: 'Bob' },
  { id: 'sue', kind: 'support', name: 'Sue' },
]
const AGENTS: readonly Participant[] = [
  { id: 'one', kind: 'agent', name: 'One' },
  { id: 'two', kind: 'agent', name: 'Two' },
]

/** Which status may be seen after which, with any number of changes in between. */
const REACHABLE: ReadonlyMap<RunStatus, ReadonlySet<RunStatus>> = new Map(
  (Object.keys(RUN_TABLE) as RunStatus[]).map((status) => {
    const reached = new Set([status])
    for (const from of reached) for (const next of Object.values(RUN_TABLE[from])) if (next !== null) reached.add(next)
    return [status, reached]
  }),
)

export class Simulation {
  readonly chance: Chance
  readonly history: string[] = []
  readonly #shufflesUp: boolean
  readonly #server: SimServer
  readonly #people: Peer[] = []
  #workers: Worker[] = []
  #time = 1_000
  #clientId = 0
  /** Messages in the order in which each replica sent them. */
  readonly #sent = new Map<Peer, Sent[]>()
  readonly #written = new Map<string, string>()
  /** Whatever anybody has ever seen: it may never be seen otherwise. */
  readonly #seqOf = new Map<string, number>()
  readonly #endOf = new Map<string, Pick<Run, 'status' | 'steps' | 'error'>>()
  readonly #lastStatus = new Map<string, RunStatus>()

  /** @param shufflesUp what goes to the server may overtake what went before it. */
  constructor(seed: number, shufflesUp: boolean) {
    this.#shufflesUp = shufflesUp
    this.chance = new Chance(seed)
    this.#server = new SimServer(
      () => (this.#time += 1),
      (text) => (text.startsWith('both') ? ['one', 'two'] : text.startsWith('none') ? [] : ['one']),
    )
    for (const me of PEOPLE) this.#people.push(new Peer(this.#optionsFor(me)))
    for (const me of AGENTS) this.#workers.push(this.#start(me))
  }

  /** Lets `steps` things happen, then comes to rest and checks what must hold. */
  async run(steps: number): Promise<void> {
    try {
      for (let i = 0; i < steps; i++) {
        const done = this.#step()
        if (done !== null) this.history.push(done)
        await turns()
      }
      await this.#comeToRest()
      checkAtRest({
        server: this.#server.document,
        stored: this.#server.stored,
        peers: this.#peers.map(({ doc, session }) => ({ doc, view: session.view })),
        sent: [...this.#sent.values()],
        written: this.#written,
        chance: this.chance,
      })
    } finally {
      for (const peer of this.#peers) peer.destroy()
    }
  }

  get #peers(): Peer[] {
    return [...this.#people, ...this.#workers.map(({ peer }) => peer)]
  }

  #step(): string | null {
    const { chance } = this
    const roll = chance.int(0, 99)
    if (roll < 45) return this.#deliver(chance.int(1, 6))
    if (roll < 55) return this.#commit()
    if (roll < 70) return this.#person(chance.pick(this.#people))
    if (roll < 85) return this.#work(chance.pick(this.#workers))
    if (roll < 92) return this.#connect(chance.pick(this.#peers))
    if (roll < 96) return this.#dispatch()
    if (roll < 98) return this.#crashWorker(chance.pick(this.#workers))
    return this.#crashServer()
  }

  #deliver(count: number): null {
    for (let i = 0; i < count; i++) this.chance.pick(this.#peers).deliver(this.chance)
    return null
  }

  #commit(): string {
    this.#server.commit()
    return 'the server commits'
  }

  #connect(peer: Peer): string {
    if (peer.online && this.chance.bool(0.4)) {
      peer.disconnect()
      return `${name(peer)} goes offline`
    }
    for (const other of this.#peers) if (this.chance.bool(0.5)) other.connect(this.#server)
    peer.connect(this.#server)
    return `${name(peer)} comes online`
  }

  #person(peer: Peer): string {
    const { chance } = this
    const { session } = peer
    const who = name(peer)
    switch (chance.int(0, 9)) {
      case 0:
        return `${who} cancels ${session.cancel(this.#target(session)).join()}`
      case 1:
      case 2: {
        const [field, value] = [chance.word(1), chance.int(0, 9)]
        session.object(chance.pick(['cart', 'form'])).set(field, value)
        return `${who} sets ${field} to ${value}`
      }
      case 3:
        if (chance.bool(0.3)) session.undo()
        return `${who} takes back`
      case 4: {
        const action = chance.pick(['requestHuman', 'take', 'handBack', 'handBack'] as const)
        session[action]()
        return `${who}: ${action}`
      }
      default: {
        const text = `${chance.pick(['both', 'one', 'none'])} ${chance.word()}`
        const id = session.send(text)
        this.#sent.set(peer, [...(this.#sent.get(peer) ?? []), { by: peer.me.id, id, text }])
        return `${who} sends ${id}: ${text}`
      }
    }
  }

  #target(session: Session): Parameters<Session['cancel']>[0] {
    const { chance } = this
    const run = session.view.runs.length > 0 ? chance.pick(session.view.runs) : undefined
    if (run === undefined || chance.bool(0.2)) return chance.pick(['all', { mine: true }, { agent: 'one' }] as const)
    return chance.bool() ? { run: run.id } : { message: run.input }
  }

  #work(worker: Worker): string | null {
    const done = (this.chance.bool(0.3) ? worker.begin() : null) ?? worker.act(this.chance)
    return done === null ? null : `${worker.id}: ${done}`
  }

  /** Gives open jobs to the workers that are there, one run of an agent at a time. */
  #dispatch(): string {
    const given: string[] = []
    for (const job of this.#server.jobs.values()) {
      const worker = this.#workers.find(({ peer }) => peer.me.id === job.agent && peer.online)
      const isBusy = [...this.#server.jobs.values()].some((other) => other.agent === job.agent && other.state === 'leased')
      if (job.state !== 'open' || worker === undefined || isBusy) continue
      given.push(`${job.run} to ${worker.id}`)
      this.#server.claim(job, worker.id, (granted) => void worker.given.push(granted))
    }
    for (const job of this.#server.jobs.values()) {
      if (job.state !== 'leased' || this.#workers.some(({ id }) => id === job.worker)) continue
      given.push(`${job.run} lapses`)
      this.#server.lapse(job)
    }
    return `the server gives ${given.join()}`
  }

  #crashWorker(worker: Worker): string {
    worker.peer.destroy()
    this.#workers = this.#workers.map((other) => (other === worker ? this.#start(worker.peer.me) : other))
    return `${worker.id} dies`
  }

  #crashServer(): string {
    for (const peer of this.#peers) peer.disconnect()
    this.#server.crash()
    // What was granted but not stored is open again; whom it was granted to was never told.
    for (const job of this.#server.jobs.values()) {
      const isHeld = this.#workers.some(
        ({ id, given, working }) => id === job.worker && (working.has(job.run) || given.some(({ run }) => run === job.run)),
      )
      if (job.state === 'leased' && !isHeld && this.#workers.some(({ id }) => id === job.worker)) {
        job.state = 'open'
        job.worker = null
      }
    }
    return 'the server crashes'
  }

  #start(me: Participant): Worker {
    const options = this.#optionsFor(me)
    return new Worker(`${me.id}#${options.clientId}`, this.#written, options)
  }

  #optionsFor(me: Participant): PeerOptions {
    this.#clientId += 1
    // Ids in no order of time: where two write at once, the higher one wins.
    const clientId = this.chance.int(1, 1_000) * 1_000 + this.#clientId
    return {
      me,
      clientId,
      now: () => (this.#time += 1),
      fail: (error) => this.#fail(error),
      shufflesUp: this.#shufflesUp,
      onView: (peer) => this.#look(peer),
    }
  }

  /** What must hold at every moment, for everybody. */
  #look(peer: Peer): void {
    const { pendingStructs, pendingDs } = peer.doc.store
    // While an update waits for one that it has overtaken, of a value that was replaced the deletion is there and the new one
    // is not.
    const isWhole = pendingStructs === null && pendingDs === null && !this.#shufflesUp
    for (const { id, metadata } of peer.session.view.messages) {
      if (metadata.seq === undefined) continue
      const seq = this.#seqOf.get(id) ?? metadata.seq
      this.#seqOf.set(id, seq)
      if (metadata.seq !== seq) this.#fail(new Error(`[S8] ${id} was ${seq} and is ${metadata.seq} for ${name(peer)}`))
    }
    for (const { id, agent, status, steps, error } of peer.session.view.runs) {
      // What an agent has written itself may be nowhere else yet, and die with it.
      if (agent === peer.me.id) continue
      const key = `${id} ${peer.doc.clientID}`
      const last = this.#lastStatus.get(key) ?? 'pending'
      this.#lastStatus.set(key, status)
      if (isWhole && REACHABLE.get(last)?.has(status) !== true)
        this.#fail(new Error(`[R1] ${id} was ${last} and is ${status} for ${name(peer)}`))
      if (!hasEnded(status)) continue
      const end = { status, steps, ...(error === undefined ? {} : { error }) }
      const known = this.#endOf.get(id) ?? end
      this.#endOf.set(id, known)
      if (JSON.stringify(known) !== JSON.stringify(end)) {
        this.#fail(new Error(`[R1] ${id} ended as ${JSON.stringify(known)} and is ${JSON.stringify(end)} for ${name(peer)}`))
      }
    }
  }

  /** Everybody online, everything delivered and stored, every run ended. */
  async #comeToRest(): Promise<void> {
    for (let round = 0; round < 500; round++) {
      for (const peer of this.#peers) {
        peer.connect(this.#server)
        while (peer.deliver(null)) await turns()
      }
      this.#server.commit()
      this.#dispatch()
      for (const worker of this.#workers) {
        worker.begin()
        for (const id of worker.working.keys()) worker.finish(id, 'complete')
      }
      await turns()
      const isAtRest =
        !this.#server.hasUnstored && this.#server.jobs.size === 0 && this.#peers.every(({ underWay }) => underWay === 0)
      if (isAtRest) return
    }
    throw new Error(`It never comes to rest: jobs ${JSON.stringify([...this.#server.jobs.values()])}`)
  }

  #fail(error: unknown): never {
    throw error
  }
}

function name(peer: Peer): string {
  return `${peer.me.id}#${peer.doc.clientID}`
}

/** Lets promises settle: a run's flush, the end of a wait. */
async function turns(): Promise<void> {
  for (let i = 0; i < 4; i++) await Promise.resolve()
}
