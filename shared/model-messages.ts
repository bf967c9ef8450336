/**
 * A session as a request to a model. Pure. Three things are decided here: in which order it was said, what of an agent's own
 * messages is repeated to it, and how others are told apart. That the request is valid is `model-request.ts`' part.
 */
import { parseJson, plainJson, textIn } from './json.ts'
import { asRecord } from './layout.ts'
import type { Message, MessagePart } from './message.ts'
import {
  ModelRequest,
  type FileContent,
  type JsonValue,
  type ModelMessage,
  type ProviderOptions,
  type TextContent,
  type ToolOutput,
} from './model-request.ts'
import type { Participant } from './participant.ts'
import { quoted, Speakers } from './speakers.ts'

export type { ModelMessage } from './model-request.ts'

export interface ProjectionOptions {
  /** Name of the agent that asks: its own messages are the assistant's. */
  readonly agent: string
  /** The message that is answered; it comes last. */
  readonly input: Message
  readonly participants: ReadonlyMap<string, Participant>
  /** Whether a run ended as it should: then no stream of it was cut. */
  readonly isComplete: (run: string) => boolean
}

/** The messages as a request that every provider accepts. */
export function toModelMessages(messages: readonly Message[], options: ProjectionOptions): ModelMessage[] {
  const { agent, input, participants, isComplete } = options
  const said = [...inTurns(messages.filter(({ id }) => id !== input.id)), input]
  const isOwn = ({ metadata }: Message): boolean => metadata.kind === 'agent' && metadata.by === agent
  const heard = said.filter((message) => !isOwn(message)).map((message) => ({ message, text: spokenIn(message) }))
  const speakers = new Speakers(
    heard.filter(({ message, text }) => text !== '' || filesIn(message).length > 0),
    participants,
  )
  const request = new ModelRequest()
  for (const message of said) {
    if (isOwn(message)) repeat(message, isComplete(message.metadata.run ?? ''), request)
    else request.hear(heardFrom(message, speakers))
  }
  return request.end()
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
  // Not by a difference: of two without a place that is none.
  const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1)
  return keyed.sort((a, b) => compare(a.turn, b.turn) || compare(a.own, b.own)).map(({ message }) => message)
}

// ---- others ---------------------------------------------------------------------------------------------------------

function spokenIn(message: Message): string {
  const texts = message.parts.filter(({ type }) => type === 'text').map((part) => soundText((part as { text?: unknown }).text))
  return texts.filter((text) => text.trim() !== '').join('\n\n')
}

/** Files that a person has sent. What an agent has made is its own affair. */
function filesIn({ parts, metadata }: Message): readonly MessagePart[] {
  return metadata.kind === 'agent' ? [] : parts.filter(({ type }) => type === 'file')
}

function heardFrom(message: Message, speakers: Speakers): (TextContent | FileContent)[] {
  const text = spokenIn(message)
  const files = filesIn(message).map(fileContent)
  if (text === '' && files.length === 0) return []
  return [{ type: 'text', text: speakers.heard(message, text) }, ...files]
}

function fileContent(part: MessagePart): TextContent | FileContent {
  const { url, mediaType, filename } = part as { readonly [key: string]: unknown }
  const name = soundText(filename)
  const isReadable = typeof url === 'string' && /^(https?|data):/i.test(url) && URL.canParse(url)
  if (!isReadable || typeof mediaType !== 'string' || !/^[a-z]+(\/[\w.+-]+)?$/i.test(mediaType)) {
    return {
      type: 'text',
      text: quoted(`(A file that cannot be read here: ${name || soundText(mediaType) || 'without a name'})`),
    }
  }
  return { type: 'file', mediaType, data: { type: 'url', url: new URL(url) }, ...(name === '' ? {} : { filename: name }) }
}

// ---- the agent's own ------------------------------------------------------------------------------------------------

type Part = Readonly<Record<string, unknown>>

