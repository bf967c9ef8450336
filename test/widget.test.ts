/** The widget's server side: keys, origins, tokens, and what becomes of them when a key goes. And the size of what a page loads. */
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { openSession } from '../client/index.ts'
import { networkOf } from '../server/address.ts'
import { memoryStore } from '../server/index.ts'
import type { TokenAnswer } from '../shared/widget.ts'
import { serveHere } from './support/in-process.ts'
import { startPushService } from './support/push-service.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const HOST = 'https://shop.example'
const keys = [
  { key: 'pk_first_key', origins: [HOST] },
  { key: 'pk_second_key', origins: ['https://b.example'] },
]

async function start(options: Parameters<typeof serveHere>[0] = {}) {
  const server = await serveHere({ widget: { keys, page: '<p>chat</p>' }, ...options })
  const base = `http://127.0.0.1:${server.port}`
  const ask = (body: object, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${base}/widget/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin', ...headers },
      body: JSON.stringify({ key: 'pk_first_key', host: HOST, ...body }),
    })
  const page = (query: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${base}/widget?${query}`, { headers })
  return { server, ask, page }
}

const given = async (response: Response): Promise<TokenAnswer> => (await response.json()) as TokenAnswer
const refusal = async (response: Response): Promise<unknown> => [
  response.status,
  ((await response.json()) as { error: unknown }).error,
]

test('[E1] the page is for frames in pages of the key alone (WID-1)', async () => {
  const { page } = await start()
  const good = `key=pk_first_key&host=${HOST}`
  const shown = await page(good, { 'sec-fetch-dest': 'iframe', referer: `${HOST}/` })
  expect(shown.status).toBe(200)
  expect(shown.headers.get('content-security-policy')).toMatch(/; frame-ancestors https:\/\/shop\.example$/)
  for (const [query, headers] of [
    ['key=pk_unknown_key&host=https://shop.example', {}],
    ['key=pk_first_key&host=https://b.example', {}],
    ['key=pk_first_key', {}],
    [good, { 'sec-fetch-dest': 'document' }],
    [good, { referer: 'https://b.example/' }],
  ] as const) {
    const refused = await page(query, headers)
    expect(refused.status, `${query} ${JSON.stringify(headers)}`).toBe(403)
    expect(await refused.text()).not.toContain('chat</p>')
  }
})

test('[E1] tokens are given to the page in the frame alone, and a visitor comes back by a secret, not by an id (WID-1, WID-2)', async () => {
  const { ask } = await start()
  const first = await given(await ask({}))
  expect(first.session).toMatch(/^w[\w-]{22}$/)
  const again = await given(await ask({ visitor: first.visitor }))
  expect(again.session).toBe(first.session)
  expect((await given(await ask({ visitor: first.session }))).session).not.toBe(first.session)
  expect((await given(await ask({ visitor: first.token }))).session, 'no token of the session is one').not.toBe(first.session)
  const elsewhere = await ask({ key: 'pk_second_key', host: 'https://b.example', visitor: first.visitor })
  expect((await given(elsewhere)).session, 'nor at another key').not.toBe(first.session)
  expect(await refusal(await ask({ key: 'pk_unknown_key' }))).toEqual([403, 'unknown-key'])
  expect(await refusal(await ask({ host: 'https://b.example' }))).toEqual([403, 'wrong-origin'])
  expect(await refusal(await ask({}, { 'sec-fetch-site': 'cross-site' }))).toEqual([403, 'wrong-origin'])
  expect(await refusal(await ask({ user: 'nonsense' }))).toEqual([403, 'bad-user'])
  expect(await refusal(await ask({ user: await tokenFor('orders', 'agent', ['s']) }))).toEqual([403, 'bad-user'])
  for (const user of [null, {}, '', 7])
    expect(await refusal(await ask({ user })), 'not a visitor then').toEqual([403, 'bad-user'])
  expect(await given(await ask({ user: await tokenFor('mia', 'user', ['x-*', 'mia-chat']) }))).toMatchObject({
    session: 'mia-chat',
  })
})

test('[E1] a key that is taken away ends connections and tokens at once; so does revoking a visitor (WID-3)', async () => {
  const { server, ask } = await start()
  const open = async ({ token, session: id }: TokenAnswer) => {
    const session = openSession({ url: server.url, id, token, offline: false, onError: () => {} })
    onTestFinished(() => session.close())
    await until(() => session.status.connection === 'live')
    return session
  }
  const [a, b] = [await given(await ask({})), await given(await ask({}))]
  const [first, second] = [await open(a), await open(b)]
  server.revoke({ session: a.session })
  await until(() => first.status.connection !== 'live')
  expect(await refusal(await ask({ visitor: a.visitor }))).toEqual([403, 'revoked'])
  expect(second.status.connection).toBe('live')
  expect(() => server.setWidgetKeys([{ key: 'pk_first_key', origins: ['https://b.example/path'] }])).toThrow('An origin is like')
  server.setWidgetKeys([{ key: 'pk_first_key', origins: ['https://moved.example'] }])
  await until(() => second.status.connection !== 'live')
  const late = await fetch(`http://127.0.0.1:${server.port}/blobs/${b.session}/x`, {
    headers: { authorization: `Bearer ${b.token}` },
  })
  expect(late.status, 'nor does the token open anything').toBe(401)
  expect(await refusal(await ask({ visitor: b.visitor }))).toEqual([403, 'wrong-origin'])
})

