/** The server is killed at random times under load; what it had promised is there each time. */
import { expect, onTestFinished, test } from 'vitest'
import { createAgent, type Agent, type AgentRun } from '../../client/agent.ts'
import { replyTo, tokensOf } from '../support/clients.ts'
import { LoadedSession, seeded } from '../support/load.ts'
import { recover } from '../support/recovered.ts'
import { ServerProcess } from '../support/server.ts'
import { tokenFor } from '../support/tokens.ts'

const KILLS = Number(process.env['KILLS'] ?? 50)
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const SESSIONS = 4
/** How long a server lives, at most: most of its lives are much shorter than this. */
const LONGEST_LIFE_MS = 600
/** Tokens of a reply, one every 3 ms. */
const TOKENS = 60

test(`[K1] ${KILLS} times kill -9: all that was acknowledged or shown is there (LOG-1)`, { timeout: KILLS * 2_000 + 60_000 }, async () => {
  const random = seeded(SEED)
  const server = await ServerProcess.start({ leaseMs: 2_000 })
  // One agent lives through all kills and comes back by itself; a fresh one each time is at work from the first moment.
  const steady = startAgent(server.url, 'steady')
  let fresh: Agent | null = null
  const sessions: LoadedSession[] = []
  for (let n = 0; n < SESSIONS; n++) {
    const agents = (): string[] => [steady.name, ...(fresh === null ? [] : [fresh.name])]
    sessions.push(await LoadedSession.open({ url: server.url, id: `s${n}`, random, agents }))
  }
  const ids = sessions.map(({ id }) => id)
  for (let kill = 0; kill < KILLS; kill++) {
    const old = fresh
    fresh = startAgent(server.url, `fresh${kill}`)
    void old?.close(0)
    server.prepare()
    // Often early, when everybody is just coming back, and sometimes late.
    await new Promise((resolve) => setTimeout(resolve, LONGEST_LIFE_MS * random() ** 2))
    await server.kill()
    await Promise.all(sessions.map((session) => session.offline()))
    const recovered = await recover(server.file, ids)
    const lost = sessions.flatMap((session) => session.missing(recovered.sessions.get(session.id)!))
    expect(lost, `seed ${SEED}, kill ${kill}`).toEqual([])
    await server.start()
    for (const session of sessions) session.reconnect()
  }
  await fresh?.close(0)
  const abandoned = Array.from({ length: KILLS }, (_, kill) => `fresh${kill}`)
  await Promise.all(sessions.map((session) => session.settle(abandoned)))
  await steady.close()
  await server.kill()
  const recovered = await recover(server.file, ids)
  expect(sessions.flatMap((session) => session.missing(recovered.sessions.get(session.id)!)), `seed ${SEED}`).toEqual([])
  expect(recovered.jobs).toEqual([])

  // That there was something to lose.
  const views = sessions.map(({ id }) => recovered.sessions.get(id)!.view)
  const complete = views.flatMap((view) => view.runs.filter(({ status }) => status === 'complete').map((run) => ({ view, run })))
  for (const { view, run } of complete) expect(replyTo({ view }, run.input, run.agent)).toBe(tokensOf(run.agent, TOKENS))
  expect(complete.length).toBeGreaterThan(KILLS / 2)
  expect(sessions.reduce((sum, { checks }) => sum + checks, 0)).toBeGreaterThan(KILLS * 100)
})

function startAgent(url: string, name: string): Agent {
  const run = async (it: AgentRun): Promise<void> => {
    for (let n = 1; n <= TOKENS && !it.signal.aborted; n++) {
      it.write(`${name}${n} `)
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
  }
  const agent = createAgent({ url, name, token: () => tokenFor(name, 'agent'), run, flushEveryMs: 5, onError: () => {} })
  onTestFinished(() => agent.close(0))
  return agent
}
