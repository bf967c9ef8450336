/**
 * The messages and tool calls of an AG-UI stream: in three events (start, content, end), in pieces that open and close by
 * themselves, or all at once in a snapshot. A message that has ended may be gone on with; a snapshot is the truth.
 */
import { textIn } from '../json.ts'
import { asRecord } from '../layout.ts'
import type { UIStreamChunk } from '../ui-stream.ts'
import { wholeInput, type StreamEvent } from './translator.ts'

type Fields = Readonly<Record<string, unknown>>
type Kind = 'text' | 'reasoning'

interface Spoken {
  readonly kind: Kind
  readonly id: string
  text: string
  /** Who said it, where that is not the agent itself: such words are no part of its answer. */
  readonly role: string
  meta: Fields
  /** It has ended, once at least. */
  told: boolean
}

interface Call {
  readonly call: Fields
  arguments: string
  hasInput: boolean
  hasResult: boolean
}

/** What is sent in pieces at the moment, of one lane. */
interface Pieces {
  text?: string
  reasoning?: string
  call?: string
}

export class AgUiMessages {
  readonly #spoken = new Map<string, Spoken>()
  readonly #calls = new Map<string, Call>()
  /** The agent itself and each sub-agent have a lane of their own. */
  readonly #lanes = new Map<string, Pieces>()

