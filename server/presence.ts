/**
 * Presence as it comes over a connection: decoded, the identity put in from the token, applied. Done here rather than by
 * the host's own path, which drops removals (ghosts for half a minute) and builds a whole document per message.
 *
 * The wire format is y-protocols' awareness update: count, then per state the client id, its clock and the state as JSON.
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { applyAwarenessUpdate, type Awareness } from 'y-protocols/awareness'
import type { Participant } from '../shared/participant.ts'

/** Longest presence state, in bytes of its JSON. It holds a cursor and flags, never content. */
const MAX_STATE_BYTES = 4_096
/** States in one message: one per open replica of a tab or device; more is a forgery. */
const MAX_STATES = 4

/**
 * Client ids that one connection may show at once; of more, the oldest go. A plain client passes on what the other tabs of its
 * browser show.
 */
export const MAX_SHOWN = 16

/** What a client id shows. */
export interface PresenceState {
  readonly clientId: number
  readonly clock: number
  /** Null: it shows nothing any more. */
  readonly state: object | null
}

/**
 * Reads the states of a presence update that its sender may speak for; the others are left out. Throws on malformed bytes.
 *
 * @param mayShow says whether the sender may speak for a client id.
 */
export function readPresence(update: Uint8Array, mayShow: (clientId: number) => boolean): PresenceState[] {
  const decoder = decoding.createDecoder(update)
  const states: PresenceState[] = []
  for (let left = decoding.readVarUint(decoder); left > 0 && states.length < MAX_STATES; left--) {
    const clientId = decoding.readVarUint(decoder)
    const clock = decoding.readVarUint(decoder)
    const json = decoding.readVarString(decoder)
    if (!mayShow(clientId) || json.length > MAX_STATE_BYTES) continue
    const state: unknown = JSON.parse(json)
    if (typeof state === 'object') states.push({ clientId, clock, state })
  }
  return states
}

/** Shows states under the name of their sender. */
export function applyPresence(
  awareness: Awareness,
  states: readonly PresenceState[],
  participant: Participant,
  origin: unknown,
): void {
  if (states.length === 0) return
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, states.length)
  for (const { clientId, clock, state } of states) {
    encoding.writeVarUint(encoder, clientId)
    encoding.writeVarUint(encoder, clock)
    encoding.writeVarString(encoder, JSON.stringify(state === null ? null : { ...state, participant }))
  }
  applyAwarenessUpdate(awareness, encoding.toUint8Array(encoder), origin)
}
