/**
 * Output items of an OpenAI response that are not its words: calls of tools, the client's and the provider's own. An item says
 * in one object what was called, with what, and what came of it; this file says which of its fields is which.
 */
import { definedOnly, parseJson, textIn } from '../json.ts'
import { asRecord } from '../layout.ts'
import type { UIStreamChunk } from '../ui-stream.ts'
import { wholeInput } from './translator.ts'

type Item = Readonly<Record<string, unknown>>

/** Of a call that the provider runs: these fields tell what came of it, the others what it was called with. */
const RESULTS: ReadonlySet<string> = new Set(['result', 'results', 'output', 'outputs', 'error', 'tools'])
/** These fields say what an item is, not what is in it. */
const MARKS: ReadonlySet<string> = new Set(['id', 'type', 'status', 'call_id', 'name', 'server_label', 'caller', 'arguments'])

/** Calls that wait for the client to run them and send the result with the next request. */
const CLIENT_CALLS: ReadonlySet<string> = new Set([
  'function_call',
  'custom_tool_call',
  'computer_call',
  'local_shell_call',
  'apply_patch_call',
])
/** Calls that the provider runs, and whose item says what came of them. */
const SERVER_CALLS: ReadonlySet<string> = new Set([
  'web_search_call',
  'file_search_call',
  'code_interpreter_call',
  'image_generation_call',
  'mcp_call',
  'mcp_list_tools',
])
/** Calls that one or the other runs; what comes of them is an item of its own. */
const OTHER_CALLS: ReadonlySet<string> = new Set(['shell_call', 'tool_search_call', 'program', 'mcp_approval_request'])

export function isCall(item: Item): boolean {
  const type = textIn(item['type'])
  return CLIENT_CALLS.has(type) || SERVER_CALLS.has(type) || OTHER_CALLS.has(type)
}

/** The result of a call, as an item of its own: `function_call_output`, `shell_call_output`, … */
export function isCallOutput(item: Item): boolean {
  const type = textIn(item['type'])
  return type.endsWith('_output') && typeof item['call_id'] === 'string'
}

/** What all chunks about the call say of it. */
export function callOf(item: Item): Item {
  const type = textIn(item['type'])
  const { id, call_id: callId, namespace, caller, server_label: server } = item
  return {
    toolCallId: textIn(callId) || textIn(id),
    toolName: textIn(item['name']) || type.replace(/_call$/, ''),
    ...(isForClient(item) ? {} : { providerExecuted: true }),
    providerMetadata: { openai: definedOnly({ itemId: textIn(id) || undefined, namespace, caller, serverLabel: server }) },
  }
}

function isForClient(item: Item): boolean {
  switch (item['type']) {
    case 'shell_call':
      return asRecord(item['environment'])?.['type'] !== 'container_reference'
    case 'tool_search_call':
      return item['execution'] === 'client'
    default:
      return CLIENT_CALLS.has(textIn(item['type']))
  }
}

/** What a finished call item says: its input, and what came of it as far as the item tells. */
export function finishedCall(item: Item): UIStreamChunk[] {
  const call = callOf(item)
  if (item['status'] === 'incomplete') return []
  if (item['type'] === 'function_call') return [wholeInput(call, textIn(item['arguments']))]
  if (item['type'] === 'custom_tool_call') return [{ type: 'tool-input-available', ...call, input: textIn(item['input']) }]
  const input: UIStreamChunk = { type: 'tool-input-available', ...call, input: inputOf(item) }
  if (item['type'] === 'mcp_approval_request') {
    return [input, { type: 'tool-approval-request', toolCallId: call['toolCallId'], approvalId: textIn(item['id']) }]
  }
  return SERVER_CALLS.has(textIn(item['type'])) ? [input, ...outcomeOf(item, call['toolCallId'])] : [input]
}

function inputOf(item: Item): unknown {
  const said = textIn(item['arguments'])
  if (said !== '') return parseJson(said) ?? said
  return Object.fromEntries(Object.entries(item).filter(([key]) => !MARKS.has(key) && !RESULTS.has(key)))
}

function outcomeOf(item: Item, toolCallId: unknown): UIStreamChunk[] {
  const of = { toolCallId, providerExecuted: true }
  const { error, result, status } = item
  if (error !== undefined && error !== null) {
    const errorText = textIn(error) || textIn(asRecord(error)?.['message']) || JSON.stringify(error)
    return [{ type: 'tool-output-error', ...of, errorText }]
  }
  if (status === 'failed') return [{ type: 'tool-output-error', ...of, errorText: 'The tool failed.' }]
  const picture = item['type'] === 'image_generation_call' && typeof result === 'string' && result !== ''
  const output = Object.fromEntries(Object.entries(item).filter(([key, value]) => RESULTS.has(key) && value !== null))
  // The picture is a part of its own; as the tool's output it would be stored twice.
  if (picture) delete output['result']
  const done: UIStreamChunk = { type: 'tool-output-available', ...of, output: definedOnly({ ...output, status }) }
  return picture ? [done, pictureOf(item, result)] : [done]
}

function pictureOf(item: Item, base64: string): UIStreamChunk {
  const mediaType = `image/${textIn(item['output_format']) || 'png'}`
  return {
    type: 'file',
    mediaType,
    url: `data:${mediaType};base64,${base64}`,
    providerMetadata: { openai: { itemId: item['id'] } },
  }
}

/** The chunk that an output item makes of the result of a call. */
export function callOutput(item: Item): UIStreamChunk {
  return { type: 'tool-output-available', toolCallId: item['call_id'], output: item['output'] ?? item['tools'] ?? item['result'] }
}
