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

/** The client ids that a presence update speaks for. Throws on malformed bytes. */
export function presenceClients(update: Uint8Array): number[] {
  const decoder = decoding.createDecoder(update)
  const clients: number[] = []
  for (let left = Math.min(decoding.readVarUint(decoder), MAX_STATES); left > 0; left--) {
    clients.push(decoding.readVarUint(decoder))
    decoding.readVarUint(decoder)
    decoding.readVarString(decoder)
  }
  return clients
}

/**
 * Applies a presence update under the name of its sender. States of client ids that another connection has shown are left
 * out. Throws on malformed bytes.
 *
 * @param owner says whether the sender may speak for a client id.
 */
export function applyPresence(
  awareness: Awareness,
  update: Uint8Array,
  participant: Participant,
  owner: (clientId: number) => boolean,
  origin: unknown,
): void {
  const decoder = decoding.createDecoder(update)
  const count = decoding.readVarUint(decoder)
  const accepted: { clientId: number; clock: number; state: string }[] = []
  for (let i = 0; i < count && accepted.length < MAX_STATES; i++) {
    const clientId = decoding.readVarUint(decoder)
    const clock = decoding.readVarUint(decoder)
    const json = decoding.readVarString(decoder)
    if (!owner(clientId) || json.length > MAX_STATE_BYTES) continue
    const state: unknown = JSON.parse(json)
    if (typeof state !== 'object') continue
    accepted.push({ clientId, clock, state: state === null ? 'null' : JSON.stringify({ ...state, participant }) })
  }
  if (accepted.length === 0) return
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, accepted.length)
  for (const { clientId, clock, state } of accepted) {
    encoding.writeVarUint(encoder, clientId)
    encoding.writeVarUint(encoder, clock)
    encoding.writeVarString(encoder, state)
  }
  applyAwarenessUpdate(awareness, encoding.toUint8Array(encoder), origin)
}
