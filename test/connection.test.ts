/** A connection that breaks, in each way that it can, and comes back by itself. */
import { describe, expect, test } from 'vitest'
import { SessionError, type OpenSession } from '../client/index.ts'
import { memoryStore, type Store } from '../server/index.ts'
import { startAgent } from './support/agent.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openClient, openLive, texts } from './support/clients.ts'
import { FaultyStore } from './support/faulty-store.ts'
import { serveHere } from './support/in-process.ts'
import { storedDocument, storedTexts } from './support/stored.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const live = (session: OpenSession): Promise<unknown> =>
  until(() => session.status.connection === 'live', {
    what: `to be live, not ${session.status.connection} (${session.status.reason})`,
  })

/** A server behind a proxy. `direct` is its own address. */
async function behindProxy(): Promise<{ proxy: ChaosProxy; url: string; direct: string; store: Store }> {
  const store = memoryStore()
  const { url: direct } = await serveHere({ store, route: () => [] })
  const proxy = await ChaosProxy.start(direct)
  return { proxy, url: proxy.url, direct, store }
}

describe('a client is in step again by itself (CLI-6)', () => {
  test.for(['cut', 'down'] as const)('[S4] after its connection was %s', async (how) => {
    const { proxy, url, direct } = await behindProxy()
    const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url: direct, id: 's', as: 'bob' })]
    proxy[how]()
    await until(() => a.status.connection !== 'live')
    a.send('from a, cut off')
    b.send('from b, meanwhile')
    proxy.up()
    await until(() => texts(a).length === 2 && texts(b).length === 2)
    await until(() => a.status.onServer)
    expect(texts(a)).toEqual(texts(b))
    expect(a.status).toMatchObject({ connection: 'live', reason: null })
  })

  test('after it was asked to reconnect while there was no server', async () => {
    const { proxy, url, store } = await behindProxy()
    const a = await openLive({ url, id: 's' })
    proxy.down()
    await until(() => a.status.connection === 'offline')
    for (let i = 0; i < 3; i++) a.reconnect()
    const id = a.send('still here')
    proxy.up()
    a.reconnect()
    await live(a)
    await until(() => a.delivery(id) === 'sent')
    expect(await storedTexts(store, 's')).toEqual(['still here'])
    a.send('and going on')
    await a.stored()
    expect(await storedTexts(store, 's')).toEqual(['still here', 'and going on'])
  })

  test('and asking a live one to reconnect does it no harm', async () => {
    const { url, store } = await behindProxy()
    const a = await openLive({ url, id: 's' })
    for (let i = 0; i < 3; i++) {
      a.reconnect()
      a.send(`message ${i}`)
      await a.stored()
    }
    await live(a)
    expect(await storedTexts(store, 's')).toEqual(['message 0', 'message 1', 'message 2'])
  })

  test('and what was written while it came into step is sent once, in one piece', async () => {
    const { proxy, url, store } = await behindProxy()
    proxy.delay(20)
    const a = await openClient({ url, id: 's' })
    for (let i = 0; i < 100 && a.status.connection !== 'live'; i++) {
      a.object('count').set('n', i)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await a.stored()
    expect((await storedDocument(store, 's')).getMap('object:count').toJSON()).toEqual(a.object('count').value)
    expect((await store.read('s')).lastSeq).toBeLessThanOrEqual(2)
  })

  test('when the server could not load the session at first', async () => {
    const faulty = new FaultyStore(memoryStore())
    const { url } = await serveHere({ store: faulty.store, route: () => [] })
    faulty.failingReads = 2
    const a = await openClient({ url, id: 's' })
    const states = new Set<string>()
    a.subscribe(() => states.add(a.status.connection), 'status')
    const id = a.send('hello')
    await until(() => a.delivery(id) === 'sent')
    expect(faulty.failingReads).toBe(0)
    expect(states).not.toContain('refused')
    expect(await storedTexts(faulty.store, 's')).toEqual(['hello'])
  })

  test('when a token could not be had at first', async () => {
    const { url, store } = await behindProxy()
    let asked = 0
    const reported: string[] = []
    const token = (): Promise<string> => {
      asked += 1
      // The first is for the identity; then the network of the token's server fails twice.
      return asked === 2 || asked === 3 ? Promise.reject(new Error('No answer')) : tokenFor('ada')
    }
    const a = await openClient({ url, id: 's', token, onError: (_error, { stage }) => reported.push(stage) })
    const id = a.send('hello')
    await live(a)
    await until(() => a.delivery(id) === 'sent')
    a.send('again')
    await a.stored()
    expect(await storedTexts(store, 's')).toEqual(['hello', 'again'])
    expect(reported).toEqual(['token', 'token'])
  })
})

