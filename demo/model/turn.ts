/**
 * Reads a prompt as the script needs it: what is asked now, what the tools have answered to it, and what was said before.
 *
 * A user text may begin with who wrote it, `[NAME, KIND]: `. Words of `support` (a human colleague of ours) and of an `agent`
 * are no request. Which text is the request the caller says (`ASKS`), since what people add while it is answered looks the same.
 */
import { isDeepStrictEqual } from 'node:util'
import type { AgentName } from '../shop/types.ts'
import { agentIn } from './instructions.ts'
import type { CallOptions, Prompt } from './model-types.ts'

/** The provider's options of a call: `asked` is the text that is answered. Without it, the last thing that a customer said. */
export const ASKS = 'polyshop'

export interface ToolOutcome {
  readonly tool: string
  readonly input: unknown
  readonly ok: boolean
  /** The tool's output, or the text of its error. */
  readonly value: unknown
}

export interface Turn {
  /** From the system prompt; null when it names none. */
  readonly agent: AgentName | null
  /** What the customer asked last. */
  readonly text: string
  /** What they added while it was being answered. */
  readonly steers: readonly string[]
  /** What customers said before, the oldest first. */
  readonly earlier: readonly string[]
  /** What an agent said last before the request: an answer may be no more than "Tuesday". */
  readonly offer: string
  /** What a human colleague said last. */
  readonly support: { readonly name: string; readonly text: string } | null
  /** Results of the tools since the request, in order. */
  readonly outcomes: readonly ToolOutcome[]
  /** Names of the tools that may be called. */
  readonly tools: ReadonlySet<string>
}

interface Said {
  readonly name: string
  readonly tags: readonly string[]
  readonly text: string
}

const AUTHOR = /^\[([^\],]+)((?:, *[^\],]+)*)\]: ?/

function readSaid(text: string): Said {
  const match = AUTHOR.exec(text)
  if (!match) return { name: '', tags: [], text: text.trim() }
  const tags = (match[2] ?? '').split(',').map((tag) => tag.trim())
  return { name: match[1] ?? '', tags, text: text.slice(match[0].length).trim() }
}

/** Takes a prompt apart. */
export function readTurn({
  prompt,
  tools,
  toolChoice,
  providerOptions,
}: Pick<CallOptions, 'prompt' | 'tools' | 'toolChoice' | 'providerOptions'>): Turn {
  const inputs = new Map<string, unknown>()
  const said: { by: Said; outcomesBefore: number; offer: string }[] = []
  let offer = ''
  const outcomes: ToolOutcome[] = []
  let agent: AgentName | null = null
  let support: Turn['support'] = null
  for (const message of prompt) {
    if (message.role === 'system') agent ??= agentIn(message.content)
    else {
      for (const part of message.content) {
        if (part.type === 'tool-call') inputs.set(part.toolCallId, part.input)
        if (part.type === 'tool-result') outcomes.push(readOutcome(part, inputs.get(part.toolCallId)))
        if (part.type === 'text' && message.role === 'assistant') offer = part.text
        if (part.type === 'text' && message.role === 'user') {
          const by = readSaid(part.text)
          if (by.tags.includes('support')) support = { name: by.name, text: by.text }
          else if (!by.tags.includes('agent')) said.push({ by, outcomesBefore: outcomes.length, offer })
        }
      }
    }
  }
  const texts = said.map((it) => it.by.text)
  const asked = providerOptions?.[ASKS]?.['asked']
  const at = typeof asked === 'string' ? texts.lastIndexOf(asked.trim()) : -1
  const base = at === -1 ? said.length - 1 : at
  return {
    agent,
    text: texts[base] ?? '',
    steers: texts.slice(base + 1),
    earlier: texts.slice(0, Math.max(base, 0)),
    offer: said[base]?.offer ?? '',
    support,
    outcomes: outcomes.slice(said[base]?.outcomesBefore ?? 0),
    tools: new Set(toolChoice?.type === 'none' ? [] : tools?.map((tool) => tool.name)),
  }
}

type ResultPart = Extract<Extract<Prompt[number], { role: 'tool' }>['content'][number], { type: 'tool-result' }>

function readOutcome({ toolName, output }: ResultPart, input: unknown): ToolOutcome {
  const found = { tool: toolName, input }
  switch (output.type) {
    case 'json':
    case 'text':
      return { ...found, ok: true, value: output.value }
    case 'error-text':
      // Comes as an Error prints itself; the customer need not know its class.
      return { ...found, ok: false, value: output.value.replace(/^\w*Error: /, '') }
    case 'error-json':
      return { ...found, ok: false, value: JSON.stringify(output.value) }
    case 'execution-denied':
      return { ...found, ok: false, value: output.reason ?? 'it was not allowed' }
    case 'content':
      return { ...found, ok: false, value: 'its result cannot be read' }
  }
}

/** Whether an outcome is that of a call: an outcome for Tuesday does not answer a call for Wednesday. */
export function answers(outcome: ToolOutcome, tool: string, input: unknown): boolean {
  return outcome.tool === tool && isDeepStrictEqual(outcome.input, input)
}
