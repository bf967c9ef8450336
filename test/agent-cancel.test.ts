/** Cancelling: by anybody, what was meant and nothing else. */
import { describe, expect, test } from 'vitest'
import type { AgentRun } from '../client/agent.ts'
import type { OpenSession, RunStatus } from '../client/index.ts'
import { memoryStore } from '../server/index.ts'
import { cancelKey } from '../shared/layout.ts'
import { Gate, startAgent, type StartedAgent } from './support/agent.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openLive, replyTo } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { storedDocument } from './support/stored.ts'
import { until } from './support/wait.ts'

/** Writes what it can, and goes on until its signal fires. */
async function untilAborted(run: AgentRun): Promise<void> {
  run.step('Working')
  run.write('So far')
  await new Promise((resolve) => run.signal.addEventListener('abort', resolve, { once: true }))
  run.write(' and too late')
}

const statusOf = (session: OpenSession, input: string, agent = 'assistant'): RunStatus | undefined =>
  session.run(`${input}.${agent}`)?.status

const shows = (session: OpenSession, input: string, status: RunStatus, agent = 'assistant'): Promise<unknown> =>
  until(() => statusOf(session, input, agent) === status, { what: `${input}.${agent} to be ${status}` })

describe('one run', () => {
  test('[R2] cancelled from another window: the signal fires, the status is cancelled, the partial text stays (RUN-5, RUN-6)', async () => {
    const { url } = await serveHere()
    const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
    const { runs, agent, reported } = await startAgent({ url, run: untilAborted })
    const id = a.send('Go')
    await until(() => replyTo(b, id, 'assistant') === 'So far')
    expect(b.cancel({ run: `${id}.assistant` }, 'changed my mind')).toEqual([`${id}.assistant`])
    await shows(a, id, 'cancelled')
    await shows(b, id, 'cancelled')
    await until(() => agent.runs.length === 0)
    expect(runs[0]?.signal.reason).toMatchObject({ code: 'cancelled' })
    expect(a.run(`${id}.assistant`)).toMatchObject({
      cancel: { by: 'bob', reason: 'changed my mind' },
      steps: [{ title: 'Working', status: 'cancelled' }],
    })
    const [, reply] = a.view.messages
    expect(reply?.parts).toEqual([{ type: 'text', text: 'So far', state: 'done' }])
    expect(reported).toEqual([])
  })

  test('[R3] cancelled before any agent is there: it ends at once, and the agent never gets it (RUN-5)', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const [first, second] = [a.send('Never mind'), a.send('But this')]
    await shows(a, first, 'pending')
    a.cancel({ message: first })
    await shows(a, first, 'cancelled')
    const { runs } = await startAgent({ url })
    await shows(a, second, 'complete')
    expect(runs.map(({ input }) => input.id)).toEqual([second])
  })

  test('[R3] cancelled together with its message, both written offline: no agent is ever asked', async () => {
    const { url } = await serveHere()
    const proxy = await ChaosProxy.start(url)
    const a = await openLive({ url: proxy.url, id: 's' })
    const { runs } = await startAgent({ url })
    proxy.down()
    await until(() => a.status.connection === 'offline')
    const id = a.send('Go')
    expect(a.cancel({ mine: true })).toEqual([id])
    proxy.up()
    await shows(a, id, 'cancelled')
    await a.stored()
    expect(runs).toEqual([])
  })

  test('[R4] of two runs only the one that was meant stops', async () => {
    const { url } = await serveHere({ route: () => ['one', 'two'] })
    const a = await openLive({ url, id: 's' })
    const gate = new Gate()
    const one = await startAgent({ url, name: 'one', run: untilAborted })
    const two = await startAgent({
      url,
      name: 'two',
      run: async (run) => {
        run.write('half ')
        await gate.passed
        run.write('whole')
      },
    })
    const id = a.send('Go')
    await until(() => replyTo(a, id, 'one') !== '' && replyTo(a, id, 'two') !== '')
    a.cancel({ run: `${id}.one` })
    await shows(a, id, 'cancelled', 'one')
    expect(one.runs[0]?.signal.aborted).toBe(true)
    expect(two.runs[0]?.signal.aborted).toBe(false)
    gate.open()
    await shows(a, id, 'complete', 'two')
    expect(replyTo(a, id, 'two')).toBe('half whole')
  })

  test('[R7] twice, or after the end: no effect', async () => {
    const store = memoryStore()
    const { url } = await serveHere({ store })
    const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
    await startAgent({ url })
    const id = a.send('Go')
    await shows(b, id, 'complete')
    for (const target of [{ run: `${id}.assistant` }, { message: id }, { agent: 'assistant' }, { mine: true }, 'all'] as const) {
      expect(b.cancel(target), JSON.stringify(target)).toEqual([])
    }
    // One who does not know yet that it has ended sets the flag all the same.
    const doc = await storedDocument(store, 's')
    expect(doc.getMap('control').size).toBe(0)
    expect(b.cancel({ run: 'of-nobody' })).toEqual(['of-nobody'])
    await b.stored()
    expect(statusOf(a, id)).toBe('complete')
    const second = a.send('And this')
    await shows(a, second, 'complete')
    expect(b.cancel({ run: 'of-nobody' })).toEqual([])
    expect([...(await storedDocument(store, 's')).getMap('control').keys()]).toEqual([cancelKey('of-nobody')])
  })

  test('[R7] set by two at once, and again: cancelled once, with the flag of one of them', async () => {
    const { url } = await serveHere()
    const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
    await startAgent({ url, run: untilAborted })
    const id = a.send('Go')
    await shows(a, id, 'active')
    await shows(b, id, 'active')
    a.cancel('all')
    b.cancel('all')
    expect(a.cancel('all')).toEqual([])
    await shows(a, id, 'cancelled')
    await shows(b, id, 'cancelled')
    await until(() => a.run(`${id}.assistant`)?.cancel?.by === b.run(`${id}.assistant`)?.cancel?.by)
  })

  test('[R8] a suspended one can be cancelled', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    let settled: unknown = 'waiting'
    const { runs } = await startAgent({
      url,
      run: async (run) => {
        run.write('Let me ask')
        settled = await run.wait('a colleague', () => new Promise<string>(() => {})).catch((error: unknown) => error)
        throw settled as Error
      },
    })
    const id = a.send('Go')
    await shows(a, id, 'suspended')
    a.cancel({ message: id })
    await shows(a, id, 'cancelled')
    await until(() => settled !== 'waiting')
    expect(settled).toBe(runs[0]?.signal.reason)
    expect(a.run(`${id}.assistant`)).not.toHaveProperty('waiting')
    expect(replyTo(a, id, 'assistant')).toBe('Let me ask')
  })

  test('an agent that is cut off when it is cancelled hears of it when it returns', async () => {
    const { url } = await serveHere({ leaseMs: 10_000 })
    const proxy = await ChaosProxy.start(url)
    const a = await openLive({ url, id: 's' })
    const { runs, agent } = await startAgent({ url: proxy.url, run: untilAborted })
    const id = a.send('Go')
    await until(() => replyTo(a, id, 'assistant') === 'So far')
    proxy.down()
    await until(() => agent.connection === 'offline')
    a.cancel({ message: id })
    await a.stored()
    expect(statusOf(a, id)).toBe('active')
    expect(runs[0]?.signal.aborted).toBe(false)
    proxy.up()
    await shows(a, id, 'cancelled')
    expect(runs[0]?.signal.aborted).toBe(true)
  })
})

