/** Programs that are not ours in a session: stock `y-websocket` and Hocuspocus clients, yrs, and plain Yjs. */
import { join } from 'node:path'
import { HocuspocusProvider } from '@hocuspocus/provider'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as yrs from 'ywasm'
import * as Y from 'yjs'
import { createAgent } from '../client/agent.ts'

import { mintToken, sqliteStore } from '../server/index.ts'
import { openLive, replyTo, texts } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { RawClient, SYNC, TYPE } from './support/raw.ts'
import { temporaryFolder } from './support/temporary.ts'
import { SECRET, tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

interface Plain {
  readonly provider: WebsocketProvider
  readonly doc: Y.Doc
  /** Closed for good, as it says itself. */
  closed: { code: number; reason: string } | null
  /** Close codes of its sockets. */
  readonly codes: number[]
}

const gatewayOf = (url: string): string => url.replace(/\/sync$/, '/yjs')

function openPlain(url: string, session: string, token: string, doc: Y.Doc = new Y.Doc()): Plain {
  // Without its BroadcastChannel: within one process that would be a second way.
  const provider = new WebsocketProvider(gatewayOf(url), session, doc, {
    params: { token },
    disableBc: true,
    maxBackoffTime: 100,
  })
  const plain: Plain = { provider, doc, closed: null, codes: [] }
  provider.on('closed', (event) => (plain.closed = { code: event.code, reason: event.reason }))
  provider.on('connection-close', (event) => event !== null && plain.codes.push(event.code))
  onTestFinished(() => {
    provider.destroy()
    doc.destroy()
  })
  return plain
}

/** A message as SPEC.md describes it, by the names that stand there and nothing of ours. */
function say(doc: Y.Doc, id: string, by: string, text: string): void {
  const message = new Y.Map()
  message.set('head', { id, role: 'user', by, kind: 'user', at: Date.now() })
  message.set('parts', Y.Array.from([{ type: 'text', text }]))
  doc.getArray('messages').push([message])
}

describe('a stock y-websocket client', () => {
  test('[Y1] reads, writes and is present like everybody else (GW-1)', async () => {
    const server = await serveHere({ route: () => [] })
    const ada = await openLive({ url: server.url, id: 's' })
    ada.send('from ada')
    const bob = openPlain(server.url, 's', await tokenFor('bob'))
    await until(() => bob.provider.synced)
    await until(() => bob.doc.getArray('messages').length === 1)
    say(bob.doc, 'm2', 'bob', 'from bob')
    await until(() => ada.message('m2')?.metadata.seq !== undefined)
    expect(texts(ada)).toEqual(['from ada', 'from bob'])
    // The stamp that the server gave comes back to its author.
    await until(() => (bob.doc.getArray('messages').toArray() as Y.Map<unknown>[]).every((message) => message.has('stamp')))

    bob.provider.awareness.setLocalStateField('typing', true)
    await until(() => ada.presence.others[0]?.typing === true)
    expect(ada.presence.others[0]?.participant).toEqual({ id: 'bob', kind: 'user', name: 'bob' })
    await until(() =>
      [...bob.provider.awareness.getStates().values()].some((state) => (state['participant'] as { id?: string })?.id === 'ada'),
    )

    bob.provider.disconnect()
    await until(() => ada.presence.others.length === 0)
    say(bob.doc, 'm3', 'bob', 'written offline')
    ada.send('meanwhile')
    await ada.stored()
    bob.provider.connect()
    await until(() => texts(ada).length === 4 && bob.doc.getArray('messages').length === 4)
    expect(texts(ada)).toEqual(['from ada', 'from bob', 'meanwhile', 'written offline'])
  })

  test.for([
    ['no token', (): string => '', 'bad-token', 's'],
    ['an expired token', () => mintToken(SECRET, { id: 'eve', kind: 'user', sessions: ['*'], expiresInS: -1 }), 'bad-token', 's'],
    ['a token for another session', () => tokenFor('eve', 'user', ['t']), 'forbidden', 's'],
    ['a bad name', () => tokenFor('eve'), 'bad-session-name', 'a/b'],
    ['the name of a control document', () => tokenFor('helper', 'agent'), 'bad-session-name', '~agent.helper'],
  ] as const)(
    '[Y1, X4] with %s is closed for good, with a reason, and gets no byte (GW-1, ACC-1)',
    async ([, token, reason, session]) => {
      const server = await serveHere()
      const ada = await openLive({ url: server.url, id: 's' })
      ada.send('secret')
      const eve = openPlain(server.url, session, await token())
      await until(() => eve.closed !== null)
      expect(eve.closed).toEqual({ code: 4403, reason })
      expect([eve.provider.synced, eve.doc.store.clients.size, eve.provider.awareness.getStates().size]).toEqual([false, 0, 1])
    },
  )

  test('[Y1] of a viewer reads and may not write (GW-1, ACC-3)', async () => {
    const server = await serveHere({ route: () => [] })
    const ada = await openLive({ url: server.url, id: 's' })
    ada.send('hello')
    const vera = openPlain(server.url, 's', await tokenFor('vera', 'viewer'))
    await until(() => vera.doc.getArray('messages').length === 1)
    say(vera.doc, 'm2', 'vera', 'no')
    await until(() => vera.closed !== null)
    expect(vera.closed).toEqual({ code: 4403, reason: 'read-only' })
    expect(texts(ada)).toEqual(['hello'])
  })

  test('[Y1] comes back by itself when the server goes and returns, and when it was too fast (GW-1)', async () => {
    const file = join(temporaryFolder(), 'sessions.db')
    const limits = { connectionFrames: { perSecond: 5, burst: 60 } }
    const first = await serveHere({ store: sqliteStore({ file }), limits, route: () => [] })
    const bob = openPlain(first.url, 's', await tokenFor('bob'))
    await until(() => bob.provider.synced)
    for (let n = 0; n < 100; n++) say(bob.doc, `m${n}`, 'bob', `${n}`)
    await until(() => bob.codes.includes(4205))
    const ada = await openLive({ url: first.url, id: 's' })
    await until(() => texts(ada).length === 100)
    bob.codes.length = 0
    await first.close()
    say(bob.doc, 'last', 'bob', 'last')
    const second = await serveHere({ store: sqliteStore({ file }), port: first.port, route: () => [] })
    // Its farewell may be cut off by the end of the process; that is no code at all, and retried as well.
    expect([4205, 1006]).toContain(await until(() => bob.codes[0]))
    const again = await openLive({ url: second.url, id: 's' })
    await until(() => texts(again).length === 101)
    expect(bob.closed).toBeNull()
  })

  test('[Y1, X5] ends with its token, or when that is revoked (GW-1, ACC-6, ACC-7)', async () => {
    const server = await serveHere({ limits: { tokenGraceMs: 0 } })
    const eve = openPlain(server.url, 's', await mintToken(SECRET, { id: 'eve', kind: 'user', sessions: ['s'], expiresInS: 3 }))
    const bob = openPlain(server.url, 's', await tokenFor('bob'))
    await until(() => eve.provider.synced && bob.provider.synced)
    server.revoke({ participant: 'bob' })
    await until(() => eve.closed !== null && bob.closed !== null)
    expect([eve.closed, bob.closed]).toEqual([
      { code: 4403, reason: 'bad-token' },
      { code: 4403, reason: 'bad-token' },
    ])
  })

  test.for([
    ['nothing', []],
    ['an unknown type', [77, 1, 2]],
    ['a half of a frame', [0, 2, 200]],
  ] as const)('[Y1] that sends %s is closed, and nobody else (GW-1, LIM-1)', async ([, bytes]) => {
    const server = await serveHere({ route: () => [] })
    const ada = await openLive({ url: server.url, id: 's' })
    const socket = new WebSocket(`${gatewayOf(server.url)}/s?token=${await tokenFor('eve')}`)
    onTestFinished(() => socket.terminate())
    let closed = ''
    socket.on('close', (code, reason) => (closed = `${code} ${String(reason)}`))
    await until(() => socket.readyState === WebSocket.OPEN)
    socket.send(Uint8Array.from(bytes))
    await until(() => closed !== '')
    expect(closed).toBe('4403 malformed')
    ada.send('still here')
    await ada.stored()
  })
})

describe('others', () => {
  test('[Y1] a stock Hocuspocus provider joins, writes, and gives a fresh token when asked (ACC-6)', async () => {
    const server = await serveHere({ route: () => [] })
    const ada = await openLive({ url: server.url, id: 's' })
    ada.send('from ada')
    const doc = new Y.Doc()
    let fetched = 0
    const token = async (): Promise<string> => {
      fetched += 1
      return await mintToken(SECRET, { id: 'bob', kind: 'user', sessions: ['s'], expiresInS: 2 })
    }
    const provider = new HocuspocusProvider({ url: server.url, name: 's', document: doc, token })
    onTestFinished(() => provider.destroy())
    await until(() => provider.synced && doc.getArray('messages').length === 1)
    await until(() => fetched >= 3)
    say(doc, 'm2', 'bob', 'from bob')
    await until(() => ada.message('m2')?.metadata.seq !== undefined && provider.unsyncedChanges === 0)
    expect(texts(ada)).toEqual(['from ada', 'from bob'])
  })

  test('[Y1] yrs reads and writes through the gateway (GW-1)', async () => {
    const server = await serveHere({ route: () => [] })
    const ada = await openLive({ url: server.url, id: 's' })
    ada.object('cart').set('price', 100)
    // Its own document, its own encoding; only the frames are made by hand.
    const doc = new yrs.YDoc({ clientID: 4711 })
    const frame = (sub: number, bytes: Uint8Array): Uint8Array => new Uint8Array([0, sub, ...length(bytes.length), ...bytes])
    const socket = new WebSocket(`${gatewayOf(server.url)}/s?token=${await tokenFor('rust')}`)
    onTestFinished(() => socket.terminate())
    socket.on('message', (data) => {
      const [type, sub, ...rest] = data as Buffer
      if (type !== 0 || sub === undefined) return
      const bytes = Uint8Array.from(body(rest))
      if (sub === 0) socket.send(frame(1, yrs.encodeStateAsUpdate(doc, bytes)))
      else yrs.applyUpdate(doc, bytes, null)
    })
    await until(() => socket.readyState === WebSocket.OPEN)
    socket.send(frame(0, yrs.encodeStateVector(doc)))
    const cart = doc.getMap('object:cart')
    await until(() => cart.get('price', undefined) === 100)
    const before = yrs.encodeStateVector(doc)
    cart.set('colour', 'black', undefined)
    socket.send(frame(2, yrs.encodeStateAsUpdate(doc, before)))
    await until(() => ada.object('cart').get('colour') === 'black')
    expect(ada.object('cart').value).toEqual({ price: 100, colour: 'black' })
  })

  test('[Y2] a plain Yjs program reads the conversation by the names of SPEC.md (DOC-4)', async () => {
    const server = await serveHere()
    const ada = await openLive({ url: server.url, id: 's' })
    const agent = createAgent({
      url: server.url,
      name: 'assistant',
      token: await tokenFor('assistant', 'agent'),
      run: (run) => {
        run.step('Looking').done()
        for (const word of ['It ', 'is ', 'here.']) run.write(word)
      },
    })
    onTestFinished(() => agent.close())
    const question = ada.send('Where is my order?')
    ada.object('cart').set('items', 2)
    await until(() => replyTo(ada, question, 'assistant') === 'It is here.' && ada.view.runs[0]?.status === 'complete')
    await ada.stored()

    const reader = await RawClient.join(server.url, 's', await tokenFor('reader', 'viewer'))
    const doc = new Y.Doc()
    for (const { type, decoder } of reader.frames) {
      if (type !== TYPE.sync) continue
      const [sub, bytes] = stepOf(decoder)
      if (sub === SYNC.step2) Y.applyUpdate(doc, bytes)
    }
    type Json = Record<string, unknown>
    const textOf = (part: unknown): string =>
      part instanceof Y.Map
        ? (part.get('text') as Y.Array<Y.Text>).toArray().map(String).join('')
        : ((part as Json)['text'] as string)
    const conversation = (doc.getArray('messages').toArray() as Y.Map<unknown>[])
      .map((message) => ({
        seq: (message.get('stamp') as Json)['seq'] as number,
        by: (message.get('stamp') as Json)['by'],
        role: (message.get('head') as Json)['role'],
        text: (message.get('parts') as Y.Array<unknown>).toArray().map(textOf).join(''),
      }))
      .sort((a, b) => a.seq - b.seq)
    expect(conversation).toEqual([
      { seq: 1, by: 'ada', role: 'user', text: 'Where is my order?' },
      { seq: 2, by: 'assistant', role: 'assistant', text: 'It is here.' },
    ])
    const [run] = doc.getArray('tasks').toArray() as Y.Map<unknown>[]
    expect([(run?.get('head') as Json | undefined)?.['id'], run?.get('status')]).toEqual([`${question}.assistant`, 'complete'])
    const steps = run?.get('steps') as Y.Array<Y.Map<unknown>> | undefined
    expect(steps?.get(0).get('status')).toBe('done')
    expect(doc.getArray('objects').toArray()).toMatchObject([{ name: 'cart', kind: 'map' }])
    expect(doc.getMap('object:cart').toJSON()).toEqual({ items: 2 })
    expect(doc.getMap('ledger').get('version')).toBe(1)
    expect((doc.getMap('ledger').get('participants') as Y.Map<Json>).get('ada')).toMatchObject({ id: 'ada', kind: 'user' })
  })
})

test('no token is written to a log, whatever is wrong with it or the connection (GW-2)', async () => {
  const lines: unknown[] = []
  for (const method of ['log', 'info', 'warn', 'error'] as const) {
    const spy = vi.spyOn(console, method).mockImplementation((...args) => void lines.push(...args))
    onTestFinished(() => spy.mockRestore())
  }
  const server = await serveHere({
    access: { jwks: 'http://127.0.0.1:1/none' },
    onError: (error, context) => lines.push(error, context),
  })
  const token = await tokenFor('eve')
  const [, , signature = ''] = token.split('.')
  openPlain(server.url, 's', token)
  const raw = await RawClient.open(server.url)
  raw.authenticate('s', token)
  await until(() => raw.refusal('s'))
  for (const path of [`/yjs/s?token=${token}`, `/sync?token=${token}`]) {
    const socket = new WebSocket(server.url.replace('/sync', path))
    onTestFinished(() => socket.terminate())
    socket.on('error', () => {})
    await until(() => socket.readyState !== WebSocket.CONNECTING)
    socket.send(new Uint8Array([0, 0, 255, 255, 255]))
    socket.send(new Uint8Array(9 * 1024 * 1024))
    await until(() => socket.readyState === WebSocket.CLOSED)
  }
  expect(lines.length).toBeGreaterThan(0)
  const seen = lines.map((line) =>
    line instanceof Error ? `${String(line)} ${line.stack} ${String(line.cause)}` : JSON.stringify(line),
  )
  expect(seen.filter((line) => line.includes(signature))).toEqual([])
})

/** A length as lib0 writes it. */
function length(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...length(Math.floor(value / 128))]
}

/** What a length stands before. */
function body(bytes: readonly number[]): readonly number[] {
  return bytes.slice(bytes.findIndex((byte) => byte < 128) + 1)
}

type Decoder = RawClient['frames'][number]['decoder']

function stepOf(decoder: Decoder): [sub: number, bytes: Uint8Array] {
  const rest = decoder.arr.subarray(decoder.pos)
  const [sub = -1, ...bytes] = rest
  return [sub, Uint8Array.from(body(bytes))]
}
