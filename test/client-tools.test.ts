/** Tools that run in a person's browser: in one tab, whoever else could; and answers by hand. */
import { expect, test } from 'vitest'
import type { OpenSession, RunStatus, ToolPart } from '../client/index.ts'
import { rootsOf } from '../shared/layout.ts'
import { memoryStore } from '../server/index.ts'
import { Gate, startAgent } from './support/agent.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openLive, replyTo } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { storedDocument } from './support/stored.ts'
import { until } from './support/wait.ts'

const statusOf = (session: OpenSession, input: string): RunStatus | undefined => session.run(`${input}.assistant`)?.status

/** The tool call of the reply to an input, as a session shows it. */
function callIn(session: OpenSession, input: string): ToolPart | undefined {
  const reply = session.view.messages.find(({ metadata }) => metadata.parent === input)
  return reply?.parts.find((part): part is ToolPart => 'toolCallId' in part)
}

const waits = (session: OpenSession, input: string): Promise<ToolPart> =>
  until(() => (statusOf(session, input) === 'suspended' ? callIn(session, input) : undefined), { what: 'a call to wait' })

const ends = (session: OpenSession, input: string, status: RunStatus = 'complete'): Promise<unknown> =>
  until(() => statusOf(session, input) === status, { what: () => `${status}; it is ${statusOf(session, input)}` })

/** An agent that asks its client where it is, and says what it heard. */
async function asking(url: string, options: { readonly timeoutMs?: number } = {}) {
  return await startAgent({
    url,
    run: async (run) => {
      const place = await run.callClient('where', { precise: true }, options).catch((error: unknown) => {
        if (run.signal.aborted) throw error
        return error instanceof Error ? error.message : ''
      })
      run.write(JSON.stringify(place))
    },
  })
}

test('[T1] of three open tabs exactly one runs a call, and the run goes on with what it gave (TOOL-1)', async () => {
  const { url } = await serveHere()
  const tabs = await Promise.all([1, 2, 3].map(() => openLive({ url, id: 's' })))
  const inputs: unknown[] = []
  for (const [n, tab] of tabs.entries()) {
    tab.tools({
      where: (input) => {
        inputs.push(input)
        return { tab: n }
      },
    })
  }
  await asking(url)
  const [a, b] = tabs as [OpenSession, OpenSession]
  for (let round = 1; round <= 5; round++) {
    const id = a.send('Where am I?')
    await ends(b, id)
    expect(inputs).toEqual(Array.from({ length: round }, () => ({ precise: true })))
    const call = callIn(b, id)
    expect(call).toMatchObject({ type: 'tool-where', state: 'output-available', input: { precise: true }, call: { by: 'ada' } })
    expect(replyTo(b, id, 'assistant')).toBe(JSON.stringify(call?.output))
  }
})

test('a tab that offers the tool later does the call; what it throws is the call’s error (TOOL-1)', async () => {
  const { url } = await serveHere()
  const a = await openLive({ url, id: 's' })
  await asking(url)
  const id = a.send('Where am I?')
  expect(await waits(a, id)).toMatchObject({ state: 'input-available', call: { for: 'client' } })
  expect(a.run(`${id}.assistant`)).toMatchObject({ status: 'suspended', waiting: 'Waiting for where' })
  const late = await openLive({ url, id: 's' })
  late.tools({ where: () => Promise.reject(new Error('No satellite.')) })
  await ends(a, id)
  expect(callIn(a, id)).toMatchObject({ state: 'output-error', errorText: 'No satellite.' })
  expect(replyTo(a, id, 'assistant')).toBe('"No satellite."')
})