describe('a token', () => {
  test('that is not valid is refused for good, with the reason, and a good one recovers', async () => {
    const { url, store } = await behindProxy()
    let good = false
    const token = async (): Promise<string> => (good ? await tokenFor('ada') : `${await tokenFor('ada')}x`)
    const a = await openClient({ url, id: 's', token })
    const id = a.send('kept')
    await until(() => a.status.connection === 'refused')
    expect(a.status.reason).toBe('bad-token')
    expect(texts(a)).toEqual(['kept'])
    expect(a.delivery(id)).not.toBe('sent')
    good = true
    a.reconnect()
    await until(() => a.delivery(id) === 'sent')
    expect(a.status).toMatchObject({ connection: 'live', reason: null })
    expect(await storedTexts(store, 's')).toEqual(['kept'])
  })

  test('that does not name the session is refused as forbidden', async () => {
    const { url } = await behindProxy()
    const a = await openClient({ url, id: 's', token: () => tokenFor('ada', 'user', ['other']) })
    await until(() => a.status.connection === 'refused')
    expect(a.status.reason).toBe('forbidden')
  })

  test('is fetched anew for each connection', async () => {
    const { proxy, url } = await behindProxy()
    let fetched = 0
    const token = (): Promise<string> => {
      fetched += 1
      return tokenFor('ada')
    }
    const a = await openLive({ url, id: 's', token })
    const before = fetched
    proxy.cut()
    await until(() => a.status.connection !== 'live')
    await live(a)
    expect(fetched).toBe(before + 1)
  })

  test("of another participant is refused, and nothing of the first one's is sent under it", async () => {
    const { proxy, url, store } = await behindProxy()
    let who = 'ada'
    const reported: unknown[] = []
    const a = await openLive({ url, id: 's', token: () => tokenFor(who), onError: (error) => reported.push(error) })
    proxy.down()
    await until(() => a.status.connection === 'offline')
    who = 'bob'
    const id = a.send("ada's")
    proxy.up()
    a.reconnect()
    await until(() => a.status.connection === 'refused')
    expect(a.status.reason).toBe('forbidden')
    expect(reported.some((error) => error instanceof SessionError && error.code === 'forbidden')).toBe(true)
    const b = await openLive({ url, id: 's', as: 'bob' })
    expect(texts(b)).toEqual([])
    expect(await storedTexts(store, 's')).toEqual([])
    who = 'ada'
    a.reconnect()
    await until(() => a.delivery(id) === 'sent')
    expect(b.view.messages.map(({ metadata }) => metadata.by)).toEqual(['ada'])
  })
})

describe('an agent', () => {
  test('that is cut off goes on, and what it wrote meanwhile arrives', async () => {
    const store = memoryStore()
    const { url: direct } = await serveHere({ store })
    const proxy = await ChaosProxy.start(direct)
    const a = await openLive({ url: direct, id: 's' })
    const { runs, agent } = await startAgent({
      url: proxy.url,
      run: async (run) => {
        run.write('before ')
        await until(() => agent.connection !== 'live')
        run.write('meanwhile ')
        await until(() => agent.connection === 'live')
        run.write('after')
      },
    })
    a.send('go')
    await until(() => texts(a)[1] === 'before ')
    proxy.down()
    await until(() => agent.connection === 'offline')
    proxy.up()
    await until(() => a.view.runs[0]?.status === 'complete')
    expect(texts(a)[1]).toBe('before meanwhile after')
    expect(runs).toHaveLength(1)
  })
})
