/** The sessions that a worker is in: one replica each, over one socket, for as long as there are runs and a while longer. */
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { CLOSE_REASONS, SessionError, type CloseReason, type Report } from '../shared/errors.ts'
import { Blobs } from './blobs.ts'
import type { Connection, ConnectionOptions } from './connection.ts'
import { participantOf } from './identity.ts'
import { Presence } from './presence.ts'
import { Session } from './session.ts'
import { StoredWrites } from './stored.ts'

/** How long a session stays open after its last run here: the next input often comes soon. */
const LINGER_MS = 30_000

/** A session that is open here. */
export interface Joined {
  readonly session: Session
  readonly doc: Y.Doc
  readonly blobs: Blobs
  readonly live: Promise<void>
  /** Rejects when the server refuses it: then nothing more comes or goes. */
  readonly refused: Promise<never>
  readonly stored: () => Promise<void>
  readonly close: () => void
  /** It was refused, or there was no token for it: the next run opens it anew. */
  failed: boolean
  users: number
  linger: ReturnType<typeof setTimeout> | undefined
}

export type ConnectionEvents = Pick<ConnectionOptions, 'onState' | 'onMessage'>

export interface AgentSessionsOptions {
  /** The server's address. */
  readonly url: string
  readonly connect: (name: string, doc: Y.Doc, awareness: Awareness, on: ConnectionEvents) => Connection
  readonly token: () => Promise<string>
  readonly report: Report
  /** The server lets nothing of this session's replica through any more; the next run of it opens another one. */
  readonly onRefused: (session: Session) => void
}

export class AgentSessions {
  readonly #options: AgentSessionsOptions
  readonly #sessions = new Map<string, Joined>()
  #closed = false

  constructor(options: AgentSessionsOptions) {
    this.#options = options
  }

  /** The session, opened if it is not open; each call needs a `leave`. */
  join(id: string): Joined {
    const known = this.#sessions.get(id)
    if (known !== undefined) {
      known.users += 1
      clearTimeout(known.linger)
      return known
    }
    const joined = this.#open(id)
    this.#sessions.set(id, joined)
    return joined
  }

  leave(joined: Joined): void {
    const { id } = joined.session
    joined.users -= 1
    if (joined.users > 0 || this.#closed) return
    if (joined.failed) {
      if (this.#sessions.get(id) === joined) this.#sessions.delete(id)
      joined.close()
      return
    }
    joined.linger = setTimeout(() => {
      if (this.#sessions.get(id) === joined) this.#sessions.delete(id)
      joined.close()
    }, LINGER_MS)
    ;(joined.linger as { unref?: () => void }).unref?.()
  }

  /** One client id per session for as long as it stays open. */
  #open(id: string): Joined {
    const { url, connect, token, report } = this.#options
    const doc = new Y.Doc()
    const awareness = new Awareness(doc)
    const session = new Session({ id, doc, presence: new Presence(awareness, report), report, now: Date.now })
    let origin: unknown = null
    const writes = new StoredWrites({
      isForeign: (from) => from === origin,
      onStored: (onServer) => session.setStatus({ onServer }),
      // Nobody looks at it while a text streams: the run's end waits for a mark of its own.
      markEveryMs: 1_000,
    })
    session.setStatus({ onServer: true })
    const live = Promise.withResolvers<void>()
    const refused = Promise.withResolvers<never>()
    refused.promise.catch(() => {})
    const connection = connect(id, doc, awareness, {
      onState: (state, reason) => {
        session.setStatus({ connection: state, reason })
        if (state === 'refused') {
          refused.reject(refusal(id, reason))
          // Not within the connection's own event, but before the session is opened anew over the same socket.
          queueMicrotask(() => connection.close())
          this.#drop(session)
          this.#options.onRefused(session)
        } else if (state === 'live') {
          writes.live()
          live.resolve()
        }
      },
      onMessage: (message) => {
        if (message.t === 'marked') writes.marked(message.n)
      },
    })
    origin = connection.origin
    writes.follow(doc, connection)
    const identified = token().then((text) => {
      if (!session.closed) session.identify(participantOf(text))
    })
    const ready = Promise.race([refused.promise, Promise.all([live.promise, identified]).then(() => {})])
    const close = (): void => {
      session.destroy()
      writes.destroy()
      connection.close()
      doc.destroy()
    }
    const stored = (): Promise<void> => Promise.race([refused.promise, writes.whenStored()])
    const blobs = new Blobs({ url, session: id, token })
    const joined: Joined = {
      session,
      doc,
      blobs,
      live: ready,
      refused: refused.promise,
      stored,
      close,
      failed: false,
      users: 1,
      linger: undefined,
    }
    // Whoever waits for it reports it.
    ready.catch(() => (joined.failed = true))
    return joined
  }

  /** Resolves when all that was written in any session so far is stored, or never will be. */
  async stored(): Promise<void> {
    await Promise.allSettled([...this.#sessions.values()].map((joined) => joined.stored()))
  }

  close(): void {
    this.#closed = true
    for (const joined of this.#sessions.values()) joined.close()
  }

  #drop(session: Session): void {
    const joined = this.#sessions.get(session.id)
    if (joined?.session !== session) return
    this.#sessions.delete(session.id)
    joined.failed = true
    if (joined.users > 0) return
    clearTimeout(joined.linger)
    queueMicrotask(() => joined.close())
  }
}

/** What it means that the server refuses a connection. */
export function refusal(what: string, reason: CloseReason | null): SessionError {
  return new SessionError('forbidden', `The server refuses ${what}: ${CLOSE_REASONS[reason ?? 'unavailable'].says}.`)
}
