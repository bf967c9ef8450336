/**
 * The stage of the attacks on a real server, over real sockets: its session in a store, its runs under leases of that store,
 * and others who watch while somebody attacks.
 */
import * as encoding from 'lib0/encoding'
import { WebSocket } from 'ws'
import { openSession, type OpenSession } from '../../client/index.ts'
import { memoryStore, serve, type RunningServer, type Store } from '../../server/index.ts'
import type { Sender } from '../../server/guard/guard.ts'
import { asRecord, KEY } from '../../shared/layout.ts'
import { hasEnded, type RunStatus } from '../../shared/run.ts'
import { controlDocument, type LeaseRef } from '../../shared/wire.ts'
import { canonical } from '../support/document.ts'
import { RawClient, stateOf, SYNC, TYPE } from '../support/raw.ts'
import { storedDocument, storedView } from '../support/stored.ts'
import { SECRET, tokenFor } from '../support/tokens.ts'
import { until } from '../support/wait.ts'
import { bot, type Stage } from './attacks.ts'
import { contentOf } from './oracle.ts'

const SESSION = 's'
const LONG = { timeoutMs: 30_000 }
/** Longer than an attack takes. */
const LEASE_MS = 300_000

/** How an attack ended, and what others have noticed of it. */
export interface Outcome {
  /** What the sender was told; null where the server had decided meanwhile about what the attack is about, and it did nothing. */
  readonly refused: { readonly reason: string; readonly code?: string | undefined } | null
  /** How a plain Yjs client was closed that sent the same; null for workers, which cannot be plain. */
  readonly plain: string | null
  /** Faults, in words; none when all is as it should be. */
  readonly wrong: readonly string[]
}

export class Arena {
  readonly #here: Stage
  readonly #store: Store
  readonly #server: RunningServer
  readonly #reported: unknown[]
  readonly #leases: readonly LeaseRef[]
  readonly #raws: RawClient[] = []
  #apps: readonly OpenSession[] = []
  #sam: RawClient | null = null
  #attacks = 0
  /** The server has changed the session when it loaded it: it decides about what it finds. */
  #hasMoved = false

  private constructor(here: Stage, store: Store, server: RunningServer, reported: unknown[], leases: readonly LeaseRef[]) {
    this.#here = here
    this.#store = store
    this.#server = server
    this.#reported = reported
    this.#leases = leases
  }

  /** Puts a stage on a server of its own, with everybody in their places. */
  static async open(here: Stage): Promise<Arena> {
    const store = memoryStore()
    const leases = await fill(store, here)
    const reported: unknown[] = []
    const server = await serve({
      store,
      access: { secret: SECRET },
      port: 0,
      route: () => [],
      leaseMs: LEASE_MS,
      onError: (error) => reported.push(error),
    })
    const arena = new Arena(here, store, server, reported, leases)
    await arena.#letIn()
    return arena
  }

