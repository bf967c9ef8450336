/** Which model an agent of the demo uses. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import type { AgentName } from '../shop/types.ts'
import type { Model } from './model-types.ts'
import { observed, type ModelLog } from './observe.ts'
import { scriptedModel, type ScriptedOptions } from './scripted.ts'

export interface DemoModelOptions extends Omit<ScriptedOptions, 'agent'>, ModelLog {
  /** Where the settings are read from; `process.env` by default. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/**
 * The model of an agent: scripted, unless the environment names another.
 *
 * - DEMO_MODEL: `scripted` (default) or `openai-compatible`, with
 * - DEMO_MODEL_URL: base URL of its API, up to `/v1`; DEMO_MODEL_NAME: the model's name there; DEMO_MODEL_KEY: its key, if any.
 *
 * Throws when the settings are wrong or incomplete.
 */
export function demoModel(agent: AgentName, options: DemoModelOptions = {}): Model {
  const { env = process.env, onStart, onAbort, ...pace } = options
  const log = { ...(onStart && { onStart }), ...(onAbort && { onAbort }) }
  const kind = env['DEMO_MODEL'] ?? ''
  if (kind === '' || kind === 'scripted') return observed(scriptedModel({ ...pace, agent }), log)
  if (kind !== 'openai-compatible') {
    throw new Error(`DEMO_MODEL is "scripted" or "openai-compatible", not "${kind}"`)
  }
  const { DEMO_MODEL_URL: baseURL = '', DEMO_MODEL_NAME: name = '', DEMO_MODEL_KEY: apiKey = '' } = env
  if (baseURL === '' || name === '') throw new Error(`DEMO_MODEL=${kind} needs DEMO_MODEL_URL and DEMO_MODEL_NAME`)
  const provider = createOpenAICompatible({ name: 'demo', baseURL, ...(apiKey && { apiKey }) })
  return observed(provider(name), log)
}
