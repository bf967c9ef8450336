/** The agent of `test/fixtures/agent.ts`, in a process of its own. */
import type { AgentSettings } from '../fixtures/agent.ts'
import { startChild, type Child } from './child.ts'
import { tokenFor } from './tokens.ts'

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
