/** Approvals: asked by an agent or by the AI SDK, answered by people, judged by the server. */
import { convertToModelMessages, streamText, tool, type Tool, type ToolSet, type UIMessage } from 'ai'
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { AgentRun } from '../client/agent.ts'
import type { MessagePart, OpenSession, RunStatus, ToolPart } from '../client/index.ts'
import type { ApprovalAnswer } from '../server/index.ts'
import { Gate, startAgent } from './support/agent.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openLive, replyTo } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { calls, finish, modelOf, says } from './support/model.ts'
import { until } from './support/wait.ts'

const statusOf = (session: OpenSession, input: string): RunStatus | undefined => session.run(`${input}.assistant`)?.status

const ends = (session: OpenSession, input: string, status: RunStatus = 'complete'): Promise<unknown> =>
  until(() => statusOf(session, input) === status, {
    what: () => `${status}; it is ${statusOf(session, input)} ${JSON.stringify(session.run(`${input}.assistant`)?.error)}`,
  })

interface ApprovalPart {
  readonly type: 'data-approval'
  readonly id: string
  readonly data: Readonly<Record<string, unknown>>
  readonly call: NonNullable<ToolPart['call']>
}

const partsOf = (session: OpenSession, input: string): readonly MessagePart[] =>
  session.view.messages.find(({ metadata }) => metadata.parent === input)?.parts ?? []

function approvalIn(session: OpenSession, input: string): ApprovalPart | undefined {
  return partsOf(session, input).find(({ type }) => type === 'data-approval') as ApprovalPart | undefined
}

const asked = (session: OpenSession, input: string): Promise<ApprovalPart> =>
  until(() => (statusOf(session, input) === 'suspended' ? approvalIn(session, input) : undefined), {
    what: 'an approval to wait',
  })

/** Asks before it does anything, and says what it did. */
async function refunds(run: AgentRun): Promise<void> {
  const yes = await run.approval({ title: 'Refund $40?', detail: 'Order 1042', data: { amount: 40 } })
  run.write(yes ? 'Refunded.' : 'Then not.')
}

test('[T3] an approval is answered from another device; the run goes on (TOOL-2)', async () => {
  const { url } = await serveHere()
  const a = await openLive({ url, id: 's' })
  await startAgent({ url, run: refunds })
  const id = a.send('Refund it')
  const waiting = await asked(a, id)
  expect(waiting).toMatchObject({
    data: { title: 'Refund $40?', detail: 'Order 1042', amount: 40, state: 'requested' },
    call: { for: 'approval' },
  })
  expect(a.run(`${id}.assistant`)?.waiting).toBe('Refund $40?')
  await a.close()
  const phone = await openLive({ url, id: 's' })
  phone.approve(waiting.id, true, 'as promised')
  await ends(phone, id)
  expect(replyTo(phone, id, 'assistant')).toBe('Refunded.')
  expect(approvalIn(phone, id)).toMatchObject({ data: { state: 'approved', reason: 'as promised' }, call: { by: 'ada' } })
  expect(() => phone.approve(waiting.id, false)).toThrow(expect.objectContaining({ code: 'not-found' }))
})

test('[T3] denied, also offline: the agent hears no, the run goes on, and so does the conversation (TOOL-2)', async () => {
  const { url } = await serveHere()
  const proxy = await ChaosProxy.start(url)
  const a = await openLive({ url: proxy.url, id: 's' })
  await startAgent({ url, run: refunds })
  const id = a.send('Refund it')
  const { id: approval } = await asked(a, id)
  proxy.down()
  await until(() => a.status.connection === 'offline')
  a.approve(approval, false, 'changed my mind')
  proxy.up()
  a.reconnect()
  await ends(a, id)
  expect(replyTo(a, id, 'assistant')).toBe('Then not.')
  expect(approvalIn(a, id)).toMatchObject({ data: { state: 'denied', reason: 'changed my mind' } })
  const next = a.send('Well, do')
  a.approve((await asked(a, next)).id, true)
  await ends(a, next)
  expect(replyTo(a, next, 'assistant')).toBe('Refunded.')
})

test('[T3] an approval that nobody answers expires by the server’s clock, and counts as denied (TOOL-3)', async () => {
  const { url } = await serveHere()
  const a = await openLive({ url, id: 's' })
  await startAgent({
    url,
    run: async (run) => run.write(String(await run.approval({ title: 'Now?', expiresInMs: 200 }))),
  })
  const id = a.send('Go')
  await ends(a, id)
  const part = approvalIn(a, id)
  expect(part).toMatchObject({ data: { state: 'expired', reason: 'Nobody answered in time.' }, call: { expired: true } })
  expect(part?.call.at).toBeGreaterThanOrEqual(part?.call.expiresAt ?? Infinity)
  expect(replyTo(a, id, 'assistant')).toBe('false')
})

