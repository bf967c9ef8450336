/**
 * AG-UI 1.0 events, and the names that reasoning had before 1.0 (`THINKING_*`). Messages and calls are known by their ids. The
 * shared state is one `data-state` part, an activity a `data-TYPE` part; both are patched here and always written whole. Steps
 * and sub-agents become steps of the run.
 */
import { textIn } from '../json.ts'
import { asRecord } from '../layout.ts'
import type { UIStreamChunk } from '../ui-stream.ts'
import { AgUiMessages } from './ag-ui-messages.ts'
import { patched } from './json-patch.ts'
import { raw, RUN_STEP, type RunStepChunk, type StreamEvent, type Translator } from './translator.ts'
import { addUsage, readUsage, type Usage } from './usage.ts'

type Fields = Readonly<Record<string, unknown>>

const OLD_NAMES: ReadonlyMap<string, string> = new Map([
  ['THINKING_START', 'REASONING_START'],
  ['THINKING_END', 'REASONING_END'],
  ['THINKING_TEXT_MESSAGE_START', 'REASONING_MESSAGE_START'],
  ['THINKING_TEXT_MESSAGE_CONTENT', 'REASONING_MESSAGE_CONTENT'],
  ['THINKING_TEXT_MESSAGE_END', 'REASONING_MESSAGE_END'],
])

/** Events that end no message that is sent in self-opening pieces. */
const ASIDE: ReadonlySet<string> = new Set([
  'RAW',
  'ACTIVITY_SNAPSHOT',
  'ACTIVITY_DELTA',
  'REASONING_ENCRYPTED_VALUE',
  'SUBAGENT_STARTED',
])

export class AgUiTranslator implements Translator {
  readonly #messages = new AgUiMessages()
  /** Names of sub-agents by the id of their run. */
  readonly #subagents = new Map<string, string>()
  #state: unknown = null
  readonly #activities = new Map<string, { readonly type: string; content: unknown }>()
  #usage: Usage | undefined
  /** How many messages have begun without an id, as reasoning did before 1.0. */
  #unnamed = 0

