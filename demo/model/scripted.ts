/**
 * A language model that answers by script: no key, no network, and the same answer to the same prompt. It streams like a real
 * one, token by token with a pause before each, and stops within one pause when it is aborted.
 */
import { generateId } from 'ai'
import { millisFrom, pause } from '../shop/delay.ts'
import type { AgentName } from '../shop/types.ts'
import type { CallOptions, Model, StreamPart } from './model-types.ts'
import { orderScript } from './order-scripts.ts'
import { researchScript } from './research-scripts.ts'
import { returnScript } from './return-scripts.ts'
import { play, type Answer, type Call, type Script } from './script.ts'
import { gather, streamOf } from './stream.ts'
import { tokensOf } from './tokens.ts'
import { readTurn, type Turn } from './turn.ts'
import { shorten, weekdayIn } from './words.ts'

const SCRIPTS: Readonly<Record<AgentName, Script>> = { orders: orderScript, returns: returnScript, research: researchScript }

export interface ScriptedOptions {
  /** Whose script; by default the system prompt tells, and `orders` when it does not. */
  readonly agent?: AgentName
  /** Pause before each token, in milliseconds; else DEMO_TOKEN_DELAY_MS, else 30. */
  readonly delayMs?: number
  /** Makes the ids of tool calls, which must never repeat within a session; random by default. */
  readonly newId?: () => string
}

/** Makes the scripted model. It holds no state between calls. */
export function scriptedModel(options: ScriptedOptions = {}): Model {
  const delayMs = options.delayMs ?? millisFrom('DEMO_TOKEN_DELAY_MS', process.env['DEMO_TOKEN_DELAY_MS'], 30)
  const newId = options.newId ?? generateId

  function partsFor(call: CallOptions, signal: AbortSignal): AsyncGenerator<StreamPart, void> {
    const turn = readTurn(call)
    const action = play(SCRIPTS[options.agent ?? turn.agent ?? 'orders'], turn)
    return partsOf('tool' in action ? action : withNotTaken(action, turn), call, { delayMs, newId, signal })
  }

  return {
    specificationVersion: 'v4',
    provider: 'polyshop',
    modelId: 'scripted',
    supportedUrls: {},
    doStream: (call) => Promise.resolve({ stream: streamOf((signal) => partsFor(call, signal), call.abortSignal) }),
    doGenerate: (call) => gather(partsFor(call, call.abortSignal ?? new AbortController().signal)),
  }
}

/** A change that came while a script ran which knows no changes: the customer is told, rather than left to wonder. */
function withNotTaken(answer: Answer, turn: Turn): Answer {
  const left = turn.steers.filter((text) => !(weekdayIn(text) && turn.outcomes.some((it) => it.tool === 'findDeliverySlots')))
  if (left.length === 0) return answer
  const quoted = left.map((text) => `“${shorten(text, 80)}”`).join(', ')
  return { text: `${answer.text}\n\nI could **not** take up ${quoted} any more. Please ask again if you still want it.` }
}

interface Pace {
  readonly delayMs: number
  readonly newId: () => string
  readonly signal: AbortSignal
}

async function* partsOf(action: Call | Answer, call: CallOptions, pace: Pace): AsyncGenerator<StreamPart, void> {
  let tokens = 0
  async function* paced(text: string): AsyncGenerator<string, void> {
    for (const token of tokensOf(text)) {
      await pause(pace.delayMs, pace.signal)
      tokens++
      yield token
    }
  }
  yield { type: 'stream-start', warnings: [] }
  if ('tool' in action && action.thinks !== undefined) {
    yield { type: 'reasoning-start', id: 'thought' }
    for await (const delta of paced(action.thinks)) yield { type: 'reasoning-delta', id: 'thought', delta }
    yield { type: 'reasoning-end', id: 'thought' }
  }
  const text = 'tool' in action ? action.says : action.text
  if (text !== undefined) {
    yield { type: 'text-start', id: 'text' }
    for await (const delta of paced(text)) yield { type: 'text-delta', id: 'text', delta }
    yield { type: 'text-end', id: 'text' }
  }
  if ('tool' in action) {
    const toolCallId = pace.newId()
    const input = JSON.stringify(action.input)
    yield { type: 'tool-input-start', id: toolCallId, toolName: action.tool }
    for await (const delta of paced(input)) yield { type: 'tool-input-delta', id: toolCallId, delta }
    yield { type: 'tool-input-end', id: toolCallId }
    yield { type: 'tool-call', toolCallId, toolName: action.tool, input }
  }
  yield {
    type: 'finish',
    finishReason: { unified: 'tool' in action ? 'tool-calls' : 'stop', raw: undefined },
    usage: {
      // Four characters a token is the usual rule of thumb for English.
      inputTokens: {
        total: Math.ceil(JSON.stringify(call.prompt).length / 4),
        noCache: undefined,
        cacheRead: undefined,
        cacheWrite: undefined,
      },
      outputTokens: { total: tokens, text: tokens, reasoning: 0 },
    },
  }
}
