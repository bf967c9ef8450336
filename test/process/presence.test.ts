/** Who is here, and who is not any more. */
import { expect, test } from 'vitest'
import { startAgentProcess } from '../support/agent-process.ts'
import { openLive } from '../support/clients.ts'
import { serveHere } from '../support/in-process.ts'
import { until } from '../support/wait.ts'

test('[H3] an agent is here while it works, and gone when its process is killed, before its lease has run out', async () => {
  const { url } = await serveHere({ leaseMs: 600_000 })
  const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
  const agent = await startAgentProcess({ url, name: 'assistant' })
  a.presence.set({ typing: true })
  const input = a.send('tokens=1000000 every=20')
  const run = `${input}.assistant`
  const agents = (): unknown[] => b.presence.others.filter(({ participant }) => participant.kind === 'agent')
  await until(() => agents().length === 1 && b.presence.others.find(({ state }) => state['run'] === run) !== undefined)
  expect(b.presence.others.find(({ participant }) => participant.id === 'ada')?.typing).toBe(true)
  await agent.kill()
  await until(() => agents().length === 0, { what: 'the agent to be gone' })
  expect(b.run(run)?.status).toBe('active')
  await a.close()
  await until(() => b.presence.others.length === 0, { what: 'ada to be gone' })
})
