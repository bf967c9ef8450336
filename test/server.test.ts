/** What a server lets in and what it does with what it should not get. */
import * as encoding from 'lib0/encoding'
import { SignJWT, type JWTPayload } from 'jose'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import * as Y from 'yjs'
import { createAgent } from '../client/agent.ts'
import { mintToken, memoryStore, type ServeOptions } from '../server/index.ts'
import { SessionError } from '../shared/errors.ts'
import type { LeaseRef } from '../shared/wire.ts'
import { openClient, openLive, texts } from './support/clients.ts'
import { FaultyStore } from './support/faulty-store.ts'
import { serveHere } from './support/in-process.ts'
import { RawClient, SYNC, TYPE, updateOf } from './support/raw.ts'
import { SECRET, tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const OTHER_SECRET = 'a secret of somebody else, 32 bytes or more'

function unsigned(claims: object): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`
}

const claims = { id: 'eve', kind: 'user', sessions: ['*'] } as const

function signed(subject: string, payload: JWTPayload): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: 'HS256' }).setSubject(subject).sign(Buffer.from(SECRET))
}

/** Tokens that do not open the session `private`, and the reason that is given. */
const REFUSED_TOKENS: Record<string, [make: () => string | Promise<string>, reason: string]> = {
  'no token': [() => '', 'bad-token'],
  'something that is no token': [() => 'let me in', 'bad-token'],
  'a token signed by somebody else': [() => mintToken(OTHER_SECRET, claims), 'bad-token'],
  'an expired token': [() => mintToken(SECRET, { ...claims, expiresInS: -10 }), 'bad-token'],
  'a token without a signature': [() => unsigned({ sub: 'eve', kind: 'user', name: 'Eve', sessions: ['*'] }), 'bad-token'],
  'a token of kind server': [() => mintToken(SECRET, { ...claims, kind: 'server' as 'user' }), 'bad-token'],
  'a token of unknown kind': [() => mintToken(SECRET, { ...claims, kind: 'root' as 'user' }), 'bad-token'],
  'a token without a list of sessions': [() => signed('eve', { kind: 'user', name: 'Eve' }), 'bad-token'],
  'a token of a participant whose id is no key': [() => signed('__proto__', { kind: 'user', sessions: ['*'] }), 'bad-token'],
  'a token of a participant whose id is too long': [
    () => signed('e'.repeat(257), { kind: 'user', sessions: ['*'] }),
    'bad-token',
  ],
  'a token for other sessions': [() => tokenFor('eve', 'user', ['privat', 'private2', 'p', 'q*']), 'forbidden'],
  'a token for no session': [() => tokenFor('eve', 'user', []), 'forbidden'],
}

describe('access', () => {
  test.each(['', '__proto__', 'e'.repeat(257)])(
    'a token is not minted for the id %j, which no participant can have',
    async (id) => {
      await expect(mintToken(SECRET, { id, kind: 'user', sessions: ['*'] })).rejects.toMatchObject({ code: 'bad-argument' })
    },
  )

  test.each(Object.entries(REFUSED_TOKENS))(
    '[X4] %s gets no byte of the session, and a reason (ACC-1)',
    async (_title, [make, reason]) => {
      const server = await serveHere()
      const ada = await openLive({ url: server.url, id: 'private' })
      ada.send('the vault opens with 4711')
      await ada.stored()
      const token = await make()

      const eve = await RawClient.open(server.url)
      // Impatient, as an attacker would be: what it wants is asked for together with the token, and under both addresses.
      for (const address of ['private', 'private\0tab']) {
        eve.authenticate(address, token)
        eve.sync(address, SYNC.step1, Y.encodeStateVector(new Y.Doc()))
        eve.sync(
          address,
          SYNC.update,
          updateOf((doc) => doc.getArray('messages').push(['forged'])),
        )
      }
      await until(() => eve.refusal('private') !== null && eve.refusal('private\0tab') !== null, { what: 'both refusals' })
      eve.sync('private', SYNC.step1, Y.encodeStateVector(new Y.Doc()))
      // Whatever is meant for the others comes now.
      ada.presence.set({ typing: true })
      ada.send('and with 1234')
      await ada.stored()
      expect([eve.refusal('private'), eve.refusal('private\0tab')]).toEqual([reason, reason])
      expect(eve.frames.filter(({ type }) => type !== TYPE.auth)).toEqual([])
      expect(texts(ada)).toEqual(['the vault opens with 4711', 'and with 1234'])
    },
  )

  test('[X4] a client sees why it was refused, and a new token lets it in (ACC-1)', async () => {
    const server = await serveHere()
    let token = await mintToken(SECRET, { ...claims, expiresInS: -1 })
    const eve = await openClient({ url: server.url, id: 's', as: 'eve', token: () => token })
    await until(() => eve.status.connection === 'refused')
    expect(eve.status.reason).toBe('bad-token')
    token = await mintToken(SECRET, claims)
    eve.reconnect()
    await until(() => eve.status.connection === 'live')
    expect(eve.status.reason).toBeNull()
  })

  test('[X4] a token for one session does not open another one on the same socket (ACC-1)', async () => {
    const server = await serveHere()
    const ada = await openLive({ url: server.url, id: 'private' })
    ada.send('secret')
    await ada.stored()
    const eve = await RawClient.join(server.url, 'mine', await tokenFor('eve', 'user', ['mine']))
    eve.sync('private', SYNC.step1, Y.encodeStateVector(new Y.Doc()))
    eve.authenticate('private', await tokenFor('eve', 'user', ['mine']))
    await until(() => eve.refusal('private'))
    expect(eve.refusal('private')).toBe('forbidden')
    expect(eve.frames.filter(({ address, type }) => address !== 'mine' && type !== TYPE.auth)).toEqual([])
    expect(eve.refusal('mine')).toBeNull()
  })

  test.each(['../../etc/passwd', 'a b', '-a', 'a/b', 'x'.repeat(65), 'ä', '~server', '', ' '])(
    'a session must have a proper name; %j has not (ACC-2)',
    async (name) => {
      const server = await serveHere()
      const eve = await RawClient.open(server.url)
      eve.authenticate(name, await tokenFor('eve'))
      await until(() => eve.refusal(name) !== null || eve.closed !== null)
      expect(eve.refusal(name)).toBe('bad-session-name')
    },
  )

  test('only an agent opens its own control document, and nobody writes there (ACC-2)', async () => {
    const server = await serveHere()
    const refusalOf = async (id: string, kind: 'user' | 'agent'): Promise<string | null> => {
      const client = await RawClient.open(server.url)
      client.authenticate('~agent.helper', await tokenFor(id, kind))
      client.sync(
        '~agent.helper',
        SYNC.update,
        updateOf((doc) => doc.getMap('x').set('y', 1)),
      )
      return await until(() => client.refusal('~agent.helper'))
    }
    expect(await refusalOf('helper', 'user')).toBe('forbidden')
    expect(await refusalOf('other', 'agent')).toBe('forbidden')
    expect(await refusalOf('helper', 'agent')).toBe('read-only')
  })

  test('[X3] a viewer reads all and writes nothing (ACC-3)', async () => {
    const server = await serveHere()
    const ada = await openLive({ url: server.url, id: 's' })
    // Something deleted: whoever answers the server's question sends all deletions that it knows, a viewer as well.
    ada.object('cart').set('note', 'first')
    ada.object('cart').set('note', 'second')
    ada.send('hello')
    const viewer = await openLive({ url: server.url, id: 's', as: 'vera', kind: 'viewer' })
    await until(() => texts(viewer).includes('hello'))
    expect(() => viewer.send('I may not')).toThrow(expect.objectContaining({ code: 'forbidden' }) as Error)

    const raw = await RawClient.join(server.url, 's', await tokenFor('vera', 'viewer'))
    raw.sync(
      's',
      SYNC.update,
      updateOf((doc) => doc.getMap('object:cart').set('price', 0)),
    )
    await until(() => raw.refusal('s'))
    expect(raw.refusal('s')).toBe('read-only')
    ada.object('cart').set('price', 100)
    await until(() => viewer.object('cart').get('price') === 100)
    expect(ada.object('cart').value).toEqual({ note: 'second', price: 100 })
  })

  test('presence bears the name of the token, whatever the client says (ACC-4)', async () => {
    const server = await serveHere()
    const ada = await openLive({ url: server.url, id: 's' })
    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
    eve.presence('s', JSON.stringify({ participant: { id: 'bank', kind: 'support', name: 'Your bank' } }))
    await until(() => ada.presence.others.length > 0)
    expect(ada.presence.others.map(({ participant }) => participant)).toEqual([{ id: 'eve', kind: 'user', name: 'eve' }])
  })
})

/** Frames that are not what they should be: each is sent on a connection that is open and in step. */
const MALFORMED: Record<string, (client: RawClient) => void> = {
  'an empty frame': (client) => client.socket.send(new Uint8Array(0)),
  'a text frame': (client) => client.socket.send('hello'),
  'an address without an end': (client) => client.socket.send(new Uint8Array([200, 1, 65])),
  'an address alone': (client) => client.socket.send(new Uint8Array([1, 115])),
  'an unknown type': (client) => client.frame('s', 99, () => {}),
  "the server's own type": (client) => client.frame('s', 6, (encoder) => encoding.writeVarString(encoder, '{}')),
  'a sync of unknown kind': (client) => client.sync('s', 9, new Uint8Array([0, 0])),
  'a sync without a body': (client) => client.frame('s', TYPE.sync, () => {}),
  'a sync that promises more bytes than it has': (client) =>
    client.frame('s', TYPE.sync, (encoder) => {
      encoding.writeVarUint(encoder, SYNC.update)
      encoding.writeVarUint(encoder, 4_000_000_000)
    }),
  'an update of random bytes': (client) => client.sync('s', SYNC.update, randomBytes(200)),
  'an empty update': (client) => client.sync('s', SYNC.update, new Uint8Array(0)),
  'half of an update': (client) =>
    client.sync('s', SYNC.step2, updateOf((doc) => doc.getText('t').insert(0, 'abcdef')).slice(0, 12)),
  'a state vector of random bytes': (client) => client.sync('s', SYNC.step1, new Uint8Array([255, 255, 255, 255, 7, 1])),
  'presence of random bytes': (client) =>
    client.frame('s', TYPE.awareness, (encoder) => encoding.writeVarUint8Array(encoder, randomBytes(40))),
  'presence that is no JSON': (client) => client.presence('s', '{"cursor":'),
}

/** The same bytes in every run. */
function randomBytes(count: number): Uint8Array {
  let seed = 42
  return Uint8Array.from({ length: count }, () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) >> 16)
}

describe('bad input', () => {
  // The host prints frames that do not decode.
  beforeEach(() => void vi.spyOn(console, 'error').mockReturnValue())

  test.each(Object.entries(MALFORMED))(
    '%s ends that connection, with a reason, and harms nobody else (LIM-1)',
    async (_title, send) => {
      const server = await serveHere()
      const ada = await openLive({ url: server.url, id: 's' })
      const bob = await openLive({ url: server.url, id: 'other', as: 'bob' })
      const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
      send(eve)
      await until(() => eve.refusal('s') ?? eve.closed)
      expect(eve.refusal('s') ?? eve.closed?.reason).toMatch(/^(malformed|Unauthorized|Reset Connection)$/)
      ada.send('still here')
      bob.send('here too')
      await Promise.all([ada.stored(), bob.stored()])
      const later = await openLive({ url: server.url, id: 's', as: 'carl' })
      expect(texts(later)).toEqual(['still here'])
      expect([ada.status.connection, bob.status.connection]).toEqual(['live', 'live'])
    },
  )

  test('random frames of every length, with and without a token, leave the server as it was (LIM-1)', async () => {
    const server = await serveHere()
    const ada = await openLive({ url: server.url, id: 's' })
    for (let length = 1; length < 60; length++) {
      const eve =
        length % 2 === 0 ? await RawClient.open(server.url) : await RawClient.join(server.url, 's', await tokenFor('eve'))
      for (let n = 0; n < 5; n++) eve.socket.send(randomBytes(length + n * 60).slice(n))
      eve.frame('s', length % 10, (encoder) => encoding.writeUint8Array(encoder, randomBytes(length)))
    }
    ada.send('still here')
    await ada.stored()
    expect(ada.status.connection).toBe('live')
  })

  test('content of the wrong type in every place is left out, and the session opens again (DOC-3, LIM-1)', async () => {
    const faulty = new FaultyStore(memoryStore())
    const server = await serveHere({ store: faulty.store })
    const junk = updateOf((doc) => {
      for (const root of ['messages', 'tasks', 'objects']) {
        doc.getArray(root).push(['text', 7, null, { head: { id: 'x' } }, [1], new Y.Text('t'), new Y.Array(), new Y.Map()])
        const map = new Y.Map<unknown>([
          ['head', 'no record'],
          ['status', 5],
          ['steps', 'none'],
          ['parts', new Y.Map()],
        ])
        doc.getArray(root).push([map])
      }
      const control = doc.getMap<unknown>('control')
      for (const key of ['cancel:', 'cancel:x', 'handover:ada', '__proto__']) control.set(key, [key])
      for (const key of ['holder', 'participants', 'version']) doc.getMap<unknown>('ledger').set(key, 'junk')
    })
    // No connection could bring it; it lies in the store, as something else may have written it there.
    await faulty.store.append({ entries: [{ session: 's', update: junk }], jobs: [], ended: [] })
    const agent = createAgent({
      url: server.url,
      name: 'assistant',
      token: () => tokenFor('assistant', 'agent'),
      run: (run) => run.write('yes'),
    })
    const ada = await openLive({ url: server.url, id: 's' })
    ada.send('still here?')
    await until(() => texts(ada).includes('yes'))
    await until(() => ada.view.runs.some(({ status }) => status === 'complete'))
    expect(server.reported).toEqual([])
    await agent.close()
  })

  test('a request that cannot be understood ends nothing but itself (LIM-1)', async () => {
    const server = await serveHere()
    const ada = await openLive({ url: server.url, id: 's' })
    const { connect } = await import('node:net')
    for (const target of ['//', 'http://a:b@c/sync', '/sync?%', '/\u00ff', 'sync', '*', '/nowhere']) {
      for (const upgrade of [
        '',
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n',
      ]) {
        const socket = connect(server.port, '127.0.0.1')
        socket.on('error', () => {})
        socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nX-Odd: \u00e9\u00ff\r\n${upgrade}\r\n`, 'latin1')
        await new Promise((resolve) => socket.once('data', resolve).once('close', resolve))
        socket.destroy()
      }
    }
    ada.send('still here')
    await ada.stored()
    expect(ada.status.connection).toBe('live')
  })

  test('a message above the limit throws where it is written; a frame above the limit closes its socket with 1009 (LIM-1)', async () => {
    const server = await serveHere()
    const ada = await openLive({ url: server.url, id: 's' })
    const text = 'x'.repeat(10 * 1024 * 1024)
    expect(() => ada.send(text)).toThrow(expect.objectContaining({ code: 'too-big' }) as Error)
    expect(() => ada.send(text)).toThrow(SessionError)
    expect(ada.view.messages).toEqual([])

    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
    eve.sync(
      's',
      SYNC.update,
      updateOf((doc) => doc.getText('t').insert(0, text)),
    )
    await until(() => eve.closed)
    expect(eve.closed?.code).toBe(1009)
    ada.send('short')
    await ada.stored()
    expect(texts(ada)).toEqual(['short'])
  })
})

