/**
 * Who this client is, read from its own token. Not a check: the server verifies; the client needs the name to sign its
 * messages and to find its own replica.
 */
import { SessionError } from '../shared/errors.ts'
import { readParticipant, type Participant } from '../shared/participant.ts'

/** Reads the participant from a JSON Web Token without verifying it. Throws `SessionError` when it is none. */
export function participantOf(token: string): Participant {
  const body = token.split('.')[1]
  let claims: Record<string, unknown> | null = null
  try {
    const bytes = Uint8Array.from(atob((body ?? '').replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
    claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
  } catch {
    // Falls through to the error below, which says what was expected.
  }
  const participant = readParticipant({ id: claims?.['sub'], kind: claims?.['kind'], name: claims?.['name'] ?? claims?.['sub'] })
  if (participant === null) {
    throw new SessionError('bad-argument', 'The token must be a JSON Web Token with `sub`, `kind` and `name`.')
  }
  return participant
}

/** Name of what a browser shares about a session: the replica's database, and the channel between tabs. */
export function sharedName(url: string, participant: string, session: string): string {
  return `polylogue:${url}:${participant}:${session}`
}

/** Where the device keeps who has a session open. */
export function whoKey(url: string, session: string): string {
  return `polylogue:who:${url}:${session}`
}

/** Remembers, on this device, who last had a session open: a start with no network must find the replica. */
export function rememberParticipant(key: string, participant: Participant): void {
  try {
    storage()?.setItem(key, JSON.stringify(participant))
  } catch {
    // No storage, or none left: the next start without a network then shows nothing, as on a new device.
  }
}

export function recallParticipant(key: string): Participant | null {
  try {
    return readParticipant(JSON.parse(storage()?.getItem(key) ?? 'null'))
  } catch {
    return null
  }
}

export function forgetParticipant(key: string): void {
  try {
    storage()?.removeItem(key)
  } catch {
    // Nothing was stored where nothing can be removed.
  }
}

/** Only pages have one worth using: Node's own warns and forgets. */
function storage(): Storage | undefined {
  return typeof window === 'undefined' ? undefined : window.localStorage
}
