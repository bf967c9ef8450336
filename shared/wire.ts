/**
 * What server and clients say to each other besides Yjs: small JSON texts in Hocuspocus' stateless frames. Anything that
 * does not parse to one of these is dropped.
 *
 * A worker talks to the server over the control document of its agent, `~agent.NAME`: a name that no session can have. It
 * holds no content, is never stored and is read-only.
 */
import { parseJson } from './json.ts'
import { asRecord } from './layout.ts'
import { MAX_NAME_CHARS } from './limits.ts'
import { isOnLapse, type OnLapse } from './run.ts'

/**
 * Version of these messages and of the document's layout together. 1: the first. 2: `refused` may say the rule and the place;
 * the reasons `refused-update`, `too-fast` and `too-many`, which an older client takes for ones that pass. 3: queues, steering,
 * retries, sub-agents, client tools and approvals. 4: each participant asks for a hand-over at a key of their own; the one that
 * all shared is refused.
 */
export const PROTOCOL_VERSION = 4

/** What becomes of a run whose worker is lost. */
export interface LapseTerms {
  /** Default `interrupt`. */
  readonly onLapse?: OnLapse
  /** Workers that may begin it, one after the other, unless it is interrupted. */
  readonly maxAttempts?: number
}

/** Client to server. */
export type ClientMessage =
  /** "Tell me when everything I sent before this is stored." `n` is the client's own count. */
  | { readonly t: 'mark'; readonly n: number }
  /** What the client's clock shows, in epoch milliseconds, before it sends what it has written by it. */
  | { readonly t: 'clock'; readonly at: number }
  /** A worker is there, with the leases it still holds, and what is to become of its runs when it is lost. */
  | (LapseTerms & { readonly t: 'worker'; readonly worker: string; readonly slots: number; readonly leases: readonly LeaseRef[] })
  /** Heartbeat for leases. Of a run that the worker had before under another generation: from here on it writes under this one. */
  | { readonly t: 'renew'; readonly leases: readonly LeaseRef[] }
  /** A tab can do a client's call, or is still at it; asked on the session's document, answered in it. */
  | { readonly t: 'claim'; readonly message: string; readonly call: string; readonly tab: string }
  /** The worker gives these runs up: what their lapse would do is done at once. */
  | { readonly t: 'release'; readonly leases: readonly LeaseRef[] }

/** Server to client. */
export type ServerMessage =
  | { readonly t: 'marked'; readonly n: number }
  /** The log cannot commit: what is written now is not stored yet. `false`: it can again. */
  | { readonly t: 'stalled'; readonly stalled: boolean }
  /** The connection is over, and why; of a refused update also the rule that it broke, and where. */
  | { readonly t: 'refused'; readonly reason: string; readonly code?: string; readonly path?: string }
  /** The lease of a run, for this worker. */
  | {
      readonly t: 'assign'
      readonly run: string
      readonly session: string
      readonly input: string
      readonly generation: number
      readonly leaseMs: number
    }
  /** A lease that the worker thought to hold is not its own any more. */
  | { readonly t: 'lost'; readonly run: string; readonly generation: number }

export interface LeaseRef {
  readonly run: string
  readonly generation: number
}

export function encodeMessage(message: ClientMessage | ServerMessage): string {
  return JSON.stringify(message)
}

/** Reads what a client sent; null when it is not a message of ours. Untrusted: every field is checked. */
export function readClientMessage(payload: string): ClientMessage | null {
  const message = asRecord(parseJson(payload))
  if (message === undefined) return null
  const { t, n, at, worker, slots, leases, message: id, call, tab } = message
  switch (t) {
    case 'mark':
      return isCount(n) ? { t, n } : null
    case 'clock':
      return typeof at === 'number' && Number.isFinite(at) ? { t, at } : null
    case 'worker':
      if (typeof worker !== 'string' || !isCount(slots) || !isLeases(leases)) return null
      return { t, worker, slots, leases, ...readLapseTerms(message) }
    case 'renew':
    case 'release':
      return isLeases(leases) ? { t, leases } : null
    case 'claim':
      return isName(id) && isName(call) && isName(tab) ? { t, message: id, call, tab } : null
    default:
      return null
  }
}

/** Reads what the server sent; null when it is not a message of ours. */
export function readServerMessage(payload: string): ServerMessage | null {
  const message = asRecord(parseJson(payload))
  if (message === undefined) return null
  const { t, n, stalled, reason, code, path, run, session, input, generation, leaseMs } = message
  switch (t) {
    case 'marked':
      return isCount(n) ? { t, n } : null
    case 'stalled':
      return typeof stalled === 'boolean' ? { t, stalled } : null
    case 'refused':
      if (typeof reason !== 'string') return null
      return { t, reason, ...(typeof code === 'string' ? { code } : {}), ...(typeof path === 'string' ? { path } : {}) }
    case 'assign':
      if (typeof run !== 'string' || typeof session !== 'string' || typeof input !== 'string') return null
      return isCount(generation) && isCount(leaseMs) ? { t, run, session, input, generation, leaseMs } : null
    case 'lost':
      return typeof run === 'string' && isCount(generation) ? { t, run, generation } : null
    default:
      return null
  }
}

const CONTROL = '~agent.'

/** Name of the control document of an agent. */
export function controlDocument(agent: string): string {
  return CONTROL + agent
}

/** Agent of a control document; null for the name of a session. */
export function agentOfControl(name: string): string | null {
  return name.startsWith(CONTROL) ? name.slice(CONTROL.length) : null
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_CHARS
}

/** Terms as a worker or a lease states them; what is not of their form is left out. */
export function readLapseTerms({ onLapse, maxAttempts }: Readonly<Record<string, unknown>>): LapseTerms {
  return { ...(isOnLapse(onLapse) ? { onLapse } : {}), ...(isCount(maxAttempts) ? { maxAttempts } : {}) }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isLeases(value: unknown): value is LeaseRef[] {
  return (
    Array.isArray(value) &&
    value.every((lease) => {
      const { run, generation } = (lease ?? {}) as Record<string, unknown>
      return typeof run === 'string' && isCount(generation)
    })
  )
}
