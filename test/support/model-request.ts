/**
 * What providers demand of a sequence of model messages, taken together at its strictest: whoever keeps all of this is refused
 * by none of them.
 */
import type { ModelMessage } from '../../shared/model-messages.ts'

type Part = Exclude<ModelMessage['content'], string>[number]

/** What is wrong with a request; empty for one that every provider accepts. */
export function faultsIn(messages: readonly ModelMessage[]): string[] {
  const faults: string[] = []
  const ids = new Set<string>()
  if (messages.length === 0) faults.push('there is no message')
  if (messages[0] !== undefined && messages[0].role !== 'user') faults.push(`it begins with ${messages[0].role}`)
  if (messages.at(-1)?.role === 'assistant') faults.push('it ends with the assistant')
  messages.forEach((message, index) => {
    const at = `message ${index} (${message.role})`
    const before = messages[index - 1]
    const after = messages[index + 1]
    if (!['user', 'assistant', 'tool'].includes(message.role)) faults.push(`${at}: not a role`)
    if (before?.role === message.role) faults.push(`${at}: the same role twice`)
    if (message.content.length === 0) faults.push(`${at}: empty`)
    for (const part of message.content as readonly Part[]) faults.push(...faultsInPart(part).map((fault) => `${at}: ${fault}`))
    if (!isSound(message)) faults.push(`${at}: half of a surrogate pair`)
    if (message.role === 'assistant') {
      faults.push(...faultsInAnswer(message, after).map((fault) => `${at}: ${fault}`))
      for (const part of message.content) {
        if (part.type !== 'tool-call') continue
        if (ids.has(part.toolCallId)) faults.push(`${at}: the id ${part.toolCallId} twice`)
        ids.add(part.toolCallId)
      }
    }
    if (message.role === 'tool' && !(before?.role === 'assistant' && before.content.at(-1)?.type === 'tool-call')) {
      faults.push(`${at}: results without calls`)
    }
  })
  return faults
}

function faultsInPart(part: Part): string[] {
  switch (part.type) {
    case 'text':
      return part.text.trim() === '' ? ['an empty text'] : []
    case 'file':
      return /^[\w.+-]+(\/[\w.+-]+)?$/.test(part.mediaType) && part.data.url instanceof URL ? [] : ['not a file']
    case 'reasoning':
      return Object.keys(part.providerOptions).length > 0 ? [] : ['reasoning that nobody can check']
    case 'tool-call': {
      const faults = faultsInNames(part)
      const isObject = typeof part.input === 'object' && part.input !== null && !Array.isArray(part.input)
      return isObject ? faults : [...faults, 'an input that is no object']
    }
    case 'tool-result': {
      const { output } = part
      const text = output.type === 'execution-denied' ? output.reason : output.type === 'json' ? 'json' : output.value
      const isJson = output.type !== 'json' || output.value !== undefined
      return [...faultsInNames(part), ...(text.trim() === '' ? ['an empty result'] : []), ...(isJson ? [] : ['no JSON'])]
    }
  }
}

function faultsInNames({ toolCallId, toolName }: { toolCallId: string; toolName: string }): string[] {
  const isName = (name: string): boolean => /^[A-Za-z0-9_-]{1,64}$/.test(name)
  return [...(isName(toolCallId) ? [] : [`the id ${toolCallId}`]), ...(isName(toolName) ? [] : [`the name ${toolName}`])]
}

function faultsInAnswer(answer: Extract<ModelMessage, { role: 'assistant' }>, after: ModelMessage | undefined): string[] {
  const faults: string[] = []
  const calls = answer.content.filter((part) => part.type === 'tool-call')
  const firstCall = answer.content.findIndex((part) => part.type === 'tool-call')
  if (calls.length > 0 && calls.length !== answer.content.length - firstCall) faults.push('something between or after calls')
  const results = after?.role === 'tool' ? after.content : []
  const wanted = calls.map((call) => `${call.toolCallId} ${call.toolName}`)
  const got = results.map((result) => `${result.toolCallId} ${result.toolName}`)
  if (wanted.join() !== got.join()) faults.push(`calls ${wanted.join()}, but results ${got.join()}`)
  if (answer.content.at(-1)?.type === 'reasoning') faults.push('reasoning at the end')
  return [...faults, ...faultsInItems(answer)]
}

/** OpenAI takes its items back whole only: reasoning with the item behind it, and an item with its reasoning. */
function faultsInItems({ content }: Extract<ModelMessage, { role: 'assistant' }>): string[] {
  const itemOf = (part: Part | undefined): unknown =>
    part !== undefined && 'providerOptions' in part ? part.providerOptions?.['openai']?.['itemId'] : undefined
  const withItem = content.filter((part) => itemOf(part) !== undefined)
  if (withItem.length === 0) return []
  const reasons = withItem.filter((part) => part.type === 'reasoning')
  const faults = reasons.length === 0 ? ['an item without its reasoning'] : []
  for (const [index, part] of content.entries()) {
    if (part.type !== 'reasoning' || itemOf(part) === undefined) continue
    if (part.providerOptions['openai']?.['reasoningEncryptedContent'] === undefined) faults.push('an item that is not sealed')
    if (itemOf(content[index + 1]) === undefined) faults.push('reasoning without the item behind it')
  }
  return faults
}

function isSound(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null || value instanceof URL) return true
  return Object.entries(value).every(([key, entry]) => key.isWellFormed() && isSound(entry))
}
