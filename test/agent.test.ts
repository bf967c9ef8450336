/** Agents over real sockets: how runs are given, seen, and ended by their agent. */
import { describe, expect, test } from 'vitest'
import { createAgent, SessionError, type AgentRun } from '../client/agent.ts'
import type { OpenSession, RunStatus } from '../client/index.ts'
import { memoryStore } from '../server/index.ts'
import { Gate, startAgent } from './support/agent.ts'
import { openLive, replyTo, texts } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { storedView } from './support/stored.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const ended = (session: OpenSession, run: string, status: RunStatus = 'complete'): Promise<unknown> =>
  until(() => session.run(run)?.status === status, { what: `${run} to be ${status}, not ${session.run(run)?.status}` })

/** Every status that a session shows for its runs, in order. */
function watchStatuses(session: OpenSession): Map<string, RunStatus[]> {
  const seen = new Map<string, RunStatus[]>()
  session.subscribe(() => {
    for (const { id, status } of session.view.runs) {
      const statuses = seen.get(id) ?? []
      seen.set(id, statuses)
      if (statuses.at(-1) !== status) statuses.push(status)
    }
  }, 'runs')
  return seen
}

describe('the life of a run', () => {
  test('[R1] is seen the same by every peer, and an ended run never changes (RUN-1)', async () => {
    const store = memoryStore()
    const { url } = await serveHere({ store })
    const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
    const seen = [watchStatuses(a), watchStatuses(b)]
    const gate = new Gate()
    const late: (() => void)[] = []
    const { agent } = await startAgent({
      url,
      run: async (run) => {
        const [first, second] = [run.step('Looking'), run.step('Answering')]
        first.progress(0.5, 'half')
        run.write('Hello')
        await run.wait('an answer', async () => await gate.passed)
        first.done('found')
        late.push(
          () => second.fail('late'),
          () => run.write('late'),
          () => void run.step('late'),
          () => first.progress(0),
        )
      },
    })
    const id = a.send('Hi')
    const run = `${id}.assistant`
    await ended(b, run, 'suspended')
    expect(b.run(run)).toMatchObject({
      waiting: 'an answer',
      steps: [
        { title: 'Looking', status: 'running', progress: 0.5, detail: 'half' },
        { title: 'Answering', status: 'running' },
      ],
    })
    gate.open()
    await ended(a, run)
    await ended(b, run)
    for (const statuses of seen) expect(statuses.get(run)).toEqual(['pending', 'active', 'suspended', 'active', 'complete'])
    const whole = b.run(run)
    expect(whole).toEqual(a.run(run))
    expect(whole).toMatchObject({
      steps: [
        { title: 'Looking', status: 'done', detail: 'found' },
        { title: 'Answering', status: 'done' },
      ],
    })
    expect(whole).not.toHaveProperty('waiting')
    for (const write of late) write()
    await until(() => agent.runs.length === 0)
    expect((await storedView(store, 's')).runs[0]).toEqual(whole)
    expect(replyTo(b, id, 'assistant')).toBe('Hello')
  })

  test('[R9] a handler that throws in the middle: error with code and text, the partial text stays, other runs go on', async () => {
    const { url } = await serveHere({ route: ({ to }) => to ?? [] })
    const a = await openLive({ url, id: 's' })
    const gate = new Gate()
    const bad = await startAgent({
      url,
      name: 'bad',
      run: async (run) => {
        run.step('Trying')
        run.write('So far')
        await gate.passed
        throw Object.assign(new Error('The model is overloaded'), { code: 'overloaded' })
      },
    })
    const good = await startAgent({
      url,
      name: 'good',
      run: async (run) => {
        run.write('one ')
        await gate.passed
        await until(() => a.run(`${id}.bad`)?.status === 'error')
        run.write('two')
      },
    })
    const id = a.send('Both of you', { to: ['bad', 'good'] })
    await until(() => replyTo(a, id, 'bad') === 'So far' && replyTo(a, id, 'good') === 'one ')
    gate.open()
    await ended(a, `${id}.good`)
    expect(a.run(`${id}.bad`)).toMatchObject({
      status: 'error',
      error: { code: 'overloaded', message: 'The model is overloaded' },
      steps: [{ title: 'Trying', status: 'failed' }],
    })
    expect(replyTo(a, id, 'bad')).toBe('So far')
    expect(replyTo(a, id, 'good')).toBe('one two')
    expect(bad.reported).toMatchObject([{ stage: 'run', error: { message: 'The model is overloaded' } }])
    expect(good.reported).toEqual([])
  })

  test('an error without a code, or that is none, is told as well', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const thrown: unknown[] = [new Error('plain'), 'a text', null]
    await startAgent({
      url,
      run: () => {
        throw thrown.shift()
      },
    })
    const errors: unknown[] = []
    for (let i = 0; i < 3; i++) {
      const run = `${a.send('Hi')}.assistant`
      await ended(a, run, 'error')
      errors.push(a.run(run)?.error)
    }
    expect(errors).toEqual(['plain', 'a text', 'null'].map((message) => ({ code: 'agent-error', message })))
  })
})

