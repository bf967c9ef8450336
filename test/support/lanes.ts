/** An agent whose runs end when the test lets them, a user on two devices, and another user. */
import type { AgentRun } from '../../client/agent.ts'
import type { InputVerdict, OpenSession, RunStatus } from '../../client/index.ts'
import { textOf } from '../../shared/message.ts'
import { Gate, startAgent, type StartedAgent } from './agent.ts'
import { openLive } from './clients.ts'
import { until } from './wait.ts'

export const shows = (session: OpenSession, input: string, status: RunStatus, agent = 'assistant'): Promise<unknown> =>
  until(() => session.run(`${input}.${agent}`)?.status === status, {
    what: () => `${input}.${agent} to be ${status}; it is ${session.run(`${input}.${agent}`)?.status}`,
  })

export const verdictOf = (session: OpenSession, id: string): InputVerdict | undefined => session.message(id)?.metadata.verdict

export const judged = (session: OpenSession, id: string, state: InputVerdict['state']): Promise<unknown> =>
  until(() => verdictOf(session, id)?.state === state, {
    what: () => `${id} to be ${state}; it is ${JSON.stringify(verdictOf(session, id))}`,
  })

/** What a session shows of a message, by its text. */
export const textIn = (session: OpenSession, id: string): string => textOf(session.message(id) ?? { parts: [] })

export interface Stage {
  /** Two devices of one user. */
  readonly phone: OpenSession
  readonly laptop: OpenSession
  readonly bob: OpenSession
  readonly worker: StartedAgent
  /** Lets the runs with this input's text end. */
  readonly let: (text: string) => void
  /** Texts of the prompts of all runs, in the order in which they began. */
  readonly prompts: string[][]
}

/** An agent that answers an input when the test lets it. A text with `fail` in it fails. */
export async function stage(url: string): Promise<Stage> {
  const gates = new Map<string, Gate>()
  const gate = (text: string): Gate => {
    if (!gates.has(text)) gates.set(text, new Gate())
    return gates.get(text) as Gate
  }
  const prompts: string[][] = []
  const worker = await startAgent({
    url,
    run: async (run: AgentRun) => {
      const text = textOf(run.input)
      prompts.push(run.messages.map(textOf))
      run.write(`on ${text}: `)
      const aborted = new Promise((resolve) => run.signal.addEventListener('abort', resolve, { once: true }))
      await Promise.race([gate(text).passed, aborted])
      if (text.includes('fail')) throw new Error('It failed.')
      run.write('done')
    },
  })
  const [phone, laptop] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's' })]
  const bob = await openLive({ url, id: 's', as: 'bob' })
  return { phone, laptop, bob, worker, let: (text) => gate(text).open(), prompts }
}

/** Sends, and waits until the server has placed it. */
export async function sent(session: OpenSession, text: string, options?: Parameters<OpenSession['send']>[1]): Promise<string> {
  const id = session.send(text, options)
  await until(() => session.message(id)?.metadata.seq !== undefined, { what: `${text} to be placed` })
  return id
}
