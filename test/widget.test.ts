/** The widget's server side: keys, origins, tokens, and what becomes of them when a key goes. And the size of what a page loads. */
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { openSession } from '../client/index.ts'
import type { TokenAnswer } from '../shared/widget.ts'
import { serveHere } from './support/in-process.ts'
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

test('[E1] the loader is at most 5 KB, gzipped', () => {
  const bytes = gzipSync(readFileSync(new URL('../dist/widget.js', import.meta.url)), { level: 9 }).byteLength
  expect(bytes).toBeGreaterThan(2_000)
  expect(bytes).toBeLessThanOrEqual(5 * 1024)
})
