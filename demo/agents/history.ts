/**
 * A session as a prompt. Several people and agents write in a session, a model knows two sides: what the agent itself wrote is
 * `assistant`, everybody else is `user`, with their name and office in front.
 */
import { convertToModelMessages, type ModelMessage, type UIMessage } from 'ai'
import { textOf, type AgentRun, type Message } from 'polylogue/agent'

/**
 * The messages of a run for `streamText`, valid for every provider: what was said before, the input that is answered, what has
 * changed it since, and what the run has written so far.
 * @param said the conversation, as `run.stream` gives it.
 */
export async function modelMessages(
  run: Pick<AgentRun, 'id' | 'input' | 'session'>,
  agent: string,
  said: readonly Message[],
): Promise<ModelMessage[]> {
  const { input } = run
  const at = said.findIndex((message) => message.id === input.id)
  const since = said.slice(at + 1)
  const own = since.filter((message) => message.metadata.run === run.id)
  const changes = since.filter((message) => message.metadata.run !== run.id).map((message) => steeringMessage(run, message))
  const messages = [...inTurns(said.slice(0, at)), input].flatMap(
    (message) => toUIMessage(message, agent, nameOf(run, message)) ?? [],
  )
  return [
    ...(await convertToModelMessages(messages, { ignoreIncompleteToolCalls: true })),
    ...changes,
    ...(await ownMessages(own, agent)),
  ]
}

/** What a run has written so far, as the model that goes on with it must see it. */
export async function ownMessages(own: readonly Message[], agent: string): Promise<ModelMessage[]> {
  const messages = own.flatMap((message) => toUIMessage(message, agent, agent) ?? [])
  return await convertToModelMessages(messages, { ignoreIncompleteToolCalls: true })
}

/** A message that changes the request while it is answered, marked as such. */
export function steeringMessage(run: Pick<AgentRun, 'session'>, message: Message): ModelMessage {
  return { role: 'user', content: `[${nameOf(run, message)}, steer]: ${textOf(message)}` }
}

function nameOf({ session }: Pick<AgentRun, 'session'>, { metadata }: Message): string {
  return session.view.participants.get(metadata.by)?.name ?? metadata.by
}

/**
 * Each answer behind what it answers. Two inputs that came at once are stamped one after the other, so the answer to the
 * first stands behind the second, where it would look like an answer to that.
 */
function inTurns(messages: readonly Message[]): Message[] {
  const seqOf = new Map(messages.map((message) => [message.id, message.metadata.seq ?? Number.POSITIVE_INFINITY]))
  const keyed = messages.map((message) => {
    const own = seqOf.get(message.id) ?? 0
    const asked = message.metadata.parent === undefined ? undefined : seqOf.get(message.metadata.parent)
    return { message, turn: asked ?? own, own }
  })
  return keyed.sort((a, b) => a.turn - b.turn || a.own - b.own).map(({ message }) => message)
}

function toUIMessage(message: Message, agent: string, name: string): Omit<UIMessage, 'id'> | null {
  const { by, kind } = message.metadata
  if (kind === 'agent' && by === agent) {
    const parts = message.parts.filter(isSpeech)
    return parts.length === 0 ? null : { role: 'assistant', parts: parts as UIMessage['parts'] }
  }
  const text = textOf(message)
  if (text.trim() === '') return null
  const said = kind === 'user' ? text : `[${name}, ${kind}]: ${text}`
  return { role: 'user', parts: [{ type: 'text', text: said }] }
}

/** Text, and tool calls whose input arrived whole; what was cut in the middle of its input no provider would take. */
function isSpeech(part: Message['parts'][number]): boolean {
  if (part.type === 'text') return (part as { text: string }).text !== ''
  if (part.type === 'step-start') return true
  if (!part.type.startsWith('tool-')) return false
  const { input, state } = part as { input?: unknown; state?: string }
  return typeof input === 'object' && input !== null && (state === 'output-available' || state === 'output-error')
}