  async close(): Promise<void> {
    await Promise.all(this.#apps.map((session) => session.close()))
    for (const raw of this.#raws) raw.socket.terminate()
    await this.#server.close(0)
  }

  /** Sends an update of `from`, in the way that `sub` says. Afterwards the others write on. */
  async attack(from: Sender, update: Uint8Array, sub: number): Promise<Outcome> {
    const attacker = await this.#join(from)
    const plain = from.worker === null ? await this.#plain(from) : null
    const before = await this.#seen()

    attacker.sync(SESSION, sub, update)
    plain?.send(update)
    const told = (): Outcome['refused'] => attacker.told(SESSION).find((message) => message?.t === 'refused') ?? null
    const isAcknowledged = (): boolean => attacker.frames.some(({ address, type }) => address === SESSION && type === TYPE.ack)
    await until(() => told() !== null || isAcknowledged(), LONG)
    const refused = told()
    if (plain !== null && refused !== null) await until(() => plain.closed(), LONG)

    const after = await this.#seen()
    const wrong = Object.keys(before)
      .filter((key) => before[key] !== after[key])
      .map((key) => `${key}: ${String(before[key])} became ${String(after[key])}`)
    if (isAcknowledged() && !(this.#hasMoved && wrong.length === 0)) wrong.push('it was acknowledged')
    if (this.#reported.length > 0) wrong.push(`reported: ${this.#reported.join('; ')}`)
    attacker.socket.terminate()
    plain?.end()
    const written = ++this.#attacks
    // In the place of a field that no attack is about: the next one finds the rest as it was.
    this.#apps[0]?.object('cart').set('written', written)
    await until(() => this.#apps.every((app) => app.object('cart').get('written') === written), LONG)
    return {
      refused: refused === null ? null : { reason: refused.reason, code: refused.code },
      plain: plain?.closed() ?? null,
      wrong,
    }
  }

  /** Lets an agent and a user write on, and compares what everybody has then. Gives what is wrong. */
  async end(): Promise<string[]> {
    const [ada] = this.#apps
    const worker = await this.#join(bot)
    const { doc } = this.#here.bot
    const steps: Uint8Array[] = []
    doc.on('update', (update: Uint8Array) => steps.push(update))
    this.#here.bot.step('m1.bot', 'going on')
    for (const step of steps) worker.sync(SESSION, SYNC.update, step)
    const id = ada?.send('going on') ?? ''
    const hasStep = ({ view }: OpenSession): boolean =>
      view.runs.some(({ steps: done }) => done.some(({ title }) => title === 'going on'))
    await until(() => this.#apps.every((app) => app.message(id)?.metadata.seq !== undefined && hasStep(app)), LONG)
    const sam = this.#sam as RawClient
    await marked(sam, SESSION)
    const newcomer = await this.#raw('bob', 'user')
    const stored = await storedDocument(this.#store, SESSION)
    const wrong: string[] = []
    for (const [who, raw] of [
      ['the one who watched', sam],
      ['a newcomer', newcomer],
    ] as const) {
      const replica = stateOf(raw, SESSION)
      if (contentOf(replica) !== contentOf(stored)) wrong.push(`${who} has other content than what is stored`)
      if (Buffer.compare(canonical(replica), canonical(stored)) !== 0) wrong.push(`${who} has another state than what is stored`)
    }
    const view = JSON.stringify(await storedView(this.#store, SESSION))
    if (this.#apps.some((app) => JSON.stringify(app.view) !== view)) wrong.push('an app shows something else than what is stored')
    return wrong
  }

  /** A user and a viewer, as apps are, and a supporter who sees every byte. */
  async #letIn(): Promise<void> {
    this.#apps = (['user', 'viewer'] as const).map((kind) => {
      const token = (): Promise<string> => tokenFor(kind === 'user' ? 'ada' : 'vic', kind)
      return openSession({ url: this.#server.url, id: SESSION, token, offline: false, onError: () => {} })
    })
    this.#sam = await this.#raw('sam', 'support')
    await until(() => this.#apps.every((app) => app.presence.others.length === 1), LONG)
    this.#hasMoved = contentOf(await storedDocument(this.#store, SESSION)) !== contentOf(this.#here.world.doc)
  }

  async #raw(id: string, kind: Exclude<Sender['participant']['kind'], 'server'>): Promise<RawClient> {
    const raw = await RawClient.join(this.#server.url, SESSION, await tokenFor(id, kind))
    this.#raws.push(raw)
    return raw
  }

  /** A client of a participant; a worker has said on its control document who it is. */
  async #join({ participant: { id, kind }, worker, leases: says }: Sender): Promise<RawClient> {
    const token = await tokenFor(id, kind as 'user')
    const raw = await RawClient.open(this.#server.url)
    this.#raws.push(raw)
    if (worker !== null) {
      const control = controlDocument(id)
      raw.authenticate(control, token)
      const own = this.#leases.filter(({ run }) => run.endsWith(`.${id}`))
      const leases = own.map(({ run, generation }) => ({ run, generation: says?.get(run) ?? generation }))
      raw.tell(control, { t: 'worker', worker, slots: 0, leases })
      await marked(raw, control)
      // One that says another generation than the store has is told so, and its lease is written anew.
      if (says !== undefined) await until(() => raw.told(control).some((message) => message?.t === 'assign'), LONG)
    }
    raw.authenticate(SESSION, token)
    raw.sync(SESSION, SYNC.step1, Uint8Array.of(0))
    await until(() => raw.frames.some(({ address, type }) => address === SESSION && type === TYPE.sync), LONG)
    return raw
  }

  async #plain({ participant: { id, kind } }: Sender): Promise<PlainSocket> {
    const token = await tokenFor(id, kind as 'user')
    return await PlainSocket.open(`${this.#server.url.replace(/\/sync$/, '/yjs')}/${SESSION}?token=${token}`)
  }

  /** What others see, and what is stored. Everything that was sent to the one who sees every byte has come. */
  async #seen(): Promise<Record<string, unknown>> {
    const sam = this.#sam as RawClient
    await this.#apps[0]?.stored()
    await marked(sam, SESSION)
    const [shownToAda, shownToVic] = this.#apps.map(({ view, presence }) => JSON.stringify([view, presence.others]))
    const count = (wanted: number): number => sam.frames.filter(({ type }) => type === wanted).length
    return {
      'what a user is shown': shownToAda,
      'what a viewer is shown': shownToVic,
      'frames about the document': count(TYPE.sync),
      'frames about presence': count(TYPE.awareness),
      'stored updates': (await this.#store.read(SESSION)).lastSeq,
      'owners of client ids': JSON.stringify([...(await this.#store.clients(SESSION))]),
      'jobs and their leases': JSON.stringify(await this.#store.jobs()),
    }
  }
}

/** Puts the staged session into a store, with jobs that are leased for its runs under way. */
async function fill(store: Store, { world }: Stage): Promise<LeaseRef[]> {
  const leased = world.roots.tasks.toArray().flatMap((run) => {
    const { id, agent, input } = run.get(KEY.head) as { id: string; agent: string; input: string }
    const worker = asRecord(run.get(KEY.lease))?.['worker']
    if (typeof worker !== 'string' || hasEnded(run.get(KEY.status) as RunStatus)) return []
    return [{ worker, job: { run: id, session: SESSION, agent, input } }]
  })
  await store.append({
    entries: world.log.map((update) => ({ session: SESSION, update })),
    jobs: leased.map(({ job }) => job),
    ended: [],
    clients: [...world.bindings.all].map(([client, participant]) => ({ session: SESSION, client, participant })),
  })
  return await Promise.all(
    leased.map(async ({ worker, job }) => {
      const claimed = await store.claim(job.run, worker, LEASE_MS)
      if (claimed === null) throw new Error(`The lease of ${job.run} was not granted.`)
      return { run: job.run, generation: claimed.generation }
    }),
  )
}

let marks = 0

/** Resolves when the server has answered all that came before on this connection. */
async function marked(raw: RawClient, address: string): Promise<void> {
  const n = ++marks
  raw.tell(address, { t: 'mark', n })
  await until(() => raw.told(address).some((message) => message?.t === 'marked' && message.n === n), LONG)
}

/** The socket of a plain Yjs client. */
class PlainSocket {
  readonly #socket: WebSocket
  #closed: string | null = null

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('close', (code, reason) => (this.#closed = `${code} ${String(reason)}`))
    socket.on('error', () => {})
  }

  /** Opens one; resolves when it has been sent the state of the session. */
  static async open(url: string): Promise<PlainSocket> {
    const socket = new WebSocket(url)
    const plain = new PlainSocket(socket)
    let synced = false
    socket.on('message', (data: Buffer) => (synced ||= data[0] === TYPE.sync && data[1] === SYNC.step2))
    await until(() => socket.readyState === WebSocket.OPEN, LONG)
    socket.send(Uint8Array.of(TYPE.sync, SYNC.step1, 1, 0))
    await until(() => synced, LONG)
    return plain
  }

  send(update: Uint8Array): void {
    this.#socket.send(
      encoding.encode((encoder) => {
        encoding.writeVarUint(encoder, TYPE.sync)
        encoding.writeVarUint(encoder, SYNC.update)
        encoding.writeVarUint8Array(encoder, update)
      }),
    )
  }

  end(): void {
    this.#socket.terminate()
  }

  /** Code and reason of its end; null while it is open. */
  closed(): string | null {
    return this.#closed
  }
}
