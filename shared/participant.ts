/** Who takes part in a session. */

export const PARTICIPANT_KINDS = ['user', 'agent', 'support', 'viewer', 'server'] as const

/**
 * `user`: a person who is served; `agent`: a program that answers; `support`: a person who serves; `viewer`: reads only;
 * `server`: the server itself, never in a token.
 */
export type ParticipantKind = (typeof PARTICIPANT_KINDS)[number]

/** An identity from a verified token. An agent's `id` is its agent name. */
export interface Participant {
  readonly id: string
  readonly kind: ParticipantKind
  readonly name: string
}

/** Reads a participant from an untrusted value; null when it is not one. */
export function readParticipant(value: unknown): Participant | null {
  if (typeof value !== 'object' || value === null) return null
  const { id, kind, name } = value as Record<string, unknown>
  if (typeof id !== 'string' || id === '' || typeof name !== 'string') return null
  if (!(PARTICIPANT_KINDS as readonly unknown[]).includes(kind)) return null
  return { id, kind: kind as ParticipantKind, name }
}
