/** Agents in processes of their own: who gets what, and what happens when one of the processes dies. */
import { expect, test } from 'vitest'
import { hasEnded, type OpenSession, type Run } from '../../client/index.ts'
import { memoryStore } from '../../server/index.ts'
import { begun, begunBy, startAgentProcess } from '../support/agent-process.ts'
import { ChaosProxy } from '../support/chaos-proxy.ts'
import type { Child } from '../support/child.ts'
import { openLive, replyTo, texts, tokensOf } from '../support/clients.ts'
import { serveHere } from '../support/in-process.ts'
import { ServerProcess } from '../support/server.ts'
import { until } from '../support/wait.ts'

function runOf(session: OpenSession, input: string, agent = 'assistant'): Run | undefined {
  return session.run(`${input}.${agent}`)
}

/** How many tokens of a reply are there. Throws when it is anything else than the first tokens of that agent. */
function tokensIn(session: OpenSession, input: string, agent: string): number {
  const text = replyTo(session, input, agent)
  const count = text.split(' ').length - 1
  expect(text).toBe(tokensOf(agent, count))
  return count
}

test('[G1] two agents stream in one session at once, and their texts never mix', async () => {
  const server = await ServerProcess.start()
  const user = await openLive({ url: server.url, id: 's' })
  const reader = await openLive({ url: server.url, id: 's', as: 'vera', kind: 'viewer' })
  await Promise.all(['alpha', 'beta'].map((name) => startAgentProcess({ url: server.url, name })))
  const input = user.send('tokens=200 every=2', { to: ['alpha', 'beta'] })
  const failures: unknown[] = []
  let together = 0
  reader.subscribe(() => {
    try {
      const counts = ['alpha', 'beta'].map((name) => tokensIn(reader, input, name))
      if (counts.every((count) => count > 0 && count < 200)) together += 1
    } catch (error) {
      failures.push(error)
    }
  })
  await until(() => ['alpha', 'beta'].every((name) => runOf(reader, input, name)?.status === 'complete'), { timeoutMs: 15_000 })
  expect(failures).toEqual([])
  expect([tokensIn(reader, input, 'alpha'), tokensIn(reader, input, 'beta')]).toEqual([200, 200])
  // Both were seen half done again and again: they did write at the same time.
  expect(together).toBeGreaterThan(10)
})

test.for([
  { store: 'SQLite', inMemory: false },
  { store: 'memory', inMemory: true },
])(
  '[G2] of two processes of one agent exactly one does each of 1,000 inputs, with the store in $store (RUN-3)',
  { timeout: 240_000 },
  async ({ inMemory }) => {
    const server = await ServerProcess.start({ inMemory })
    const agents = await Promise.all([1, 2].map(() => startAgentProcess({ url: server.url, name: 'assistant' })))
    const users = await Promise.all(
      Array.from({ length: 40 }, (_, n) => openLive({ url: server.url, id: `s${n}`, as: `user${n}` })),
    )
    let atOnce = 0
    for (const user of users) {
      const count = (): number => user.view.runs.filter(({ status }) => status === 'active').length
      user.subscribe(() => (atOnce = Math.max(atOnce, count())), 'runs')
    }
    const inputs: { user: OpenSession; input: string }[] = []
    for (let n = 0; n < 25; n++) for (const user of users) inputs.push({ user, input: user.send('tokens=3') })
    const missing = (): (Run | string)[] =>
      inputs
        .map(({ user, input }) => runOf(user, input) ?? input)
        .filter((it) => typeof it === 'string' || it.status !== 'complete')
    await until(() => inputs.every(({ user, input }) => runOf(user, input)?.status === 'complete'), {
      timeoutMs: 150_000,
      what: () => `1,000 runs to be complete; ${missing().length} are not: ${JSON.stringify(missing().slice(0, 3))}`,
    })
    await until(() => agents.flatMap(begunBy).length >= inputs.length, { what: 'both processes to have told what they began' })
    const [first, second] = agents.map(begunBy)
    expect([...first!, ...second!].toSorted()).toEqual(inputs.map(({ input }) => `${input}.assistant`).toSorted())
    // One at a time in each session, and yet neither was idle.
    expect(atOnce).toBe(1)
    expect(Math.min(first!.length, second!.length)).toBeGreaterThan(20)
    for (const { user, input } of inputs) {
      expect(user.view.messages.filter(({ metadata }) => metadata.parent === input).length).toBe(1)
      expect(replyTo(user, input, 'assistant')).toBe(tokensOf('assistant', 3))
    }
  },
)

