/**
 * Opens a session in a browser (or anywhere): document, replica on the device, other tabs, connection, in that order, so
 * that what is here is shown before anything is asked of the network.
 *
 * More than 400 lines: each piece is elsewhere, and how they go together, and change over when a replica is refused, is one thing.
 */
import { SessionError, type CloseReason, type Report } from '../shared/errors.ts'
import { rootsOf } from '../shared/layout.ts'
import { SESSION_NAME } from '../shared/limits.ts'
import type { Participant } from '../shared/participant.ts'
import type { ServerMessage } from '../shared/wire.ts'
import type { ClientTool } from './client-tools.ts'
import { Connection, type ConnectionState } from './connection.ts'
import { forgetParticipant, participantOf, recallParticipant, rememberParticipant, sharedName, whoKey } from './identity.ts'
import { LocalStore, LOCAL_STORE } from './local-store.ts'
import type { OpenOptions, OpenSession } from './open-session.ts'
import { PageTools } from './page-tools.ts'
import { Presence } from './presence.ts'
import type { Quarantine, RefusedWrites } from './quarantine.ts'
import { HEALED, HealPause, newReplica, type Replica } from './replica.ts'
import { Session } from './session.ts'
import { Socket } from './socket.ts'
import { StoredWrites } from './stored.ts'
import { Tabs } from './tabs.ts'

/** How long a start waits for a token before it shows what is on the device under the last known identity. */
const TOKEN_PATIENCE_MS = 400
/** Pause before what is needed to heal is asked for again, after it could not be loaded. */
const LOAD_AGAIN_MS = 3_000

/** Opens a session. Returns at once; `ready` says when it can be written to. */
export function openSession(options: OpenOptions): OpenSession {
  if (!SESSION_NAME.test(options.id)) {
    throw new SessionError('bad-argument', `A session id must match ${SESSION_NAME}; it is ${JSON.stringify(options.id)}.`)
  }
  return new BrowserSession(options)
}

const reportToConsole: Report = (error, context) => console.error('polylogue:', context.stage, error)

class BrowserSession extends Session implements OpenSession {
  readonly ready: Promise<void>
  readonly #options: OpenOptions
  readonly #report: Report
  readonly #storedWrites: StoredWrites
  /** Loaded when something was refused: few pages ever need it. */
  #quarantine: Quarantine | null = null
  readonly #who: string
  readonly #tools: PageTools
  #replica: Replica
  #socket: Socket | null = null
  #connection: Connection | null = null
  #store: LocalStore | null = null
  #tabs: Tabs | null = null
  /** Name of what this browser shares about the session: its database and its channel. */
  #shared = ''
  #generation = 0
  /** Settled when the replica is open, or cannot be. */
  #opening: Promise<void> = Promise.resolve()
  /** Notes of earlier replicas on this device whose writes are not confirmed yet. */
  #unstored: readonly string[] = []
  #refused: RefusedWrites | null = null
  /** A fresh replica is being made; the one that was refused is shown, and written to, until it is in step. */
  #healing = false
  readonly #pause = new HealPause()
  #healTimer: ReturnType<typeof setTimeout> | undefined
  /** The server has refused this replica; else another tab has replaced its own. */
  #blame = false
  #why: { code: string | null; path: string | null } = { code: null, path: null }
  /** Tabs that were open when this one replaced its replica: they send what they wrote themselves. */
  #others = new Set<number>()
  #recalled = false
  #closing: Promise<void> | null = null
  readonly #whenClosed = Promise.withResolvers<void>()

