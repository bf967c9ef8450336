/** What agents wait for in a session, and answers to it. They are written like everything else, so they work offline. */
import { SessionError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { MAX_INLINE_BYTES } from '../shared/limits.ts'
import type { Message, ToolPart } from '../shared/message.ts'
import { hasEnded } from '../shared/run.ts'
import type { Session } from './session.ts'

/** A call that waits and that nobody has answered. */
export interface OpenCall {
  readonly message: string
  /** Id by which the server knows it. */
  readonly id: string
  /** Id of the approval; that of the call where it is none. */
  readonly approval: string
  readonly part: Pick<ToolPart, 'type' | 'toolName' | 'input'> & { readonly call: NonNullable<ToolPart['call']> }
  /** Id of the participant whose input the run answers. */
  readonly asker: string | undefined
}

/** An answer to a client's call; `claim`: the number under which a tab did it. */
export interface ClientAnswer {
  readonly output?: unknown
  readonly errorText?: string
  readonly claim?: number
}

/** What agents wait for and nobody has answered, oldest first. */
export function openCalls(session: Session): OpenCall[] {
  const askers = new Map(
    session.view.runs.filter(({ status }) => !hasEnded(status)).map(({ id }) => [id, askerOf(session, id)] as const),
  )
  if (askers.size === 0) return []
  // Of all branches: a run goes on also where nobody looks.
  return session.allIds.flatMap((id) => {
    const message = session.message(id)
    const run = message?.metadata.run ?? ''
    return message !== undefined && askers.has(run) ? openIn(message, askers.get(run)) : []
  })
}

function askerOf(session: Session, id: string): string | undefined {
  let run = session.run(id)
  for (let depth = 0; run?.parent !== undefined && depth < 16; depth++) run = session.run(run.parent) ?? run
  return session.message(run?.input ?? '')?.metadata.by
}

function openIn(message: Message, asker: string | undefined): OpenCall[] {
  const open: OpenCall[] = []
  for (const each of message.parts) {
    const part = each as ToolPart & { readonly id?: unknown }
    const { call, state } = part
    // Answered, or given up by the run.
    if (call === undefined || call.at !== undefined || state === 'output-error' || state === 'output-available') continue
    const id = part.toolCallId ?? part.id
    if (typeof id !== 'string') continue
    open.push({ message: message.id, id, approval: part.approval?.id ?? id, part: { ...part, call }, asker })
  }
  return open
}

/** Finds the call of a client's tool that is to be answered by hand. */
export function clientCall(session: Session, id: string): OpenCall {
  const call = openCalls(session).findLast((open) => open.id === id && open.part.call.for === 'client')
  if (call === undefined) throw new SessionError('not-found', `No call ${id} waits for an answer.`)
  if (call.asker === session.me?.id) return call
  throw new SessionError('forbidden', 'Only whoever asked for the run answers for its client.')
}

/** Answers an approval, by its id or that of the tool call that waits for it. */
export function approve(session: Session, id: string, approved: boolean, reason?: string): void {
  if (typeof approved !== 'boolean') throw new SessionError('bad-argument', 'An approval is answered with true or false.')
  const call = openCalls(session).findLast(
    (open) => open.part.call.for === 'approval' && (open.approval === id || open.id === id),
  )
  if (call === undefined) throw new SessionError('not-found', `No approval ${id} waits for an answer.`)
  writeAnswer(session, call, { approved, ...(reason === undefined ? {} : { reason }) })
}

export function writeAnswer(session: Session, { message, id }: OpenCall, answer: object): void {
  session.ask('answer', newId(), { message, call: id, ...answer })
}

/** The JSON of a value that is too large for the document; null for one that is not. */
export function largeJson(value: unknown): string | null {
  const json = JSON.stringify(value) as string | undefined
  // A code unit is at most three bytes.
  if (json === undefined || json.length * 3 <= MAX_INLINE_BYTES) return null
  return new TextEncoder().encode(json).byteLength > MAX_INLINE_BYTES ? json : null
}