describe('giving runs', () => {
  test('[G1] two agents stream in one session at once, and their texts never mix', async () => {
    const { url } = await serveHere({ route: () => ['one', 'two'] })
    const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
    for (const name of ['one', 'two']) {
      await startAgent({
        url,
        name,
        flushEveryMs: 1,
        run: async (run) => {
          await until(() => run.session.view.runs.filter(({ status }) => status === 'active').length === 2)
          for (let i = 0; i < 100; i++) {
            run.write(`${name}${i} `)
            await new Promise((resolve) => setImmediate(resolve))
          }
        },
      })
    }
    const id = a.send('Count')
    await until(() => a.view.runs.length === 2 && a.view.runs.every(({ status }) => status === 'complete'))
    for (const name of ['one', 'two']) {
      const expected = Array.from({ length: 100 }, (_, i) => `${name}${i} `).join('')
      expect(replyTo(a, id, name)).toBe(expected)
      await until(() => replyTo(b, id, name) === expected)
    }
    expect(a.view.messages).toHaveLength(3)
  })

  test('an agent works on one run of a session at a time, in order, and in several sessions at once (RUN-3)', async () => {
    const { url } = await serveHere()
    const gates = new Map<string, Gate>()
    const gateOf = (text: string): Gate => {
      const gate = gates.get(text) ?? new Gate()
      gates.set(text, gate)
      return gate
    }
    const working: string[] = []
    const { runs } = await startAgent({
      url,
      run: async (run) => {
        const text = run.input.parts.map((part) => String(part['text' as 'type'])).join('')
        working.push(text)
        await gateOf(text).passed
        run.write(`re ${text}`)
      },
    })
    const [a, b] = [await openLive({ url, id: 'a' }), await openLive({ url, id: 'b' })]
    for (const text of ['a1', 'a2', 'a3']) a.send(text)
    b.send('b1')
    await until(() => working.length === 2)
    expect([...working].sort()).toEqual(['a1', 'b1'])
    await until(() => a.view.runs[0]?.status === 'active')
    expect(a.view.runs.map(({ status }) => status)).toEqual(['active', 'pending', 'pending'])
    gateOf('a1').open()
    await until(() => working.includes('a2'))
    expect(working).not.toContain('a3')
    // What a run is given: all up to its input, and what was answered since; not what was asked later.
    const texts = (run: AgentRun | undefined): string[] =>
      run?.messages.map(({ parts }) => String((parts[0] as { text?: string }).text)) ?? []
    expect(texts(runs.find(({ input }) => input.id === a.view.runs[1]?.input))).toEqual(['a1', 're a1', 'a2'])
    for (const text of ['a2', 'a3', 'b1']) gateOf(text).open()
    await until(() => a.view.runs.every(({ status }) => status === 'complete'))
    expect(working.filter((text) => text.startsWith('a'))).toEqual(['a1', 'a2', 'a3'])
  })

  test('a process is given no more runs at a time than it has slots; two processes share the work', async () => {
    const { url } = await serveHere()
    const gate = new Gate()
    const counts = [0, 0]
    let most = 0
    const start = (index: number): Promise<unknown> =>
      startAgent({
        url,
        slots: 2,
        run: async () => {
          counts[index] = (counts[index] ?? 0) + 1
          most = Math.max(most, counts[index] ?? 0)
          await gate.passed
          counts[index] = (counts[index] ?? 0) - 1
        },
      })
    await start(0)
    await start(1)
    const sessions = await Promise.all(Array.from({ length: 6 }, (_, i) => openLive({ url, id: `s${i}` })))
    for (const session of sessions) session.send('Hi')
    await until(() => counts[0] === 2 && counts[1] === 2)
    await until(() => sessions.filter(({ view }) => view.runs[0]?.status === 'active').length === 4)
    gate.open()
    await until(() => sessions.every(({ view }) => view.runs[0]?.status === 'complete'))
    expect(most).toBe(2)
  })

  test('an input waits for its agent, however long that takes to come', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const id = a.send('Is anybody there?')
    await until(() => a.run(`${id}.assistant`)?.status === 'pending')
    await startAgent({ url })
    await ended(a, `${id}.assistant`)
    expect(texts(a)).toEqual(['Is anybody there?', 'assistant'])
  })

  test('an agent whose token does not open a session says so, and does not keep the run', async () => {
    const { url } = await serveHere({ leaseMs: 1_000, route: ({ to }) => to ?? ['assistant'] })
    const a = await openLive({ url, id: 's' })
    const gate = new Gate()
    await startAgent({ url, name: 'slow', run: () => gate.passed })
    const slow = a.send('Take your time', { to: ['slow'] })
    await ended(a, `${slow}.slow`, 'active')
    const narrow = await startAgent({ url, token: () => tokenFor('assistant', 'agent', ['other']) })
    const id = a.send('Hi')
    await until(() => narrow.reported.length > 0)
    expect(narrow.reported[0]).toMatchObject({ stage: 'run', error: { code: 'forbidden' } })
    expect(narrow.runs).toEqual([])
    await narrow.agent.close()
    await startAgent({ url })
    await ended(a, `${id}.assistant`)
    // Meanwhile leases have run out, but not of a run that is worked on.
    expect(a.run(`${slow}.slow`)?.status).toBe('active')
    gate.open()
    await ended(a, `${slow}.slow`)
  })

  test('an agent that is not let in says so; options out of range throw at once', async () => {
    const { url } = await serveHere()
    const reported: unknown[] = []
    const agent = createAgent({
      url,
      name: 'assistant',
      token: () => tokenFor('someone-else', 'agent'),
      run: () => {},
      onError: (error) => reported.push(error),
    })
    await until(() => agent.connection === 'refused')
    expect(reported).toMatchObject([{ code: 'forbidden' }])
    await agent.close()
    for (const wrong of [
      { name: 'no spaces' },
      { slots: 0 },
      { slots: 1.5 },
      { flushEveryMs: -1 },
      { flushEveryMs: 5_000 },
      { run: undefined as never },
    ]) {
      expect(() => createAgent({ url, name: 'x', token: '', run: () => {}, ...wrong }), JSON.stringify(wrong)).toThrow(
        SessionError,
      )
    }
  })
})

