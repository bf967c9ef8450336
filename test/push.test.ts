/** Web Push over real sockets: sessions, agents, and a push service that checks and decrypts what it gets. */
import { createECDH } from 'node:crypto'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { AgentRun } from '../client/agent.ts'
import { SessionError } from '../client/index.ts'
import { memoryStore, serve, sqliteStore, type Notice, type PushOptions, type ServeOptions } from '../server/index.ts'
import { Gate, startAgent } from './support/agent.ts'
import { openLive } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { decrypt, startPushService, type PushService, type SubscriptionJson } from './support/push-service.ts'
import { temporaryFolder } from './support/temporary.ts'
import { SECRET, tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const SUBJECT = 'mailto:ops@example.com'

interface Asked {
  readonly session?: string
  readonly as?: string
  readonly kind?: 'user' | 'support' | 'viewer' | 'agent'
  readonly token?: string
  readonly method?: string
}

interface Setting {
  readonly url: string
  readonly port: number
  readonly service: PushService
  readonly reported: readonly { readonly error: unknown; readonly stage: string }[]
  close(): Promise<boolean>
  readonly ask: (body: unknown, asked?: Asked) => Promise<Response>
  /** A browser of a participant subscribes to a session. */
  subscribe(asked?: Asked): Promise<SubscriptionJson>
  /** Runs one more task of Ada's and waits until she is told of it: whatever was to be told before has been. */
  nothingElse(told: readonly string[]): Promise<void>
}

async function setUp(push: Partial<PushOptions> = {}, options: Partial<ServeOptions> = {}): Promise<Setting> {
  const service = await startPushService()
  onTestFinished(() => service.close())
  const server = await serveHere({ push: { subject: SUBJECT, loopback: true, graceMs: 40, ...push }, ...options })
  const ask: Setting['ask'] = async (body, { session = 's', as = 'ada', kind = 'user', method = 'PUT', token } = {}) =>
    await fetch(`http://127.0.0.1:${server.port}/push/${session}`, {
      method,
      headers: { authorization: `Bearer ${token ?? (await tokenFor(as, kind))}`, 'content-type': 'application/json' },
      ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
    })
  return {
    ...server,
    service,
    ask,
    async subscribe(asked = {}) {
      const subscription = service.subscribe()
      const response = await ask(subscription, asked)
      expect(response.status).toBe(204)
      return subscription
    },
    async nothingElse(told) {
      await until(() => service.delivered.length === told.length)
      const last = await openLive({ url: server.url, id: 'last' })
      const browser = service.subscribe()
      expect((await ask(browser, { session: 'last' })).status).toBe(204)
      const { agent } = await startAgent({ url: server.url, name: 'ender' })
      last.send('End', { to: ['ender'] })
      await until(() => service.delivered.some(({ endpoint }) => endpoint === browser.endpoint))
      await agent.close(0)
      const before = service.delivered.filter(({ endpoint }) => endpoint !== browser.endpoint)
      expect(before.map(({ payload }) => `${payload.kind} ${payload.run ?? ''}`.trim())).toEqual(told)
      expect(service.wrong).toEqual([])
    },
  }
}

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
  const setting = await setUp({ graceMs: 300, includeText: true, titles: { approval: 'Say yes?' } })
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

test('a subscription that its push service has given up is dropped, in all sessions; one that was not reached is tried again, it alone (PSH-5, PSH-6)', async () => {
  const store = memoryStore()
  const setting = await setUp({}, { store })
  const { url, service, reported } = setting
  await startAgent({ url })
  const [gone, busy, good] = [await setting.subscribe(), await setting.subscribe(), await setting.subscribe()]
  expect((await setting.ask(gone, { session: 'other' })).status).toBe(204)
  let refused = 0
  service.answer = ({ endpoint }) => {
    if (endpoint === gone.endpoint) return { status: 410 }
    if (endpoint !== busy.endpoint || refused++ > 0) return { status: 201 }
    return { status: 503, headers: { 'retry-after': '1' } }
  }
  const user = await openLive({ url, id: 's' })
  const input = user.send('Hello')
  await until(() => service.delivered.length === 2)
  expect(service.tried.map(({ endpoint }) => endpoint).sort()).toEqual(
    [gone, busy, good, busy].map(({ endpoint }) => endpoint).sort(),
  )
  expect((await store.subscribers('s')).map(({ endpoint }) => endpoint)).toEqual([busy.endpoint, good.endpoint])
  expect(await store.subscribed()).toEqual(['s'])
  await setting.nothingElse([`done ${input}.assistant`, `done ${input}.assistant`])
  expect(reported).toMatchObject([{ stage: 'push' }])
  expect(String(reported[0]?.error)).toMatch(/127\.0\.0\.1:\d+: It answered 503/)
})

test('a session whose push service does not answer holds up no other (PSH-6)', async () => {
  const store = memoryStore()
  const slow = (id: string, session = 'slow'): Notice => {
    const at = Date.now()
    const what = { kind: 'done', to: 'ada', message: 'm', run: id } as const
    return { ...what, session, id, at, dueAt: at, until: at + 60_000 }
  }
  const waiting = Array.from({ length: 100 }, (_, n) => slow(`r${n}`))
  await store.append({ entries: [], jobs: [], ended: [], notices: [...waiting, slow('quick', 'quick')] })
  const service = await startPushService()
  onTestFinished(() => service.close())
  const held = Promise.withResolvers<{ status: number }>()
  service.answer = ({ payload }) => (payload.session === 'slow' ? held.promise : { status: 201 })
  for (const session of ['slow', 'quick']) {
    const { endpoint, keys } = service.subscribe()
    await store.subscribe({ session, participant: 'ada', kind: 'user', endpoint, ...keys }, 10)
  }
  await serveHere({ store, push: { subject: SUBJECT, loopback: true, graceMs: 0 } })
  await until(() => service.delivered.length === 1)
  expect(service.delivered[0]?.payload.run).toBe('quick')
  expect(service.tried.filter(({ payload }) => payload.session === 'slow').length).toBeLessThanOrEqual(4)
  held.resolve({ status: 201 })
  await until(() => service.delivered.length === 101)
})

test('what a push service refuses is reported, without the endpoint, and not tried again; no redirect is followed; the session goes on (PSH-6)', async () => {
  const setting = await setUp()
  const { url, service, reported } = setting
  await startAgent({ url })
  const browser = await setting.subscribe()
  const trap = service.subscribe()
  const answers = [{ status: 413 }, { status: 307, headers: { location: trap.endpoint } }]
  service.answer = ({ endpoint }) => (endpoint === browser.endpoint ? (answers.shift() ?? { status: 201 }) : { status: 201 })
  const user = await openLive({ url, id: 's' })
  for (const n of [1, 2]) {
    user.send('Hello')
    await until(() => reported.length === n)
  }
  const input = user.send('Hello')
  await until(() => user.run(`${input}.assistant`)?.status === 'complete')
  await setting.nothingElse([`done ${input}.assistant`])
  expect(reported.map(({ error }) => String(error).replace(/:\d+:/, ':'))).toEqual([
    'Error: Push to 127.0.0.1: It answered 413.',
    'Error: Push to 127.0.0.1: It answered 307.',
  ])
  expect(service.tried.some(({ endpoint }) => endpoint === trap.endpoint)).toBe(false)
})

test('only users and supporters of the session subscribe, with an endpoint and keys that can be used, and not too often (PSH-5)', async () => {
  const setting = await setUp()
  const { ask, service } = setting
  const good = service.subscribe()
  const status = async (body: unknown, asked?: Asked): Promise<number> => (await ask(body, asked)).status
  const own = await tokenFor('ada', 'user', ['mine'])
  expect(await status(good, { token: 'none' })).toBe(401)
  expect(await status(good, { token: own })).toBe(403)
  expect(await status(good, { token: own, session: 'mine' })).toBe(204)
  expect(await status(good, { kind: 'viewer' })).toBe(403)
  expect(await status(good, { as: 'assistant', kind: 'agent' })).toBe(403)
  expect(await status(null, { method: 'GET', token: 'none' })).toBe(401)
  for (const body of [
    null,
    {},
    { ...good, endpoint: 'http://10.0.0.1/x' },
    { ...good, keys: { ...good.keys, auth: 'short' } },
    { ...good, keys: { ...good.keys, p256dh: good.keys.auth } },
    // Of the right length, and not on the curve.
    { ...good, keys: { ...good.keys, p256dh: Buffer.alloc(65, 4).toString('base64url') } },
  ]) {
    expect(await status(body)).toBe(400)
  }
  const many = await Promise.all(Array.from({ length: 70 }, () => status(good, { as: 'eve' })))
  expect([new Set(many), many.filter((each) => each === 204).length]).toEqual([new Set([204, 429]), 60])
  const huge = await ask({ ...good, more: 'x'.repeat(10_000) })
  expect(huge.status).toBe(413)
})

test('who unsubscribes is not told any more, nor who has lost the browser to somebody else (PSH-5)', async () => {
  const setting = await setUp()
  const { url, ask, service } = setting
  await startAgent({ url })
  const browser = await setting.subscribe()
  const other = await setting.subscribe()
  expect((await ask({ endpoint: browser.endpoint }, { method: 'DELETE' })).status).toBe(204)
  expect((await ask(other, { as: 'bob' })).status).toBe(204)
  const ada = await openLive({ url, id: 's' })
  ada.send('Hello')
  await until(() => ada.view.runs[0]?.status === 'complete')
  const bob = await openLive({ url, id: 's', as: 'bob' })
  const input = bob.send('Hello')
  await until(() => service.delivered.length === 1)
  expect(service.delivered[0]?.endpoint).toBe(other.endpoint)
  await setting.nothingElse([`done ${input}.assistant`])
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
