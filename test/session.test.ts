/** Sessions over real sockets: what the windows of one conversation see of each other and of an agent. */
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { openSession, SessionError, textOf, type OpenSession } from '../client/index.ts'
import type { AgentRun } from '../client/agent.ts'
import { memoryStore, type Store } from '../server/index.ts'
import { MAX_MESSAGE_CHARS, MAX_OBJECTS } from '../shared/limits.ts'
import { Gate, startAgent, type StartedAgent } from './support/agent.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openClient, openLive, texts } from './support/clients.ts'
import { canonical } from './support/document.ts'
import { FaultyStore } from './support/faulty-store.ts'
import { serveHere } from './support/in-process.ts'
import { storedDocument, storedTexts, storedView } from './support/stored.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const TOKENS = Array.from({ length: 200 }, (_, index) => `${index + 1} `)
const WHOLE = TOKENS.join('')

interface Streaming extends StartedAgent {
  readonly url: string
  readonly store: Store
  /** The agent has written this many tokens and waits. */
  readonly halfway: Gate
  /** Lets it write the others. */
  readonly goOn: Gate
}

/** A server with an agent that writes 200 tokens, and waits after the first hundred. */
async function streaming(): Promise<Streaming> {
  const store = memoryStore()
  const { url } = await serveHere({ store })
  const [halfway, goOn] = [new Gate(), new Gate()]
  const run = async (given: AgentRun): Promise<void> => {
    for (const [index, token] of TOKENS.entries()) {
      if (index === 100) {
        halfway.open()
        await goOn.passed
      }
      given.write(token)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return { url, store, halfway, goOn, ...(await startAgent({ url, run, flushEveryMs: 0 })) }
}

const reply = (session: Pick<OpenSession, 'view'>): string => {
  const message = session.view.messages[1]
  return message === undefined ? '' : textOf(message)
}

const ended = (session: OpenSession): Promise<unknown> => until(() => session.view.runs[0]?.status === 'complete')

/** Every text that the reply has had in a session, from now on. */
function watchReply(session: OpenSession): string[] {
  const seen: string[] = []
  session.subscribe(() => {
    const text = reply(session)
    if (text !== seen.at(-1)) seen.push(text)
  })
  return seen
}

describe('a stream', () => {
  test('[S1] is the same in two windows and in the store, which holds one reply and not its deltas', async () => {
    const { url, store, goOn } = await streaming()
    const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
    const seen = watchReply(b)
    goOn.open()
    a.send('Count')
    await ended(a)
    await ended(b)
    expect(reply(a)).toBe(WHOLE)
    expect(a.view).toEqual(b.view)
    await until(async () => (await storedView(store, 's')).runs[0]?.status === 'complete')
    expect(await storedView(store, 's')).toEqual(a.view)
    // It came bit by bit, and is kept in one piece.
    expect(seen.length).toBeGreaterThan(5)
    const doc = await storedDocument(store, 's')
    const strings = Y.decodeUpdate(canonical(doc)).structs.filter(
      (it) => it instanceof Y.Item && it.content instanceof Y.ContentString,
    )
    expect(strings).toHaveLength(1)
    expect(canonical(doc).byteLength).toBeLessThan(WHOLE.length + 1_200)
  })

  test('[S2] joined at token 100 shows those at once and then the rest, never a repeated prefix', async () => {
    const { url, halfway, goOn } = await streaming()
    const a = await openLive({ url, id: 's' })
    a.send('Count')
    await halfway.passed
    const half = TOKENS.slice(0, 100).join('')
    await until(() => reply(a) === half)
    const b = await openLive({ url, id: 's', as: 'bob' })
    expect(reply(b)).toBe(half)
    const seen = watchReply(b)
    goOn.open()
    await ended(b)
    expect(reply(b)).toBe(WHOLE)
    for (const text of seen) expect(WHOLE.startsWith(text) && text.startsWith(half)).toBe(true)
    expect(a.view).toEqual(b.view)
  })

  test('[S3] reloaded in the middle shows what has come, and keeps growing', async () => {
    const { url, halfway, goOn } = await streaming()
    const before = await openLive({ url, id: 's' })
    before.send('Count')
    await halfway.passed
    await before.close()
    const after = await openLive({ url, id: 's' })
    expect(reply(after)).toBe(TOKENS.slice(0, 100).join(''))
    goOn.open()
    await ended(after)
    expect(texts(after)).toEqual(['Count', WHOLE])
  })

  test('[S5] of which a window missed the end, and the server lived only after it, is there when it returns', async () => {
    const { url, halfway, goOn, agent } = await streaming()
    const proxy = await ChaosProxy.start(url)
    const a = await openLive({ url: proxy.url, id: 's' })
    a.send('Count')
    await halfway.passed
    proxy.down()
    await until(() => a.status.connection === 'offline')
    goOn.open()
    await until(() => agent.runs.length === 0)
    expect(a.view.runs[0]?.status).toBe('active')
    proxy.up()
    await ended(a)
    expect(texts(a)).toEqual(['Count', WHOLE])
    expect(a.view.messages).toHaveLength(2)
  })
})

describe('a message', () => {
  test('[S7] is there before the server has it, then sent, and never doubles (CLI-1)', async () => {
    const { url: direct } = await serveHere({ route: () => [] })
    const proxy = await ChaosProxy.start(direct)
    const a = await openLive({ url: proxy.url, id: 's' })
    proxy.delay(30)
    const counts = new Set<number>()
    const deliveries: string[] = []
    const look = (): void => {
      counts.add(a.view.messages.length)
      const now = a.delivery(a.messageIds[0] ?? '')
      if (now !== deliveries.at(-1)) deliveries.push(now)
    }
    a.subscribe(look)
    a.subscribe(look, 'status')
    const id = a.send('Hello')
    expect(texts(a)).toEqual(['Hello'])
    expect(a.delivery(id)).toBe('sending')
    expect(a.message(id)?.metadata.seq).toBeUndefined()
    await until(() => a.delivery(id) === 'sent')
    expect([...counts]).toEqual([1])
    expect(deliveries).toEqual(['sending', 'sent'])
    expect(a.messageIds).toEqual([id])
  })

  test('[S8] takes its place when it arrives, the same in every window, and keeps it', async () => {
    const { url: direct } = await serveHere({ route: () => [] })
    const proxy = await ChaosProxy.start(direct)
    const [a, b] = [await openLive({ url: proxy.url, id: 's' }), await openLive({ url: direct, id: 's', as: 'bob' })]
    a.send('one')
    await until(() => texts(b).length === 1)
    proxy.down()
    await until(() => a.status.connection === 'offline')
    // All in one millisecond.
    const offline = Array.from({ length: 8 }, (_, index) => `offline ${index}`)
    for (const text of offline) a.send(text)
    expect(texts(a)).toEqual(['one', ...offline])
    b.send('two')
    b.send('three')
    await b.stored()
    const order = new Map(b.view.messages.map(({ id, metadata }) => [id, metadata.seq]))
    proxy.up()
    await until(() => texts(b).length === 11 && a.status.onServer && texts(a).length === 11)
    expect(texts(b)).toEqual(['one', 'two', 'three', ...offline])
    await until(() => a.view.messages.every(({ metadata }) => metadata.seq !== undefined))
    expect(texts(a)).toEqual(texts(b))
    expect(a.view.messages.map(({ metadata }) => metadata.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    for (const [id, seq] of order) expect(a.message(id)?.metadata.seq).toBe(seq)
  })

  test('has a length that is allowed, is not empty, and is not a viewer’s; what is wrong throws at once', async () => {
    const { url } = await serveHere({ route: () => [] })
    const a = await openLive({ url, id: 's' })
    const codeOf = (write: () => unknown): string => {
      try {
        write()
        return 'written'
      } catch (error) {
        return error instanceof SessionError ? error.code : String(error)
      }
    }
    expect(codeOf(() => a.send(`${'"'.repeat(MAX_MESSAGE_CHARS)}x`))).toBe('too-big')
    expect(codeOf(() => a.send(' \n'))).toBe('bad-argument')
    expect(codeOf(() => a.send([]))).toBe('bad-argument')
    // Yjs has no such key: others would not see it, and the server refuses it.
    const odd = JSON.parse('{"deep":[{"__proto__":{"x":1}}]}') as { deep: [] }
    expect(codeOf(() => a.send([{ type: 'data-x', data: odd }]))).toBe('bad-argument')
    expect(codeOf(() => a.object('cart').set('a', odd))).toBe('bad-argument')
    expect(codeOf(() => a.object('cart').set('__proto__', 1))).toBe('bad-argument')
    expect(a.object('cart').value).toEqual({})
    expect(codeOf(() => a.object('no spaces'))).toBe('bad-argument')
    expect(codeOf(() => openSession({ url, id: '../x', token: '' }))).toBe('bad-argument')
    expect(texts(a)).toEqual([])
    for (let n = 0; n < MAX_OBJECTS; n++) a.object(`o${n}`).set('n', n)
    expect(codeOf(() => a.object('one-more').set('n', 1))).toBe('too-big')
    expect(codeOf(() => a.object('o1').set('n', 2))).toBe('written')
    await a.stored()
    expect(codeOf(() => a.send('"'.repeat(MAX_MESSAGE_CHARS)))).toBe('written')
    const viewer = await openLive({ url, id: 's', as: 'eve', kind: 'viewer' })
    await until(() => texts(viewer).length === 1)
    expect(codeOf(() => viewer.send('x'))).toBe('forbidden')
    expect(codeOf(() => viewer.object('cart').set('a', 1))).toBe('forbidden')
    expect(codeOf(() => viewer.cancel('all'))).toBe('forbidden')
    expect(viewer.status.connection).toBe('live')
    await a.close()
    expect(codeOf(() => a.send('x'))).toBe('closed')
    expect(codeOf(() => a.object('cart').set('a', 1))).toBe('closed')
  })
})

describe('storing', () => {
  test('[O7] stored() resolves when the store has it and not before; a stalled server leaves it pending (CLI-2)', async () => {
    const inner = memoryStore()
    const gate = new Gate()
    let isSlow = false
    const store: Store = Object.assign(Object.create(inner) as Store, {
      append: async (batch: Parameters<Store['append']>[0]) => {
        if (isSlow) await gate.passed
        await inner.append(batch)
      },
      read: (session: string) => inner.read(session),
      clients: (session: string) => inner.clients(session),
      jobs: () => inner.jobs(),
      extendAll: (ms: number) => inner.extendAll(ms),
      lapsed: () => inner.lapsed(),
      close: () => inner.close(),
    })
    const { url } = await serveHere({ store, route: () => [] })
    const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
    isSlow = true
    const id = a.send('Hello')
    let isStored = false
    const stored = a.stored().then(() => (isStored = true))
    // The other one's presence is not stored, and comes through: so would the message, if anything let it.
    b.presence.set({ typing: true })
    await until(() => a.presence.others[0]?.typing === true)
    expect({ isStored, onServer: a.status.onServer, delivery: a.delivery(id), elsewhere: texts(b) }).toEqual({
      isStored: false,
      onServer: false,
      delivery: 'sending',
      elsewhere: [],
    })
    expect(await storedTexts(inner, 's')).toEqual([])
    gate.open()
    await stored
    expect(await storedTexts(inner, 's')).toEqual(['Hello'])
    expect(a.status.onServer).toBe(true)
    await until(() => a.delivery(id) === 'sent' && texts(b).length === 1)
  })

  test('[O7] a server that cannot store says so; what is written meanwhile stays pending, and is sent by itself', async () => {
    const faulty = new FaultyStore(memoryStore())
    const { url } = await serveHere({ store: faulty.store, route: () => [] })
    const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
    faulty.appendError = new Error('The disk is full.')
    const id = a.send('Hello')
    await until(() => a.status.stalled && b.status.stalled)
    expect([a.delivery(id), a.status.onServer, texts(b)]).toEqual(['sending', false, []])
    faulty.appendError = null
    await until(() => a.delivery(id) === 'sent' && a.status.onServer)
    await until(() => !a.status.stalled && texts(b).length === 1)
    expect(await storedTexts(faulty.store, 's')).toEqual(['Hello'])
  })

  test('a thousand writes in one turn ask once whether they are stored', async () => {
    const store = memoryStore()
    const { url } = await serveHere({ store, route: () => [] })
    const a = await openLive({ url, id: 's' })
    const { WebSocket } = globalThis
    let frames = 0
    const send = Reflect.get(WebSocket.prototype, 'send') as (data: unknown) => void
    WebSocket.prototype.send = function (this: unknown, data: unknown): void {
      if (new TextDecoder('latin1').decode(data as Uint8Array).includes('"mark"')) frames += 1
      Reflect.apply(send, this, [data])
    }
    try {
      for (let i = 0; i < 1_000; i++) a.object('count').set('n', i)
      await a.stored()
    } finally {
      WebSocket.prototype.send = send as typeof WebSocket.prototype.send
    }
    expect(frames).toBe(1)
    expect((await storedDocument(store, 's')).getMap('object:count').toJSON()).toEqual({ n: 999 })
  })
})

describe('closing', () => {
  test('[S10] delivers nothing afterwards, and never cancels a run (CLI-4)', async () => {
    const { url, halfway, goOn, runs } = await streaming()
    const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
    a.send('Count')
    await halfway.passed
    await until(() => a.view.runs[0]?.status === 'active')
    const told: string[] = []
    a.subscribe(() => told.push('view'))
    a.subscribe(() => told.push('status'), 'status')
    a.presence.subscribe(() => told.push('presence'))
    a.object('cart').subscribe(() => told.push('object'))
    const closed = a.close()
    told.length = 0
    goOn.open()
    b.object('cart').set('n', 1)
    await closed
    await ended(b)
    expect(reply(b)).toBe(WHOLE)
    expect(runs[0]?.signal.aborted).toBe(false)
    expect(told).toEqual([])
    await a.close()
  })

  test('[S10] settles at any moment of the opening, and leaves nothing open behind (CLI-4)', async () => {
    const { url, port } = await serveHere({ route: () => [] })
    const connections = async (): Promise<number> => {
      const { connections: count } = (await (await fetch(`http://127.0.0.1:${port}/health`)).json()) as { connections: number }
      return count
    }
    const never = new Promise<string>(() => {})
    const reported: unknown[] = []
    const open = (token: () => Promise<string>): OpenSession =>
      openSession({ url, id: 's', token, offline: false, onError: (error) => reported.push(error) })
    for (const wait of [
      (): unknown => null,
      (): Promise<void> => Promise.resolve(),
      (session: OpenSession): Promise<void> => session.ready,
      (session: OpenSession): Promise<unknown> => until(() => session.status.connection === 'connecting'),
      (session: OpenSession): Promise<unknown> => until(() => session.status.connection === 'live'),
    ]) {
      const session = open(() => tokenFor('ada'))
      await wait(session)
      await session.close()
      await session.ready
      expect(session.closed).toBe(true)
    }
    const waiting = open(() => never)
    await waiting.close()
    await waiting.ready
    await until(async () => (await connections()) === 0)
    expect(reported).toEqual([])
  })

  test('rejects what still waits to be stored, and settles with no server at all', async () => {
    const { url } = await serveHere({ route: () => [] })
    const proxy = await ChaosProxy.start(url)
    proxy.down()
    const a = await openClient({ url: proxy.url, id: 's' })
    a.send('unsent')
    const stored = a.stored()
    await a.close()
    await expect(stored).rejects.toMatchObject({ code: 'closed' })
  })
})
