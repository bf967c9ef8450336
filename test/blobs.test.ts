/** Values that are too large for the document: beside it, by reference, under the session's own access. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { OpenSession, Reference, ToolPart } from '../client/index.ts'
import { memoryStore, sqliteStore } from '../server/index.ts'
import { LIMITS, MAX_INLINE_BYTES } from '../shared/limits.ts'
import { blobPath, hashId } from '../shared/reference.ts'
import { startAgent } from './support/agent.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openLive, replyTo } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { storedDocument } from './support/stored.ts'
import { temporaryFolder } from './support/temporary.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const MB = 1024 * 1024
const idOf = (data: Uint8Array): string => hashId(createHash('sha256').update(data).digest())

const callIn = (session: OpenSession, input: string): ToolPart | undefined =>
  session.view.messages
    .find(({ metadata }) => metadata.parent === input)
    ?.parts.find((part): part is ToolPart => 'toolCallId' in part)

const ends = (session: OpenSession, input: string): Promise<unknown> =>
  until(() => session.run(`${input}.assistant`)?.status === 'complete', {
    what: () => `the run to be complete: ${JSON.stringify(session.run(`${input}.assistant`))}`,
  })

/** Rows that take the given bytes as JSON, none of them alike. */
function rowsOf(bytes: number): { readonly row: string }[] {
  const rows = Array.from({ length: Math.ceil(bytes / 111) }, (_, n) => ({ row: `${n}`.padEnd(100, '·x') }))
  while (JSON.stringify(rows).length < bytes) rows.push({ row: '' })
  return rows
}

test('[T4] a tool’s output of 5 MB lies beside the document, and is shown by reference (BLOB-1)', async () => {
  const file = join(temporaryFolder(), 'sessions.db')
  const store = sqliteStore({ file })
  const { url } = await serveHere({ store })
  const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
  const output = rowsOf(5 * MB)
  await startAgent({
    url,
    run: async (run) => {
      await run.pipe(
        (async function* () {
          yield { type: 'tool-input-available', toolCallId: 'c', toolName: 'report', input: {} }
          yield { type: 'tool-output-available', toolCallId: 'c', output }
        })(),
      )
      run.write('Here it is.')
    },
  })
  const id = a.send('All of it')
  await ends(b, id)
  const reference = callIn(b, id)?.output as Reference
  expect(callIn(b, id)?.state).toBe('output-available')
  expect(reference).toEqual({
    type: 'reference',
    id: idOf(Buffer.from(JSON.stringify(output))),
    bytes: Buffer.byteLength(JSON.stringify(output)),
    mediaType: 'application/json',
    preview: JSON.stringify(output).slice(0, 1_000),
  })
  expect(reference.bytes).toBeGreaterThan(5 * MB)
  expect(await b.fetchOutput(reference)).toEqual(output)
  const stored = await store.read('s')
  const bytes = stored.updates.reduce((sum, update) => sum + update.byteLength, stored.snapshot?.byteLength ?? 0)
  expect(bytes).toBeLessThan(10_000)
  expect(await store.blobBytes('s')).toBe(reference.bytes)
})

test('[T4] the large output of a client’s tool as well, put when there is a network again; the agent gets it whole (BLOB-1)', async () => {
  const store = memoryStore()
  const { url } = await serveHere({ store })
  const proxy = await ChaosProxy.start(url)
  const a = await openLive({ url: proxy.url, id: 's' })
  await startAgent({
    url,
    run: async (run) => run.write(String(JSON.stringify(await run.callClient('export', {})).length)),
  })
  const id = a.send('Go')
  const { toolCallId } = await until(() => (a.run(`${id}.assistant`)?.status === 'suspended' ? callIn(a, id) : undefined))
  const output = rowsOf(MAX_INLINE_BYTES + 1)
  proxy.down()
  await until(() => a.status.connection === 'offline')
  const responded = a.respond(toolCallId, output)
  proxy.up()
  a.reconnect()
  await responded
  await ends(a, id)
  expect(replyTo(a, id, 'assistant')).toBe(String(JSON.stringify(output).length))
  expect(callIn(a, id)?.output).toMatchObject({ type: 'reference' })
  expect(await a.fetchOutput(callIn(a, id)?.output)).toEqual(output)
  expect(JSON.stringify((await storedDocument(store, 's')).getArray('messages')).length).toBeLessThan(5_000)
})

