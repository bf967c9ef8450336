/** Runs that are taken up again when the process that had them is gone: by whom, from where, and what is seen of it. */
import { expect, test } from 'vitest'
import type { OpenSession, Run } from '../../client/index.ts'
import type { AgentSettings } from '../fixtures/agent.ts'
import { begun, begunBy, startAgentProcess } from '../support/agent-process.ts'
import type { Child } from '../support/child.ts'
import { openLive, replyTo } from '../support/clients.ts'
import { startReceiver, WEBHOOK_SECRET } from '../support/receiver.ts'
import { ServerProcess } from '../support/server.ts'
import { until } from '../support/wait.ts'

/** Long enough that a busy machine does not take it from one who lives. */
const LEASE_MS = 3_000
/** So many that a step is not over before a busy test has seen its beginning. */
const TOKENS = 120

const runOf = (session: OpenSession, input: string): Run | undefined => session.run(`${input}.assistant`)
const textOfRun = (session: OpenSession, input: string): string => replyTo(session, input, 'assistant')

const ends = (session: OpenSession, input: string, status: Run['status'] = 'complete'): Promise<unknown> =>
  until(() => runOf(session, input)?.status === status, {
    what: () => `${input} to be ${status}; it is ${JSON.stringify(runOf(session, input))}`,
    timeoutMs: 30_000,
  })

/** What the fixture agent writes for `steps=STEPS tokens=TOKENS`, however many workers it takes. */
function textInSteps(steps: number, tokens: number): string {
  let text = 'Well: '
  for (let step = 1; step <= steps; step++) {
    for (let token = 1; token <= tokens; token++) text += `step${step}-${token} `
    text += `(${step}) `
  }
  return text
}

/** Numbers of the durable steps that a process has really done. */
const stepsOf = (child: Child): unknown[] => child.messages.filter(({ t }) => t === 'step').map(({ step }) => step)

/** The same, once the process has told of so many. */
async function stepsDone(child: Child, count: number): Promise<unknown[]> {
  await until(() => stepsOf(child).length >= count)
  return stepsOf(child)
}

/** What one sees of a run who was never there before. */
async function freshLook(url: string, input: string): Promise<{ run: Run | undefined; replies: string[] }> {
  const reader = await openLive({ url, id: 's', as: 'vera', kind: 'viewer' })
  await until(() => runOf(reader, input) !== undefined)
  const replies = reader.view.messages.filter(({ metadata }) => metadata.parent === input)
  return {
    run: runOf(reader, input),
    replies: replies.map(({ id }) => textOfRun(reader, input) + (replies.length > 1 ? id : '')),
  }
}

async function start(
  settings: Partial<AgentSettings> = {},
  leaseMs = LEASE_MS,
): Promise<{ server: ServerProcess; user: OpenSession; agent: () => Promise<Child> }> {
  const server = await ServerProcess.start({ leaseMs })
  const user = await openLive({ url: server.url, id: 's' })
  return { server, user, agent: () => startAgentProcess({ url: server.url, name: 'assistant', onLapse: 'retry', ...settings }) }
}

test('[G3][G6] a process killed in its second step: another one goes on after the first, and nobody sees what the dead one left (RUN-8, RUN-9, RUN-10, AGT-2)', async () => {
  const { server, user, agent } = await start()
  const first = await agent()
  const input = user.send(`steps=3 tokens=${TOKENS} every=10`)
  await until(() => textOfRun(user, input).includes('step2-10 '), { timeoutMs: 30_000 })
  await first.kill()
  await until(() => runOf(user, input)?.status === 'pending')
  // It waits for a worker; what was done stays done, and what was said so far can still be read.
  expect(runOf(user, input)).toMatchObject({
    attempt: 2,
    steps: [
      { title: 'Step 1', status: 'done' },
      { title: 'Step 2', status: 'interrupted' },
    ],
  })
  expect(textOfRun(user, input)).toContain('step2-10 ')
  const second = await agent()
  await ends(user, input)
  expect(await stepsDone(first, 2)).toEqual([1, 2])
  expect(await stepsDone(second, 2)).toEqual([2, 3])
  const { run, replies } = await freshLook(server.url, input)
  expect(replies).toEqual([textInSteps(3, TOKENS)])
  expect(run).toMatchObject({ status: 'complete', attempt: 2 })
  expect(run?.steps).toEqual([1, 2, 3].map((n) => ({ title: `Step ${n}`, status: 'done' })))
  expect(textOfRun(user, input)).toBe(textInSteps(3, TOKENS))
})

test('[G6] with `restart` it is done from the beginning (RUN-8)', async () => {
  const { server, user, agent } = await start({ onLapse: 'restart' })
  const first = await agent()
  const input = user.send(`steps=2 tokens=${TOKENS} every=10`)
  await until(() => textOfRun(user, input).includes('step2-5 '), { timeoutMs: 30_000 })
  await first.kill()
  const second = await agent()
  await ends(user, input)
  expect(await stepsDone(second, 2)).toEqual([1, 2])
  const { run, replies } = await freshLook(server.url, input)
  expect(replies).toEqual([textInSteps(2, TOKENS)])
  expect(run?.steps).toEqual([1, 2].map((n) => ({ title: `Step ${n}`, status: 'done' })))
})