test('[G3] the run of a process that is killed is shown interrupted within its lease, or cancelled if that was asked for (RUN-4)', async () => {
  const leaseMs = 1_500
  const server = await ServerProcess.start({ leaseMs })
  const agent = await startAgentProcess({ url: server.url, name: 'assistant' })
  const [left, cancelled] = await Promise.all(['left', 'cancelled'].map((id) => openLive({ url: server.url, id })))
  const inputs = [left!, cancelled!].map((session) => session.send('tokens=100000 every=5 step=Looking'))
  await until(() => tokensIn(left!, inputs[0]!, 'assistant') > 10 && tokensIn(cancelled!, inputs[1]!, 'assistant') > 10)
  await agent.kill()
  const killedAt = performance.now()
  cancelled!.cancel({ message: inputs[1]! })
  await until(() => [left!, cancelled!].every((session) => hasEnded(session.view.runs[0]!.status)), {
    timeoutMs: 30_000,
  })
  // Much less than a lease has by default.
  expect(performance.now() - killedAt).toBeLessThan(10_000)
  expect(runOf(left!, inputs[0]!)).toMatchObject({ status: 'interrupted', steps: [{ title: 'Looking', status: 'interrupted' }] })
  expect(runOf(cancelled!, inputs[1]!)).toMatchObject({ status: 'cancelled', steps: [{ title: 'Looking', status: 'cancelled' }] })
  // What was written stays, and whoever comes next has a clear field.
  expect(tokensIn(left!, inputs[0]!, 'assistant')).toBeGreaterThan(10)
  await startAgentProcess({ url: server.url, name: 'assistant' })
  const next = left!.send('tokens=5')
  await until(() => runOf(left!, next)?.status === 'complete')
  expect(tokensIn(left!, next, 'assistant')).toBe(5)
})

test('[G4] the server is killed twice in the middle of runs: all come back by themselves, nothing is lost or done twice (CLI-6)', async () => {
  const server = await ServerProcess.start()
  const agent = await startAgentProcess({ url: server.url, name: 'assistant' })
  const users = await Promise.all(['a', 'b', 'c'].map((id) => openLive({ url: server.url, id })))
  const inputs = users.map((user) => ({ user, input: user.send('tokens=600 every=5 step=Writing') }))
  const counts = (): number[] => inputs.map(({ user, input }) => tokensIn(user, input, 'assistant'))
  for (const enough of [30, 250]) {
    await until(() => counts().every((count) => count > enough), { timeoutMs: 15_000 })
    server.prepare()
    await server.kill()
    await until(() => users.every(({ status }) => status.connection === 'offline'))
    // The user goes on writing, and changes something, while there is no server.
    for (const user of users) {
      user.send(`offline at ${enough}`, { to: [] })
      user.object('cart').set('items', enough)
    }
    await server.start()
    await until(() => users.every(({ status }) => status.connection === 'live' && status.onServer), { timeoutMs: 15_000 })
  }
  await until(() => inputs.every(({ user, input }) => runOf(user, input)?.status === 'complete'), { timeoutMs: 20_000 })
  expect(counts()).toEqual([600, 600, 600])
  expect((await begun(agent, inputs.length)).toSorted()).toEqual(inputs.map(({ input }) => `${input}.assistant`).toSorted())
  const reader = await openLive({ url: server.url, id: 'a', as: 'bob' })
  expect(texts(reader).filter((text) => text.startsWith('offline'))).toEqual(['offline at 30', 'offline at 250'])
  expect(reader.view.runs.map(({ status, steps }) => [status, steps.map((step) => step.status)])).toEqual([
    ['complete', ['done']],
  ])
  expect(reader.object('cart').value).toEqual({ items: 250 })
})

test('[R3] what is cancelled before any worker is there is never begun, also when the server was killed in between (RUN-5)', async () => {
  const server = await ServerProcess.start()
  const user = await openLive({ url: server.url, id: 's' })
  const before = user.send('tokens=1')
  await until(() => runOf(user, before)?.status === 'pending')
  user.cancel({ message: before })
  await until(() => runOf(user, before)?.status === 'cancelled')

  const during = user.send('tokens=2')
  await until(() => runOf(user, during)?.status === 'pending')
  await user.stored()
  await server.kill()
  await until(() => user.status.connection === 'offline')
  user.cancel({ run: `${during}.assistant` })
  const unseen = user.send('tokens=3')
  user.cancel({ message: unseen })
  await server.start()
  await until(() => [during, unseen].every((input) => runOf(user, input)?.status === 'cancelled'), { timeoutMs: 15_000 })

  const agent = await startAgentProcess({ url: server.url, name: 'assistant' })
  const after = user.send('tokens=4')
  await until(() => runOf(user, after)?.status === 'complete')
  expect(await begun(agent, 1)).toEqual([`${after}.assistant`])
})