  read(event: StreamEvent): readonly UIStreamChunk[] {
    const given = textIn(event['type'])
    const type = OLD_NAMES.get(given) ?? given
    const lane = textIn(event['subagentRunId'])
    const before = type.endsWith('_CHUNK') || ASIDE.has(type) ? [] : this.#endPieces(type, lane)
    return [...before, ...(this.#read(type, event, lane) ?? [raw(event)])]
  }

  end(): readonly UIStreamChunk[] {
    return this.#messages.end()
  }

  /** Undefined for an event that is not known or not of its form. */
  #read(type: string, event: StreamEvent, lane: string): UIStreamChunk[] | undefined {
    const from = this.#speaker(lane)
    const id = this.#idIn(type, event, lane)
    const messages = this.#messages
    switch (type) {
      case 'TEXT_MESSAGE_START':
        return messages.start('text', id, from, textIn(event['role']))
      case 'TEXT_MESSAGE_CONTENT':
        return messages.content('text', id, textIn(event['delta']), from)
      case 'TEXT_MESSAGE_END':
        return messages.finish('text', id)
      case 'TEXT_MESSAGE_CHUNK':
        return messages.piece('text', lane, id, textIn(event['delta']), from, textIn(event['role']))
      case 'REASONING_MESSAGE_START':
        return messages.start('reasoning', id, from)
      case 'REASONING_MESSAGE_CONTENT':
        return messages.content('reasoning', id, textIn(event['delta']), from)
      case 'REASONING_MESSAGE_END':
        return messages.finish('reasoning', id)
      case 'REASONING_MESSAGE_CHUNK':
        return messages.piece('reasoning', lane, id, textIn(event['delta']), from)
      case 'REASONING_START':
      case 'REASONING_END':
        return []
      case 'REASONING_ENCRYPTED_VALUE':
        return messages.encrypted(event)
      case 'TOOL_CALL_START':
        return messages.startCall(textIn(event['toolCallId']), textIn(event['toolCallName']), from)
      case 'TOOL_CALL_ARGS':
        return messages.callArguments(textIn(event['toolCallId']), textIn(event['delta']))
      case 'TOOL_CALL_END':
        return messages.finishCall(textIn(event['toolCallId']))
      case 'TOOL_CALL_CHUNK':
        return messages.callPiece(lane, textIn(event['toolCallId']), textIn(event['toolCallName']), textIn(event['delta']), from)
      case 'TOOL_CALL_RESULT':
        return messages.result(textIn(event['toolCallId']), event['content'])
      case 'MESSAGES_SNAPSHOT':
        return this.#messagesSnapshot(event['messages'])
      case 'STATE_SNAPSHOT':
        return this.#setState(event['snapshot'])
      case 'STATE_DELTA':
        return this.#patchState(event['delta'])
      case 'ACTIVITY_SNAPSHOT':
        return this.#activity(id, textIn(event['activityType']), event['content'], event['replace'] === false)
      case 'ACTIVITY_DELTA':
        return this.#patchActivity(id, event['patch'])
      case 'STEP_STARTED':
      case 'STEP_FINISHED':
        return this.#step(type === 'STEP_STARTED', textIn(event['stepName']), lane)
      case 'SUBAGENT_STARTED':
      case 'SUBAGENT_FINISHED':
      case 'SUBAGENT_ERROR':
        return this.#subagent(type, event, lane)
      case 'RUN_STARTED':
        return [{ type: 'start-step' }]
      case 'RUN_FINISHED':
        return this.#finish(event)
      case 'RUN_ERROR':
        return this.#error(event)
      case 'RAW':
        return [raw(event['event'] ?? event)]
      case 'CUSTOM': {
        const name = textIn(event['name'])
        return name === '' ? undefined : [{ type: `data-${name}`, data: event['value'] }]
      }
      default:
        return undefined
    }
  }

  #idIn(type: string, event: StreamEvent, lane: string): string {
    const id = textIn(event['messageId'])
    if (id !== '' || type.endsWith('_CHUNK')) return id
    if (type.endsWith('_MESSAGE_START')) this.#unnamed += 1
    return `unnamed:${lane}:${this.#unnamed}`
  }

