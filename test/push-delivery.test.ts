/** Subscriptions, and push services that do not take what they are sent; over real sockets. */
import { createServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { memoryStore, type Notice } from '../server/index.ts'
import { vapidKeys } from '../server/push-keys.ts'
import { PushSender } from '../server/push-send.ts'
import { startAgent } from './support/agent.ts'
import { openLive } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { startPushService } from './support/push-service.ts'
import { setUp, SUBJECT, type Asked } from './support/push-setting.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

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

test('however many sessions have endpoints that never answer, other push services are called at once (PSH-8)', async () => {
  const store = memoryStore()
  const at = Date.now()
  const due = (id: string, session: string): Notice => {
    const what = { kind: 'done', to: 'eve', message: 'm', run: id } as const
    return { ...what, session, id, at, dueAt: at, until: at + 60_000 }
  }
  const [silent, good] = [await startPushService(), await startPushService()]
  onTestFinished(async () => void (await Promise.all([silent.close(), good.close()])))
  const never = new Promise<{ status: number }>(() => {})
  silent.answer = () => never
  const notices: Notice[] = []
  for (let session = 0; session < 40; session++) {
    const { endpoint, keys } = silent.subscribe()
    await store.subscribe({ session: `e${session}`, participant: 'eve', kind: 'user', endpoint, ...keys }, 10)
    for (let n = 0; n < 4; n++) notices.push(due(`r${n}`, `e${session}`))
  }
  const browser = good.subscribe()
  await store.subscribe({ session: 'ada', participant: 'eve', kind: 'user', endpoint: browser.endpoint, ...browser.keys }, 10)
  await store.append({ entries: [], jobs: [], ended: [], notices: [...notices, due('r', 'ada')] })
  await serveHere({ store, push: { subject: SUBJECT, loopback: true, graceMs: 0 } })
  await until(() => good.delivered.length === 1, { timeoutMs: 5_000 })
  expect(silent.tried.length).toBeLessThanOrEqual(8)
  // What waits for it does so in the store.
  expect((await store.notices()).length).toBeGreaterThanOrEqual(152)
})

test('who is revoked, in a session or altogether, is told no more, not of what had happened before either; others are (PSH-9)', async () => {
  const store = memoryStore()
  const setting = await setUp({ graceMs: 300 }, { store })
  const { url, service } = setting
  await startAgent({ url })
  await setting.subscribe()
  await setting.subscribe({ session: 'other' })
  await setting.subscribe({ as: 'bob' })
  const sue = await openLive({ url, id: 's', as: 'sue', kind: 'support' })
  sue.send('Are you there?', { to: [] })
  await sue.stored()
  setting.revoke({ participant: 'ada', session: 's' })
  await until(() => service.delivered.length === 1)
  expect((await store.subscribers('s')).map(({ participant }) => participant)).toEqual(['bob'])
  expect((await store.subscribers('other')).length).toBe(1)
  setting.revoke({ participant: 'ada' })
  expect(await store.subscribers('other')).toEqual([])
  setting.revoke({ session: 's' })
  expect(await store.subscribers('s')).toEqual([])
})

test('a subscription that comes while its token is revoked is not kept; nor is a push sent while the store has not let go of one (PSH-9)', async () => {
  const store = memoryStore()
  const subscribe = store.subscribe.bind(store)
  const unsubscribeAll = store.unsubscribeAll.bind(store)
  const setting = await setUp({}, { store })
  const { url, service, reported } = setting
  await startAgent({ url })
  store.subscribe = async (...args) => {
    await subscribe(...args)
    setting.revoke({ session: 's' })
  }
  expect((await setting.ask(service.subscribe())).status).toBe(401)
  expect(await store.subscribers('s')).toEqual([])
  store.subscribe = subscribe
  await setting.subscribe({ session: 't', as: 'eve' })
  await setting.subscribe({ session: 't', as: 'bob' })
  store.unsubscribeAll = async () => await Promise.reject(new Error('The disk does not answer.'))
  setting.revoke({ participant: 'eve' })
  const sue = await openLive({ url, id: 't', as: 'sue', kind: 'support' })
  sue.send('Hello', { to: [] })
  await setting.nothingElse(['person'])
  expect(reported[0]?.stage).toBe('push')
  store.unsubscribeAll = unsubscribeAll
  await until(async () => (await store.subscribers('t')).length === 1)
})

test('an endpoint that sends no end of what is no answer is left at once (PSH-6)', async () => {
  let sent = 0
  const hostile = createServer((socket) => {
    socket.on('error', () => {})
    const flood = (): void => {
      while (!socket.destroyed && sent < 10_000_000) {
        sent += 1
        if (!socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n')) return void socket.once('drain', flood)
      }
    }
    flood()
  })
  await new Promise<void>((resolve) => hostile.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => void (await new Promise((resolve) => hostile.close(resolve))))
  const service = await startPushService()
  onTestFinished(() => service.close())
  const keys = await vapidKeys(undefined, memoryStore())
  const sender = new PushSender({ keys, subject: SUBJECT, rules: { loopback: true, mayPush: undefined } })
  const subscriber = {
    session: 's',
    participant: 'eve',
    kind: 'user',
    endpoint: `http://127.0.0.1:${(hostile.address() as AddressInfo).port}/x`,
    ...service.subscribe().keys,
  } as const
  const payload = { v: 1, kind: 'done', as: 'user', session: 's', message: 'm', tag: 't', title: 'T', at: 0 } as const
  const outcome = await sender.send(subscriber, payload, { ttlS: 60, urgency: 'normal' }, new AbortController().signal)
  expect(outcome).toEqual({ kind: 'later', why: 'It answered with something that is no answer.', afterMs: null })
})

test('an endpoint that asks for a day puts off no browser of anybody else (PSH-6)', async () => {
  const setting = await setUp()
  const { url, service } = setting
  const [eve, ada] = [await setting.subscribe({ as: 'eve' }), await setting.subscribe()]
  let busy = true
  service.answer = ({ endpoint }) => {
    if (endpoint === eve.endpoint) return { status: 429, headers: { 'retry-after': '80000' } }
    if (busy) {
      busy = false
      return { status: 503 }
    }
    return { status: 201 }
  }
  const sue = await openLive({ url, id: 's', as: 'sue', kind: 'support' })
  sue.send('Hello', { to: [] })
  await until(() => service.delivered.length === 1)
  expect(service.delivered[0]?.endpoint).toBe(ada.endpoint)
  expect(service.tried.filter(({ endpoint }) => endpoint === eve.endpoint).length).toBe(1)
})

test('where all that is left has to wait, it waits, and the store is not asked meanwhile (PSH-6)', async () => {
  const store = memoryStore()
  const service = await startPushService()
  onTestFinished(() => service.close())
  const { endpoint, keys } = service.subscribe()
  await store.subscribe({ session: 's', participant: 'eve', kind: 'user', endpoint, ...keys }, 10)
  const at = Date.now()
  const again = { endpoints: [endpoint, 'https://gone.example/'], tries: 1, notBefore: { [endpoint]: at + 400 } }
  const what = { session: 's', id: 'r', kind: 'done', to: 'eve', message: 'm', run: 'r' } as const
  await store.append({ entries: [], jobs: [], ended: [], notices: [{ ...what, at, dueAt: at, until: at + 60_000, again }] })
  const asked = vi.spyOn(store, 'subscribers')
  await serveHere({ store, push: { subject: SUBJECT, loopback: true, graceMs: 0 } })
  await until(() => service.delivered.length === 1)
  expect(Date.now()).toBeGreaterThanOrEqual(at + 400)
  expect(asked.mock.calls.length).toBeLessThanOrEqual(3)
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
