/**
 * One document's membership of a socket: the Hocuspocus provider, hidden and healed.
 *
 * - Updates are sent only once the first exchange is over; what is written before that travels in it. The provider itself
 *   queues every offline update one by one and sends them twice.
 * - A document that the server closed, or could not load, or for which no token could be had, is opened again with back-off;
 *   the provider leaves it dead.
 * - "Stored" is known from the server's answer to a mark that was sent behind the updates, not from the provider's counter,
 *   which turns to zero with one of fifty edits stored.
 */
import { HocuspocusProvider, type HocuspocusProviderConfiguration } from '@hocuspocus/provider'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import { CLOSE_REASONS, readCloseReason, SessionError, type CloseReason, type Report } from '../shared/errors.ts'
import { encodeMessage, readServerMessage, type ClientMessage, type ServerMessage } from '../shared/wire.ts'
import type { Socket } from './socket.ts'

/** `offline`: no socket; `connecting`: a socket, not yet in step with the server; `live`; `refused`: for good, see the reason. */
export type ConnectionState = 'offline' | 'connecting' | 'live' | 'refused'

export interface ConnectionOptions {
  readonly socket: Socket
  /** Name of the document. */
  readonly name: string
  readonly doc: Y.Doc
  readonly awareness: Awareness
  /**
   * Fetches the token of one connection. A `SessionError` that it throws refuses the connection (`forbidden` as such, others
   * as `bad-token`); anything else is tried again.
   */
  readonly token: () => Promise<string>
  readonly onState: (state: ConnectionState, reason: CloseReason | null) => void
  readonly onMessage: (message: ServerMessage) => void
  readonly report: Report
}

const MESSAGE_SYNC = 0
const MESSAGE_STATELESS = 5
const SYNC_STEP_1 = 0
const SYNC_UPDATE = 2
const RETRY_FIRST_MS = 250
const RETRY_LONGEST_MS = 10_000
/**
 * Denials of a fresh token that are not final yet, after the connection ended for the old one. Together more than a second:
 * a revocation takes the tokens of its own second with it, since they say no more than the second they were issued in.
 */
const TOKEN_TRIES = 4

export class Connection {
  readonly #options: ConnectionOptions
  readonly #provider: HocuspocusProvider
  #state: ConnectionState = 'offline'
  #settled = false
  #gotState = false
  #retries = 0
  #retry: ReturnType<typeof setTimeout> | undefined
  /** The server has closed the document, and the next attempt has not begun. */
  #pausing = false
  #tokenTries = 0
  #closed = false
  /** Why the last token could not be had; null when the server has decided. */
  #tokenFailure: CloseReason | null = null
  readonly #offProbe: () => void

