/** Tokens over the life of a connection: whose keys count, expiry, refresh, revocation, origins, and the name in presence. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type JWTPayload } from 'jose'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { applyAwarenessUpdate, Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { createAccess } from '../server/access.ts'
import { TokenClock } from '../server/token-clock.ts'
import { openClient, openLive, texts } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { RawClient, SYNC, TYPE, updateOf } from './support/raw.ts'
import { POISON, refusePoison } from './support/refusing.ts'
import { SECRET, tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

/** A token with claims of its own; times in seconds, with fractions where a test must not take seconds. */
function tokenWith(claims: JWTPayload): Promise<string> {
  const { sub = 'ada', kind = 'user', name = sub, sessions = ['*'], ...rest } = claims
  return new SignJWT({ kind, name, sessions, ...rest })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(sub)
    .sign(new TextEncoder().encode(SECRET))
}

const inSeconds = (seconds: number): number => Date.now() / 1000 + seconds

/** Tokens that the server has asked a raw client for. */
function asked(client: RawClient, session: string): number {
  return client.frames.filter(({ address, type, bytes }) => address === session && type === TYPE.auth && bytes.at(-1) === 0)
    .length
}

describe('keys', () => {
  /** A server of public keys; it answers with `status`. */
  async function serveKeys(...keys: object[]): Promise<{ url: string; answer: { status: number } }> {
    const answer = { status: 200 }
    const http = createServer((_request, response) => {
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }))
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void http.close())
    return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/jwks`, answer }
  }

  const claims = { kind: 'user', name: 'Ada', sessions: ['*'], exp: 4e9 }

  test('[X4] tokens signed with a key of the key server open sessions, others do not (ACC-5)', async () => {
    const ours = await generateKeyPair('ES256', { extractable: true })
    const theirs = await generateKeyPair('ES256')
    const publicKey = await exportSPKI(ours.publicKey)
    const { url: jwks } = await serveKeys({ ...(await exportJWK(ours.publicKey)), kid: 'k1', alg: 'ES256' })
    const server = await serveHere({ access: { jwks } })
    const sign = (alg: string, kid: string, key: CryptoKey | Uint8Array): Promise<string> =>
      new SignJWT(claims).setProtectedHeader({ alg, kid }).setSubject('ada').sign(key)

    const ada = await openLive({ url: server.url, id: 's', token: await sign('ES256', 'k1', ours.privateKey) })
    expect(ada.me).toEqual({ id: 'ada', kind: 'user', name: 'Ada' })
    for (const token of [
      await sign('ES256', 'k1', theirs.privateKey),
      await sign('ES256', 'k2', ours.privateKey),
      // A public key is known to all; taken for a secret, it would sign anything.
      await sign('HS256', 'k1', new TextEncoder().encode(publicKey)),
      await tokenFor('ada'),
    ]) {
      const eve = await openClient({ url: server.url, id: 's', token })
      await until(() => eve.status.connection === 'refused')
      expect(eve.status.reason).toBe('bad-token')
    }
  })

  test('a key server that does not answer delays a client, and nothing else (ACC-5)', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
    const keys = await serveKeys({ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' })
    keys.answer.status = 500
    const server = await serveHere({ access: { jwks: keys.url } })
    const token = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k1' }).setSubject('ada').sign(privateKey)
    const ada = await openClient({ url: server.url, id: 's', token })
    await until(() => server.reported.some(({ stage }) => stage === 'access'))
    expect(ada.status.connection).not.toBe('refused')
    const access = createAccess({ jwks: keys.url })
    await expect(access(token)).rejects.toThrow(/200 OK/)
    keys.answer.status = 200
    expect((await access(token))?.participant.id, 'asked again at once').toBe('ada')
    await until(() => ada.status.connection === 'live')
  })
})

describe('a token that opens many sessions', () => {
  test('is verified once for all that come within seconds, and ends when it says (ACC-5, ACC-6)', async () => {
    let now = Date.now()
    const access = createAccess({ secret: SECRET }, () => now)
    const verify = vi.spyOn(crypto.subtle, 'verify')
    const token = await tokenWith({ exp: Math.floor(now / 1000) + 60 })
    const grants = await Promise.all(Array.from({ length: 100 }, () => access(token)))
    expect(grants.every((grant) => grant?.participant.id === 'ada')).toBe(true)
    expect(verify).toHaveBeenCalledTimes(1)

    now += 4_999
    expect(await access(token)).not.toBeNull()
    expect(verify).toHaveBeenCalledTimes(1)
    now += 1
    expect(await access(token)).not.toBeNull()
    expect(verify).toHaveBeenCalledTimes(2)

    const short = await tokenWith({ exp: Math.floor(Date.now() / 1000) + 2 })
    now = Date.now()
    expect(await access(short)).not.toBeNull()
    now += 2_000
    expect(await access(short)).toBeNull()
  })

  test('is verified each time when it is not valid or too long to be kept, and of many the newest are kept (ACC-5)', async () => {
    const access = createAccess({ secret: SECRET }, () => 0)
    const verify = vi.spyOn(crypto.subtle, 'verify')
    const forged = `${(await tokenWith({})).slice(0, -4)}AAAA`
    for (let n = 0; n < 2; n++) expect(await access(forged)).toBeNull()
    const long = await tokenWith({ more: 'x'.repeat(4_096) })
    for (let n = 0; n < 2; n++) expect(await access(long)).not.toBeNull()
    expect(verify).toHaveBeenCalledTimes(4)

    const tokens = await Promise.all(Array.from({ length: 65 }, (_, n) => tokenWith({ sub: `p${n}` })))
    for (const token of tokens) await access(token)
    verify.mockClear()
    await access(tokens[64] as string)
    expect(verify).toHaveBeenCalledTimes(0)
    expect((await access(tokens[0] as string))?.participant.id).toBe('p0')
    expect(verify).toHaveBeenCalledTimes(1)
  })
})

describe('expiry', () => {
  test('[X5] a token that expires on a live connection is refreshed, and no write is lost (ACC-6)', async () => {
    const server = await serveHere()
    let fetched = 0
    const token = (): Promise<string> => {
      fetched += 1
      return tokenWith({ exp: inSeconds(0.4) })
    }
    const ada = await openLive({ url: server.url, id: 's', token })
    const states = new Set<string>()
    ada.subscribe(() => states.add(ada.status.connection), 'status')
    const written: string[] = []
    while (fetched < 8) {
      written.push(`message ${written.length}`)
      ada.send(written.at(-1) ?? '')
      const before = fetched
      await until(() => fetched > before, { what: 'another token to be asked for' })
    }
    await ada.stored()
    const bob = await openLive({ url: server.url, id: 's', as: 'bob' })
    expect(texts(bob)).toEqual(written)
    expect([...states].filter((state) => state !== 'live')).toEqual([])
  })

  test('[X5] a connection whose client has no fresh token ends with a reason, after a grace (ACC-6)', async () => {
    const server = await serveHere({ limits: { tokenGraceMs: 50 } })
    const bob = await openLive({ url: server.url, id: 's', as: 'bob' })
    const expiresAt = inSeconds(0.3)
    const eve = await RawClient.join(server.url, 's', await tokenWith({ sub: 'eve', exp: expiresAt }))
    await until(() => eve.refusal('s') !== null)
    expect(eve.refusal('s')).toBe('bad-token')
    expect(Date.now() / 1000).toBeGreaterThan(expiresAt)
    // Once ahead of time and once at it.
    expect(asked(eve, 's')).toBe(2)
    bob.send('after')
    await bob.stored()
    eve.sync(
      's',
      SYNC.update,
      updateOf((doc) => doc.getArray('messages').push(['late'])),
    )
    bob.send('later')
    await bob.stored()
    expect(eve.frames.filter(({ type }) => type === TYPE.sync).length).toBe(2)
    expect(bob.status.connection).toBe('live')
  })

  test('[X5] a client that was away while its token expired comes back with a fresh one (ACC-6)', async () => {
    const server = await serveHere({ limits: { tokenGraceMs: 0 } })
    // Asked on a live connection it gives the old token, as one that keeps it until it has expired does.
    let current = await tokenWith({ exp: inSeconds(0.3) })
    const ada = await openLive({ url: server.url, id: 's', token: () => current })
    await until(() => ada.status.connection !== 'live')
    current = await tokenWith({ exp: inSeconds(60) })
    ada.send('still here')
    await until(() => ada.status.connection === 'live')
    await ada.stored()
    expect(ada.status).toMatchObject({ reason: null, onServer: true })
  })

  test.for([
    ['of somebody else', { sub: 'eve' }, 'forbidden'],
    ['of another kind', { kind: 'support' }, 'forbidden'],
    ['for another session', { sessions: ['other'] }, 'forbidden'],
    ['that has expired', { exp: 1 }, 'bad-token'],
  ] as const)('[X5] a fresh token %s ends the connection (ACC-6)', async ([, claims, reason]) => {
    const server = await serveHere()
    const ada = await RawClient.join(server.url, 's', await tokenWith({}))
    ada.authenticate('s', await tokenWith({ exp: inSeconds(60) }))
    ada.authenticate('s', await tokenWith({ exp: inSeconds(60), ...claims } as JWTPayload))
    // The first of them may still be in work when the next one comes; that is then not looked at.
    await until(async () => {
      if (ada.refusal('s') === null) ada.authenticate('s', await tokenWith({ exp: inSeconds(60), ...claims } as JWTPayload))
      return ada.refusal('s')
    })
    expect(ada.refusal('s')).toBe(reason)
  })

  test('the clock asks ahead and at the expiry, ends once, and waits for years without hurry', () => {
    vi.useFakeTimers({ now: 0 })
    onTestFinished(() => void vi.useRealTimers())
    const log: [string, number][] = []
    const note = (what: string) => (): void => void log.push([what, Date.now()])
    const clock = new TokenClock({ now: Date.now, graceMs: 5_000, ask: note('ask'), end: note('end') })
    clock.set(100_000)
    vi.advanceTimersByTime(200_000)
    expect(log.splice(0)).toEqual([
      ['ask', 70_000],
      ['ask', 100_000],
      ['end', 105_000],
    ])
    clock.set(210_000)
    vi.advanceTimersByTime(6_000)
    clock.set(Number.POSITIVE_INFINITY)
    vi.advanceTimersByTime(1e9)
    expect(log.splice(0)).toEqual([['ask', 205_000]])
    const inAYear = Date.now() + 31_536_000_000
    clock.set(inAYear)
    vi.advanceTimersByTime(31_536_000_000 - 30_001)
    expect(log).toEqual([])
    vi.advanceTimersByTime(1)
    expect(log.splice(0)).toEqual([['ask', inAYear - 30_000]])
    clock.stop()
    vi.advanceTimersByTime(100_000)
    expect(log).toEqual([])
  })
})

describe('revocation', () => {
  const issued = (seconds: number): JWTPayload => ({ iat: Math.floor(inSeconds(seconds)), exp: inSeconds(600) })

  test.for([
    [{ participant: 'eve' }, ['eve in a', 'eve in b']],
    [{ session: 'a' }, ['eve in a', 'bob in a']],
    [{ participant: 'eve', session: 'a' }, ['eve in a']],
  ] as const)('[X5] revoking %j ends just those connections, and their tokens open nothing (ACC-7)', async ([target, gone]) => {
    const server = await serveHere()
    const clients = new Map<string, RawClient>()
    for (const id of ['eve', 'bob']) {
      for (const session of ['a', 'b']) {
        clients.set(`${id} in ${session}`, await RawClient.join(server.url, session, await tokenWith({ sub: id, ...issued(0) })))
      }
    }
    const refused = (): string[] =>
      [...clients].filter(([name, client]) => client.refusal(name.at(-1) ?? '') !== null).map(([name]) => name)
    server.revoke(target)
    await until(() => refused().length === gone.length)
    for (const name of gone) {
      const [id = '', , session = ''] = name.split(' ')
      const again = await RawClient.open(server.url)
      again.authenticate(session, await tokenWith({ sub: id, ...issued(-5) }))
      expect(await until(() => again.refusal(session))).toBe('bad-token')
      const without = await RawClient.open(server.url)
      without.authenticate(session, await tokenWith({ sub: id }))
      expect(await until(() => without.refusal(session))).toBe('bad-token')
      await RawClient.join(server.url, session, await tokenWith({ sub: id, ...issued(2) }))
    }
    for (const [name, client] of clients)
      expect(client.refusal(name.at(-1) ?? '')).toBe(gone.includes(name as never) ? 'bad-token' : null)
  })

  test('a revoked token cannot be brought in as a fresh one (ACC-7)', async () => {
    const server = await serveHere()
    const old = await tokenWith({ sub: 'eve', ...issued(-60) })
    server.revoke({ participant: 'eve' })
    const eve = await RawClient.join(server.url, 's', await tokenWith({ sub: 'eve', ...issued(2) }))
    eve.authenticate('s', old)
    expect(await until(() => eve.refusal('s'))).toBe('bad-token')
  })

  test('revoking needs to say what (ACC-7)', async () => {
    const server = await serveHere()
    expect(() => server.revoke({})).toThrow(expect.objectContaining({ code: 'bad-argument' }) as Error)
  })
})

describe('origins', () => {
  /** Opens a socket as a page of an origin would; gives the status of the answer. */
  function connect(url: string, origin: string | undefined): Promise<number> {
    return new Promise((resolve) => {
      const socket = new WebSocket(url, origin === undefined ? {} : { origin })
      socket.on('open', () => resolve(101))
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0))
      socket.on('error', () => {})
      onTestFinished(() => socket.terminate())
    })
  }

  test('pages of other origins than the allowed ones are refused before they can say anything (ACC-8)', async () => {
    const server = await serveHere({ origins: ['https://shop.example'] })
    expect(await connect(server.url, 'https://shop.example')).toBe(101)
    expect(await connect(server.url, undefined)).toBe(101)
    for (const origin of ['https://shop.example.evil', 'http://shop.example', 'https://shop.example:444', 'null']) {
      expect(await connect(server.url, origin)).toBe(403)
    }
    const open = await serveHere()
    expect(await connect(open.url, 'https://anywhere.example')).toBe(101)
  })
})

describe('presence', () => {
  function show(client: RawClient, session: string, ...states: [clientId: number, clock: number, state: unknown][]): void {
    client.frame(session, TYPE.awareness, (encoder) => {
      const body = encoding.createEncoder()
      encoding.writeVarUint(body, states.length)
      for (const [clientId, clock, state] of states) {
        encoding.writeVarUint(body, clientId)
        encoding.writeVarUint(body, clock)
        encoding.writeVarString(body, JSON.stringify(state))
      }
      encoding.writeVarUint8Array(encoder, encoding.toUint8Array(body))
    })
  }

  /** The replicas that a client has been told of, once there are so many. */
  function presentIds(client: RawClient, count: number): number[] | null {
    const awareness = new Awareness(new Y.Doc())
    onTestFinished(() => awareness.destroy())
    for (const { type, decoder } of client.frames) {
      if (type === TYPE.awareness) applyAwarenessUpdate(awareness, decoding.readVarUint8Array(decoder), 'test')
    }
    const ids = [...awareness.getStates().keys()].filter((id) => id !== awareness.clientID)
    return ids.length >= count ? ids : null
  }

  test('[H3] nobody is present under another name, nor speaks for another (ACC-4)', async () => {
    const server = await serveHere()
    const ada = await openLive({ url: server.url, id: 's' })
    const bob = await openLive({ url: server.url, id: 's', as: 'bob' })
    bob.presence.set({ typing: true })
    await until(() => ada.presence.others[0]?.typing === true)
    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))

    const ids = await until(() => presentIds(eve, 2))
    const forged = { participant: { id: 'bob', kind: 'user', name: 'bob' }, typing: false, note: 'I resign' }
    for (const id of ids) show(eve, 's', [id, 1_000, forged], [id, 1_001, null])
    show(eve, 's', [4711, 1, forged])
    await until(() => ada.presence.others.length === 2)
    expect(ada.presence.others.map(({ participant, typing }) => [participant.id, participant.name, typing])).toEqual([
      ['bob', 'bob', true],
      ['eve', 'eve', false],
    ])
    eve.socket.terminate()
    await until(() => ada.presence.others.length === 1)
  })
})

test('nothing of a closed connection is taken for the next one (CLI-2)', async () => {
  const server = await serveHere({ route: () => [] })
  const refused = refusePoison()
  const raw = await RawClient.join(server.url, 's', await tokenFor('ada'))
  const mark = (n: number): void =>
    raw.frame('s', TYPE.stateless, (encoder) => {
      const text = new TextEncoder().encode(`{"t":"mark","n":${n}}`)
      encoder.cbuf.set([text.length, ...text], encoder.cpos)
      encoder.cpos += text.length + 1
    })
  raw.sync(
    's',
    SYNC.update,
    updateOf((doc) => doc.getMap('object:x').set('k', POISON)),
  )
  // These are on their way when the server says no; what they are about is lost with the update.
  raw.sync(
    's',
    SYNC.update,
    updateOf((doc) => doc.getMap('object:x').set('late', 1)),
  )
  mark(1)
  raw.frame('s', TYPE.close, () => {})
  raw.authenticate('s', await tokenFor('ada'))
  raw.sync('s', SYNC.step1, Y.encodeStateVector(new Y.Doc()))
  mark(2)
  const marked = (n: number): boolean => raw.received.some((bytes) => Buffer.from(bytes).includes(`{"t":"marked","n":${n}}`))
  await until(() => marked(2))
  expect([refused.count, marked(1), raw.refusal('s')]).toEqual([1, false, 'refused-update'])
  const bob = await openLive({ url: server.url, id: 's', as: 'bob' })
  expect(bob.object('x').value).toEqual({})
})
