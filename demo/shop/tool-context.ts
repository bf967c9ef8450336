/** What a tool needs from the agent that offers it, and how it reports progress. */
import { millisFrom, pause } from './delay.ts'
import type { AgentName } from './types.ts'

/** One line of a run's progress. A step that is neither done nor failed is still going on. */
export interface ToolStep {
  done(detail?: string): void
  fail(detail?: string): void
}

export interface ToolContext {
  /**
   * Names the request that is answered, for instance by the id of its message: the same for every attempt at it, in any
   * process. Money and stock are written under keys derived from it, so that a second attempt neither charges nor orders twice.
   */
  readonly key: string
  /** Whose orders these are; `demo` by default. Each customer starts with the same three orders. */
  readonly customer?: string
  step(title: string): ToolStep
  /** Puts pieces into the cart that the people of the session share. */
  addToCart(sku: string, quantity: number): void | Promise<void>
  /** Asks the support desk to take the session over. */
  requestHuman(reason: string): void | Promise<void>
  /**
   * Asks the browser of one participant where it is, in degrees; rejects when the person declines. `client`: the browser does
   * the call, and the model is asked again with what came of it. Absent: not offered.
   */
  readonly getLocation?: 'client' | ((signal: AbortSignal | undefined) => Promise<{ lat: number; lon: number }>)
  /** Has another agent do something, in a run of its own below this one, and gives what it wrote. Absent: not offered. */
  readonly ask?: (agent: AgentName, request: string, title: string) => Promise<string>
  /** Inputs with which people have said yes to a tool for the whole conversation. Absent: none. */
  readonly approved?: (tool: string) => readonly unknown[]
  /** How long each tool takes at least, in milliseconds, so that progress can be seen; else DEMO_TOOL_DELAY_MS, else 700. */
  readonly delayMs?: number
}

export function customerOf(context: ToolContext): string {
  return context.customer ?? 'demo'
}

/** The tool's delay, then its work, with no step of its own in the run's progress. */
export async function quietly<T>(context: ToolContext, signal: AbortSignal | undefined, work: () => T): Promise<T> {
  await pause(context.delayMs ?? millisFrom('DEMO_TOOL_DELAY_MS', process.env['DEMO_TOOL_DELAY_MS'], 700), signal)
  return work()
}

/**
 * The tool's delay and its work, shown as one step. On abort the step is left as it is: whoever cancelled the run marks its
 * running steps cancelled, which a step that calls itself failed would hide.
 */
export async function asStep<T>(
  context: ToolContext,
  title: string,
  signal: AbortSignal | undefined,
  work: () => T,
  detail?: (result: T) => string,
): Promise<T> {
  const step = context.step(title)
  try {
    const result = await quietly(context, signal, work)
    step.done(detail?.(result))
    return result
  } catch (error) {
    if (!signal?.aborted) step.fail(error instanceof Error ? error.message : String(error))
    throw error
  }
}