test('a worker that comes back is told again what it was given but does not know of, and nothing else (RUN-3)', async () => {
  const server = await serveHere()
  const ada = await openLive({ url: server.url, id: 's' })
  const token = await tokenFor('assistant', 'agent')
  const control = '~agent.assistant'
  const join = async (leases: readonly LeaseRef[]): Promise<RawClient> => {
    const worker = await RawClient.open(server.url)
    worker.authenticate(control, token)
    worker.tell(control, { t: 'worker', worker: 'w1', slots: 5, leases })
    return worker
  }
  const first = await join([])
  const input = ada.send('hello')
  const assign = { t: 'assign', run: `${input}.assistant`, session: 's', input, generation: 1, leaseMs: 10_000 }
  await until(() => first.told(control).length > 0)
  expect(first.told(control)).toEqual([assign])
  first.socket.terminate()

  // It never heard of it: the same lease, not a second one.
  const second = await join([])
  await until(() => second.told(control).length > 0)
  expect(second.told(control)).toEqual([assign])
  second.socket.terminate()

  const third = await join([{ run: assign.run, generation: 1 }])
  const elsewhere = await openLive({ url: server.url, id: 't' })
  const next = elsewhere.send('hello')
  await until(() => third.told(control).length > 0)
  expect(third.told(control)).toEqual([expect.objectContaining({ run: `${next}.assistant` })])
})

