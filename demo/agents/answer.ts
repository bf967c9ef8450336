/** How an agent of the shop answers one input: the AI SDK's `streamText`, streamed into the run. */
import { isStepCount, streamText, type ModelMessage } from 'ai'
import { textOf, type AgentRun, type Message } from 'polylogue/agent'
import { instructions } from '../model/instructions.ts'
import { demoModel } from '../model/index.ts'
import type { Shop } from '../shop/database.ts'
import type { ToolContext } from '../shop/tool-context.ts'
import { toolsFor } from '../shop/tools.ts'
import type { AgentName } from '../shop/types.ts'
import { modelMessages, ownMessages, steeringMessage } from './history.ts'

/** Model calls in one run: a purchase takes six, and a model that goes in circles must end. */
const MAX_CALLS = 12
/** How long a browser may take to say where it is: people have to be asked first. */
const LOCATION_MS = 120_000

export interface AnswerOptions {
  readonly agent: AgentName
  readonly shop: Shop
  /** One line about what happens, for the agent's log. */
  readonly log: (line: string) => void
}

/** Does one run. Throws what the model throws; what was written by then stays. */
export async function answer(run: AgentRun, { agent, shop, log }: AnswerOptions): Promise<void> {
  const request = requestOf(run)
  log(`run ${run.id}: "${(request ?? textOf(run.input)).slice(0, 60)}"`)
  const model = demoModel(agent, {
    onStart: ({ modelId }) => log(`run ${run.id}: model call started (${modelId})`),
    onAbort: ({ textDeltas, elapsedMs }) => log(`run ${run.id}: model stream closed after ${textDeltas} pieces, ${elapsedMs} ms`),
  })
  const tools = toolsFor(agent, shop, contextOf(run))
  await run.stream(
    async (said) => {
      const result = streamText({
        model,
        instructions: instructions(agent),
        messages: request === undefined ? await modelMessages(run, agent, said) : await askedMessages(run, agent, request, said),
        tools,
        prepareStep: (step) => prepareStep(run, step),
        stopWhen: isStepCount(MAX_CALLS),
        abortSignal: run.signal,
        onAbort: () => log(`run ${run.id}: model call aborted (${String((run.signal.reason as Error | undefined)?.message)})`),
        // Thrown by `stream`, and logged where that is caught.
        onError: () => {},
      })
      return result.toUIMessageStream({ sendReasoning: true, onError: messageOf })
    },
    { expiresInMs: LOCATION_MS },
  )
}

/** What another agent has asked for, in whose run this one is; undefined for what a person asked. */
function requestOf(run: AgentRun): string | undefined {
  const { request } = (run.data ?? {}) as { request?: unknown }
  return typeof request === 'string' ? request : undefined
}

/** Of the conversation, an agent that another one asks needs to know what it was asked and what it has done about that. */
async function askedMessages(
  run: AgentRun,
  agent: AgentName,
  request: string,
  said: readonly Message[],
): Promise<ModelMessage[]> {
  const own = said.filter((message) => message.metadata.run === run.id)
  return [{ role: 'user', content: request }, ...(await ownMessages(own, agent))]
}

/** Between two calls of the model: what people have changed goes in, under their names. */
async function prepareStep(
  run: AgentRun,
  step: { readonly stepNumber: number; readonly messages: readonly ModelMessage[] },
): Promise<{ messages: ModelMessage[] } | undefined> {
  await run.untilReturned()
  // Before `prepareStep`, which would take it as it is.
  const changes = run.takeSteering(step.stepNumber).map((message) => steeringMessage(run, message))
  const prepared = await run.prepareStep(step)
  return changes.length === 0 ? prepared : { messages: [...(prepared?.messages ?? step.messages), ...changes] }
}

function contextOf(run: AgentRun): ToolContext {
  const cart = run.session.object('cart')
  return {
    key: run.parent === undefined ? run.input.id : run.id,
    // Each conversation has a customer of its own, who starts with the same three orders.
    customer: run.session.id,
    step: (title) => run.step(title),
    addToCart: (sku, quantity) => cart.set(sku, countOf(cart.get(sku)) + quantity),
    requestHuman: (reason) => run.requestHuman(reason),
    getLocation: 'client',
    // One level deep: whoever was asked does it.
    ...(run.parent === undefined && {
      ask: async (agent: AgentName, request: string, title: string) => (await run.spawn(agent, { request }, { title }).done).text,
    }),
  }
}

function countOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
