/** Agents within the test's own process, closed when the test has ended. */
import { onTestFinished } from 'vitest'
import { createAgent, type Agent, type AgentOptions, type AgentRun } from '../../client/agent.ts'
import { tokenFor } from './tokens.ts'
import { until } from './wait.ts'

export interface StartedAgent {
  readonly agent: Agent
  /** Runs that it was given, in that order. */
  readonly runs: AgentRun[]
  /** What it reported. */
  readonly reported: { readonly error: unknown; readonly stage: string }[]
}

/** Starts an agent, by default one that answers with its name; resolves when it is in step with the server. */
export async function startAgent(options: Pick<AgentOptions, 'url'> & Partial<Omit<AgentOptions, 'url'>>): Promise<StartedAgent> {
  const { name = 'assistant', run = (given): void => given.write(name) } = options
  const runs: AgentRun[] = []
  const reported: StartedAgent['reported'] = []
  const agent = createAgent({
    token: () => tokenFor(name, 'agent'),
    onError: (error, { stage }) => void reported.push({ error, stage }),
    ...options,
    name,
    run: (given) => {
      runs.push(given)
      return run(given)
    },
  })
  onTestFinished(() => agent.close(1_000))
  await until(() => agent.connection === 'live', { what: `the agent ${name} to be live` })
  return { agent, runs, reported }
}

/** A gate that a handler waits at until the test opens it. */
export class Gate {
  readonly #opened = Promise.withResolvers<void>()

  open(): void {
    this.#opened.resolve()
  }

  get passed(): Promise<void> {
    return this.#opened.promise
  }
}