test('[E1] no more than so many visitors come at once, and those who return are not counted (WID-2)', async () => {
  const { ask } = await start()
  const known = await given(await ask({}))
  // 400 at once, and 20 a second: more than a slow machine asks for in one go.
  const startedAt = performance.now()
  const answers: number[] = []
  while (!answers.includes(429) && answers.length < 2_000)
    answers.push(...(await Promise.all(Array.from({ length: 50 }, async () => (await ask({})).status))))
  const came = answers.filter((status) => status === 200).length
  expect(answers.length, 'some are refused').toBeGreaterThan(came)
  expect(came).toBeLessThanOrEqual(400 + (20 * (performance.now() - startedAt)) / 1000)
  expect((await ask({ visitor: known.visitor })).status).toBe(200)
})

test('[E1] one network cannot use up what there is for new visitors of a key; proxies are believed only where there are some (WID-6)', async () => {
  const { ask } = await start({ proxies: 1 })
  const from = (address: string) => (_: unknown, n: number) => ask({}, { 'x-forwarded-for': `10.9.8.${n % 250}, ${address}` })
  const statuses = async (count: number, address: string): Promise<number[]> =>
    (await Promise.all(Array.from({ length: count }, from(address)))).map(({ status }) => status)
  const hostile = await statuses(450, '203.0.113.7')
  expect(hostile.filter((status) => status === 200).length).toBeLessThan(330)
  expect(await statuses(30, '2001:db8:1:2::1')).not.toContain(429)
  // Of one network, whatever its other half says.
  expect(await statuses(30, '2001:db8:1:2:3::9')).toContain(429)
  expect(await statuses(30, '2001:db8:1:3::1')).not.toContain(429)
  const direct = await start()
  const claimed = await Promise.all(
    Array.from({ length: 450 }, (_, n) => direct.ask({}, { 'x-forwarded-for': `198.51.${n % 250}.${n % 7}` })),
  )
  expect(claimed.filter(({ status }) => status === 200).length, 'all of one address, whatever they say').toBeLessThan(330)
  await expect(serveHere({ proxies: -1 })).rejects.toThrow('proxies must be')
})