/** Functions of whoever embeds the server, broken in one way each. */
const BROKEN: Record<string, Partial<ServeOptions>> = {
  'a route that throws': {
    route: () => {
      throw new Error('route')
    },
  },
  'a route that is asynchronous': { route: (async () => ['assistant']) as never },
  'a route that gives nothing': { route: (() => undefined) as never },
  'a route that gives a text': { route: (() => 'assistant') as never },
  'a reporter that throws': {
    onError: () => {
      throw new Error('reporter')
    },
  },
  'an HTTP route that throws': {
    routes: (app) =>
      app.get('/broken', () => {
        throw new Error('http')
      }),
  },
}

describe('functions of whoever embeds it', () => {
  test.each(Object.entries(BROKEN))('%s breaks nothing else', async (_title, broken) => {
    const faulty = new FaultyStore(memoryStore())
    const server = await serveHere({ store: faulty.store, ...broken })
    const ada = await openLive({ url: server.url, id: 's' })
    ada.send('hello')
    // What makes the server report something: a commit, a load and a frame that fail.
    faulty.appendError = new Error('full')
    ada.send('again')
    await until(() => faulty.failedAppends > 0)
    faulty.appendError = null
    faulty.failingReads = 1
    const bob = await openClient({ url: server.url, id: 'fresh', as: 'bob' })
    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
    eve.sync('s', SYNC.update, randomBytes(50))
    await until(() => eve.refusal('s'))
    await fetch(`http://127.0.0.1:${server.port}/broken`)

    await until(() => ada.status.onServer && bob.status.connection === 'live')
    const later = await openLive({ url: server.url, id: 's', as: 'carl' })
    expect(texts(later)).toEqual(['hello', 'again'])
    expect(ada.status).toMatchObject({ connection: 'live', reason: null, stalled: false })
  })
})
