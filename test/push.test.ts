/** Web Push over real sockets: sessions, agents, and a push service that checks and decrypts what it gets. */
import { createECDH } from 'node:crypto'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { AgentRun } from '../client/agent.ts'
import { SessionError } from '../client/index.ts'
import { memoryStore, serve, sqliteStore, type PushOptions } from '../server/index.ts'
import { Gate, startAgent } from './support/agent.ts'
import { openLive } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { decrypt } from './support/push-service.ts'
import { setUp, SUBJECT } from './support/push-setting.ts'
import { RawClient } from './support/raw.ts'
import { temporaryFolder } from './support/temporary.ts'
import { SECRET, tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

test('the push service of these tests reads the example of RFC 8291', () => {
  const keys = createECDH('prime256v1')
  keys.setPrivateKey('q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94', 'base64url')
  const body =
    'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_' +
    'yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN'
  const plain = decrypt(Buffer.from(body, 'base64url'), { keys, auth: Buffer.from('BTBZMqHH6r4Tts7J_aSIgg', 'base64url') })
  expect(plain.toString()).toBe('When I grow up, I want to be a watermelon')
})

test('[D12] all windows closed, a long task ends: exactly one push, encrypted and signed, that says where and not what (PSH-1, PSH-3, PSH-4)', async () => {
  const setting = await setUp()
  const { url, service, ask, reported } = setting
  const gate = new Gate()
  const work = async (run: AgentRun): Promise<void> => {
    await gate.passed
    run.write('The secret answer.')
  }
  await startAgent({ url, run: work })
  const browser = await setting.subscribe()
  const user = await openLive({ url, id: 's' })
  const input = user.send('Take your time')
  await until(() => user.run(`${input}.assistant`)?.status === 'active')
  await user.close()
  gate.open()
  await until(() => service.delivered.length > 0)
  const [push] = service.delivered
  const { key } = (await (await ask(null, { method: 'GET' })).json()) as { key: string }
  expect(push).toMatchObject({
    endpoint: browser.endpoint,
    key,
    claims: { aud: service.origin, sub: SUBJECT },
    headers: { urgency: 'normal', 'content-type': 'application/octet-stream' },
    // However long it is: nothing can be told from it.
    bytes: 4_096,
  })
  expect(Number(push?.headers['ttl'])).toBeGreaterThan(86_000)
  const look = await openLive({ url, id: 's', as: 'look' })
  const reply = look.view.messages.find(({ metadata }) => metadata.run === `${input}.assistant`)
  const { at, ...payload } = push?.payload ?? { at: 0 }
  expect(payload).toEqual({
    v: 1,
    kind: 'done',
    as: 'user',
    session: 's',
    message: reply?.id,
    run: `${input}.assistant`,
    tag: `${input}.assistant`,
    title: 'Your answer is ready',
  })
  expect(Math.abs(at - Date.now())).toBeLessThan(60_000)
  await setting.nothingElse([`done ${input}.assistant`])
  expect(reported).toEqual([])
})

test('who has a window in sight, anywhere, is not told; nor who reloads while it ends; who only has it in the background is (PSH-2)', async () => {
  const setting = await setUp({ graceMs: 400 })
  const { url, service } = setting
  await startAgent({ url })
  await setting.subscribe()
  const user = await openLive({ url, id: 's' })
  const other = await openLive({ url, id: 'other' })
  const watcher = await openLive({ url, id: 'other', as: 'watcher' })
  const isSeen = (): boolean => watcher.presence.others.some(({ state }) => state['visible'] === true)
  const ends = async (): Promise<string> => {
    const input = user.send('Quick')
    await until(() => user.run(`${input}.assistant`)?.status === 'complete')
    return input
  }
  other.presence.set({ visible: true })
  await until(isSeen)
  await ends()
  other.presence.set({ visible: false })
  await until(() => !isSeen())
  await ends()
  // Within the grace: the page is back.
  other.presence.set({ visible: true })
  await until(isSeen)
  other.presence.set({ visible: false })
  await until(() => !isSeen())
  const told = await ends()
  await until(() => service.delivered.length > 0)
  expect(service.delivered).toHaveLength(1)
  await setting.nothingElse([`done ${told}.assistant`])
})

test('nobody can show that somebody else has a window in sight: not by a name, a client id or another session (PSH-2)', async () => {
  const setting = await setUp({ graceMs: 100 })
  const { url, service } = setting
  await startAgent({ url })
  await setting.subscribe()
  const eve = await RawClient.join(url, 's', await tokenFor('eve'))
  const ada = await openLive({ url, id: 's' })
  const look = await openLive({ url, id: 's', as: 'look' })
  const forged = JSON.stringify({ visible: true, participant: { id: 'ada', kind: 'user', name: 'ada' } })
  eve.presence('s', forged)
  await until(() => look.presence.others.some(({ participant, state }) => participant.id === 'eve' && state['visible'] === true))
  // Under Ada's own client id, with a clock that is far ahead of hers.
  const clientId = await until(() => eve.clientsOf('s', 'ada')[0])
  eve.presence('s', forged, { clientId, clock: 1_000_000 })
  const own = await RawClient.join(url, 'eves', await tokenFor('eve'))
  own.presence('eves', forged)
  const input = ada.send('Hello')
  await until(() => service.delivered.length === 1)
  await setting.nothingElse([`done ${input}.assistant`])
  expect(eve.closed).toBeNull()
})

test('a cancelled run is told to nobody, a failed one as such; both browsers are told of one run (PSH-1, PSH-3)', async () => {
  const setting = await setUp()
  const { url, service } = setting
  const run = async (given: AgentRun): Promise<void> => {
    if (!JSON.stringify(given.input.parts).includes('fail'))
      await new Promise((resolve) => given.signal.addEventListener('abort', resolve))
    throw new Error('No.')
  }
  await startAgent({ url, run })
  const browsers = [await setting.subscribe(), await setting.subscribe()].map(({ endpoint }) => endpoint)
  await setting.subscribe({ as: 'bob' })
  const user = await openLive({ url, id: 's' })
  const first = user.send('Wait')
  await until(() => user.run(`${first}.assistant`)?.status === 'active')
  user.cancel('all')
  await until(() => user.run(`${first}.assistant`)?.status === 'cancelled')
  user.resume('assistant')
  const second = user.send('Now fail')
  await until(() => service.delivered.length === 2)
  expect(service.delivered.map(({ endpoint }) => endpoint).sort()).toEqual(browsers.sort())
  expect(new Set(service.delivered.map(({ headers }) => headers['topic'])).size).toBe(1)
  await setting.nothingElse(Array.from({ length: 2 }, () => `failed ${second}.assistant`))
})

test('an approval that waits is told to all who may give it, with urgency; one that is answered in time is not; the end has the same tag (PSH-1, PSH-3)', async () => {
  const setting = await setUp({ graceMs: 1_000, includeText: true, titles: { approval: 'Say yes?' } })
  const { url, service } = setting
  const run = async (given: AgentRun): Promise<void> => {
    given.write('Shall  I?\nIt costs $40.')
    await given.approval({ title: 'Refund' })
    given.write(' Done.')
  }
  await startAgent({ url, run })
  await setting.subscribe()
  await setting.subscribe({ as: 'sue', kind: 'support' })
  const user = await openLive({ url, id: 's' })
  const waiting = (): unknown =>
    user.view.messages
      .flatMap(({ parts }): { type: string; id?: unknown }[] => [...parts])
      .find(({ type }) => type === 'data-approval')?.id
  const first = user.send('Refund, please')
  await until(() => user.run(`${first}.assistant`)?.status === 'suspended')
  user.approve(String(await until(waiting)), true)
  await until(() => user.run(`${first}.assistant`)?.status === 'complete')
  await until(() => service.delivered.length === 1)
  expect(service.delivered[0]?.payload).toMatchObject({
    kind: 'done',
    tag: `${first}.assistant`,
    text: 'Shall I? It costs $40. Done.',
  })
  const second = user.send('Another one')
  await until(() => service.delivered.length === 3)
  const [, ...pushes] = service.delivered
  expect(pushes.map(({ payload }) => payload.title)).toEqual(['Say yes?', 'Say yes?'])
  expect(pushes.map(({ headers }) => headers['urgency'])).toEqual(['high', 'high'])
  await setting.nothingElse([`done ${first}.assistant`, `approval ${second}.assistant`, `approval ${second}.assistant`])
})

test('what support writes is told to the customer, once however much it is; what the customer writes, to who holds the session (PSH-1, PSH-3)', async () => {
  const setting = await setUp({ graceMs: 300 })
  const { url, service } = setting
  const customer = await setting.subscribe()
  const desk = await setting.subscribe({ as: 'sue', kind: 'support' })
  await setting.subscribe({ as: 'tom', kind: 'support' })
  const [user, sue] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'sue', kind: 'support' })]
  sue.take()
  sue.send([{ type: 'data-handover', data: { action: 'take' } }], { to: [] })
  sue.send('Hello,', { to: [] })
  const last = sue.send('how can I help?', { to: [] })
  await until(() => service.delivered.length === 1)
  expect(service.delivered[0]).toMatchObject({
    endpoint: customer.endpoint,
    payload: { kind: 'person', message: last, tag: 's.person' },
  })
  await until(() => user.view.holder.state === 'human')
  const answer = user.send('My cable is broken')
  await until(() => service.delivered.length === 2)
  expect(service.delivered[1]).toMatchObject({ endpoint: desk.endpoint, payload: { kind: 'person', message: answer } })
  await setting.nothingElse(['person', 'person'])
})

