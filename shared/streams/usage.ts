/** How many tokens a run has used, in the one form that the document holds whatever the provider calls them. */
import { asRecord } from '../layout.ts'

/** All numbers are tokens. `reasoningTokens` are among the output, `cachedInputTokens` among the input. */
export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly totalTokens?: number
  readonly reasoningTokens?: number
  readonly cachedInputTokens?: number
}

const KEYS = ['inputTokens', 'outputTokens', 'totalTokens', 'reasoningTokens', 'cachedInputTokens'] as const

/** The sum; what neither knows stays unknown. */
export function addUsage(a: Usage | undefined, b: Usage | undefined): Usage | undefined {
  if (a === undefined || b === undefined) return a ?? b
  const sums = KEYS.flatMap((key) => {
    const [one, other] = [a[key], b[key]]
    return one === undefined && other === undefined ? [] : [[key, (one ?? 0) + (other ?? 0)] as const]
  })
  return Object.fromEntries(sums) as unknown as Usage
}

/** Usage as the AI SDK and AG-UI say it, or as it stands in the document; undefined when it names neither input nor output. */
export function readUsage(value: unknown): Usage | undefined {
  const usage = asRecord(value)
  if (usage === undefined) return undefined
  const input = asRecord(usage['inputTokenDetails'])
  const output = asRecord(usage['outputTokenDetails'])
  return usageOf({
    inputTokens: usage['inputTokens'],
    outputTokens: usage['outputTokens'],
    totalTokens: usage['totalTokens'],
    reasoningTokens: usage['reasoningTokens'] ?? output?.['reasoningTokens'],
    cachedInputTokens: usage['cachedInputTokens'] ?? input?.['cacheReadTokens'],
  })
}

/** Usage as OpenAI says it, of a response (`input_tokens`) or of a chat completion (`prompt_tokens`). */
export function readOpenAIUsage(value: unknown): Usage | undefined {
  const usage = asRecord(value)
  if (usage === undefined) return undefined
  const input = asRecord(usage['input_tokens_details'] ?? usage['prompt_tokens_details'])
  const output = asRecord(usage['output_tokens_details'] ?? usage['completion_tokens_details'])
  return usageOf({
    inputTokens: usage['input_tokens'] ?? usage['prompt_tokens'],
    outputTokens: usage['output_tokens'] ?? usage['completion_tokens'],
    totalTokens: usage['total_tokens'],
    reasoningTokens: output?.['reasoning_tokens'],
    cachedInputTokens: input?.['cached_tokens'],
  })
}

/** Usage as Anthropic says it: its input does not count what came from the cache or went into it. */
export function readAnthropicUsage(value: unknown): Usage | undefined {
  const usage = asRecord(value)
  if (usage === undefined) return undefined
  const output = asRecord(usage['output_tokens_details'])
  const inputs = [usage['input_tokens'], usage['cache_creation_input_tokens'], usage['cache_read_input_tokens']]
  return usageOf({
    inputTokens: inputs.some(isCount) ? inputs.reduce<number>((sum, count) => sum + (isCount(count) ? count : 0), 0) : undefined,
    outputTokens: usage['output_tokens'],
    reasoningTokens: output?.['thinking_tokens'] ?? output?.['reasoning_tokens'],
    cachedInputTokens: usage['cache_read_input_tokens'],
  })
}

function usageOf(counts: Partial<Record<keyof Usage, unknown>>): Usage | undefined {
  const known = Object.fromEntries(Object.entries(counts).filter(([, count]) => isCount(count))) as Partial<Usage>
  if (known.inputTokens === undefined && known.outputTokens === undefined) return undefined
  return { inputTokens: 0, outputTokens: 0, ...known }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