test('a store that fails delays a large output and loses nothing of it (BLOB-1)', async () => {
  const store = memoryStore()
  const put = store.putBlob.bind(store)
  let failures = 2
  store.putBlob = async (...args) => {
    if (failures-- > 0) throw new Error('The disk is full.')
    await put(...args)
  }
  const { url, reported } = await serveHere({ store })
  const a = await openLive({ url, id: 's' })
  a.tools({ export: () => rowsOf(MAX_INLINE_BYTES + 1) })
  await startAgent({ url, run: async (run) => void (await run.callClient('export', {})) })
  const id = a.send('Go')
  await ends(a, id)
  expect(await a.fetchOutput(callIn(a, id)?.output)).toEqual(rowsOf(MAX_INLINE_BYTES + 1))
  expect(reported.map(({ stage }) => stage)).toEqual(['blobs', 'blobs'])
})

test('what is small stays in the document; what is too large for the server is an error of the call (BLOB-1, BLOB-2)', async () => {
  const { url } = await serveHere({ limits: { blobBytes: 100_000 } })
  const a = await openLive({ url, id: 's' })
  await startAgent({
    url,
    run: async (run) => {
      const output = rowsOf(Number(JSON.stringify(run.input.parts).match(/\d+/)?.[0]))
      await run.pipe(
        (async function* () {
          yield { type: 'tool-input-available', toolCallId: 'c', toolName: 'report', input: {} }
          yield { type: 'tool-output-available', toolCallId: 'c', output }
        })(),
      )
    },
  })
  const small = a.send('10000')
  await ends(a, small)
  expect(callIn(a, small)?.output).toEqual(rowsOf(10_000))
  const huge = a.send('200000')
  await ends(a, huge)
  expect(callIn(a, huge)).toMatchObject({
    state: 'output-error',
    errorText: expect.stringMatching(/A value may have 100000 bytes/),
  })
})

