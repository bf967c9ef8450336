/** Messages that steer a run, as the AI SDK's models take them; declared structurally, so that the core needs no `ai`. */
import { textOf, type Message } from '../shared/message.ts'

type Content =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'file'; readonly data: string; readonly mediaType: string }

export interface SteeringModelMessage {
  readonly role: 'user'
  readonly content: string | Content[]
}

/** Text and files; what else a message may hold is for the app. */
export function asUserMessage(message: Message): SteeringModelMessage {
  const files = message.parts.flatMap((part): Content[] => {
    const { url, mediaType } = part as { url?: unknown; mediaType?: unknown }
    const isFile = part.type === 'file' && typeof url === 'string' && typeof mediaType === 'string'
    return isFile ? [{ type: 'file', data: url, mediaType }] : []
  })
  const text = textOf(message)
  return {
    role: 'user',
    content: files.length === 0 ? text : [...(text === '' ? [] : [{ type: 'text' as const, text }]), ...files],
  }
}
