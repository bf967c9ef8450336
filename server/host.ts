/** What the overrides of `sessions.ts` replace in the host, which its public types do not show. */
import type { Connection } from '@hocuspocus/server'
import type { CloseReason } from '../shared/errors.ts'

export interface HostSocket {
  createConnection: (...args: unknown[]) => Connection
  handleQueueingMessage: (data: Uint8Array, address: string, documentName: string) => Promise<void>
  /** How many sessions of the socket wait for their token to be checked; asked with each that is opened. */
  getPendingDocumentCount: () => number
  /** The host ends a socket that has brought no frame for a minute. */
  lastMessageReceivedAt: number
  /** Addresses whose authentication is on its way. */
  readonly documentConnectionsEstablished: ReadonlySet<string>
}
export interface HostDocument {
  broadcastUpdate: (update: Uint8Array) => void
}

/** What a hook throws to refuse: the host sends `reason` to the client. No message, so that the host does not print it. */
interface Refusal {
  readonly reason: CloseReason
}

export function refusal(reason: CloseReason): Refusal {
  return { reason }
}

/** A method that an override replaces; throws when this version of the host does not have it. */
export function must<T, K extends keyof T>(target: T, key: K): T[K] {
  if (typeof target[key] !== 'function') {
    throw new Error(`This version of @hocuspocus/server has no ${String(key)}: it must be the one that package.json pins.`)
  }
  return target[key]
}

/**
 * A count that goes up by at most one from one call to the next: counted anew only where it may have come to `most`. Until then
 * what is given is no less than the count. The host goes through all sessions of a socket for each that is opened on it.
 */
export function countedRarely(count: () => number, most: number): () => number {
  let atMost = 0
  return () => {
    if (atMost >= most) atMost = count()
    return atMost++
  }
}
