/** Which tools each agent has. */
import { tool, type ToolSet } from 'ai'
import { z } from 'zod'
import type { Shop } from './database.ts'
import { orderTools } from './order-tools.ts'
import { researchTools } from './research-tools.ts'
import { returnTools } from './return-tools.ts'
import { quietly, type ToolContext } from './tool-context.ts'
import type { AgentName } from './types.ts'

const TOOLS: Readonly<Record<AgentName, (shop: Shop, context: ToolContext) => ToolSet>> = {
  orders: orderTools,
  returns: returnTools,
  research: researchTools,
}

/** The tools of an agent, for one run: `streamText({ tools: toolsFor('orders', shop, context), … })`. */
export function toolsFor(agent: AgentName, shop: Shop, context: ToolContext): ToolSet {
  return { ...TOOLS[agent](shop, context), requestHuman: requestHuman(context) }
}

function requestHuman(context: ToolContext): ToolSet[string] {
  return tool({
    description: 'Asks a human colleague of the support desk to take over. Say nothing more after it than that they will come.',
    inputSchema: z.object({ reason: z.string().describe('why, in the words of the customer') }),
    execute: async ({ reason }, { abortSignal }) => {
      await quietly(context, abortSignal, () => undefined)
      await context.requestHuman(reason)
      return { requested: true, reason }
    },
  })
}
