/** How an agent of the shop answers one input: the AI SDK's `streamText`, piped into the run. */
import { isStepCount, streamText } from 'ai'
import { textOf, type AgentRun } from 'polylogue/agent'
import { instructions } from '../model/instructions.ts'
import { demoModel } from '../model/index.ts'
import type { Shop } from '../shop/database.ts'
import type { ToolContext } from '../shop/tool-context.ts'
import { toolsFor } from '../shop/tools.ts'
import type { AgentName } from '../shop/types.ts'

/** Model calls in one run: a purchase takes six, and a model that goes in circles must end. */
const MAX_CALLS = 12

export interface AnswerOptions {
  readonly agent: AgentName
  readonly shop: Shop
  /** One line about what happens, for the agent's log. */
  readonly log: (line: string) => void
}

/** Does one run. Throws what the model throws; what was written by then stays. */
export async function answer(run: AgentRun, { agent, shop, log }: AnswerOptions): Promise<void> {
  log(`run ${run.id}: "${textOf(run.input).slice(0, 60)}"`)
  const model = demoModel(agent, {
    onStart: ({ modelId }) => log(`run ${run.id}: model call started (${modelId})`),
    onAbort: ({ textDeltas, elapsedMs }) => log(`run ${run.id}: model stream closed after ${textDeltas} pieces, ${elapsedMs} ms`),
  })
  const result = streamText({
    model,
    instructions: instructions(agent),
    messages: run.modelMessages(),
    tools: toolsFor(agent, shop, contextOf(run)),
    stopWhen: isStepCount(MAX_CALLS),
    abortSignal: run.signal,
    onAbort: () => log(`run ${run.id}: model call aborted (${String((run.signal.reason as Error | undefined)?.message)})`),
    // Thrown by `pipe`, and logged where that is caught.
    onError: () => {},
  })
  await run.pipe(result.toUIMessageStream({ sendReasoning: true, onError: messageOf, messageMetadata: usageOf }))
}

function contextOf(run: AgentRun): ToolContext {
  const cart = run.session.object('cart')
  return {
    key: run.input.id,
    // Each conversation has a customer of its own, who starts with the same three orders.
    customer: run.session.id,
    step: (title) => run.step(title),
    addToCart: (sku, quantity) => cart.set(sku, countOf(cart.get(sku)) + quantity),
    requestHuman: (reason) => run.requestHuman(reason),
  }
}

function countOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

/** What the whole answer has used, which `pipe` writes into the run. */
function usageOf({ part }: { part: { type: string; totalUsage?: unknown } }): { usage: unknown } | undefined {
  return part.type === 'finish' ? { usage: part.totalUsage } : undefined
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
