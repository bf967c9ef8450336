/**
 * Which sessions this device has, for a list of conversations that needs no server: read from their replicas as they lie
 * there, without opening them. An entry of its own, `polylogue/device`; a page with one session does not load it.
 */
import * as Y from 'yjs'
import type { Report } from '../shared/errors.ts'
import { SESSION_NAME } from '../shared/limits.ts'
import { readParticipant, type Participant } from '../shared/participant.ts'
import { ViewBuilder, type SessionView } from '../shared/view.ts'
import { forgetParticipant, recallParticipant, rememberParticipant, sharedName, whoKey } from './identity.ts'
import { result } from './indexed-db.ts'
import { readReplica } from './local-store.ts'

export interface DeviceOptions {
  /** The server's address, as `openSession` was given it. */
  readonly url: string
  /** Id of the participant whose sessions are meant. */
  readonly participant: string
}

export interface StoredSession {
  readonly id: string
  /** As of the last write to this device. A message without `metadata.seq` is not known to be at the server. */
  readonly view: SessionView
  /** Everything that was written here is known to be stored at the server: messages, shared objects, flags. */
  readonly confirmed: boolean
}

/**
 * Ids of the sessions of a participant that this device has a replica of, in no order. Where the browser cannot list its
 * databases, those that the participant was the last to open here.
 */
export async function storedSessions({ url, participant }: DeviceOptions): Promise<readonly string[]> {
  const prefix = sharedName(url, participant, '')
  const names = typeof indexedDB.databases === 'function' ? (await indexedDB.databases()).map(({ name = '' }) => name) : null
  const ids = names?.flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []))
  return (ids ?? lastOpened(url, participant)).filter((id) => SESSION_NAME.test(id))
}

/**
 * What this device has of a session; an empty view where it has nothing. Rejects when the browser gives no storage.
 * @param report told of updates that cannot be read; default `console.error`.
 */
export async function readStoredSession(
  { url, participant }: DeviceOptions,
  id: string,
  report: Report = (error, context) => console.error('polylogue:', context.stage, error),
): Promise<StoredSession> {
  const { updates, confirmed } = await readReplica(sharedName(url, participant, id))
  const doc = new Y.Doc()
  doc.transact(() => {
    for (const update of updates) {
      try {
        Y.applyUpdate(doc, update)
      } catch (error) {
        report(error, { stage: 'local store' })
      }
    }
  })
  const builder = new ViewBuilder(doc, report)
  const { view } = builder
  builder.destroy()
  doc.destroy()
  return { id, view, confirmed }
}

/**
 * Lets a session that this device has never had be opened with no server, as a new conversation: under this participant,
 * whose token must say the same once there is a connection. Does nothing where somebody has had it open here.
 */
export function beginOnDevice(url: string, id: string, participant: Participant): void {
  const known = readParticipant(participant)
  if (known !== null && recallParticipant(whoKey(url, id)) === null) rememberParticipant(whoKey(url, id), known)
}

/**
 * Removes a session from this device; it stays at the server. What was not stored there is lost: see `confirmed`. A tab that
 * has it open goes on without a replica.
 */
export async function removeStoredSession({ url, participant }: DeviceOptions, id: string): Promise<void> {
  if (recallParticipant(whoKey(url, id))?.id === participant) forgetParticipant(whoKey(url, id))
  await result(indexedDB.deleteDatabase(sharedName(url, participant, id)))
}

function lastOpened(url: string, participant: string): string[] {
  const prefix = whoKey(url, '')
  const ids = Object.keys(localStorage).flatMap((key) => (key.startsWith(prefix) ? [key.slice(prefix.length)] : []))
  return ids.filter((id) => recallParticipant(whoKey(url, id))?.id === participant)
}
