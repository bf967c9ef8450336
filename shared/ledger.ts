/** Reads what the server alone writes about a session as a whole. What is not of the expected form is left out. */
import type * as Y from 'yjs'
import { readPause, type Pause } from './control.ts'
import { KEY, mapAt, pausedAgent } from './layout.ts'
import { readParticipant, type Participant } from './participant.ts'

/** Everybody who has ever written, by id. */
export function participantsOf(ledger: Y.Map<unknown>): ReadonlyMap<string, Participant> {
  const values = [...(mapAt(ledger, KEY.participants)?.values() ?? [])]
  const participants = values.map(readParticipant).filter((participant) => participant !== null)
  // A map's own order is that in which a peer got its entries.
  participants.sort((a, b) => (a.id < b.id ? -1 : 1))
  return new Map(participants.map((participant) => [participant.id, participant]))
}

/** Agents whose queues wait, by name. */
export function pausedOf(ledger: Y.Map<unknown>): ReadonlyMap<string, Pause> {
  const paused = new Map<string, Pause>()
  for (const [key, value] of ledger) {
    const agent = pausedAgent(key)
    const pause = agent === null ? undefined : readPause(value)
    if (agent !== null && pause !== undefined) paused.set(agent, pause)
  }
  return paused
}