test('[E1] the network of a request: by its address, or by what the last of so many proxies has added (WID-6)', () => {
  const of = (forwarded: string | undefined, proxies: number, address = '192.0.2.1'): string => {
    const env = { incoming: { socket: { remoteAddress: address, remotePort: 1, remoteFamily: 'IPv4' } } }
    return networkOf({ req: { header: () => forwarded }, env } as never, proxies)
  }
  expect(of('1.1.1.1', 0)).toBe('192.0.2.1')
  expect(of('1.1.1.1, 2.2.2.2', 1)).toBe('2.2.2.2')
  expect(of('1.1.1.1,2.2.2.2', 2)).toBe('1.1.1.1')
  // Called past a proxy, or by one that says nothing.
  expect(of('1.1.1.1', 2)).toBe('192.0.2.1')
  expect(of(undefined, 1)).toBe('192.0.2.1')
  expect(of('nonsense', 1)).toBe('192.0.2.1')
  expect(of(undefined, 0, '::ffff:192.0.2.9')).toBe('192.0.2.9')
  expect(of('[2001:db8::7]:443', 1)).toBe('2001:db8:0:0::/64')
  expect(of('2.2.2.2:1234', 1)).toBe('2.2.2.2')
  expect(of(undefined, 0, 'fe80::1%eth0')).toBe('fe80:0:0:0::/64')
  expect(of(undefined, 0, '::1')).toBe('0:0:0:0::/64')
})

test('[E1] who signs out ends what was given to them, pushes too, and that for nobody else; a key that goes ends its pushes (WID-3, PSH-9)', async () => {
  const store = memoryStore()
  const { server, ask } = await start({ store, push: { subject: 'mailto:ops@example.com', loopback: true, graceMs: 20 } })
  const base = `http://127.0.0.1:${server.port}`
  const service = await startPushService()
  onTestFinished(() => service.close())
  const come = async () => {
    const answer = await given(await ask({}))
    const session = openSession({ url: server.url, id: answer.session, token: answer.token, offline: false, onError: () => {} })
    onTestFinished(() => session.close())
    await until(() => session.status.connection === 'live')
    const put = await fetch(`${base}/push/${answer.session}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${answer.token}` },
      body: JSON.stringify(service.subscribe()),
    })
    expect(put.status).toBe(204)
    return { ...answer, live: session }
  }
  const signOut = (body: object, headers: Record<string, string> = {}) =>
    fetch(`${base}/widget/token`, {
      method: 'DELETE',
      headers: { 'sec-fetch-site': 'same-origin', ...headers },
      body: JSON.stringify({ key: 'pk_first_key', host: HOST, ...body }),
    })
  const [ann, bea, cyd] = [await come(), await come(), await come()]
  expect((await signOut({ visitor: ann.visitor }, { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
  expect((await signOut({ visitor: ann.token })).status, 'no other token is a secret').toBe(204)
  expect((await given(await ask({ visitor: ann.visitor }))).session).toBe(ann.session)
  expect((await signOut({ visitor: ann.visitor })).status).toBe(204)
  await until(() => ann.live.status.connection !== 'live')
  expect((await given(await ask({ visitor: ann.visitor }))).session, 'a copy is worth nothing').not.toBe(ann.session)
  expect((await given(await ask({ visitor: bea.visitor }))).session).toBe(bea.session)
  expect(await store.subscribers(ann.session)).toEqual([])
  const support = async (id: string): Promise<void> => {
    const sue = openSession({ url: server.url, id, token: await tokenFor('sue', 'support'), offline: false })
    onTestFinished(() => sue.close())
    await until(() => sue.status.connection === 'live')
    sue.send('Hello', { to: [] })
    await sue.stored()
  }
  await support(ann.session)
  await support(bea.session)
  await until(() => service.delivered.length === 1)
  expect(service.delivered[0]?.payload.session).toBe(bea.session)
  server.setWidgetKeys([keys[1] as (typeof keys)[0]])
  await support(cyd.session)
  await until(async () => (await store.subscribers(cyd.session)).length === 0)
  expect(service.tried.length).toBe(1)
})

test('[E1] the loader is at most 5 KB, gzipped', () => {
  const bytes = gzipSync(readFileSync(new URL('../dist/widget.js', import.meta.url)), { level: 9 }).byteLength
  expect(bytes).toBeGreaterThan(2_000)
  expect(bytes).toBeLessThanOrEqual(5 * 1024)
})
