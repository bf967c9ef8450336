/** Agents that tests of chats wait for at known places. */
import { convertToModelMessages, streamText, tool, type UIMessage } from 'ai'
import { z } from 'zod'
import { Gate, startAgent } from './agent.ts'
import { calls, finish, modelOf, says } from './model.ts'

/** Starts an agent that says `half `, waits at the gate that is given, or for a cancel, and says `whole`. */
export async function startHalting(url: string): Promise<Gate> {
  const gate = new Gate()
  await startAgent({
    url,
    run: async (run) => {
      run.write('half ')
      const aborted = new Promise((resolve) => run.signal.addEventListener('abort', resolve))
      await Promise.race([gate.passed, aborted])
      run.write('whole')
    },
  })
  return gate
}

/** Starts an agent whose model asks for approval to pay 7, pays, and says so. Gives what it has paid. */
export async function startPaying(url: string): Promise<readonly number[]> {
  const paid: number[] = []
  const pay = tool({
    inputSchema: z.object({ sum: z.number() }),
    needsApproval: true,
    execute: ({ sum }) => paid.push(sum),
  })
  const model = modelOf(calls('pay', 'c1', { sum: 7 }), [...says('Paid.'), finish('stop')])
  await startAgent({
    url,
    run: (run) =>
      run.stream(async (given) => {
        const messages = await convertToModelMessages(given as unknown as UIMessage[])
        return streamText({ model, tools: { pay }, messages, abortSignal: run.signal })
      }),
  })
  return paid
}
