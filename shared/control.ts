/**
 * Flags that people set and the server judges: cancels, hand-overs and what is asked about inputs and queues. All are state,
 * so whoever comes later finds them.
 */
import type * as Y from 'yjs'
import { askKey, asRecord, cancelKey } from './layout.ts'
import type { ParticipantKind } from './participant.ts'

/** A request to end a run, at `control["cancel:TARGET"]`; TARGET is the id of a run or of the input that asked for it. */
export interface CancelFlag {
  /** Id of the participant who asked. */
  readonly by: string
  /** Epoch milliseconds by that participant's clock. */
  readonly at: number
  readonly reason?: string
  /** Id of the message that interrupts the run: nobody has stopped the agent, it goes on with that one. */
  readonly for?: string
}

export function readCancel(value: unknown): CancelFlag | undefined {
  const flag = asRecord(value)
  if (flag === undefined || typeof flag['by'] !== 'string' || typeof flag['at'] !== 'number') return undefined
  const { reason, for: input } = flag
  return {
    by: flag['by'],
    at: flag['at'],
    ...(typeof reason === 'string' ? { reason } : {}),
    ...(typeof input === 'string' ? { for: input } : {}),
  }
}

/** The flag that asks to end a run: set on the run itself or on its input. */
export function cancelOf(control: Y.Map<unknown>, run: string, input: string): CancelFlag | undefined {
  return readCancel(control.get(cancelKey(run))) ?? readCancel(control.get(cancelKey(input)))
}

/** What is asked about an input and not judged yet, at `control["edit:ID"]` and so on. */
export interface Asked {
  /** What it is to say. */
  readonly edit?: string
  readonly remove?: true
  readonly confirm?: true
}

/** What is asked about an input; undefined when nothing is. */
export function askedOf(control: Y.Map<unknown>, message: string): Asked | undefined {
  const edit = asRecord(control.get(askKey('edit', message)))?.['text']
  const remove = control.has(askKey('remove', message))
  const confirm = control.has(askKey('confirm', message))
  if (typeof edit !== 'string' && !remove && !confirm) return undefined
  return {
    ...(typeof edit === 'string' ? { edit } : {}),
    ...(remove ? { remove } : {}),
    ...(confirm ? { confirm } : {}),
  }
}

/** Why an agent's queue waits, at `ledger["paused:AGENT"]`. Somebody's `resume` lets it go on. */
export interface Pause {
  /** Epoch milliseconds by the server's clock. */
  readonly at: number
  /** How the run ended after which the queue waits. */
  readonly reason: 'cancelled' | 'error'
  readonly run: string
  /** Who stopped that run. */
  readonly by?: string
  /** Runs that wait, oldest first. What is asked later does not. */
  readonly held: readonly string[]
}

export function readPause(value: unknown): Pause | undefined {
  const { at, reason, run, by, held } = asRecord(value) ?? {}
  if (typeof at !== 'number' || typeof run !== 'string' || (reason !== 'cancelled' && reason !== 'error')) return undefined
  if (!Array.isArray(held) || !held.every((each) => typeof each === 'string')) return undefined
  return { at, reason, run, ...(typeof by === 'string' ? { by } : {}), held: held as string[] }
}

/** `request`: somebody wants a human; `take`: a supporter takes the session; `return`: it goes back to the agents. */
export type HandoverAction = 'request' | 'take' | 'return'

/** The last thing that a participant asked about who answers, at `control["handover:BY"]`. */
export interface HandoverRequest {
  readonly action: HandoverAction
  readonly by: string
  readonly at: number
  readonly reason?: string
}

export function readHandover(value: unknown): HandoverRequest | undefined {
  const request = asRecord(value)
  if (request === undefined || typeof request['by'] !== 'string' || typeof request['at'] !== 'number') return undefined
  const { action, reason } = request
  if (action !== 'request' && action !== 'take' && action !== 'return') return undefined
  return { action, by: request['by'], at: request['at'], ...(typeof reason === 'string' ? { reason } : {}) }
}

/**
 * Who answers, at `ledger.holder`, and since when by the server's clock. `agents`: the agents do, again since nobody of support
 * said anything for long where the reason is `idle`; `waiting`: nobody, a human was asked for; `human`: the supporter
 * `by` does.
 */
export type Holder =
  | { readonly state: 'agents'; readonly at?: number; readonly reason?: 'idle' }
  | { readonly state: 'waiting'; readonly by: string; readonly at: number; readonly reason?: string }
  | { readonly state: 'human'; readonly by: string; readonly at: number }

export const HELD_BY_AGENTS: Holder = { state: 'agents' }

export function readHolder(value: unknown): Holder {
  const holder = asRecord(value)
  if (holder?.['state'] === 'agents' && holder['reason'] === 'idle' && typeof holder['at'] === 'number') {
    return { state: 'agents', at: holder['at'], reason: 'idle' }
  }
  if (holder === undefined || typeof holder['by'] !== 'string' || typeof holder['at'] !== 'number') return HELD_BY_AGENTS
  const { by, at, reason } = holder as { by: string; at: number; reason?: unknown }
  if (holder['state'] === 'human') return { state: 'human', by, at }
  if (holder['state'] === 'waiting') return { state: 'waiting', by, at, ...(typeof reason === 'string' ? { reason } : {}) }
  return HELD_BY_AGENTS
}

/**
 * The server's decision on a request: the new holder, or null where the request changes nothing. Anybody but a viewer may
 * ask for a human; only support takes; support or the user who waits gives the session back.
 */
export function decideHolder(now: Holder, request: HandoverRequest, kind: ParticipantKind): Holder | null {
  const { by, at, reason } = request
  switch (request.action) {
    case 'request':
      if (now.state !== 'agents' || kind === 'viewer') return null
      return { state: 'waiting', by, at, ...(reason === undefined ? {} : { reason }) }
    case 'take':
      if (kind !== 'support' || (now.state === 'human' && now.by === by)) return null
      return { state: 'human', by, at }
    case 'return':
      if (now.state === 'agents') return null
      if (kind === 'support' || (kind === 'user' && now.state === 'waiting')) return HELD_BY_AGENTS
      return null
    default:
      return request.action satisfies never
  }
}