describe('over HTTP', () => {
  const data = Buffer.from('{"some":"thing"}')
  const id = idOf(data)

  async function serving(limits: Parameters<typeof serveHere>[0] = {}) {
    const store = memoryStore()
    const { port } = await serveHere({ store, ...limits })
    const ask = (method: string, token: string | null, path = blobPath('s', id), body?: BodyInit, type = 'application/json') =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers: { 'content-type': type, ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
        ...(body === undefined ? {} : { body, duplex: 'half' }),
      } as RequestInit)
    return { store, ask }
  }

  test('a value is put and had by whoever has the session; viewers only read (BLOB-2, ACC-3)', async () => {
    const { store, ask } = await serving()
    const [ada, vic] = [await tokenFor('ada', 'user', ['s']), await tokenFor('vic', 'viewer', ['s'])]
    expect((await ask('GET', ada)).status).toBe(404)
    expect((await ask('PUT', vic, undefined, data)).status).toBe(403)
    expect(await store.blobBytes('s')).toBe(0)
    expect((await ask('PUT', ada, undefined, data)).status).toBe(204)
    // Again, as after an answer that was lost.
    expect((await ask('PUT', ada, undefined, data)).status).toBe(204)
    const got = await ask('GET', vic)
    expect([got.status, await got.text()]).toEqual([200, data.toString()])
    expect(got.headers.get('content-type')).toBe('application/json')
    expect(got.headers.get('x-content-type-options')).toBe('nosniff')
    expect(got.headers.get('content-disposition')).toBe('attachment')
  })

  test('without a token, with a wrong one or one for other sessions there is nothing, put or got (BLOB-2, ACC-1)', async () => {
    const { store, ask } = await serving()
    await store.putBlob('s', id, 'application/json', data)
    await store.putBlob('other', id, 'application/json', data)
    const foreign = await tokenFor('ada', 'user', ['other'])
    for (const [token, status] of [
      [null, 401],
      ['nonsense', 401],
      [foreign, 403],
    ] as const) {
      for (const method of ['GET', 'PUT']) {
        const answer = await ask(method, token, undefined, method === 'PUT' ? data : undefined)
        expect([method, answer.status]).toEqual([method, status])
        expect(await answer.text()).not.toContain('thing')
      }
    }
    expect((await ask('GET', foreign, blobPath('other', id))).status).toBe(200)
    expect((await ask('GET', foreign, blobPath('~agent.assistant', id))).status).toBe(400)
  })

  test('an id is the hash of its bytes, so that nobody changes what it names (BLOB-1)', async () => {
    const { store, ask } = await serving()
    const token = await tokenFor('ada', 'user')
    expect((await ask('PUT', token, undefined, 'other bytes')).status).toBe(400)
    expect((await ask('PUT', token, blobPath('s', 'short'), data)).status).toBe(400)
    expect((await ask('PUT', token, undefined, data, 'text/html; charset=utf-8')).status).toBe(400)
    expect(await store.blobBytes('s')).toBe(0)
  })

  test('a value is at most 16 MB by default, however it is sent, and a session’s values together are limited (BLOB-2)', async () => {
    expect(LIMITS.blobBytes).toBe(16 * MB)
    const { store, ask } = await serving({ limits: { blobBytes: 1_000, sessionBlobBytes: 1_500 } })
    const token = await tokenFor('ada', 'user')
    const put = (bytes: Buffer, body: BodyInit = new Uint8Array(bytes)) => ask('PUT', token, blobPath('s', idOf(bytes)), body)
    const large = Buffer.alloc(1_001, 'x')
    expect((await put(large)).status).toBe(413)
    // In pieces, without saying how much will come.
    const pieces = new ReadableStream({
      start(controller) {
        for (let at = 0; at < large.length; at += 100) controller.enqueue(large.subarray(at, at + 100))
        controller.close()
      },
    })
    expect((await put(large, pieces)).status).toBe(413)
    const [first, second] = [Buffer.alloc(1_000, 'a'), Buffer.alloc(501, 'b')]
    expect((await put(first)).status).toBe(204)
    expect((await put(second)).status).toBe(507)
    // What is there already takes no room.
    expect((await put(first)).status).toBe(204)
    expect((await put(second.subarray(1))).status).toBe(204)
    expect(await store.blobBytes('s')).toBe(1_500)
  })

  test('values come and go at a rate, in number and in bytes, for each person and each agent (BLOB-3)', async () => {
    const once = { perSecond: 0.01, burst: 3 }
    const few = { perSecond: 10, burst: 2_500 }
    const { ask, store } = await serving({
      limits: { personBlobs: once, personBlobBytes: few, agentBlobs: { perSecond: 0.01, burst: 1 }, agentBlobBytes: few },
    })
    const [ada, bob, bot] = [await tokenFor('ada', 'user'), await tokenFor('bob', 'user'), await tokenFor('ada', 'agent')]
    const put = (token: string, fill: string) => {
      const bytes = Buffer.alloc(1_000, fill)
      return ask('PUT', token, blobPath('s', idOf(bytes)), new Uint8Array(bytes))
    }
    const statusOf = async (response: Promise<Response>): Promise<number> => (await response).status
    expect([await statusOf(put(ada, 'a')), await statusOf(put(ada, 'b')), await statusOf(put(ada, 'c'))]).toEqual([204, 204, 204])
    const refused = await put(ada, 'd')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await store.blobBytes('s')).toBe(3_000)
    // Others have their own: also an agent of the same name. The third of bob's is larger than what is left, and goes through.
    expect([await statusOf(put(bot, 'e')), await statusOf(put(bot, 'f'))]).toEqual([204, 429])
    const both = await Promise.all(['g', 'h', 'i', 'j'].map((fill) => statusOf(put(bob, fill))))
    expect(both.toSorted((one, other) => one - other)).toEqual([204, 204, 204, 429])
    const fetched = await ask('GET', await tokenFor('cat', 'user'), blobPath('s', idOf(Buffer.alloc(1_000, 'a'))))
    expect(fetched.status).toBe(200)
    expect(await statusOf(ask('GET', bob, blobPath('s', idOf(Buffer.alloc(1_000, 'a')))))).toBe(429)
  })

  test('[T4] an agent whose values come too fast waits, and all of them arrive (BLOB-3)', async () => {
    const { url } = await serveHere({ limits: { agentBlobs: { perSecond: 4, burst: 1 } } })
    const a = await openLive({ url, id: 's' })
    await startAgent({
      url,
      run: async (run) => {
        await run.pipe(
          (async function* () {
            for (const toolCallId of ['one', 'two']) {
              yield { type: 'tool-input-available', toolCallId, toolName: 'report', input: {} }
              yield { type: 'tool-output-available', toolCallId, output: rowsOf(80_000).concat({ row: toolCallId }) }
            }
          })(),
        )
      },
    })
    const id = a.send('Both')
    await ends(a, id)
    const parts = a.view.messages.at(-1)?.parts.filter((part): part is ToolPart => 'toolCallId' in part)
    expect(parts?.map(({ state }) => state)).toEqual(['output-available', 'output-available'])
    expect(((await a.fetchOutput(parts?.[1]?.output)) as { row: string }[]).at(-1)).toEqual({ row: 'two' })
  })

  test('pages of other origins may ask, where origins are given only those (ACC-8)', async () => {
    const { ask } = await serving({ origins: ['https://shop.example'] })
    const options = await ask('OPTIONS', null)
    expect(options.headers.get('access-control-allow-origin')).toBeNull()
    const open = await serving()
    expect((await open.ask('OPTIONS', null)).headers.get('access-control-allow-origin')).toBe('*')
  })
})
