/**
 * A session as a prompt. Several people and agents write in a session, a model knows two sides: what the agent itself wrote is
 * `assistant`, everybody else is `user`, with their name and office in front.
 */
import { convertToModelMessages, type ModelMessage, type UIMessage } from 'ai'
import { textOf, type AgentRun, type Message } from 'polylogue/agent'

/** The messages of a run for `streamText`: valid for every provider, and the last one is the input that is answered. */
export async function modelMessages(
  run: Pick<AgentRun, 'messages' | 'input' | 'session'>,
  agent: string,
): Promise<ModelMessage[]> {
  const { input, session } = run
  const before = inTurns(run.messages.filter((message) => message.id !== input.id))
  const said = [...before, input].flatMap((message) => {
    const name = session.view.participants.get(message.metadata.by)?.name ?? message.metadata.by
    return toUIMessage(message, agent, name) ?? []
  })
  return await convertToModelMessages(said, { ignoreIncompleteToolCalls: true })
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