describe('[R5] several runs', () => {
  interface Crowd {
    readonly ada: OpenSession
    readonly bob: OpenSession
    /** Inputs of ada and of bob, each to agent one and to agent two. */
    readonly inputs: Readonly<Record<'adaOne' | 'adaTwo' | 'bobTwo', string>>
    readonly agents: readonly StartedAgent[]
  }

  async function crowd(): Promise<Crowd> {
    const { url } = await serveHere({ route: ({ to }) => to ?? [] })
    const [ada, bob] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
    // Two processes of agent two: an agent works on one run of a session at a time.
    const agents = [
      await startAgent({ url, name: 'one', run: untilAborted }),
      await startAgent({ url, name: 'two', run: untilAborted }),
    ]
    const [adaOne, adaTwo] = [ada.send('1', { to: ['one'] }), ada.send('2', { to: ['two'] })]
    await ada.stored()
    const inputs = { adaOne, adaTwo, bobTwo: bob.send('3', { to: ['two'] }) }
    await shows(ada, inputs.adaOne, 'active', 'one')
    await until(() => ada.view.runs.length === 3 && bob.view.runs.length === 3)
    return { ada, bob, inputs, agents }
  }

  const statuses = ({ ada, inputs }: Crowd): Record<string, RunStatus | undefined> => ({
    adaOne: statusOf(ada, inputs.adaOne, 'one'),
    adaTwo: statusOf(ada, inputs.adaTwo, 'two'),
    bobTwo: statusOf(ada, inputs.bobTwo, 'two'),
  })

  test('mine: those that I asked for', async () => {
    const all = await crowd()
    expect(all.ada.cancel({ mine: true }).sort()).toEqual([`${all.inputs.adaOne}.one`, `${all.inputs.adaTwo}.two`].sort())
    await until(() => statuses(all)['adaOne'] === 'cancelled' && statuses(all)['adaTwo'] === 'cancelled')
    // What bob asked of the agent that was stopped waits for a word, and is untouched.
    await until(() => all.bob.view.paused.has('two'))
    expect(statuses(all)['bobTwo']).toBe('pending')
    all.bob.resume('two')
    await until(() => statuses(all)['bobTwo'] === 'active')
  })

  test("an agent's: those that it has or is to have", async () => {
    const all = await crowd()
    expect(all.bob.cancel({ agent: 'two' })).toHaveLength(2)
    await until(() => statuses(all)['adaTwo'] === 'cancelled' && statuses(all)['bobTwo'] === 'cancelled')
    expect(statuses(all)['adaOne']).toBe('active')
  })

  test('all: every one, and what was just sent as well', async () => {
    const all = await crowd()
    const fresh = all.bob.send('4', { to: ['one'] })
    expect(all.bob.cancel('all')).toHaveLength(4)
    await until(() => Object.values(statuses(all)).every((status) => status === 'cancelled'))
    await shows(all.ada, fresh, 'cancelled', 'one')
    const seen = all.agents.flatMap(({ runs }) => runs.map(({ input }) => input.id))
    expect(seen).not.toContain(fresh)
  })
})