test('the server’s policy decides whose answer counts, and whoever is refused is shown why (TOOL-2)', async () => {
  const seen: ApprovalAnswer[] = []
  const { url, reported } = await serveHere({
    mayApprove: (answer) => {
      seen.push(answer)
      if (answer.reason === 'throw') throw new Error('The policy is broken.')
      return answer.from.kind === 'support' || 'Only the desk approves refunds.'
    },
  })
  const a = await openLive({ url, id: 's' })
  const sam = await openLive({ url, id: 's', as: 'sam', kind: 'support' })
  await startAgent({ url, run: refunds })
  const id = a.send('Refund it')
  const { id: approval } = await asked(a, id)
  await asked(sam, id)
  a.approve(approval, true)
  await until(() => approvalIn(a, id)?.call.refused)
  expect(approvalIn(sam, id)).toMatchObject({
    data: { state: 'requested' },
    call: { refused: { by: 'ada', reason: 'Only the desk approves refunds.' } },
  })
  // A policy that throws lets nobody through.
  sam.approve(approval, true, 'throw')
  await until(() => approvalIn(a, id)?.call.refused?.by === 'sam')
  expect(statusOf(a, id)).toBe('suspended')
  expect(reported.map(({ stage }) => stage)).toEqual(['mayApprove'])
  sam.approve(approval, true)
  await ends(a, id)
  expect(approvalIn(a, id)).toMatchObject({ data: { state: 'approved' }, call: { by: 'sam' } })
  expect(seen[0]).toMatchObject({
    session: 's',
    run: `${id}.assistant`,
    agent: 'assistant',
    from: { id: 'ada', kind: 'user' },
    asker: 'ada',
    approved: true,
    tool: null,
    about: { title: 'Refund $40?', amount: 40 },
  })
})

test('a viewer and an agent approve nothing (TOOL-2)', async () => {
  const { url } = await serveHere()
  const [a, vic] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'vic', kind: 'viewer' })]
  const agent = await startAgent({ url, run: refunds })
  const id = a.send('Refund it')
  const { id: approval } = await asked(a, id)
  await asked(vic, id)
  expect(() => vic.approve(approval, true)).toThrow(expect.objectContaining({ code: 'forbidden' }))
  const { session } = agent.runs[0]!
  const fields = { message: partsOwner(a, id), call: approval, approved: true }
  expect(() => session.ask('answer', 'x', fields)).toThrow(expect.objectContaining({ code: 'forbidden' }))
  expect(() => a.approve(approval, 'yes' as never)).toThrow(expect.objectContaining({ code: 'bad-argument' }))
  expect(statusOf(a, id)).toBe('suspended')
})

const partsOwner = (session: OpenSession, input: string): string =>
  session.view.messages.find(({ metadata }) => metadata.parent === input)?.id ?? ''

test('[R8] a run that waits for an approval is cancelled, and the approval with it (RUN-5, TOOL-2)', async () => {
  const { url } = await serveHere()
  const a = await openLive({ url, id: 's' })
  const { runs } = await startAgent({ url, run: refunds })
  const id = a.send('Refund it')
  const { id: approval } = await asked(a, id)
  a.cancel('all')
  await ends(a, id, 'cancelled')
  expect(runs[0]?.signal.reason).toMatchObject({ code: 'cancelled' })
  expect(approvalIn(a, id)).toMatchObject({ data: { state: 'cancelled' } })
  expect(() => a.approve(approval, true)).toThrow(expect.objectContaining({ code: 'not-found' }))
  a.ask('answer', 'late', { message: partsOwner(a, id), call: approval, approved: true })
  await a.stored()
  expect(approvalIn(a, id)).toMatchObject({ data: { state: 'cancelled' } })
})

// ---- the AI SDK's own tools ---------------------------------------------------------------------------------------------

const tools: ToolSet = {
  // The SDK's type of a set has no place for a tool without `execute` when optional properties are exact.
  where: tool({ description: 'Where the user is', inputSchema: z.object({ precise: z.boolean() }) }) as unknown as Tool,
  refund: tool({
    inputSchema: z.object({ order: z.number() }),
    needsApproval: true,
    execute: ({ order }) => ({ refunded: order }),
  }),
}