  start(kind: Kind, id: string, from: Fields, role = ''): UIStreamChunk[] {
    if (this.#spoken.has(`${kind}:${id}`)) return []
    const spoken = this.#open(kind, id, from, role)
    return this.#isOthers(spoken) ? [] : [{ type: `${kind}-start`, id: spoken.id, ...metadata(spoken.meta) }]
  }

  content(kind: Kind, id: string, delta: string, from: Fields): UIStreamChunk[] {
    const started = this.start(kind, id, from)
    const spoken = this.#open(kind, id, from, '')
    spoken.text += delta
    return this.#isOthers(spoken) || delta === '' ? started : [...started, { type: `${kind}-delta`, id: spoken.id, delta }]
  }

  finish(kind: Kind, id: string): UIStreamChunk[] {
    const spoken = this.#spoken.get(`${kind}:${id}`)
    if (spoken === undefined) return []
    spoken.told = true
    if (this.#isOthers(spoken)) return [{ type: 'data-message', id, data: { role: spoken.role, text: spoken.text } }]
    return [{ type: `${kind}-end`, id: spoken.id, ...metadata(spoken.meta) }]
  }

  /** A piece without an id belongs to what its lane sends at the moment; one of another id ends that. */
  piece(kind: Kind, lane: string, id: string, delta: string, from: Fields, role = ''): UIStreamChunk[] {
    const pieces = this.#laneOf(lane)
    const current = pieces[kind]
    const to = id || current
    if (to === undefined) return this.piece(kind, lane, `piece:${lane}:${this.#spoken.size}`, delta, from, role)
    const ended = current === undefined || current === to ? [] : this.finish(kind, current)
    pieces[kind] = to
    return [...ended, ...this.start(kind, to, from, role), ...this.content(kind, to, delta, from)]
  }

  /** Ends what is sent in pieces: of one lane, or of all. */
  endPieces(lane?: string): UIStreamChunk[] {
    const lanes = lane === undefined ? [...this.#lanes.keys()] : [lane]
    return lanes.flatMap((key) => {
      const { text, reasoning, call } = this.#lanes.get(key) ?? {}
      this.#lanes.delete(key)
      return [
        ...(reasoning === undefined ? [] : this.finish('reasoning', reasoning)),
        ...(text === undefined ? [] : this.finish('text', text)),
        ...(call === undefined ? [] : this.finishCall(call)),
      ]
    })
  }

  /** Nothing more comes: what others were saying is told as far as it came. */
  end(): UIStreamChunk[] {
    const others = [...this.#spoken.values()].filter((spoken) => this.#isOthers(spoken) && !spoken.told)
    return [...this.endPieces(), ...others.flatMap(({ kind, id }) => this.finish(kind, id))]
  }

  /** What a provider wants to have back with a message or call. */
  encrypted(event: StreamEvent): UIStreamChunk[] | undefined {
    const { subtype, encryptedValue } = event
    const entity = textIn(event['entityId'])
    if (subtype === 'tool-call') {
      const call = this.#calls.get(entity)
      if (call === undefined) return undefined
      return [{ type: 'tool-input-delta', toolCallId: entity, inputTextDelta: '', ...metadata({ encryptedValue }) }]
    }
    const spoken = this.#spoken.get(`reasoning:${entity}`) ?? this.#spoken.get(`text:${entity}`)
    if (spoken === undefined) return undefined
    spoken.meta = { ...spoken.meta, encryptedValue }
    return [{ type: `${spoken.kind}-end`, id: spoken.id, ...metadata(spoken.meta) }]
  }

  // ---- tools --------------------------------------------------------------------------------------------------------

  startCall(toolCallId: string, toolName: string, from: Fields): UIStreamChunk[] {
    if (this.#calls.has(toolCallId)) return []
    const call = { toolCallId, toolName, ...metadata(from) }
    this.#calls.set(toolCallId, { call, arguments: '', hasInput: false, hasResult: false })
    return [{ type: 'tool-input-start', ...call }]
  }

  callArguments(toolCallId: string, delta: string): UIStreamChunk[] {
    const started = this.startCall(toolCallId, '', {})
    const call = this.#calls.get(toolCallId)
    if (call !== undefined) call.arguments += delta
    return delta === '' ? started : [...started, { type: 'tool-input-delta', toolCallId, inputTextDelta: delta }]
  }

  callPiece(lane: string, id: string, toolName: string, delta: string, from: Fields): UIStreamChunk[] {
    const pieces = this.#laneOf(lane)
    const toolCallId = id || pieces.call || `piece:${lane}:${this.#calls.size}`
    const ended = pieces.call === undefined || pieces.call === toolCallId ? [] : this.finishCall(pieces.call)
    pieces.call = toolCallId
    return [...ended, ...this.startCall(toolCallId, toolName, from), ...this.callArguments(toolCallId, delta)]
  }

  finishCall(toolCallId: string): UIStreamChunk[] {
    const call = this.#calls.get(toolCallId)
    if (call === undefined || call.hasInput) return []
    call.hasInput = true
    return [wholeInput(call.call, call.arguments)]
  }

  result(toolCallId: string, content: unknown, error?: string): UIStreamChunk[] {
    const input = [...this.startCall(toolCallId, '', {}), ...this.finishCall(toolCallId)]
    const call = this.#calls.get(toolCallId)
    if (call !== undefined) call.hasResult = true
    if (error !== undefined && error !== '') return [...input, { type: 'tool-output-error', toolCallId, errorText: error }]
    return [...input, { type: 'tool-output-available', toolCallId, output: content }]
  }

  // ---- snapshots ----------------------------------------------------------------------------------------------------

  /** One message of a snapshot: the truth about what is known, and news where it is `ours`, of this run. */
  snapshot(message: Fields, ours: boolean): UIStreamChunk[] {
    const id = textIn(message['id'])
    switch (message['role']) {
      case 'assistant':
        return [...this.#whole('text', id, message, ours), ...this.#wholeCalls(message['toolCalls'], ours)]
      case 'reasoning':
        return this.#whole('reasoning', id, message, ours)
      case 'tool': {
        const toolCallId = textIn(message['toolCallId'])
        const known = this.#calls.get(toolCallId)
        if (known?.hasResult === true || (known === undefined && !ours)) return []
        return this.result(toolCallId, message['content'], textIn(message['error']))
      }
      default:
        return []
    }
  }

  #whole(kind: Kind, id: string, message: Fields, ours: boolean): UIStreamChunk[] {
    const text = textIn(message['content'])
    const known = this.#spoken.get(`${kind}:${id}`)
    // Some senders give a message another id in the snapshot than it had in the stream.
    const isTold = [...this.#spoken.values()].some((spoken) => spoken.kind === kind && spoken.text === text)
    if (known === undefined && (!ours || text === '' || isTold)) return []
    const started = this.start(kind, id, {})
    const spoken = this.#open(kind, id, {}, '')
    if (this.#isOthers(spoken)) return []
    const { encryptedValue } = message
    if (typeof encryptedValue === 'string') spoken.meta = { ...spoken.meta, encryptedValue }
    spoken.text = text
    return [...started, { type: `${kind}-end`, id: spoken.id, text, ...metadata(spoken.meta) }]
  }

  #wholeCalls(value: unknown, ours: boolean): UIStreamChunk[] {
    if (!Array.isArray(value)) return []
    return value.flatMap((entry) => {
      const said = asRecord(entry)
      const id = textIn(said?.['id'])
      const wanted = asRecord(said?.['function'])
      const known = this.#calls.get(id)
      if (said === undefined || known?.hasInput === true || (known === undefined && !ours)) return []
      const started = this.startCall(id, textIn(wanted?.['name']), {})
      const call = this.#calls.get(id)
      if (call !== undefined) call.arguments = textIn(wanted?.['arguments'])
      return [...started, ...this.finishCall(id)]
    })
  }

  // ---- what is known ------------------------------------------------------------------------------------------------

  #open(kind: Kind, id: string, from: Fields, role: string): Spoken {
    const key = `${kind}:${id}`
    let spoken = this.#spoken.get(key)
    if (spoken === undefined) this.#spoken.set(key, (spoken = { kind, id, text: '', role, meta: from, told: false }))
    return spoken
  }

  #isOthers(spoken: Spoken): boolean {
    return spoken.role !== '' && spoken.role !== 'assistant'
  }

  #laneOf(lane: string): Pieces {
    let pieces = this.#lanes.get(lane)
    if (pieces === undefined) this.#lanes.set(lane, (pieces = {}))
    return pieces
  }
}

function metadata(fields: Fields): { providerMetadata?: unknown } {
  return Object.keys(fields).length === 0 ? {} : { providerMetadata: { 'ag-ui': fields } }
}