test('[T1] a tab that is cut off loses its call after the lease, another does it, and what the first one gives is too late (TOOL-1, TOOL-2)', async () => {
  const { url } = await serveHere({ leaseMs: 1_000 })
  const proxy = await ChaosProxy.start(url)
  const first = await openLive({ url: proxy.url, id: 's' })
  const gate = new Gate()
  let lost = false
  first.tools({
    where: async (_input, { signal }) => {
      signal.addEventListener('abort', () => (lost = true))
      await gate.passed
      return 'first'
    },
  })
  const agent = await asking(url)
  const id = first.send('Where am I?')
  await until(() => callIn(first, id)?.call?.claim?.tab)
  const second = await openLive({ url, id: 's' })
  const done = new Gate()
  second.tools({ where: async () => (await done.passed, 'second') })
  proxy.down()
  await until(() => callIn(second, id)?.call?.claim?.n === 2)
  // It is told as soon as it is back; what it has answered under its old claim has no effect.
  first.ask('answer', 'late', { message: callOwner(second, id), call: callIn(second, id)?.toolCallId, claim: 1, output: 'first' })
  proxy.up()
  first.reconnect()
  await until(() => first.status.connection === 'live' && lost)
  gate.open()
  await first.stored()
  expect(statusOf(second, id)).toBe('suspended')
  done.open()
  await ends(second, id)
  await until(() => callIn(first, id)?.output === 'second')
  expect(replyTo(second, id, 'assistant')).toBe('"second"')
  expect(agent.reported).toEqual([])
})

const callOwner = (session: OpenSession, input: string): string =>
  session.view.messages.find(({ metadata }) => metadata.parent === input)?.id ?? ''

test('[T2] two tabs answer at once: every replica and the agent see one result, in one reply (TOOL-2)', async () => {
  const store = memoryStore()
  const { url } = await serveHere({ store })
  const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's' })]
  await asking(url)
  const id = a.send('Where am I?')
  const { toolCallId } = await waits(a, id)
  await waits(b, id)
  await Promise.all([a.respond(toolCallId, 'here'), b.respond(toolCallId, 'there')])
  await ends(a, id)
  await ends(b, id)
  await Promise.all([a.stored(), b.stored()])
  const [seenA, seenB] = [callIn(a, id)?.output, callIn(b, id)?.output]
  expect(['here', 'there']).toContain(seenA)
  expect(seenB).toBe(seenA)
  expect(replyTo(a, id, 'assistant')).toBe(JSON.stringify(seenA))
  expect(b.view.messages.map(({ role }) => role)).toEqual(['user', 'assistant'])
  // The server has taken both away.
  await until(async () => rootsOf(await storedDocument(store, 's')).control.size === 0)
})

test('[T2] two tabs answer while both are offline: whichever comes first counts (TOOL-2)', async () => {
  const { url } = await serveHere()
  const proxy = await ChaosProxy.start(url)
  const [a, b] = [await openLive({ url: proxy.url, id: 's' }), await openLive({ url: proxy.url, id: 's' })]
  await asking(url)
  const id = a.send('Where am I?')
  const { toolCallId } = await waits(a, id)
  await waits(b, id)
  proxy.down()
  await until(() => [a, b].every(({ status }) => status.connection === 'offline'))
  await Promise.all([a.respond(toolCallId, 'a'), b.respond(toolCallId, 'b')])
  proxy.up()
  for (const tab of [a, b]) tab.reconnect()
  await Promise.all([ends(a, id), ends(b, id)])
  expect(callIn(a, id)?.output).toBe(callIn(b, id)?.output)
})