test('the server has its keys for ever, and what it has not told when it is stopped is told by the next one (PSH-3, PSH-4)', async () => {
  const file = join(temporaryFolder(), 'sessions.db')
  const before = await setUp({ graceMs: 60_000 }, { store: sqliteStore({ file }) })
  const { url, service } = before
  const browser = await before.subscribe()
  const key = await (await before.ask(null, { method: 'GET' })).json()
  const { agent } = await startAgent({ url })
  const user = await openLive({ url, id: 's' })
  const input = user.send('Hello')
  await until(() => user.run(`${input}.assistant`)?.status === 'complete')
  await user.close()
  await agent.close(0)
  expect(await before.close()).toBe(true)
  const after = await setUp({ graceMs: 10 }, { store: sqliteStore({ file }) })
  await until(() => service.delivered.length === 1)
  expect(service.delivered[0]?.endpoint).toBe(browser.endpoint)
  expect(await (await after.ask(null, { method: 'GET' })).json()).toEqual(key)
  // With other keys than those in the store, and no others.
  const keys = { publicKey: String((key as { key: string }).key), privateKey: Buffer.alloc(32, 1).toString('base64url') }
  const wrong: PushOptions[] = [
    { subject: SUBJECT, keys },
    { subject: 'ops@example.com' },
    { subject: SUBJECT, graceMs: -1 },
    { subject: SUBJECT, ttlS: 10 },
  ]
  for (const push of wrong) {
    await expect(serve({ store: memoryStore(), access: { secret: SECRET }, port: 0, push })).rejects.toThrow(SessionError)
  }
})

test('without `push` there is nothing to subscribe to, and nothing is kept of what ends', async () => {
  const store = memoryStore()
  const { url, port } = await serveHere({ store })
  const response = await fetch(`http://127.0.0.1:${port}/push/s`, {
    headers: { authorization: `Bearer ${await tokenFor('ada')}` },
  })
  expect(response.status).toBe(404)
  await startAgent({ url })
  const user = await openLive({ url, id: 's' })
  user.send('Hello')
  await until(() => user.view.runs[0]?.status === 'complete')
  await user.stored()
  expect(await store.notices()).toEqual([])
})