test('[G3] a process that was stuck for longer than its lease wakes up: what it still writes is refused, and it is of use again (RUN-11, GRD-6)', async () => {
  const { server, user, agent } = await start()
  const first = await agent()
  const input = user.send(`steps=2 tokens=${TOKENS} every=10`)
  await until(() => textOfRun(user, input).includes('step2-5 '), { timeoutMs: 30_000 })
  // Stopped by the system: its sockets stand, it just does nothing, and later goes on where it was.
  first.signal('SIGSTOP')
  const second = await agent()
  await until(() => stepsOf(second).includes(2), { timeoutMs: 30_000 })
  first.signal('SIGCONT')
  await until(() => first.messages.some(({ t, aborted }) => t === 'end' && aborted === true), { timeoutMs: 30_000 })
  await ends(user, input)
  expect((await freshLook(server.url, input)).replies).toEqual([textInSteps(2, TOKENS)])
  expect(textOfRun(user, input)).toBe(textInSteps(2, TOKENS))
  await second.kill()
  const next = user.send('steps=1 tokens=2')
  await ends(user, next)
  expect(await begun(first, 2)).toEqual([`${input}.assistant`, `${next}.assistant`])
})

test('[G3] a process that was stuck gets its own run again, and its former attempt writes nothing into it (RUN-11)', async () => {
  const { server, user, agent } = await start()
  const only = await agent()
  const input = user.send(`steps=2 tokens=${TOKENS} every=10`)
  for (const [n, token] of ['step1-5 ', 'step2-5 '].entries()) {
    await until(() => textOfRun(user, input).includes(token) && runOf(user, input)?.status === 'active', { timeoutMs: 30_000 })
    only.signal('SIGSTOP')
    await until(() => runOf(user, input)?.status === 'pending', { timeoutMs: 30_000 })
    only.signal('SIGCONT')
    await until(() => runOf(user, input)?.attempt === n + 2 && runOf(user, input)?.status === 'active', { timeoutMs: 30_000 })
  }
  await ends(user, input)
  // Once for each time that it was begun, and what was done was not done again.
  expect(await stepsDone(only, 4)).toEqual([1, 1, 2, 2])
  const { run, replies } = await freshLook(server.url, input)
  expect(replies).toEqual([textInSteps(2, TOKENS)])
  expect(run?.attempt).toBe(3)
})

test('[G3] a run that kills whoever takes it up is interrupted after so many attempts (RUN-8)', async () => {
  const { user, agent } = await start({ maxAttempts: 2 })
  const agents = [await agent(), await agent()]
  const input = user.send('die')
  await ends(user, input, 'interrupted')
  expect(runOf(user, input)?.attempt).toBe(2)
  await Promise.all(agents.map(({ ended }) => ended))
  expect(agents.flatMap(begunBy)).toEqual([`${input}.assistant`, `${input}.assistant`])
})

test('[G3] a process that is closed hands its run over at once, and its lease is not waited for (RUN-8)', async () => {
  // So long that the test would not see its end.
  const { server, user, agent } = await start({ maxAttempts: 1 }, 600_000)
  const first = await agent()
  const second = await agent()
  const input = user.send(`steps=3 tokens=${TOKENS} every=10`)
  await until(() => textOfRun(user, input).includes('step2-5 '), { timeoutMs: 30_000 })
  const [has, other] = begunBy(first).length > 0 ? [first, second] : [second, first]
  has.send({ t: 'close' })
  await ends(user, input)
  expect((await has.ended).code).toBe(0)
  expect(await stepsDone(other, 2)).toEqual([2, 3])
  expect((await freshLook(server.url, input)).replies).toEqual([textInSteps(3, TOKENS)])
})

test('[G3] a cancel ends a run that waits for its next worker, and its text stays (RUN-5, RUN-8)', async () => {
  const { user, agent } = await start()
  const first = await agent()
  const input = user.send(`steps=2 tokens=${TOKENS} every=10`)
  await until(() => textOfRun(user, input).includes('step1-5 '), { timeoutMs: 30_000 })
  await first.kill()
  await until(() => runOf(user, input)?.status === 'pending')
  user.cancel({ message: input })
  await ends(user, input, 'cancelled')
  expect(textOfRun(user, input)).toContain('step1-5 ')
  const second = await agent()
  const next = user.send('steps=1 tokens=1')
  await ends(user, next)
  expect(await begun(second, 1)).toEqual([`${next}.assistant`])
})

test('[G3] an agent that is not running is woken, is killed at its work, and is woken again to end it (RUN-8, RUN-14)', async () => {
  const agents = new Map<string, Promise<Child>>()
  const serverUrl = Promise.withResolvers<string>()
  // A call that comes again has the same id: it is under way already.
  const receiver = await startReceiver(({ id, data: { agent, token } }) => {
    const start = (url: string): Promise<Child> => startAgentProcess({ url, name: agent, token, onLapse: 'retry' })
    if (!agents.has(id)) agents.set(id, serverUrl.promise.then(start))
    return 202
  })
  const wake = { assistant: { url: receiver.url, secret: WEBHOOK_SECRET } }
  const server = await ServerProcess.start({ leaseMs: LEASE_MS, wake })
  serverUrl.resolve(server.url)
  const user = await openLive({ url: server.url, id: 's' })
  const input = user.send(`steps=2 tokens=${TOKENS} every=10`)
  await until(() => textOfRun(user, input).includes('step2-5 '), { timeoutMs: 30_000 })
  const [first] = await Promise.all(agents.values())
  await first?.kill()
  await ends(user, input)
  const all = await Promise.all(agents.values())
  expect(all.map(stepsOf)).toEqual([[1, 2], [2]])
  expect((await freshLook(server.url, input)).replies).toEqual([textInSteps(2, TOKENS)])
})