  constructor(options: ConnectionOptions) {
    this.#options = options
    const { socket, name, doc, awareness } = options
    this.#provider = new HocuspocusProvider({
      websocketProvider: socket.provider,
      name,
      document: doc,
      awareness,
      token: () => this.#token(),
      onStatus: ({ status }) => this.#socketStatus(String(status)),
      onMessage: ({ message }) => this.#peek(message as unknown as { decoder: decoding.Decoder }),
      onSynced: () => this.#synced(),
      onAuthenticationFailed: ({ reason }) => this.#denied(this.#tokenFailure ?? readCloseReason(reason)),
      onClose: ({ event }) => this.#documentClosed(event.code, event.reason),
      onStateless: ({ payload }) => this.#stateless(payload),
    } as HocuspocusProviderConfiguration)
    doc.off('update', this.#provider.boundDocumentUpdateHandler)
    doc.on('update', this.#onUpdate)
    this.#offProbe = socket.onProbe(() => this.send({ t: 'mark', n: 0 }))
    this.#provider.attach()
    if (socket.provider.status !== 'disconnected') this.#setState('connecting', null)
  }

  /** The origin of the transactions that apply what the server sent. */
  get origin(): unknown {
    return this.#provider
  }

  /** True once what was written before has been sent: from now on every update goes out as it is made. */
  get settled(): boolean {
    return this.#settled
  }

  send(message: ClientMessage): boolean {
    if ((!this.#settled && message.t === 'mark') || !this.#options.socket.isOpen) return false
    this.#frame(MESSAGE_STATELESS, (encoder) => encoding.writeVarString(encoder, encodeMessage(message)))
    return true
  }

  /** Tries again after a refusal, for example with a new token; checks a connection that claims to stand. */
  reconnect(): void {
    if (this.#closed) return
    this.#retries = 0
    if (this.#state !== 'live') this.#openAgain()
    this.#options.socket.wake()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#unsettle()
    clearTimeout(this.#retry)
    this.#offProbe()
    this.#options.doc.off('update', this.#onUpdate)
    // The CLOSE of a document that the server has not opened would wait there, and end the next opening.
    if (!this.#provider.isAuthenticated) this.#provider.send = () => {}
    this.#provider.destroy()
  }

  async #token(): Promise<string> {
    this.#tokenFailure = null
    try {
      return await this.#options.token()
    } catch (error) {
      const isFinal = error instanceof SessionError
      this.#tokenFailure = !isFinal ? 'unavailable' : error.code === 'forbidden' ? 'forbidden' : 'bad-token'
      if (!this.#closed) this.#options.report(error, { stage: 'token' })
      throw error
    }
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this.#provider || !this.#settled) return
    this.#frame(MESSAGE_SYNC, (encoder) => {
      encoding.writeVarUint(encoder, SYNC_UPDATE)
      encoding.writeVarUint8Array(encoder, update)
    })
  }

  #frame(type: number, write: (encoder: encoding.Encoder) => void): void {
    const encoder = encoding.createEncoder()
    encoding.writeVarString(encoder, this.#options.name)
    encoding.writeVarUint(encoder, type)
    write(encoder)
    this.#options.socket.send(encoding.toUint8Array(encoder))
  }

  /** Sees each frame before the provider does: the server's SyncStep1 is answered with all it lacks within this turn. */
  #peek(message: { decoder: decoding.Decoder }): void {
    const { decoder } = message
    decoding.readVarString(decoder)
    if (decoding.readVarUint(decoder) !== MESSAGE_SYNC || decoding.readVarUint(decoder) !== SYNC_STEP_1) return
    this.send({ t: 'clock', at: Date.now() })
    queueMicrotask(() => {
      this.#settled = this.#options.socket.isOpen
      this.#evaluate()
    })
  }

  #synced(): void {
    this.#gotState = true
    this.#evaluate()
  }

  #evaluate(): void {
    if (this.#closed || !this.#settled || !this.#gotState || this.#state === 'live') return
    this.#retries = 0
    this.#tokenTries = 0
    this.#setState('live', null)
  }

  #socketStatus(status: string): void {
    if (status !== 'connected') {
      // The next socket attaches all documents by itself.
      this.#pausing = false
      this.#unsettle()
    }
    if (this.#state === 'refused') return
    if (status === 'disconnected') this.#setState('offline', null)
    else if (this.#state === 'offline') this.#setState('connecting', null)
  }

  #unsettle(): void {
    this.#settled = false
    this.#gotState = false
    // To the others this client has gone with what it showed: only something newer shows it again.
    const { awareness } = this.#options
    awareness.setLocalState(awareness.getLocalState())
  }

  #denied(reason: CloseReason): void {
    // Between two attempts nothing has been asked: the answer is to a token that crossed with the end of the connection.
    if (this.#pausing) return
    const isOfServer = this.#tokenFailure === null
    this.#over(reason, CLOSE_REASONS[reason].transient || (reason === 'bad-token' && isOfServer && this.#tokenTries-- > 0))
  }

  #documentClosed(code: number, reason: string): void {
    // Only the server's word on this document comes with 1000; every other code is the socket's end.
    if (code !== 1000 || reason === 'provider_initiated') return
    const said = readCloseReason(reason)
    // A token that was good when the connection began has run out or was revoked: a fresh one may be had.
    if (said === 'bad-token') this.#tokenTries = TOKEN_TRIES
    this.#over(said, said === 'bad-token' || CLOSE_REASONS[said].transient)
  }

  #over(reason: CloseReason, again: boolean): void {
    if (this.#closed) return
    this.#unsettle()
    if (!again) {
      clearTimeout(this.#retry)
      this.#setState('refused', reason)
      return
    }
    if (this.#state === 'refused') return
    this.#setState('connecting', null)
    clearTimeout(this.#retry)
    this.#pausing = true
    const pauseMs = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** this.#retries++)
    this.#retry = setTimeout(() => this.#openAgain(), pauseMs * (0.5 + Math.random() / 2))
  }

  /** Token and first sync message again. Not by `detach` and `attach`: the CLOSE that they send would end what they begin. */
  #openAgain(): void {
    if (this.#closed) return
    clearTimeout(this.#retry)
    this.#pausing = false
    this.#unsettle()
    this.#setState(this.#options.socket.isOpen ? 'connecting' : 'offline', null)
    // Without a socket there is nothing to do: the provider opens every document when it has one.
    if (!this.#options.socket.isOpen) return
    // Or the provider, in step since the opening before, would not tell of the state that this one brings.
    this.#provider.synced = false
    void this.#provider.onOpen(new Event('open'))
  }

  #stateless(payload: string): void {
    const message = readServerMessage(payload)
    // Before this opening has settled, `marked` answers a mark from before the last one, whose updates may be refused.
    if (message === null || (message.t === 'marked' && !this.#settled)) return
    try {
      this.#options.onMessage(message)
    } catch (error) {
      this.#options.report(error, { stage: 'message', type: message.t })
    }
  }

  #setState(state: ConnectionState, reason: CloseReason | null): void {
    if (this.#closed || (state === this.#state && state !== 'refused')) return
    this.#state = state
    this.#options.onState(state, reason)
  }
}
