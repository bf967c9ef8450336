/** Clients of a test, closed when it has ended. */
import { onTestFinished } from 'vitest'
import { openSession, textOf, type OpenSession, type ParticipantKind } from '../../client/index.ts'
import { tokenFor } from './tokens.ts'
import { until } from './wait.ts'

export interface ClientOptions {
  readonly url: string
  readonly id: string
  /** Participant id; default `ada`. */
  readonly as?: string
  readonly kind?: Exclude<ParticipantKind, 'server'>
  /** Default: one for all sessions. */
  readonly token?: string | (() => string | Promise<string>)
  readonly onError?: (error: unknown, context: { stage: string }) => void
}

/** Opens a session; resolves when it can be written to, which may be before there is a connection. */
export async function openClient(options: ClientOptions): Promise<OpenSession> {
  const { url, id, as = 'ada', kind = 'user', onError = () => {} } = options
  const session = openSession({ url, id, token: options.token ?? (() => tokenFor(as, kind)), offline: false, onError })
  onTestFinished(() => session.close())
  await session.ready
  return session
}

/** The same, and it is in step with the server. */
export async function openLive(options: ClientOptions): Promise<OpenSession> {
  const session = await openClient(options)
  await until(() => session.status.connection === 'live', { what: `${options.as ?? 'ada'} in ${options.id} to be live` })
  return session
}

/** The texts of all messages, in their order. */
export function texts(session: Pick<OpenSession, 'view'>): string[] {
  return session.view.messages.map(textOf)
}

/** The text that the run of an agent for an input has written so far. */
export function replyTo(session: Pick<OpenSession, 'view'>, input: string, agent: string): string {
  const reply = session.view.messages.find(({ metadata }) => metadata.run === `${input}.${agent}`)
  return reply === undefined ? '' : textOf(reply)
}

/** What the fixture agent writes for `tokens=COUNT`. */
export function tokensOf(agent: string, count: number): string {
  let text = ''
  for (let n = 1; n <= count; n++) text += `${agent}${n} `
  return text
}
