/** How an agent of the shop answers one input: the AI SDK's `streamText`, streamed into the run. */
import { convertToModelMessages, isStepCount, streamText, type ModelMessage, type UIMessage } from 'ai'
import type { ToolPart } from 'polylogue'
import { textOf, type AgentRun, type Message } from 'polylogue/agent'
import { instructions } from '../model/instructions.ts'
import { demoModel } from '../model/index.ts'
import { ASKS } from '../model/turn.ts'
import { FOR_SESSION } from '../shop/asked.ts'
import type { Shop } from '../shop/database.ts'
import type { ToolContext } from '../shop/tool-context.ts'
import { toolsFor } from '../shop/tools.ts'
import type { AgentName } from '../shop/types.ts'
import { timed, tookInAll } from './timed.ts'

/** Model calls in one run: a purchase takes six, and a model that goes in circles must end. */
const MAX_CALLS = 12
/** How long people have to let their browser say where they are, or to say yes or no to what the agent wants to do. */
const PATIENCE_MS: Readonly<Record<AgentName, number>> = { orders: 120_000, returns: 30 * 60_000, research: 120_000 }

export interface AnswerOptions {
  readonly agent: AgentName
  readonly shop: Shop
  /** One line about what happens, for the agent's log. */
  readonly log: (line: string) => void
}

/** Does one run, and says how long it took. Throws what the model throws; what was written by then stays. */
export async function answer(run: AgentRun, options: AnswerOptions): Promise<void> {
  const beganAt = performance.now()
  try {
    await work(run, options)
  } finally {
    // Of a run that was begun by another process nobody knows; nothing can be written into one that was cancelled.
    if (run.attempt === 1 && !run.over) await run.pipe(tookInAll(performance.now() - beganAt))
  }
}

async function work(run: AgentRun, { agent, shop, log }: AnswerOptions): Promise<void> {
  const request = requestOf(run)
  const text = request ?? textOf(run.input)
  log(`run ${run.id}: "${text.slice(0, 60)}"`)
  const model = demoModel(agent, {
    onStart: ({ modelId }) => log(`run ${run.id}: model call started (${modelId})`),
    onAbort: ({ textDeltas, elapsedMs }) => log(`run ${run.id}: model stream closed after ${textDeltas} pieces, ${elapsedMs} ms`),
  })
  const tools = toolsFor(agent, shop, contextOf(run, agent))
  await run.stream(
    async (said) => {
      // An agent that another one asks needs to know what it was asked, not the conversation.
      const asked: ModelMessage[] = request === undefined ? run.modelMessages() : [{ role: 'user', content: request }]
      const result = streamText({
        model,
        instructions: instructions(agent),
        messages: [...asked, ...(await written(run, said))],
        tools,
        prepareStep: run.prepareStep,
        // For the scripted model; others do not look at it.
        providerOptions: { [ASKS]: { asked: text } },
        stopWhen: isStepCount(MAX_CALLS),
        abortSignal: run.signal,
        onAbort: () => log(`run ${run.id}: model call aborted (${String((run.signal.reason as Error | undefined)?.message)})`),
        // Thrown by `stream`, and logged where that is caught.
        onError: () => {},
      })
      return timed(
        result.toUIMessageStream({
          sendReasoning: true,
          onError: messageOf,
          messageMetadata: ({ part }) => (part.type === 'finish' ? { usage: part.totalUsage } : undefined),
        }),
      )
    },
    { expiresInMs: PATIENCE_MS[agent] },
  )
}

/** What another agent has asked for, in whose run this one is; undefined for what a person asked. */
function requestOf(run: AgentRun): string | undefined {
  const { request } = (run.data ?? {}) as { request?: unknown }
  return typeof request === 'string' ? request : undefined
}

/** What the run has written so far, as the model that goes on with it must see it. */
async function written(run: AgentRun, said: readonly Message[]): Promise<ModelMessage[]> {
  const own = said.filter((message) => message.metadata.run === run.id)
  return await convertToModelMessages(own as unknown as UIMessage[], { ignoreIncompleteToolCalls: true })
}

function contextOf(run: AgentRun, agent: AgentName): ToolContext {
  const cart = run.session.object('cart')
  return {
    key: run.parent === undefined ? run.input.id : run.id,
    // Each conversation has a customer of its own, who starts with the same three orders.
    customer: run.session.id,
    step: (title) => run.step(title),
    addToCart: (sku, quantity) => cart.set(sku, countOf(cart.get(sku)) + quantity),
    requestHuman: (reason) => run.requestHuman(reason),
    getLocation: 'client',
    approved: (tool) => approvedForSession(run, agent, tool),
    // One level deep: whoever was asked does it.
    ...(run.parent === undefined && {
      ask: async (agent: AgentName, request: string, title: string) => (await run.spawn(agent, { request }, { title }).done).text,
    }),
  }
}

/**
 * Inputs of this agent's calls of a tool that whoever asks now, or support, has said yes to for the whole conversation: the server
 * keeps who said so.
 */
function approvedForSession(run: AgentRun, agent: AgentName, tool: string): unknown[] {
  const { participants, messages } = run.session.view
  // `by`: of an answer of the server's hand, not one that an agent has written down.
  const mayAllow = (by = ''): boolean => by === run.input.metadata.by || participants.get(by)?.kind === 'support'
  const own = messages.filter(({ metadata }) => metadata.kind === 'agent' && metadata.by === agent)
  return own.flatMap(({ parts }) =>
    parts.flatMap((part) => {
      const { type, approval, input, call } = part as Partial<ToolPart>
      const counts = type === `tool-${tool}` && approval?.approved === true && approval.reason === FOR_SESSION
      return counts && mayAllow(call?.by) ? [input] : []
    }),
  )
}

function countOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