describe('closing an agent', () => {
  test('interrupts what it is at, and that is stored when it is closed', async () => {
    const store = memoryStore()
    const { url } = await serveHere({ store })
    const a = await openLive({ url, id: 's' })
    const { agent, runs } = await startAgent({
      url,
      run: async (run) => {
        run.step('Working')
        run.write('So far')
        await new Promise((resolve) => run.signal.addEventListener('abort', resolve))
        run.write('too late')
      },
    })
    const id = a.send('Go')
    await until(() => replyTo(a, id, 'assistant') === 'So far')
    await agent.close()
    expect(runs[0]?.signal.reason).toMatchObject({ code: 'closed' })
    expect((await storedView(store, 's')).runs[0]).toMatchObject({ status: 'interrupted', steps: [{ status: 'interrupted' }] })
    await ended(a, `${id}.assistant`, 'interrupted')
    expect(replyTo(a, id, 'assistant')).toBe('So far')
    expect(agent.runs).toEqual([])
    await agent.close()
  })
})

describe('people and agents', () => {
  test('[H1][H2] while a human is asked for or answers, agents are given nothing; handed back, they know what was said (RUN-7)', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const sue = await openLive({ url, id: 's', as: 'sue', kind: 'support' })
    const asked: string[][] = []
    await startAgent({
      url,
      run: (run) => {
        asked.push(texts({ view: { ...run.session.view, messages: run.messages } }))
        if (asked.length === 1) run.requestHuman('beyond me')
        run.write(`answer ${asked.length}`)
      },
    })
    const first = a.send('Refund, please')
    await ended(a, `${first}.assistant`)
    await until(() => sue.view.holder.state === 'waiting')
    expect(sue.view.holder).toMatchObject({ by: 'assistant', reason: 'beyond me' })
    const second = a.send('Hello?')
    await until(() => a.delivery(second) === 'sent')
    sue.take()
    await until(() => a.view.holder.state === 'human')
    sue.send('I am Sue')
    a.send('Hello Sue')
    await until(() => texts(a).length === 5 && texts(sue).length === 5)
    // The user may not take the session from her; she hands it back.
    a.handBack()
    await a.stored()
    expect(a.view.holder).toMatchObject({ state: 'human', by: 'sue' })
    expect(a.view.runs).toHaveLength(1)
    sue.handBack()
    await until(() => a.view.holder.state === 'agents')
    const last = a.send('And now?')
    await ended(a, `${last}.assistant`)
    expect(asked).toEqual([['Refund, please'], ['Refund, please', 'answer 1', 'Hello?', 'I am Sue', 'Hello Sue', 'And now?']])
    expect(a.view.messages.find(({ metadata }) => metadata.by === 'sue')).toMatchObject({
      role: 'assistant',
      metadata: { kind: 'support' },
    })
    expect(a.view.participants.get('sue')).toEqual({ id: 'sue', kind: 'support', name: 'sue' })
  })

  test('the user who waits may take the request back', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    a.requestHuman()
    await until(() => a.view.holder.state === 'waiting')
    a.handBack()
    await until(() => a.view.holder.state === 'agents')
    expect(a.view.holder).toEqual({ state: 'agents' })
  })
})
