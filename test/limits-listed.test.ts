/** Each limit has a test that fails when it is not enforced. A new limit without one fails here. */
import { expect, test } from 'vitest'
import * as shared from '../shared/limits.ts'
import { LIMITS, type Limits } from '../shared/limits.ts'
import * as guard from '../server/guard/limits.ts'
import { ATTACKS } from './guard/attacks.ts'
import { testTitles } from './repository/tree.ts'

/** A part of the title of a test. */
const OF_SERVER: Readonly<Record<keyof Limits, string>> = {
  socketsPerParticipant: 'sessions per socket and sockets per participant are limited',
  sessionsPerSocket: 'sessions per socket and sockets per participant are limited',
  connectionsPerSession: 'one session is open on one socket a few times only',
  connectionFrames: 'too many frames end that connection',
  connectionBytes: 'too many bytes end that connection',
  personFrames: 'the frames and bytes of a person count over all sockets',
  personBytes: 'the frames and bytes of a person count over all sockets',
  personTimeMs: 'who has no time left waits',
  personShareMs: 'while others are at work a person has a share of the time',
  strangersShareMs: 'who has shown no token is let in at a pace',
  agentFrames: 'an agent has a limit over all its workers too',
  agentBytes: 'an agent has a limit over all its workers too',
  presence: 'presence that comes too fast is thinned',
  states: 'who asks for the state again and again is refused',
  strayFrames: 'frames that belong to no connection are limited in number',
  statelessBytes: 'a stateless message above the limit',
  unreadBytes: 'a socket that never reads is closed',
  participantUnreadBytes: 'all sockets of a participant together may not have much unread',
  participantUnfinishedBytes: 'frames that are never whole may not have much of them here',
  waitingFrames: 'what waits for a token is limited in number and in size',
  waitingBytes: 'what waits for a token is limited in number and in size',
  unauthenticatedSockets: 'of too many sockets without a token the oldest go',
  unauthenticatedBytes: 'what comes before the token is limited also while its frame is not whole',
  allUnauthenticatedBytes: 'what comes before the token is limited also while its frame is not whole',
  authenticateMs: 'a socket that shows no token in time is closed',
  personBlobs: 'values come and go at a rate, in number and in bytes',
  personBlobBytes: 'values come and go at a rate, in number and in bytes',
  agentBlobs: 'values come and go at a rate, in number and in bytes',
  agentBlobBytes: 'values come and go at a rate, in number and in bytes',
  blobBytes: 'a value is at most 16 MB by default',
  sessionBlobBytes: 'a value is at most 16 MB by default',
  pingMs: 'who has vanished without a word is here for two pings at most',
  idleSessionMs: 'a session that nobody has open stays in memory for a while',
  idleSessions: 'of too many idle sessions the one goes that has been idle for longest',
  idleSessionBytes: 'idle sessions have a size that all together cannot pass',
  tokenGraceMs: 'a connection whose client has no fresh token ends with a reason, after a grace',
}

const OF_ALL: Readonly<Record<Exclude<keyof typeof shared, 'LIMITS'>, string>> = {
  MAX_MESSAGE_CHARS: 'a message above the limit throws where it is written',
  MAX_ID_CHARS: 'a participant has an id of a limited length',
  MAX_NAME_CHARS: 'names of objects and of fields have a length',
  MAX_OBJECTS: 'has a length that is allowed, is not empty',
  MAX_FIELD_CHARS: 'names of objects and of fields have a length',
  MAX_FRAME_BYTES: 'a frame above the limit closes its socket with 1009',
  MAX_SESSION_BYTES: 'a session has a size that it cannot pass',
  MAX_SEGMENT_CHARS: 'a text is cut into segments of at most 16,384 code units',
  MAX_UNSTORED_BYTES: 'what is accepted and not stored has a size that it cannot pass',
  MAX_INLINE_BYTES: 'what is small stays in the document; what is too large',
  MAX_VALUE_CHARS: 'what a document cannot hold as it is stands there as text',
  MAX_VALUE_DEPTH: 'what a document cannot hold as it is stands there as text',
  MAX_AGENTS_PER_INPUT: 'an input asks so many agents and no more',
  MAX_CHILDREN: 'what is asked for wrongly is refused at once',
  MAX_SPAWN_DEPTH: 'runs that ask for themselves end at a depth',
  MAX_SPAWN_CHARS: 'what is asked for wrongly is refused at once',
  MAX_ANSWERS: 'an agent gives so many answers to one input and no more',
  AGENT_NAME: 'an input asks so many agents and no more',
  SESSION_NAME: 'a session must have a proper name',
}

/** Titles of attacks. */
const OF_GUARD: Readonly<Record<keyof typeof guard, string>> = {
  MAX_STRUCTS: '200,001 structs',
  MAX_DELETE_RANGES: '500,001 delete ranges',
  MAX_NEW_CLIENTS: 'seventeen client ids at once',
  MAX_CLIENTS_PER_PARTICIPANT: 'one client id too many in all',
  MAX_CLOCK: 'a clock of 2^40',
  MAX_CLIENT: 'a client id above 2^32',
  MAX_KEY_BYTES: 'a key of 4 KB',
  MAX_STRING_BYTES: 'a value of 5 MB',
  MAX_STEPS: 'a scan bomb: each struct has to pass all others',
}

const missing = (wanted: Readonly<Record<string, string>>, titles: readonly string[]): string[] =>
  Object.keys(wanted).filter((name) => !titles.some((title) => title.includes(wanted[name] as string)))

test('every limit is borne by a test', () => {
  const tests = testTitles()
  const attacks = Object.values(ATTACKS).flatMap((each) => each.map(([title]) => title))
  expect(Object.keys(OF_SERVER).sort()).toEqual(Object.keys(LIMITS).sort())
  expect(Object.keys(OF_ALL).sort()).toEqual(
    Object.keys(shared)
      .filter((name) => name !== 'LIMITS')
      .sort(),
  )
  expect(Object.keys(OF_GUARD).sort()).toEqual(Object.keys(guard).sort())
  expect([...missing(OF_SERVER, tests), ...missing(OF_ALL, tests), ...missing(OF_GUARD, attacks)]).toEqual([])
})