/** A server whose leases go by a clock that the test sets, and an agent in a process of its own behind a network. */
async function cutOff(settings: {
  readonly leaseMs?: number
  readonly onLapse?: 'retry'
}): Promise<{ user: OpenSession; proxy: ChaosProxy; input: string; agent: Child; url: string; passThreeMinutes: () => void }> {
  const { leaseMs, onLapse } = settings
  let ahead = 0
  const store = memoryStore({ now: () => Date.now() + ahead })
  const { url } = await serveHere({ store, ...(leaseMs === undefined ? {} : { leaseMs }) })
  const proxy = await ChaosProxy.start(url)
  const user = await openLive({ url, id: 's' })
  const name = 'assistant'
  const agent = await startAgentProcess({ url: proxy.url, name, ...(onLapse === undefined ? {} : { onLapse }) })
  const input = user.send('tokens=400 every=5 step=Writing')
  await until(() => tokensIn(user, input, name) > 20)
  proxy.down()
  await agent.said('gone')
  return { user, proxy, input, agent, url, passThreeMinutes: () => (ahead += 180_000) }
}

test('[G5] an agent is cut off for three minutes, with a lease of five: it goes on meanwhile, returns, and nothing is lost (RUN-12)', async () => {
  const { user, proxy, input, agent, passThreeMinutes } = await cutOff({ leaseMs: 300_000 })
  passThreeMinutes()
  // It has done all of it before it returns.
  await agent.said('end')
  expect(runOf(user, input)?.status).toBe('active')
  expect(tokensIn(user, input, 'assistant')).toBeLessThan(400)
  proxy.up()
  await until(() => runOf(user, input)?.status === 'complete', { timeoutMs: 30_000 })
  expect(tokensIn(user, input, 'assistant')).toBe(400)
  expect(runOf(user, input)).toMatchObject({ attempt: 1, steps: [{ title: 'Writing', status: 'done' }] })
})

test('[G5] an agent is cut off for three minutes, with a lease of ten seconds: its run is interrupted, what it wrote meanwhile is refused, and it is of use again (RUN-12, RUN-11)', async () => {
  const { user, proxy, input, passThreeMinutes } = await cutOff({})
  passThreeMinutes()
  await until(() => runOf(user, input)?.status === 'interrupted')
  const count = tokensIn(user, input, 'assistant')
  const seen = runOf(user, input)
  // What waits for it is given to it the moment it returns, while what it wrote is still on its way.
  const next = user.send('tokens=2')
  await until(() => runOf(user, next)?.status === 'pending')
  proxy.up()
  await until(() => runOf(user, next)?.status === 'complete', {
    timeoutMs: 30_000,
    what: () => `the next run to be complete: ${JSON.stringify(runOf(user, next))}`,
  })
  expect(runOf(user, input)).toEqual(seen)
  expect(tokensIn(user, input, 'assistant')).toBe(count)
})

test('[G5] the same with `retry`: another process does it, and what the first one wrote meanwhile is refused (RUN-12, RUN-11)', async () => {
  const { user, proxy, input, agent, url, passThreeMinutes } = await cutOff({ onLapse: 'retry' })
  passThreeMinutes()
  await until(() => runOf(user, input)?.status === 'pending')
  const other = await startAgentProcess({ url, name: 'assistant', onLapse: 'retry' })
  await until(() => begunBy(other).length === 1)
  proxy.up()
  await until(() => runOf(user, input)?.status === 'complete', { timeoutMs: 30_000 })
  await until(() => agent.messages.some(({ t }) => t === 'end'), { timeoutMs: 30_000 })
  expect(tokensIn(user, input, 'assistant')).toBe(400)
  expect(runOf(user, input)).toMatchObject({ attempt: 2, steps: [{ title: 'Writing', status: 'done' }] })
  const reader = await openLive({ url, id: 's', as: 'bob' })
  expect(texts(reader)).toEqual(['tokens=400 every=5 step=Writing', tokensOf('assistant', 400)])
})
