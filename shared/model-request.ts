/**
 * A model request as it grows. Whatever is put in, what comes out is a sequence that every provider accepts: it begins with the
 * user and does not end with the assistant; neither speaks twice in a row; each call has exactly one result, in the message
 * directly after it; ids of calls are well formed and each is there once; nothing is empty. Structurally the AI SDK's
 * `ModelMessage`, so that the core needs no `ai` package; a type test pins it.
 */

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue }
export type ProviderOptions = Record<string, Record<string, JsonValue>>

export interface TextContent {
  type: 'text'
  text: string
  providerOptions?: ProviderOptions
}

export interface FileContent {
  type: 'file'
  mediaType: string
  data: { type: 'url'; url: URL }
  filename?: string
}

export interface ReasoningContent {
  type: 'reasoning'
  text: string
  providerOptions: ProviderOptions
}

export interface ToolCallContent {
  type: 'tool-call'
  toolCallId: string
  toolName: string
  input: { [key: string]: JsonValue }
  providerOptions?: ProviderOptions
}

export type ToolOutput =
  | { type: 'text'; value: string }
  | { type: 'json'; value: JsonValue }
  | { type: 'error-text'; value: string }
  | { type: 'execution-denied'; reason: string }

export interface ToolResultContent {
  type: 'tool-result'
  toolCallId: string
  toolName: string
  output: ToolOutput
}

export type AssistantContent = TextContent | ReasoningContent | ToolCallContent

export type ModelMessage =
  | { role: 'user'; content: (TextContent | FileContent)[] }
  | { role: 'assistant'; content: AssistantContent[] }
  | { role: 'tool'; content: ToolResultContent[] }

/** What providers allow in the id of a call and in the name of a tool. */
const MAX_ID = 64
const NOT_IN_ID = /[^A-Za-z0-9_-]+/g

export class ModelRequest {
  readonly #messages: ModelMessage[] = []
  /** Results of the calls at the end of the last message. */
  #results: ToolResultContent[] = []
  readonly #ids = new Set<string>()

  /** Somebody else than the assistant speaks. */
  hear(content: readonly (TextContent | FileContent)[]): void {
    const news = content.filter((part) => part.type !== 'text' || part.text.trim() !== '')
    if (news.length === 0) return
    this.endTurn()
    const last = this.#messages.at(-1)
    if (last?.role === 'user') last.content.push(...news)
    else this.#messages.push({ role: 'user', content: [...news] })
  }

  /** The assistant speaks or thinks. */
  speak(part: TextContent | ReasoningContent): void {
    if (part.type === 'text' && part.text.trim() === '') return
    this.#settle()
    this.#assistant().push(part)
  }

  /** The assistant calls a tool. */
  call({ toolCallId, toolName, ...call }: Omit<ToolCallContent, 'type'>, output: ToolOutput): void {
    const of = { toolCallId: this.#newId(toolCallId), toolName: toolName.replace(NOT_IN_ID, '_').slice(0, MAX_ID) || 'unknown' }
    this.#assistant().push({ type: 'tool-call', ...of, ...call })
    this.#results.push({ type: 'tool-result', ...of, output })
  }

  /** The assistant has finished: reasoning that led to nothing is refused. */
  endTurn(): void {
    this.#settle()
    const last = this.#messages.at(-1)
    if (last?.role !== 'assistant') return
    while (last.content.at(-1)?.type === 'reasoning') last.content.pop()
    if (last.content.length === 0) this.#messages.pop()
  }

  /** The request. Who would have to speak first or last, and has not, is given a word. */
  end(): ModelMessage[] {
    this.endTurn()
    const last = this.#messages.at(-1)
    if (last === undefined || last.role === 'assistant') this.hear([{ type: 'text', text: '(Go on.)' }])
    if (this.#messages[0]?.role !== 'user') {
      this.#messages.unshift({ role: 'user', content: [{ type: 'text', text: '(The assistant spoke first.)' }] })
    }
    return this.#messages
  }

  /** The content of the assistant's message that is being written. */
  #assistant(): AssistantContent[] {
    const last = this.#messages.at(-1)
    if (last?.role === 'assistant') return last.content
    const content: AssistantContent[] = []
    this.#messages.push({ role: 'assistant', content })
    return content
  }

  /** Results come directly after their calls, before anything else is said. */
  #settle(): void {
    if (this.#results.length > 0) this.#messages.push({ role: 'tool', content: this.#results })
    this.#results = []
  }

  /** Some providers number the calls of each step anew, others want ids of certain letters only. */
  #newId(wanted: string): string {
    const allowed = wanted.replace(NOT_IN_ID, '_') || 'call'
    let id = allowed.slice(0, MAX_ID)
    for (let n = 2; this.#ids.has(id); n++) id = `${allowed.slice(0, MAX_ID - 8)}_${n}`
    this.#ids.add(id)
    return id
  }
}