function repeat(message: Message, complete: boolean, request: ModelRequest): void {
  const steps = stepsIn(message)
  const last = steps.findLastIndex(([first]) => first?.['type'] !== STEERING)
  steps.forEach((parts, index) => {
    const cut = !complete && index === last
    repeatStep(parts, !cut && keepsItems(parts), request)
  })
  request.endTurn()
}

/** What a user said while the agent worked: it stands between two steps. */
const STEERING = 'steering-message'

/** The parts of a message, by the model call that they come from. */
function stepsIn(message: Message): readonly (readonly Part[])[] {
  const steps: Part[][] = [[]]
  for (const part of message.parts) {
    if (part.type === 'step-start') steps.push([])
    else if (part.type === STEERING) steps.push([part as Part], [])
    else steps.at(-1)?.push(part as Part)
  }
  return steps.filter((parts) => parts.length > 0)
}

function repeatStep(parts: readonly Part[], withItems: boolean, request: ModelRequest): void {
  for (const part of parts) {
    const options = optionsOf(part, withItems)
    const providerOptions = options === undefined ? {} : { providerOptions: options }
    const { type } = part
    if (type === 'text') {
      request.speak({ type, text: soundText(part['text']), ...providerOptions })
    } else if (type === 'reasoning') {
      if (options !== undefined && isProven(options) && !isTorn(parts)) {
        request.speak({ type, text: soundText(part['text']), providerOptions: options })
      }
    } else if (type === STEERING) {
      request.hear(steeringIn(part))
    } else if (isClientCall(part)) {
      const input = inputOf(part)
      const call = { toolCallId: textIn(part['toolCallId']), toolName: toolNameOf(part), ...providerOptions }
      if (input !== undefined) request.call({ ...call, input }, outputOf(part))
    }
  }
}

/** Something between is left out: reasoning would stand in another place than where it was signed. */
function isTorn(parts: readonly Part[]): boolean {
  return parts.some((part) => isCall(part) && !isClientCall(part))
}

/** A call of a tool that the provider itself has run is its own affair: no other provider would take it back. */
function isClientCall(part: Part): boolean {
  return isCall(part) && part['providerExecuted'] !== true
}

function isCall({ type }: Part): boolean {
  return typeof type === 'string' && (type === 'dynamic-tool' || type.startsWith('tool-'))
}

function toolNameOf(part: Part): string {
  return part['type'] === 'dynamic-tool' ? textIn(part['toolName']) : textIn(part['type']).slice('tool-'.length)
}

/**
 * What a tool was called with, always an object, as providers want it. Undefined for what was cut while it was written: half of
 * an input is no input, even with an error behind it.
 */
