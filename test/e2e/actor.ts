/** An agent of the demo, played by the test: the demo's own process is ended, and the test does what its runs are to show. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createAgent, type Agent, type AgentOptions } from '../../client/agent.ts'
import { mintToken } from '../../server/index.ts'
import type { Demo } from './demo.ts'
import { until } from '../support/wait.ts'

/** Takes the part of an agent; resolves when runs come to the test. Whoever calls it closes the agent. */
export async function playAgent(demo: Demo, name: string, run: AgentOptions['run']): Promise<Agent> {
  const secret = readFileSync(join(demo.dataDir, 'secret'), 'utf8').trim()
  try {
    process.kill(demo.agentPid(name), 'SIGKILL')
  } catch {
    // Its part is being played already.
  }
  const agent = createAgent({
    url: `${demo.url.replace('http', 'ws')}/sync`,
    token: () =>
      mintToken(secret, { id: name, kind: 'agent', name: name.charAt(0).toUpperCase() + name.slice(1), sessions: ['*'] }),
    name,
    run,
    onError: () => {},
  })
  await until(() => agent.connection === 'live', { what: `${name} to be played by the test` })
  return agent
}
