/**
 * Messages as the view shows them: exactly the AI SDK v7 `UIMessage` (`id`, `role`, `metadata`, `parts`), declared
 * structurally, so that the core needs no `ai` package. A type test pins that the SDK's messages are ours; the other way, where
 * ours are wider (parts that it does not know) and read-only, takes a cast.
 */
import type { Asked } from './control.ts'
import type { ParticipantKind } from './participant.ts'
import type { InputVerdict } from './verdict.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

type MessageRole = 'system' | 'user' | 'assistant'

export interface TextPart {
  type: 'text'
  text: string
  state?: 'streaming' | 'done'
}

export interface ReasoningPart {
  type: 'reasoning'
  text: string
  state?: 'streaming' | 'done'
}

export const TOOL_STATES = [
  'input-streaming',
  'input-available',
  'approval-requested',
  'approval-responded',
  'output-available',
  'output-error',
  'output-denied',
] as const

export type ToolState = (typeof TOOL_STATES)[number]

/** A tool call: `tool-NAME` for tools known by type, `dynamic-tool` with `toolName` for the others. */
/** What is known of a call that waits, or has waited, for somebody outside the agent. */
export interface CallState {
  /** `client`: for a tool in the browser of whoever asked; `approval`: for a yes or no. */
  readonly for: 'client' | 'approval'
  /** Epoch milliseconds by the server's clock; then it is over without an answer. */
  readonly expiresAt?: number
  /** Which tab does it; none while `tab` is absent. */
  readonly claim?: { readonly tab?: string; readonly by?: string; readonly n: number; readonly leaseMs: number }
  /** The last answer that the server did not take because its policy said no. */
  readonly refused?: { readonly by: string; readonly at: number; readonly reason?: string }
  /** Who answered, and when; `by` is absent when nobody did in time. */
  readonly by?: string
  readonly at?: number
  readonly expired?: true
}

export interface ToolPart {
  type: `tool-${string}` | 'dynamic-tool'
  toolName?: string
  toolCallId: string
  title?: string
  state: ToolState
  /** Whole, once it has arrived. */
  input?: unknown
  /** What has arrived of the input's text, until it is whole. */
  rawInput?: unknown
  output?: unknown
  errorText?: string
  preliminary?: boolean
  providerExecuted?: boolean
  approval?: { id: string; approved?: boolean; reason?: string }
  /** Of a call that an agent does not do itself. */
  call?: CallState
}

/** Every other part: `step-start`, `file`, `source-url`, `source-document`, `data-NAME`, `custom`, `raw`, … kept as it came. */
export interface OtherPart {
  type: string
  [key: string]: unknown
}

export type MessagePart = TextPart | ReasoningPart | ToolPart | OtherPart

/**
 * How an input comes to an agent that is at work. `queue` (default): after what it is at and what came before. `steer`: into
 * the run that is under way, at its next step. `interrupt`: that run is cancelled and the agent begins with this one.
 */
export type Lane = 'queue' | 'steer' | 'interrupt'

/** Written once with the message, by its author. */
export interface MessageHead {
  readonly id: string
  readonly role: MessageRole
  /** Participant who says to have written it; `stamp.by` is the verified one. */
  readonly by: string
  readonly kind: ParticipantKind
  /** Epoch milliseconds by the author's clock: for display only, never for order. */
  readonly at: number
  /** Id of the message it follows in its branch. */
  readonly parent?: string
  /** Id of the author's own message in whose place this one stands, as an alternative. */
  readonly edits?: string
  /** Of an edit: the last place in the order that its author knew of. What has a later one is not left behind. */
  readonly seen?: number
  /** Id of the run that writes it. */
  readonly run?: string
  /** Names of the agents that it asks; empty: none. Absent: the server decides. */
  readonly to?: readonly string[]
  readonly lane?: Lane
}

/** Written by the server alone, when it has accepted a message. */
export interface MessageStamp {
  /** Place in the session's order, from 1. */
  readonly seq: number
  /** Epoch milliseconds by the server's clock. */
  readonly at: number
  /** Id of the participant who wrote it, from the token of the connection. */
  readonly by: string
}

export interface MessageMetadata {
  /** Id of the author: the verified one as soon as the message is stamped. */
  readonly by: string
  readonly kind: ParticipantKind
  /** Epoch milliseconds: the server's once stamped, the author's before. */
  readonly at: number
  /** Place in the session's order; absent while the server has not stored the message. */
  readonly seq?: number
  readonly parent?: string
  /** Id of the message that it was written in the place of. Only where both are of one author is it an alternative. */
  readonly edits?: string
  readonly run?: string
  readonly to?: readonly string[]
  readonly lane?: Lane
  /** What the server decided about an input, where that is more than that it waits its turn. */
  readonly verdict?: InputVerdict
  /** What was asked about an input and is not judged yet: the server has not been heard since. */
  readonly asked?: Asked
}

/** Immutable. Unchanged messages and parts keep their identity from view to view. */
export interface Message {
  readonly id: string
  readonly role: MessageRole
  readonly metadata: MessageMetadata
  readonly parts: readonly MessagePart[]
}

/** All text parts of a message, joined. */
export function textOf(message: Pick<Message, 'parts'>): string {
  let text = ''
  for (const part of message.parts) if (part.type === 'text' && typeof part['text'] === 'string') text += part['text']
  return text
}