function inputOf(part: Part): { [key: string]: JsonValue } | undefined {
  if (part['state'] === 'input-streaming') return undefined
  const given = part['input'] ?? part['rawInput'] ?? {}
  const input = typeof given === 'string' ? (asRecord(parseJson(given)) ?? given) : given
  if (typeof input === 'string' && /^\s*[{[]/.test(input)) return undefined
  const value = sound(input)
  return asRecord(value) === undefined ? { input: value } : (value as { [key: string]: JsonValue })
}

function outputOf(part: Part): ToolOutput {
  const { state, output, preliminary } = part
  if (state === 'output-error') return { type: 'error-text', value: filled(part['errorText'], 'The tool failed.') }
  if (state === 'output-denied') {
    return { type: 'execution-denied', reason: filled(asRecord(part['approval'])?.['reason'], 'It was not allowed.') }
  }
  if (state !== 'output-available' || preliminary === true) {
    return { type: 'error-text', value: 'The call was interrupted before it had a result.' }
  }
  return typeof output === 'string'
    ? { type: 'text', value: filled(output, '(nothing)') }
    : { type: 'json', value: sound(output) }
}

function filled(value: unknown, otherwise: string): string {
  const text = soundText(value)
  return text.trim() === '' ? otherwise : text
}

function steeringIn(part: Part): TextContent[] {
  if (!Array.isArray(part['parts'])) return []
  return part['parts'].map((said) => ({ type: 'text', text: quoted(soundText(asRecord(said)?.['text'])) }))
}

// ---- what only the provider understands -----------------------------------------------------------------------------

/** What a provider has signed or sealed: it takes such reasoning back, wherever it stands. */
const SEALS = ['signature', 'redactedData', 'thoughtSignature', 'reasoning_details', 'reasoningEncryptedContent'] as const

function isProven(options: ProviderOptions): boolean {
  return Object.values(options).some((fields) => SEALS.some((seal) => fields[seal] !== undefined && fields[seal] !== ''))
}

/**
 * OpenAI gives its items ids and wants them back all or none: reasoning without the item that followed it, an item without its
 * reasoning, or an item of a response that never came to its end is refused. So they are kept only for a whole step whose
 * reasoning is sealed and that is repeated whole and in its order; else its reasoning is dropped and the rest goes without ids.
 */
function keepsItems(parts: readonly Part[]): boolean {
  const items = parts.filter((part) => itemOf(part) !== undefined)
  const isSealed = (part: Part): boolean => textIn(itemOf(part)?.['reasoningEncryptedContent']) !== ''
  const repeated = parts.filter((part) => part['type'] === 'reasoning' || hasText(part) || isRepeatedCall(part))
  const reasoning = parts.filter((part) => part['type'] === 'reasoning')
  const calls = repeated.slice(repeated.findIndex(isCall))
  return (
    !isTorn(parts) &&
    reasoning.length > 0 &&
    reasoning.every(isSealed) &&
    repeated.length === items.length &&
    repeated.every((part) => items.includes(part)) &&
    repeated.at(-1)?.['type'] !== 'reasoning' &&
    // Results come directly after calls: what follows a call in a step would be torn from it.
    (!repeated.some(isCall) || calls.every(isCall))
  )
}

function isRepeatedCall(part: Part): boolean {
  return isClientCall(part) && inputOf(part) !== undefined
}

function hasText(part: Part): boolean {
  return part['type'] === 'text' && textIn(part['text']).trim() !== ''
}

/** The provider's fields of a part that has an item's id. */
function itemOf(part: Part): Part | undefined {
  const fields = Object.values(metadataOf(part)).map(asRecord)
  return fields.find((known) => typeof known?.['itemId'] === 'string')
}

function metadataOf(part: Part): Part {
  return asRecord(part['providerMetadata'] ?? part['callProviderMetadata']) ?? {}
}

/** For people only, or about what is not repeated: nobody wants it back. */
const NOT_RETURNED: ReadonlySet<string> = new Set(['citations', 'annotations', 'caller', 'refusal'])
const OF_ITEMS: ReadonlySet<string> = new Set(['itemId', 'reasoningEncryptedContent'])

function optionsOf(part: Part, withItems: boolean): ProviderOptions | undefined {
  const options = Object.entries(metadataOf(part)).flatMap(([provider, value]) => {
    const fields = Object.entries(asRecord(sound(value)) ?? {}).filter(
      ([key]) => !NOT_RETURNED.has(key) && (withItems || !OF_ITEMS.has(key)),
    )
    return fields.length === 0 ? [] : [[provider, Object.fromEntries(fields) as Record<string, JsonValue>] as const]
  })
  return options.length === 0 ? undefined : Object.fromEntries(options)
}

/** A text without halves of surrogate pairs: providers refuse a request that has one anywhere. */
function soundText(value: unknown): string {
  return textIn(value).toWellFormed()
}

/** The same for any value, as JSON. */
function sound(value: unknown): JsonValue {
  try {
    return wellFormed(plainJson(value) as JsonValue)
  } catch {
    // Nested so deeply that it cannot even be walked through.
    return null
  }
}

function wellFormed(value: JsonValue): JsonValue {
  if (typeof value === 'string') return soundText(value)
  if (Array.isArray(value)) return value.map(wellFormed)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key.toWellFormed(), wellFormed(entry)]))
}
