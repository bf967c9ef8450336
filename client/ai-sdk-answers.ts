/**
 * Answers to what an agent waits for, as the AI SDK's chats give them. The first answer counts, whoever gives it: one that
 * comes after another is no error, the part shows what was decided.
 */
import { SessionError } from '../shared/errors.ts'
import { asRecord } from '../shared/layout.ts'
import type { OpenSession } from './open-session.ts'

export interface ToolAnswer {
  readonly output?: unknown
  readonly errorText?: string
}

/** Answers an approval by its id. Throws `SessionError` when the session has none of that id. */
export function approve(session: OpenSession, id: string, approved: boolean, reason?: string): void {
  try {
    session.approve(id, approved, reason)
  } catch (error) {
    if (!isLate(session, error, id)) throw error
  }
}

/** Answers a call of a client's tool. Rejects with `SessionError` when the session has none of that id. */
export async function respond(session: OpenSession, id: string, { output, errorText }: ToolAnswer): Promise<void> {
  try {
    await session.respond(id, output, errorText === undefined ? {} : { errorText })
  } catch (error) {
    if (!isLate(session, error, id)) throw error
  }
}

function isLate({ view }: OpenSession, error: unknown, id: string): boolean {
  if (!(error instanceof SessionError) || error.code !== 'not-found') return false
  return view.messages.some(({ parts }) =>
    parts.some((part) => {
      const { toolCallId, id: own, approval } = part as Readonly<Record<string, unknown>>
      return toolCallId === id || own === id || asRecord(approval)?.['id'] === id
    }),
  )
}