  constructor(options: OpenOptions) {
    const replica = newReplica()
    const report = options.onError ?? reportToConsole
    super({ id: options.id, doc: replica.doc, presence: new Presence(replica.awareness, report), report, now: Date.now })
    this.#options = options
    this.#report = report
    this.#replica = replica
    this.#who = whoKey(options.url, options.id)
    this.#storedWrites = new StoredWrites({
      isForeign: (origin) => this.#isShared(origin),
      onStored: (onServer) => this.#onStored(onServer),
    })
    this.#tools = new PageTools({
      session: this,
      url: options.url,
      token: () => this.#token(),
      send: (message) => this.#connection?.send(message) === true,
      report,
    })
    this.ready = Promise.race([this.#start(), this.#whenClosed.promise])
    // Whoever does not wait for `ready` still sees the failure in the status and in the report.
    this.ready.catch((error: unknown) => report(error, { stage: 'open' }))
  }

  get refused(): RefusedWrites | null {
    return this.#refused
  }

  tools(tools: Readonly<Record<string, ClientTool>>): () => void {
    return this.#tools.add(tools)
  }

  respond(id: string, output: unknown, options: { readonly errorText?: string } = {}): Promise<void> {
    return this.#tools.respond(id, output, options.errorText)
  }

  approve(id: string, approved: boolean, reason?: string): void {
    this.#tools.approve(id, approved, reason)
  }

  fetchOutput(reference: unknown): Promise<unknown> {
    return this.#tools.fetch(reference)
  }

  stored(): Promise<void> {
    return this.#storedWrites.whenStored()
  }

  protected override keepChoices(): void {
    this.#store?.keepChoices(this.choices)
  }

  reconnect(): void {
    if (this.#healing && this.#healTimer !== undefined) this.#beginAgain()
    else this.#connection?.reconnect()
  }

  restoreRefused(): void {
    const refused = this.#refused
    if (refused === null) return
    this.#forget(this.#quarantine?.clear())
    for (const { head, parts } of refused.messages) this.post(head, parts)
    for (const [name, fields] of Object.entries(refused.fields)) this.object(name).update(fields)
    this.#setRefused(null)
  }

  discardRefused(): void {
    this.#forget(this.#quarantine?.clear())
    this.#setRefused(null)
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close((store) => store.close()))
  }

  wipe(): Promise<void> {
    forgetParticipant(this.#who)
    return (this.#closing ??= this.#close((store) => store.wipe()))
  }

  async #start(): Promise<void> {
    const me = await this.#identity()
    // One that was wiped meanwhile leaves nothing on the device.
    if (this.closed) return
    rememberParticipant(this.#who, me)
    const offline = this.#options.offline ?? typeof indexedDB !== 'undefined'
    if (offline) await (this.#opening = this.#openReplica(me))
    if (this.closed) return
    this.setStatus({ onServer: this.#storedWrites.stored })
    // Whoever is told of the identity may write.
    this.#storedWrites.follow(this.#replica.doc, null)
    this.identify(me)
    this.#socket = new Socket(this.#options.url)
    this.#connection = this.#connect(this.#socket, me, this.#replica)
    this.#storedWrites.follow(this.#replica.doc, this.#connection)
  }

  /** The identity of the token; the last known one when no token can be had (or not soon) and the device knows one. */
  async #identity(): Promise<Participant> {
    const known = recallParticipant(this.#who)
    const fetched = this.#token().then(participantOf)
    if (known === null) return await fetched
    fetched.catch(() => {})
    const patience = new Promise<Participant>((resolve) => setTimeout(() => resolve(known), TOKEN_PATIENCE_MS))
    return await Promise.race([fetched.catch(() => known), patience])
  }

  async #token(): Promise<string> {
    const { token } = this.#options
    return typeof token === 'string' ? token : await token()
  }

  #isShared(origin: unknown): boolean {
    return origin === LOCAL_STORE || origin === this.#connection?.origin
  }

  async #openReplica(me: Participant): Promise<void> {
    this.#shared = sharedName(this.#options.url, me.id, this.id)
    try {
      this.#store = await LocalStore.open({
        name: this.#shared,
        doc: this.#replica.doc,
        isRemote: (origin) => origin === this.#connection?.origin,
        report: this.#report,
        onSaved: (onDevice) => {
          this.setStatus({ onDevice })
          this.#settle()
        },
        onSuperseded: () => this.#heal(),
      })
      this.setStatus({ onDevice: true })
      this.#generation = this.#store.generation
      this.recallChoices(await this.#store.choices())
      this.#unstored = await this.#store.unstored()
      if (this.#unstored.length > 0) this.#storedWrites.assumeWritten()
    } catch (error) {
      // A browser that gives no storage (private mode, quota) still chats; it says that nothing is on the device.
      this.#report(error, { stage: 'local store' })
    }
    if (!this.closed) this.#openTabs()
  }

  #openTabs(): void {
    if (typeof BroadcastChannel === 'undefined') return
    this.#tabs = new Tabs({
      name: this.#shared,
      doc: this.#replica.doc,
      generation: this.#generation,
      isShared: (origin) => this.#isShared(origin),
      onSuperseded: (generation) => {
        this.#generation = Math.max(this.#generation, generation - 1)
        this.#heal()
      },
      onGone: (clientId) => {
        if (this.#others.delete(clientId) && this.me !== null && !this.#healing) this.#sendAgain(this.me)
      },
      report: this.#report,
    })
  }

  #connect(socket: Socket, me: Participant, replica: Replica): Connection {
    return new Connection({
      socket,
      name: this.id,
      ...replica,
      token: async () => {
        const token = await this.#token()
        const participant = participantOf(token)
        // Another account's token on this replica would send one person's writes under another's name.
        if (participant.id !== me.id) throw new SessionError('forbidden', 'The token is for another participant.')
        if (participant.kind !== this.me?.kind && !this.closed) this.identify(participant)
        return token
      },
      onState: (connection, reason) => this.#connectionChanged(replica, connection, reason),
      onMessage: (message) => this.#receive(message),
      report: this.#report,
    })
  }

  #connectionChanged(replica: Replica, connection: ConnectionState, reason: CloseReason | null): void {
    if (reason !== null && HEALED.has(reason)) {
      if (replica !== this.#replica) this.#healing = false
      this.#blame = true
      // Not within the connection's own event.
      queueMicrotask(() => this.#heal())
      return
    }
    if (connection === 'live' && replica !== this.#replica) this.#replace(replica)
    this.setStatus({ connection, reason, ...(connection === 'live' ? {} : { stalled: false }) })
    if (connection !== 'live') return
    this.#storedWrites.live()
    void this.#recall()
  }

  #receive(message: ServerMessage): void {
    if (message.t === 'marked') this.#storedWrites.marked(message.n)
    else if (message.t === 'stalled') this.setStatus({ stalled: message.stalled })
    else if (message.t === 'refused') this.#why = { code: message.code ?? null, path: message.path ?? null }
  }

  #onStored(onServer: boolean): void {
    this.#store?.setUnstored(!onServer, this.#unstored)
    this.setStatus({ onServer })
    this.#settle()
  }

  // ---- healing ------------------------------------------------------------------------------------------------------

  /**
   * The server will not have this replica: a fresh one, under a new client id, takes its place as soon as it is in step.
   * Until then the old one is shown and written to; nothing of it is lost.
   */
  #heal(): void {
    if (this.closed || this.#healing || this.#socket === null) return
    this.#healing = true
    this.#connection?.close()
    this.setStatus({ connection: this.#socket.isOpen ? 'connecting' : 'offline', reason: null, stalled: false })
    const pauseMs = this.#pause.next(Date.now())
    if (pauseMs === 0) this.#beginAgain()
    else this.#healTimer = setTimeout(() => this.#beginAgain(), pauseMs)
  }

  #beginAgain(): void {
    clearTimeout(this.#healTimer)
    this.#healTimer = undefined
    const begin = (): void => {
      const { me } = this
      if (this.closed || this.#socket === null || me === null) return
      this.#connection = this.#connect(this.#socket, me, newReplica())
    }
    if (this.#quarantine !== null) return begin()
    this.#loadQuarantine().then(begin, (error: unknown) => {
      this.#report(error, { stage: 'heal' })
      if (!this.closed) this.#healTimer = setTimeout(() => this.#beginAgain(), LOAD_AGAIN_MS)
    })
  }

  async #loadQuarantine(): Promise<Quarantine> {
    const { Quarantine } = await import('./quarantine.ts')
    return (this.#quarantine ??= new Quarantine())
  }

  /** The fresh replica is in step with the server: it takes the place of the old one, in one turn. */
  #replace(fresh: Replica): void {
    const { me } = this
    const quarantine = this.#quarantine
    if (me === null || this.#connection === null || quarantine === null) return
    const old = this.#replica
    const others = new Set(this.#tabs?.siblings)
    this.#others = others
    // What earlier pages wrote is sent by one of the tabs that are open; they become fewer.
    const own = old.doc.clientID
    const counts = (id: number): boolean => id === own || (!others.has(id) && [...others].every((other) => own < other))
    const kept = quarantine.add(old.doc, counts, this.#why)
    this.#why = { code: null, path: null }
    this.#replica = fresh
    this.#generation += 1
    this.#healing = false
    this.#tabs?.close(true)
    this.#storedWrites.follow(fresh.doc, this.#connection)
    this.#store?.moveTo(fresh.doc, this.#generation, kept)
    if (this.#blame) quarantine.blame(fresh.doc, me)
    this.#blame = false
    this.moveTo(fresh.doc, fresh.awareness, () => this.#sendAgain(me))
    if (this.#tabs !== null) this.#openTabs()
  }

  /** Replicas that were refused in earlier pages, once the server has said what it has. */
  async #recall(): Promise<void> {
    if (this.#recalled || this.#store === null) return
    this.#recalled = true
    try {
      const kept = await this.#store.kept()
      if (kept.length > 0) {
        const quarantine = await this.#loadQuarantine()
        for (const replica of kept) quarantine.recall(replica)
      }
      if (this.closed || this.me === null || !this.#quarantine?.size) return
      this.#sendAgain(this.me)
      this.#settle()
    } catch (error) {
      this.#report(error, { stage: 'local store' })
    }
  }

  #sendAgain(me: Participant): void {
    if (this.#quarantine === null) return
    const { messages, cancels, refused } = this.#quarantine.plan(this.#replica.doc, me)
    for (const { head, parts } of messages) this.post(head, parts)
    const { control } = rootsOf(this.#replica.doc)
    for (const [key, flag] of Object.entries(cancels)) this.#replica.doc.transact(() => control.set(key, flag), this)
    for (const kept of this.#quarantine.note(refused)) this.#store?.keep(kept)
    this.#setRefused(refused)
  }

  /** Lets go of refused replicas when all of them is at the server, and nothing more of them can come from the device. */
  #settle(): void {
    const { onDevice, onServer } = this.status
    if (!onServer || (!onDevice && this.#store !== null) || this.me === null || !this.#quarantine?.size) return
    this.#forget(this.#quarantine.settle(this.#replica.doc, this.me))
  }

  #setRefused(refused: RefusedWrites | null): void {
    if (refused === this.#refused) return
    this.#refused = refused
    this.tellStatus()
  }

  #forget(keys: readonly string[] = []): void {
    for (const key of keys) this.#store?.forget(key)
  }

  async #close(release: (store: LocalStore) => Promise<void>): Promise<void> {
    this.#tools.close()
    this.destroy()
    clearTimeout(this.#healTimer)
    this.#storedWrites.destroy()
    this.#connection?.close()
    this.#socket?.destroy()
    this.#tabs?.close(false)
    this.#whenClosed.resolve()
    await this.#opening
    if (this.#store !== null) await release(this.#store)
    this.#quarantine?.clear()
    this.#replica.awareness.destroy()
    this.#replica.doc.destroy()
  }
}
