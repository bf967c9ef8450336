/**
 * What server and clients say to each other besides Yjs: small JSON texts in Hocuspocus' stateless frames. Anything that
 * does not parse to one of these is dropped.
 *
 * A worker talks to the server over the control document of its agent, `~agent.NAME`: a name that no session can have. It
 * holds no content, is never stored and is read-only.
 */
import { MAX_NAME_CHARS } from './limits.ts'

/**
 * Version of these messages and of the document's layout together. 1: the first. 2: `refused` may say the rule and the place;
 * the reasons `refused-update`, `too-fast` and `too-many`, which an older client takes for ones that pass. 3: queues, steering,
 * retries, sub-agents, client tools and approvals.
 */
export const PROTOCOL_VERSION = 3

/** Client to server. */
export type ClientMessage =
  /** "Tell me when everything I sent before this is stored." `n` is the client's own count. */
  | { readonly t: 'mark'; readonly n: number }
  /** A worker is there, with the leases it still holds. */
  | { readonly t: 'worker'; readonly worker: string; readonly slots: number; readonly leases: readonly LeaseRef[] }
  /** Heartbeat for leases. */
  | { readonly t: 'renew'; readonly leases: readonly LeaseRef[] }
  /** A tab can do a client's call, or is still at it; asked on the session's document, answered in it. */
  | { readonly t: 'claim'; readonly message: string; readonly call: string; readonly tab: string }

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

const CLIENT_TYPES = new Set(['mark', 'worker', 'renew', 'claim'])
const SERVER_TYPES = new Set(['marked', 'stalled', 'refused', 'assign', 'lost'])

/** Reads what a client sent; null when it is not a message of ours. Untrusted: every field is checked. */
export function readClientMessage(payload: string): ClientMessage | null {
  const message = parse(payload, CLIENT_TYPES)
  if (message === null) return null
  const { t, n, worker, slots, leases, message: id, call, tab } = message
  switch (t) {
    case 'mark':
      return isCount(n) ? { t, n } : null
    case 'worker':
      return typeof worker === 'string' && isCount(slots) && isLeases(leases) ? { t, worker, slots, leases } : null
    case 'renew':
      return isLeases(leases) ? { t, leases } : null
    case 'claim':
      return isName(id) && isName(call) && isName(tab) ? { t, message: id, call, tab } : null
    default:
      return null
  }
}

/** Reads what the server sent; null when it is not a message of ours. */
export function readServerMessage(payload: string): ServerMessage | null {
  const message = parse(payload, SERVER_TYPES)
  if (message === null) return null
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

function parse(payload: string, types: ReadonlySet<string>): Record<string, unknown> | null {
  let value: unknown
  try {
    value = JSON.parse(payload)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const message = value as Record<string, unknown>
  return typeof message['t'] === 'string' && types.has(message['t']) ? message : null
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_CHARS
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