function answering(model: ReturnType<typeof modelOf>) {
  return (run: AgentRun): Promise<void> =>
    run.stream(async (messages) =>
      streamText({
        model,
        messages: await convertToModelMessages(messages as unknown as UIMessage[]),
        tools,
        abortSignal: run.signal,
      }),
    )
}

test('a tool without execute runs in the browser, and the model is called again with its result (TOOL-1)', async () => {
  const { url } = await serveHere()
  const a = await openLive({ url, id: 's' })
  a.tools({ where: () => ({ city: 'Bonn' }) })
  const model = modelOf(
    [...says('Let me see. '), ...calls('where', 'c1', { precise: true })],
    [...says('You are in Bonn.'), finish('stop')],
  )
  const { reported } = await startAgent({ url, run: answering(model) })
  const id = a.send('Where is the nearest store?')
  await ends(a, id)
  expect(partsOf(a, id)).toEqual([
    { type: 'step-start' },
    { type: 'text', text: 'Let me see. ', state: 'done' },
    {
      type: 'tool-where',
      toolCallId: 'c1',
      state: 'output-available',
      input: { precise: true },
      output: { city: 'Bonn' },
      call: { for: 'client', by: 'ada', at: expect.any(Number) },
    },
    { type: 'step-start' },
    { type: 'text', text: 'You are in Bonn.', state: 'done' },
  ])
  expect(model.doStreamCalls[1]?.prompt.slice(-2)).toMatchObject([
    { role: 'assistant', content: [{ type: 'text' }, { type: 'tool-call', toolCallId: 'c1' }] },
    { role: 'tool', content: [{ type: 'tool-result', toolCallId: 'c1', output: { type: 'json', value: { city: 'Bonn' } } }] },
  ])
  expect(reported).toEqual([])
})

test.for([
  ['approved', true, { state: 'output-available', output: { refunded: 7 } }],
  ['denied', false, { state: 'output-denied' }],
] as const)('a tool that needs approval is %s: the model hears it, and the run ends well (TOOL-2)', async ([, yes, expected]) => {
  const { url } = await serveHere()
  const a = await openLive({ url, id: 's' })
  const model = modelOf(calls('refund', 'c1', { order: 7 }), [...says('So be it.'), finish('stop')])
  const { reported } = await startAgent({ url, run: answering(model) })
  const id = a.send('Refund order 7')
  const part = await until(() => {
    const call = partsOf(a, id).find((each): each is ToolPart => 'toolCallId' in each)
    return statusOf(a, id) === 'suspended' && call?.state === 'approval-requested' ? call : undefined
  })
  expect(part).toMatchObject({ input: { order: 7 }, call: { for: 'approval' } })
  a.approve(part.approval?.id ?? '', yes, 'my word')
  await ends(a, id)
  const after = partsOf(a, id).find((each): each is ToolPart => 'toolCallId' in each)
  expect(after).toMatchObject({ ...expected, approval: { approved: yes, reason: 'my word' }, call: { by: 'ada' } })
  expect(replyTo(a, id, 'assistant')).toBe('So be it.')
  expect(partsOf(a, id).filter((each) => 'toolCallId' in each)).toHaveLength(1)
  expect(JSON.stringify(model.doStreamCalls[1]?.prompt)).toContain('c1')
  expect(reported).toEqual([])
})

test('[T3][H1] what is asked while a human holds the session can be answered when it is handed back (HLD-1, TOOL-2)', async () => {
  const { url } = await serveHere()
  const a = await openLive({ url, id: 's' })
  const sue = await openLive({ url, id: 's', as: 'sue', kind: 'support' })
  const [gate, asking] = [new Gate(), new Gate()]
  await startAgent({
    url,
    run: async (run) => {
      await gate.passed
      const answer = refunds(run)
      asking.open()
      await answer
    },
  })
  const id = a.send('Refund it')
  await until(() => statusOf(a, id) === 'active')
  sue.take()
  await until(() => statusOf(a, id) === 'suspended')
  gate.open()
  await asking.passed
  await sue.stored()
  expect(approvalIn(a, id)).toBeUndefined()
  sue.handBack()
  const { id: approval } = await asked(a, id)
  await until(() => a.run(`${id}.assistant`)?.waiting === 'Refund $40?', { what: 'the run to say what it waits for' })
  a.approve(approval, true)
  await ends(a, id)
  expect(replyTo(a, id, 'assistant')).toBe('Refunded.')
})
