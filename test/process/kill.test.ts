/** The server is killed at random times under load; what it had promised is there each time. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { replyTo, tokensOf } from '../support/clients.ts'
import { LoadedSession, REPLY_TOKENS, streamingAgent } from '../support/load.ts'
import { Chance } from '../support/random.ts'
import { recover } from '../support/recovered.ts'
import { ServerProcess } from '../support/server.ts'
import { openStock, startStock, storedByStock } from '../support/stock.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { until } from '../support/wait.ts'

const KILLS = Number(process.env['KILLS'] ?? 50)
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const SESSIONS = 3
/** The server lives at most this long after everybody is back; one time in five it is killed while they come. */
const LONGEST_LIFE_MS = 350
const LONGEST_RETURN_MS = 60

test(
  `[K1] ${KILLS} times kill -9: all that was acknowledged or shown is there (LOG-1)`,
  { timeout: 60_000 + KILLS * 4_000 },
  async () => {
    const chance = new Chance(SEED)
    const server = await ServerProcess.start()
    // One agent lives through all kills and comes back by itself; a fresh one each time is at work from the first moment.
    const steady = streamingAgent(server.url, 'steady')
    let fresh = streamingAgent(server.url, 'fresh')
    const sessions: LoadedSession[] = []
    for (let n = 0; n < SESSIONS; n++) {
      sessions.push(await LoadedSession.open({ url: server.url, id: `s${n}`, chance, agents: () => [steady.name, fresh.name] }))
    }
    const lost = async (): Promise<string[]> => {
      const recovered = await recover(
        server.file,
        sessions.map(({ id }) => id),
      )
      return sessions.flatMap((session) => session.missing(recovered.get(session.id)!))
    }

    for (let kill = 1; kill <= KILLS; kill++) {
      server.prepare()
      const isEarly = chance.bool(0.2)
      if (!isEarly)
        await until(() => sessions.every(({ isLive }) => isLive), {
          timeoutMs: 10_000,
          what: () => `all to be back: ${sessions.join()}`,
        })
      await new Promise((resolve) => setTimeout(resolve, chance.int(0, isEarly ? LONGEST_RETURN_MS : LONGEST_LIFE_MS)))
      await server.kill()
      await Promise.all(sessions.map((session) => session.offline()))
      expect(await lost(), `seed ${SEED}, kill ${kill}`).toEqual([])
      await server.start()
      for (const session of sessions) session.reconnect()
      void fresh.close(0)
      fresh = streamingAgent(server.url, `fresh${kill}`)
    }
    await Promise.all(sessions.map((session) => session.settle(steady.name)))
    await server.kill()
    expect(await lost(), `seed ${SEED}`).toEqual([])

    // That there was something to lose, and that nothing of it was done twice.
    const recovered = [
      ...(
        await recover(
          server.file,
          sessions.map(({ id }) => id),
        )
      ).values(),
    ]
    const complete = recovered.flatMap(({ view }) =>
      view.runs.filter(({ status }) => status === 'complete').map((run) => ({ view, run })),
    )
    for (const { view, run } of complete) expect(replyTo({ view }, run.input, run.agent)).toBe(tokensOf(run.agent, REPLY_TOKENS))
    expect(complete.length).toBeGreaterThan(KILLS / 10)
    expect(sessions.reduce((sum, { checks }) => sum + checks, 0)).toBeGreaterThan(KILLS * 100)
  },
)

test('[K1] a stock server, killed once, loses what it had acknowledged and shown', async () => {
  const file = join(temporaryFolder(), 'stock.db')
  const { child, url } = await startStock(file)
  const writer = await openStock(url, 's')
  const reader = await openStock(url, 's')
  for (let n = 1; n <= 50; n++) writer.document.getArray('messages').push([n])
  await until(() => !writer.hasUnsyncedChanges && reader.document.getArray('messages').length === 50)
  await child.kill()
  expect(storedByStock(file, 's').getArray('messages').length).toBe(0)
})