  /** Who of the sub-agents says it, as the metadata of the part. */
  #speaker(lane: string): Fields {
    if (lane === '') return {}
    const name = this.#subagents.get(lane)
    return { subagentRunId: lane, ...(name === undefined ? {} : { subagent: name }) }
  }

  #endPieces(type: string, lane: string): UIStreamChunk[] {
    const ofAll = type.startsWith('RUN_') || type === 'MESSAGES_SNAPSHOT'
    return this.#messages.endPieces(ofAll ? undefined : lane)
  }

  // ---- state and activities -----------------------------------------------------------------------------------------

  #setState(state: unknown): UIStreamChunk[] {
    this.#state = state ?? null
    return [{ type: 'data-state', id: 'state', data: this.#state }]
  }

  #patchState(patch: unknown): UIStreamChunk[] | undefined {
    const state = tryPatch(this.#state, patch)
    return state === undefined ? undefined : this.#setState(state)
  }

  #activity(id: string, type: string, content: unknown, onlyNew: boolean): UIStreamChunk[] | undefined {
    if (type === '') return undefined
    const known = this.#activities.get(id)
    if (known !== undefined && onlyNew) return []
    // Its place and its kind are those that it began with: the part's type is never written again.
    const activity = { type: known?.type ?? type, content: content ?? null }
    this.#activities.set(id, activity)
    return [{ type: `data-${activity.type}`, id, data: activity.content }]
  }

  #patchActivity(id: string, patch: unknown): UIStreamChunk[] | undefined {
    const known = this.#activities.get(id)
    const content = known === undefined ? undefined : tryPatch(known.content, patch)
    return known === undefined || content === undefined ? undefined : this.#activity(id, known.type, content, false)
  }

  #messagesSnapshot(value: unknown): UIStreamChunk[] | undefined {
    if (!Array.isArray(value)) return undefined
    const messages = value.map((message) => asRecord(message) ?? {})
    // What stands before the last input is history, which the session has.
    const from = messages.findLastIndex(({ role }) => role === 'user') + 1
    return messages.flatMap((message, index) => {
      const id = textIn(message['id'])
      if (message['role'] === 'activity') {
        const isOurs = index >= from || this.#activities.has(id)
        return (isOurs && this.#activity(id, textIn(message['activityType']), message['content'], false)) || []
      }
      return this.#messages.snapshot(message, index >= from)
    })
  }

  // ---- the run ------------------------------------------------------------------------------------------------------

  #step(begins: boolean, name: string, lane: string): UIStreamChunk[] | undefined {
    if (name === '') return undefined
    const id = `step:${lane}:${name}`
    return [begins ? step({ id, status: 'running', title: name }) : step({ id, status: 'done' })]
  }

  #subagent(type: string, event: StreamEvent, lane: string): UIStreamChunk[] {
    const id = `subagent:${lane}`
    if (type === 'SUBAGENT_STARTED') {
      const name = textIn(event['name']) || lane
      this.#subagents.set(lane, name)
      return [step({ id, status: 'running', title: name })]
    }
    if (type === 'SUBAGENT_ERROR') return [step({ id, status: 'failed', ...detail(event['message']) })]
    return outcomeOf(event) === 'suspended' ? [] : [step({ id, status: 'done' })]
  }

  #finish(event: StreamEvent): UIStreamChunk[] {
    const outcome = asRecord(event['outcome'])
    const chunks: UIStreamChunk[] = this.#usages(event['usage'])
    if (event['result'] !== undefined && event['result'] !== null) chunks.push({ type: 'data-result', data: event['result'] })
    switch (outcomeOf(event)) {
      case 'cancelled':
        return [...chunks, { type: 'abort' }]
      case 'interrupt':
        chunks.push(...interruptsIn(outcome?.['interrupts']), {
          type: 'finish',
          finishReason: 'other',
          rawFinishReason: 'interrupt',
        })
        return chunks
      default: {
        const pending = outcome?.['pendingToolCallIds']
        const finishReason = Array.isArray(pending) && pending.length > 0 ? 'tool-calls' : 'stop'
        return [...chunks, { type: 'finish', finishReason }]
      }
    }
  }

  #error(event: StreamEvent): UIStreamChunk[] {
    const code = typeof event['code'] === 'string' ? { code: event['code'] } : {}
    return [...this.#usages(event['usage']), { type: 'error', errorText: textIn(event['message']), ...code }]
  }

  /** One entry for each model that was called. */
  #usages(value: unknown): UIStreamChunk[] {
    const entries = Array.isArray(value) ? (value as readonly unknown[]) : [value]
    this.#usage = entries.map(readUsage).reduce(addUsage, this.#usage)
    return this.#usage === undefined ? [] : [{ type: 'message-metadata', messageMetadata: { usage: this.#usage } }]
  }
}

function step(fields: Omit<RunStepChunk, 'type'>): RunStepChunk {
  return { type: RUN_STEP, ...fields } as RunStepChunk
}

function detail(value: unknown): { detail?: string } {
  return typeof value === 'string' && value !== '' ? { detail: value } : {}
}

/** An outcome is an object since 1.0, and was a word before. */
function outcomeOf(event: StreamEvent): string {
  return textIn(asRecord(event['outcome'])?.['type']) || textIn(event['outcome'])
}

/** An interrupt about a call asks for its approval; any other is shown as it is. */
function interruptsIn(value: unknown): UIStreamChunk[] {
  if (!Array.isArray(value)) return []
  return value.map((entry) => {
    const interrupt = asRecord(entry) ?? {}
    const { id, toolCallId, message, reason } = interrupt
    if (typeof id !== 'string' || typeof toolCallId !== 'string') return { type: 'data-interrupt', data: entry }
    return { type: 'tool-approval-request', approvalId: id, toolCallId, reason: textIn(message) || textIn(reason) }
  })
}

/** The value after a patch; undefined when the patch does not fit. */
function tryPatch(value: unknown, patch: unknown): unknown {
  try {
    return patched(value, patch)
  } catch {
    return undefined
  }
}
