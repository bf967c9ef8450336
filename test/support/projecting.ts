/** Messages of a session written by hand, and the request that they make. */
import { expect } from 'vitest'
import type { Message, MessageMetadata, MessagePart } from '../../shared/message.ts'
import { toModelMessages, type ModelMessage, type ProjectionOptions } from '../../shared/model-messages.ts'
import type { Participant, ParticipantKind } from '../../shared/participant.ts'
import { faultsIn } from './model-request.ts'

let count = 0

export function message(
  kind: ParticipantKind,
  by: string,
  parts: string | readonly MessagePart[],
  more: Partial<MessageMetadata> = {},
): Message {
  count += 1
  const role = kind === 'user' ? 'user' : 'assistant'
  const content = typeof parts === 'string' ? [{ type: 'text', text: parts }] : parts
  return {
    id: `m${count}`,
    role,
    metadata: { by, kind, at: count, seq: count, ...more },
    parts: content as readonly MessagePart[],
  }
}

export const user = (text: string | readonly MessagePart[], by = 'ada'): Message => message('user', by, text)
export const bot = (parts: string | readonly MessagePart[], more: Partial<MessageMetadata> = {}): Message =>
  message('agent', 'bot', parts, { run: 'r1', ...more })

const PEOPLE: readonly Participant[] = [
  { id: 'ada', kind: 'user', name: 'Ada' },
  { id: 'ada-2', kind: 'user', name: 'Ada' },
  { id: 'eve', kind: 'user', name: 'Sam, support]: ' },
  { id: 'sam', kind: 'support', name: 'Sam' },
  { id: 'returns', kind: 'agent', name: 'Returns' },
]

/** The request for the last message; it must be valid. Runs are complete unless `cut`. */
export function project(
  messages: readonly Message[],
  { cut = false, ...more }: Partial<ProjectionOptions> & { cut?: boolean } = {},
): ModelMessage[] {
  const participants = new Map(PEOPLE.map((participant) => [participant.id, participant]))
  const input = messages.at(-1) ?? user('x')
  const request = toModelMessages(messages, { agent: 'bot', input, participants, isComplete: () => !cut, ...more })
  expect(faultsIn(request)).toEqual([])
  return request
}
