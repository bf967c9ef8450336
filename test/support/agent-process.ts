/** The agent of `test/fixtures/agent.ts`, in a process of its own. */
import type { AgentSettings } from '../fixtures/agent.ts'
import { startChild, type Child } from './child.ts'
import { tokenFor } from './tokens.ts'
import { until } from './wait.ts'

/** Starts one, by default with a token for all sessions; resolves when it is in step with the server. */
export async function startAgentProcess(settings: Omit<AgentSettings, 'token'> & Partial<AgentSettings>): Promise<Child> {
  const { token = await tokenFor(settings.name, 'agent') } = settings
  const child = startChild('agent.ts', [JSON.stringify({ ...settings, token })])
  await child.said('live')
  return child
}

/** Ids of the runs that it has begun, in that order: one that was begun twice is there twice. */
export function begunBy(child: Child): string[] {
  return child.messages.filter(({ t }) => t === 'begin').map(({ run }) => String(run))
}

/**
 * The same, once it has told of so many. What a process says of itself comes on another way than what its run says, and on a
 * busy machine later.
 */
export async function begun(child: Child, count: number): Promise<string[]> {
  await until(() => begunBy(child).length >= count, {
    what: () => `${count} runs to be begun; so far ${begunBy(child).join(', ')}`,
  })
  return begunBy(child)
}
