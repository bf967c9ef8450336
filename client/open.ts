/**
 * Opens a session in a browser (or anywhere): document, replica on the device, other tabs, connection, in that order, so
 * that what is here is shown before anything is asked of the network.
 */
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { SessionError, type Report } from '../shared/errors.ts'
import { SESSION_NAME } from '../shared/limits.ts'
import type { Participant } from '../shared/participant.ts'
import { Connection } from './connection.ts'
import { forgetParticipant, participantOf, recallParticipant, rememberParticipant } from './identity.ts'
import { LocalStore, LOCAL_STORE } from './local-store.ts'
import { Presence } from './presence.ts'
import { Session } from './session.ts'
import { Socket } from './socket.ts'
import { StoredWrites } from './stored.ts'
import { Tabs } from './tabs.ts'

export interface OpenOptions {
  /** The server's address, for example `wss://chat.example.com/sync`. */
  readonly url: string
  /** Session id: letters, digits, `_` and `-`, 1 to 64, beginning with a letter or digit. */
  readonly id: string
  /** A JSON Web Token, or a function that fetches one; called for each connection. */
  readonly token: string | (() => string | Promise<string>)
  /** Keep a replica on the device, and share it between tabs. Default: true where there is IndexedDB. */
  readonly offline?: boolean
  /** Where background failures go. Default: `console.error`. */
  readonly onError?: Report
}

export interface OpenSession extends Session {
  /**
   * Resolves when the session shows what this device has and can be written to, or is closed. Rejects when no identity can be
   * had.
   */
  readonly ready: Promise<void>
  /** Resolves when everything written so far is stored at the server. Rejects when the session is closed before. */
  stored(): Promise<void>
  /** Tries at once: after a refusal with a new token, or when the app knows that the network is back. */
  reconnect(): void
  /** Lets go of everything; nothing is delivered afterwards. Never cancels a run. What is unsent stays on the device. */
  close(): Promise<void>
  /** Closes, and removes the session from this device: for signing out. Unsent writes are lost. */
  wipe(): Promise<void>
}

/** How long a start waits for a token before it shows what is on the device under the last known identity. */
const TOKEN_PATIENCE_MS = 400

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
  readonly #doc: Y.Doc
  readonly #awareness: Awareness
  readonly #storedWrites: StoredWrites
  readonly #who: string
  #socket: Socket | null = null
  #connection: Connection | null = null
  #store: LocalStore | null = null
  #tabs: Tabs | null = null
  /** Settled when the replica is open, or cannot be. */
  #opening: Promise<void> = Promise.resolve()
  /** Notes of earlier replicas on this device whose writes are not confirmed yet. */
  #unstored: readonly string[] = []
  #closing: Promise<void> | null = null
  readonly #whenClosed = Promise.withResolvers<void>()

  constructor(options: OpenOptions) {
    const doc = new Y.Doc()
    const awareness = new Awareness(doc)
    const report = options.onError ?? reportToConsole
    super({ id: options.id, doc, presence: new Presence(awareness, report), report, now: Date.now })
    this.#options = options
    this.#report = report
    this.#doc = doc
    this.#awareness = awareness
    this.#who = `polylogue:who:${options.url}:${options.id}`
    this.#storedWrites = new StoredWrites({
      doc,
      isForeign: (origin) => origin === LOCAL_STORE || origin === this.#connection?.origin,
      onStored: (onServer) => this.#onStored(onServer),
    })
    this.ready = Promise.race([this.#start(), this.#whenClosed.promise])
    // Whoever does not wait for `ready` still sees the failure in the status and in the report.
    this.ready.catch((error: unknown) => report(error, { stage: 'open' }))
  }

  stored(): Promise<void> {
    return this.#storedWrites.whenStored()
  }

  reconnect(): void {
    this.#connection?.reconnect()
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
    if (this.closed) return
    const offline = this.#options.offline ?? typeof indexedDB !== 'undefined'
    if (offline) await (this.#opening = this.#openReplica(me))
    if (this.closed) return
    this.identify(me)
    this.#connect(me)
  }

  /** The identity of the token; the last known one when no token can be had (or not soon) and the device knows one. */
  async #identity(): Promise<Participant> {
    const known = recallParticipant(this.#who)
    const fetched = this.#token().then(participantOf)
    if (known === null) {
      const me = await fetched
      rememberParticipant(this.#who, me)
      return me
    }
    fetched.catch(() => {})
    const patience = new Promise<Participant>((resolve) => setTimeout(() => resolve(known), TOKEN_PATIENCE_MS))
    const me = await Promise.race([fetched.catch(() => known), patience])
    rememberParticipant(this.#who, me)
    return me
  }

  async #token(): Promise<string> {
    const { token } = this.#options
    return typeof token === 'string' ? token : await token()
  }

  async #openReplica(me: Participant): Promise<void> {
    const name = `polylogue:${this.#options.url}:${me.id}:${this.id}`
    try {
      this.#store = await LocalStore.open({
        name,
        doc: this.#doc,
        isRemote: (origin) => origin === this.#connection?.origin,
        report: this.#report,
        onSaved: (onDevice) => this.setStatus({ onDevice }),
      })
      this.setStatus({ onDevice: true })
      this.#unstored = await this.#store.unstored()
      if (this.#unstored.length > 0) this.#storedWrites.assumeWritten()
    } catch (error) {
      // A browser that gives no storage (private mode, quota) still chats; it says that nothing is on the device.
      this.#report(error, { stage: 'local store' })
    }
    if (typeof BroadcastChannel !== 'undefined' && !this.closed) {
      const isShared = (origin: unknown): boolean => origin === LOCAL_STORE || origin === this.#connection?.origin
      this.#tabs = new Tabs(name, this.#doc, isShared, this.#report)
    }
  }

  #connect(me: Participant): void {
    const socket = new Socket(this.#options.url)
    this.#socket = socket
    this.#connection = new Connection({
      socket,
      name: this.id,
      doc: this.#doc,
      awareness: this.#awareness,
      token: async () => {
        const token = await this.#token()
        // Another account's token on this replica would send one person's writes under another's name.
        if (participantOf(token).id !== me.id) throw new SessionError('forbidden', 'The token is for another participant.')
        return token
      },
      onState: (connection, reason) => {
        this.setStatus({ connection, reason, ...(connection === 'live' ? {} : { stalled: false }) })
        if (connection === 'live') this.#storedWrites.live()
      },
      onMessage: (message) => {
        if (message.t === 'marked') this.#storedWrites.marked(message.n)
        else if (message.t === 'stalled') this.setStatus({ stalled: message.stalled })
      },
      report: this.#report,
    })
    this.#storedWrites.attach(this.#connection)
  }

  #onStored(onServer: boolean): void {
    this.#store?.setUnstored(!onServer, this.#unstored)
    this.setStatus({ onServer })
  }

  async #close(release: (store: LocalStore) => Promise<void>): Promise<void> {
    this.destroy()
    this.#storedWrites.destroy()
    this.#connection?.close()
    this.#socket?.destroy()
    this.#tabs?.close()
    this.#whenClosed.resolve()
    await this.#opening
    if (this.#store !== null) await release(this.#store)
    this.#awareness.destroy()
    this.#doc.destroy()
  }
}