test('only whoever wrote the input answers for its client, and only a call that waits (TOOL-1, TOOL-2)', async () => {
  const { url } = await serveHere()
  const ada = await openLive({ url, id: 's' })
  const [bob, sam] = [await openLive({ url, id: 's', as: 'bob' }), await openLive({ url, id: 's', as: 'sam', kind: 'support' })]
  let foreign = 0
  for (const session of [bob, sam]) session.tools({ where: () => (foreign += 1) })
  const gate = new Gate()
  await startAgent({
    url,
    run: async (run) => {
      await run.pipe(
        (async function* () {
          yield { type: 'tool-input-available', toolCallId: 'own', toolName: 'look', input: {} }
          await gate.passed
          yield { type: 'tool-output-available', toolCallId: 'own', output: 'seen' }
        })(),
      )
      run.write(String(await run.callClient('where', {})))
    },
  })
  const id = ada.send('Go')
  // A call that the agent does itself is nobody else's to answer.
  await until(() => callIn(ada, id)?.toolCallId === 'own')
  await expect(ada.respond('own', 'forged')).rejects.toMatchObject({ code: 'not-found' })
  ada.ask('answer', 'x1', { message: callOwner(ada, id), call: 'own', output: 'forged' })
  await ada.stored()
  expect(callIn(ada, id)).toMatchObject({ state: 'input-available' })
  gate.open()
  await until(() => statusOf(bob, id) === 'suspended')
  const call = bob.view.messages.at(-1)?.parts.at(-1) as ToolPart
  expect(call.type).toBe('tool-where')
  // By the front door, and past it: nobody answers for Ada.
  for (const session of [bob, sam]) {
    await expect(session.respond(call.toolCallId, 'forged')).rejects.toMatchObject({ code: 'forbidden' })
    session.ask('answer', `x${session.me?.id}`, { message: callOwner(session, id), call: call.toolCallId, output: 'forged' })
    await session.stored()
  }
  // An approval is no output.
  ada.ask('answer', 'x2', { message: callOwner(ada, id), call: call.toolCallId, approved: true })
  await ada.stored()
  expect(statusOf(ada, id)).toBe('suspended')
  expect(() => ada.approve(call.toolCallId, true)).toThrow(expect.objectContaining({ code: 'not-found' }))
  await ada.respond(call.toolCallId, 'home')
  await ends(ada, id)
  expect(replyTo(ada, id, 'assistant')).toBe('home')
  expect(foreign).toBe(0)
  await expect(ada.respond(call.toolCallId, 'again')).rejects.toMatchObject({ code: 'not-found' })
})

test('a run waits for several things at once, each with its own answer (TOOL-1, TOOL-2)', async () => {
  const { url } = await serveHere()
  const a = await openLive({ url, id: 's' })
  a.tools({ where: () => 'Bonn' })
  await startAgent({
    url,
    run: async (run) => {
      const given = [run.callClient('name', {}), run.callClient('where', {}), run.approval({ title: 'Go on?', expiresInMs: 100 })]
      run.write(JSON.stringify(await Promise.all(given)))
      expect(run.status).toBe('active')
    },
  })
  const id = a.send('Go')
  const { toolCallId } = await waits(a, id)
  const parts = () => a.view.messages.at(-1)?.parts as (ToolPart & { data?: { state?: string } })[] | undefined
  await until(() => parts()?.[1]?.state === 'output-available' && parts()?.[2]?.data?.state === 'expired')
  expect(a.run(`${id}.assistant`)).toMatchObject({ status: 'suspended' })
  await a.respond(toolCallId, 'Ada')
  await ends(a, id)
  expect(replyTo(a, id, 'assistant')).toBe('["Ada","Bonn",false]')
  expect(a.run(`${id}.assistant`)?.waiting).toBeUndefined()
})

test('a call that nobody does in time fails by the server’s clock (TOOL-3)', async () => {
  const { url } = await serveHere()
  const a = await openLive({ url, id: 's' })
  await asking(url, { timeoutMs: 100 })
  const id = a.send('Where am I?')
  await ends(a, id)
  expect(callIn(a, id)).toMatchObject({ state: 'output-error', errorText: 'Nobody answered in time.', call: { expired: true } })
  expect(callIn(a, id)?.call?.by).toBeUndefined()
  expect(replyTo(a, id, 'assistant')).toBe('"Nobody answered in time."')
})

test('[R8] a run that waits for a client’s tool is cancelled: the call fails, the tab stops, and late answers change nothing (TOOL-2)', async () => {
  const { url } = await serveHere()
  const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
  let stopped = false
  a.tools({
    where: (_input, { signal }) => new Promise(() => signal.addEventListener('abort', () => (stopped = true), { once: true })),
  })
  const { runs, reported } = await asking(url)
  const id = a.send('Where am I?')
  await until(() => callIn(a, id)?.call?.claim?.tab)
  const { toolCallId } = await waits(a, id)
  b.cancel({ run: `${id}.assistant` })
  await ends(a, id, 'cancelled')
  await until(() => stopped)
  expect(callIn(a, id)).toMatchObject({ state: 'output-error', errorText: 'The run ended: cancelled.' })
  expect(runs[0]?.signal.reason).toMatchObject({ code: 'cancelled' })
  a.ask('answer', 'late', { message: callOwner(a, id), call: toolCallId, output: 'too late' })
  await a.stored()
  expect(callIn(a, id)).toMatchObject({ state: 'output-error' })
  expect(reported).toEqual([])
})
