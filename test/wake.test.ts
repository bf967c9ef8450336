/** Webhooks that wake agents which are not running. */
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { SessionError } from '../client/index.ts'
import { memoryStore, serve, sqliteStore, type WakeTargets } from '../server/index.ts'
import { Gate, startAgent } from './support/agent.ts'
import { openClient, openLive } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { startReceiver, WEBHOOK_SECRET } from './support/receiver.ts'
import { temporaryFolder } from './support/temporary.ts'
import { SECRET, tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const wakeBy = (url: string, secret = WEBHOOK_SECRET): WakeTargets => ({ assistant: { url, secret } })

test('an agent that is not running is sent a signed webhook with a token for that session only (RUN-14, ACC-1)', async () => {
  const receiver = await startReceiver()
  const { url, reported } = await serveHere({ wake: wakeBy(receiver.url) })
  const user = await openLive({ url, id: 's' })
  const id = user.send('Are you there?')
  const [delivery] = await until(() => receiver.deliveries.length > 0 && receiver.deliveries)
  const { token, ...rest } = delivery!.data
  expect(rest).toEqual({ agent: 'assistant', session: 's', run: `${id}.assistant` })
  expect(decodeJwt(token)).toMatchObject({ sub: 'assistant', kind: 'agent', sessions: ['s'] })
  const lifeS = (decodeJwt(token).exp ?? 0) - (decodeJwt(token).iat ?? 0)
  expect(lifeS).toBe(900)
  // It opens that session, and no other one.
  const other = await openClient({ url, id: 'other', token })
  await until(() => other.status.connection === 'refused')
  expect(other.status.reason).toBe('forbidden')
  const { runs } = await startAgent({ url, token })
  await until(() => user.run(`${id}.assistant`)?.status === 'complete')
  expect(runs).toHaveLength(1)
  expect(reported).toEqual([])
})

test('it is sent again under the same id until a worker comes, with back-off, and not after that (RUN-14)', async () => {
  const receiver = await startReceiver(() => 503)
  const { url, reported } = await serveHere({ wake: wakeBy(receiver.url) })
  const user = await openLive({ url, id: 's' })
  const first = user.send('One')
  user.send('Two')
  await until(() => receiver.deliveries.length === 3)
  // One call for the session, for what is next in it.
  expect(new Set(receiver.deliveries.map(({ id, data }) => `${id} ${data.run}`))).toHaveProperty('size', 1)
  expect(receiver.deliveries[0]?.data.run).toBe(`${first}.assistant`)
  expect(reported.every(({ stage, error }) => stage === 'wake' && String(error).includes('503'))).toBe(true)
  await startAgent({ url })
  await until(() => user.view.runs.length === 2 && user.view.runs.every(({ status }) => status === 'complete'))
  // With a worker there nobody is called, also for what comes later.
  const calls = receiver.deliveries.length
  const later = user.send('Three')
  await until(() => user.run(`${later}.assistant`)?.status === 'complete')
  expect(receiver.deliveries).toHaveLength(calls)
})

test('who waits for a worker that is busy is called for, unless it is the same session (RUN-14)', async () => {
  const receiver = await startReceiver()
  const { url } = await serveHere({ wake: wakeBy(receiver.url) })
  const [a, b] = [await openLive({ url, id: 'a' }), await openLive({ url, id: 'b' })]
  const gate = new Gate()
  await startAgent({ url, slots: 1, run: () => gate.passed })
  const busy = a.send('Take your time')
  await until(() => a.run(`${busy}.assistant`)?.status === 'active')
  const behind = a.send('And then this')
  await until(() => a.run(`${behind}.assistant`)?.status === 'pending')
  await a.stored()
  const alone = b.send('And me?')
  await until(() => receiver.deliveries.length > 0)
  expect(receiver.deliveries.map(({ data }) => data.run)).toEqual([`${alone}.assistant`])
  gate.open()
  await until(() => [...a.view.runs, ...b.view.runs].every(({ status }) => status === 'complete'))
  expect(receiver.deliveries.map(({ data }) => data.run)).toEqual([`${alone}.assistant`])
})

test('what an earlier process of the server has left is called for as well, and no longer once it is cancelled (RUN-14)', async () => {
  const file = join(temporaryFolder(), 'sessions.db')
  const receiver = await startReceiver()
  const before = await serveHere({ store: sqliteStore({ file }) })
  const user = await openLive({ url: before.url, id: 's' })
  const id = user.send('Anybody?')
  await until(() => user.run(`${id}.assistant`)?.status === 'pending')
  await user.stored()
  await before.close()
  const after = await serveHere({ store: sqliteStore({ file }), wake: wakeBy(receiver.url) })
  await until(() => receiver.deliveries.length > 0)
  expect(receiver.deliveries[0]?.data.run).toBe(`${id}.assistant`)
  const again = await openLive({ url: after.url, id: 's' })
  again.cancel({ message: id })
  await until(() => again.run(`${id}.assistant`)?.status === 'cancelled')
  const next = again.send('And this?')
  await until(() => receiver.deliveries.length > 1)
  expect(receiver.deliveries.map(({ data }) => data.run)).toEqual([`${id}.assistant`, `${next}.assistant`])
})

test('a receiver with another secret takes it for forged; nothing that is reported has the token in it (GW-2)', async () => {
  const receiver = await startReceiver()
  const { url, reported } = await serveHere({ wake: wakeBy(receiver.url, 'whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHRlc3RzLCAzMg==') })
  const user = await openLive({ url, id: 's' })
  user.send('Hello?')
  await until(() => receiver.rejected > 0 && reported.length > 0)
  expect(receiver.deliveries).toEqual([])
  expect(reported.map(({ error }) => String(error)).join()).toMatch(/answered 401/)
  expect(reported.map(({ error }) => String(error)).join()).not.toMatch(/eyJ/)
})

test('a token of your own goes in the place of ours; what cannot work is refused at the start', async () => {
  const receiver = await startReceiver()
  const token = await tokenFor('assistant', 'agent', ['s'])
  const wake: WakeTargets = {
    assistant: {
      url: receiver.url,
      secret: WEBHOOK_SECRET,
      token: ({ agent, session }) => (agent === 'assistant' && session === 's' ? token : ''),
    },
  }
  const { url } = await serveHere({ wake })
  const user = await openLive({ url, id: 's' })
  user.send('Hello?')
  await until(() => receiver.deliveries.length > 0)
  expect(receiver.deliveries[0]?.data.token).toBe(token)
  const keys = { jwks: 'http://127.0.0.1:1/keys' }
  for (const [access, wrong] of [
    [{ secret: SECRET }, wakeBy('ftp://example.com')],
    [{ secret: SECRET }, { 'no spaces': { url: receiver.url, secret: WEBHOOK_SECRET } }],
    [{ secret: SECRET }, wakeBy(receiver.url, 'not base64 !')],
    [keys, wakeBy(receiver.url)],
  ] as const) {
    await expect(serve({ store: memoryStore(), access, port: 0, wake: wrong })).rejects.toThrow(SessionError)
  }
})
