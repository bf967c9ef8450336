/** The server is killed between the end of a run and the push that tells of it. */
import { expect, onTestFinished, test } from 'vitest'
import { sqliteStore } from '../../server/index.ts'
import { startAgentProcess } from '../support/agent-process.ts'
import { openLive } from '../support/clients.ts'
import { startPushService } from '../support/push-service.ts'
import { ServerProcess } from '../support/server.ts'
import { tokenFor } from '../support/tokens.ts'
import { until } from '../support/wait.ts'

test('[D12] kill -9 after the end of a run: it is told once, by the next server; kill -9 while it is being sent: it is not sent again (PSH-3)', async () => {
  const service = await startPushService()
  onTestFinished(() => service.close())
  const push = { subject: 'mailto:ops@example.com', loopback: true, graceMs: 700 }
  const server = await ServerProcess.start({ push })
  await startAgentProcess({ url: server.url, name: 'assistant' })
  const http = server.url.replace('ws:', 'http:').replace('/sync', '')
  const subscribed = await fetch(`${http}/push/s`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${await tokenFor('ada')}` },
    body: JSON.stringify(service.subscribe()),
  })
  expect(subscribed.status).toBe(204)
  const user = await openLive({ url: server.url, id: 's' })
  const ends = async (): Promise<string> => {
    const input = user.send('tokens=3')
    const run = `${input}.assistant`
    await until(() => user.run(run)?.status === 'complete', { timeoutMs: 30_000 })
    return run
  }

  // Shown as ended, so stored, and so is what is to be told of it.
  server.prepare()
  const first = await ends()
  await server.kill()
  expect(service.tried).toEqual([])
  expect(await waiting(server.file)).toEqual([first])
  await server.start()
  await until(() => service.delivered.length === 1)

  // The push service has it, and its answer never comes to the server.
  const held = Promise.withResolvers<{ status: number }>()
  service.answer = () => held.promise
  server.prepare()
  const second = await ends()
  await until(() => service.tried.length === 2)
  await server.kill()
  expect(await waiting(server.file)).toEqual([])
  held.resolve({ status: 201 })
  service.answer = () => ({ status: 201 })
  await server.start()
  const third = await ends()
  await until(() => service.tried.length >= 3, { timeoutMs: 30_000 })
  expect(service.tried.map(({ payload }) => payload.run)).toEqual([first, second, third])
  expect(service.wrong).toEqual([])
})

/** Runs that the store says are still to be told of. */
async function waiting(file: string): Promise<(string | null)[]> {
  const store = sqliteStore({ file })
  const notices = await store.notices()
  await store.close()
  return notices.map(({ run }) => run)
}
