/** Sub-agents: runs that a run asks for. */
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import type { AgentRun, Session, SpawnEnd } from '../client/agent.ts'
import { textOf, type OpenSession, type Run } from '../client/index.ts'
import { Children } from '../client/spawn.ts'
import { memoryStore } from '../server/index.ts'
import { Spawns } from '../server/spawns.ts'
import { cancelKey, KEY, rootsOf } from '../shared/layout.ts'
import { MAX_CHILDREN, MAX_SPAWN_CHARS, MAX_SPAWN_DEPTH } from '../shared/limits.ts'
import { Gate, startAgent } from './support/agent.ts'
import { openLive, replyTo } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { storedDocument } from './support/stored.ts'
import { until } from './support/wait.ts'

const shows = (session: OpenSession, id: string, status: Run['status']): Promise<unknown> =>
  until(() => session.run(id)?.status === status, { what: () => `${id} to be ${status}; it is ${session.run(id)?.status}` })

const textOfRun = (session: OpenSession, run: string): string => {
  const reply = session.view.messages.find(({ metadata }) => metadata.run === run)
  return reply === undefined ? '' : textOf(reply)
}

const untilAborted = (run: AgentRun): Promise<void> =>
  new Promise((resolve) => run.signal.addEventListener('abort', () => resolve(), { once: true }))

describe('a run asks for others', () => {
  test('[G7] each has its own progress and reply, under its parent, which waits for them and uses what they wrote (SUB-1)', async () => {
    const { url } = await serveHere()
    const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
    const gate = new Gate()
    await startAgent({
      url,
      run: async (run) => {
        const step = run.step('Asking around')
        run.write('Let me see. ')
        const children = ['Berlin', 'Paris'].map((city) => run.spawn('weather', { city }, { title: `Weather in ${city}` }))
        const ends = await run.wait('two colleagues', () => Promise.all(children.map(({ done }) => done)))
        step.done()
        run.write(ends.map(({ text }) => text).join(' '))
      },
    })
    const seen: unknown[] = []
    await startAgent({
      url,
      name: 'weather',
      run: async (run) => {
        seen.push([run.parent, textOf(run.input)])
        const { city } = run.data as { city: string }
        const step = run.step(`Looking at ${city}`)
        run.write(`${city}: `)
        await gate.passed
        run.write('sunny.')
        step.done()
      },
    })
    const input = a.send('How is the weather?')
    const parent = `${input}.assistant`
    const ids = [`${parent}.weather#1`, `${parent}.weather#2`]
    // Both at once: neither waits for the other, although one agent does them.
    for (const session of [a, b]) await until(() => ids.every((id) => textOfRun(session, id).endsWith(': ')))
    for (const session of [a, b]) {
      await shows(session, parent, 'suspended')
      expect(ids.map((id) => session.run(id))).toMatchObject([
        {
          parent,
          input,
          agent: 'weather',
          title: 'Weather in Berlin',
          status: 'active',
          steps: [{ title: 'Looking at Berlin' }],
        },
        { parent, input, agent: 'weather', title: 'Weather in Paris', status: 'active', steps: [{ title: 'Looking at Paris' }] },
      ])
    }
    gate.open()
    for (const session of [a, b]) {
      await shows(session, parent, 'complete')
      expect(textOfRun(session, parent)).toBe('Let me see. Berlin: sunny. Paris: sunny.')
      expect(session.run(ids[0] ?? '')).toMatchObject({ status: 'complete', steps: [{ status: 'done' }] })
    }
    expect(seen).toEqual([
      [parent, 'How is the weather?'],
      [parent, 'How is the weather?'],
    ])
  })

  test('[G7] one that is only started goes on when its parent is complete', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const gate = new Gate()
    await startAgent({ url, run: (run) => void run.spawn('mail', 'to ada') })
    await startAgent({
      url,
      name: 'mail',
      run: async (run) => {
        await gate.passed
        run.write(`sent ${run.data as string}`)
      },
    })
    const input = a.send('Go')
    await shows(a, `${input}.assistant`, 'complete')
    const child = `${input}.assistant.mail#1`
    await shows(a, child, 'active')
    gate.open()
    await shows(a, child, 'complete')
    expect(textOfRun(a, child)).toBe('sent to ada')
  })

  test('[G7] one that ends badly tells its parent how, and what it had written', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const ends: SpawnEnd[] = []
    await startAgent({
      url,
      run: async (run) => {
        const children = [run.spawn('bad'), run.spawn('bad')]
        ends.push(await children[0]!.done, await children[1]!.done)
      },
    })
    await startAgent({
      url,
      name: 'bad',
      run: async (run) => {
        run.write('half ')
        if (run.id.endsWith('#2')) return await untilAborted(run)
        throw new Error('no luck')
      },
    })
    const input = a.send('Go')
    const [first, second] = [`${input}.assistant.bad#1`, `${input}.assistant.bad#2`]
    await shows(a, first, 'error')
    await until(() => textOfRun(a, second) === 'half ')
    a.cancel({ run: second })
    await shows(a, `${input}.assistant`, 'complete')
    expect(ends.map(({ run, text }) => [run.status, run.error?.message, text])).toEqual([
      ['error', 'no luck', 'half '],
      ['cancelled', undefined, 'half '],
    ])
  })

  test('what is asked for wrongly is refused at once, and the run goes on', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const errors: unknown[] = []
    const attempt = (work: () => unknown): void => {
      try {
        work()
      } catch (error) {
        errors.push((error as { code?: unknown }).code)
      }
    }
    const { runs } = await startAgent({
      url,
      run: (run) => {
        attempt(() => run.spawn('no name'))
        attempt(() => run.spawn('one', 'x'.repeat(MAX_SPAWN_CHARS)))
        for (let n = 0; n < MAX_CHILDREN; n++) run.spawn('nobody', n)
        attempt(() => run.spawn('nobody', 'one more'))
      },
    })
    const input = a.send('Go')
    await shows(a, `${input}.assistant`, 'complete')
    expect(errors).toEqual(['bad-argument', 'too-big', 'bad-argument'])
    expect(() => runs[0]?.spawn('late')).toThrow(expect.objectContaining({ code: 'cancelled' }))
    await until(() => a.view.runs.length === 1 + MAX_CHILDREN)
  })

  test('runs that ask for themselves end at a depth (SUB-2)', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const { reported } = await startAgent({ url, run: (run) => void run.spawn('assistant') })
    a.send('Go')
    await until(() => a.view.runs.some(({ status }) => status === 'error'))
    await until(() => reported.length === 1)
    expect(a.view.runs).toHaveLength(1 + MAX_SPAWN_DEPTH)
    expect(a.view.runs.filter(({ status }) => status === 'complete')).toHaveLength(MAX_SPAWN_DEPTH)
  })

  test('the server makes no run of a made-up id, and none of a name that is no agent’s (SUB-2)', () => {
    const doc = new Y.Doc()
    const roots = rootsOf(doc)
    const { tasks } = roots
    const parent = new Y.Map<unknown>()
    const spawned = new Y.Array<unknown>()
    doc.transact(() => {
      parent.set(KEY.head, { id: 'm.assistant', agent: 'assistant', input: 'm', attempt: 1, at: 1 })
      parent.set(KEY.status, 'active')
      parent.set(KEY.spawned, spawned)
      tasks.push([parent])
    })
    const made: string[] = []
    const spawns = new Spawns({
      roots,
      runs: new Map([['m.assistant', parent]]),
      now: () => 1,
      make: ({ id }) => void made.push(id),
    })
    tasks.observeDeep((events) => events.forEach((event) => spawns.note(event)))
    spawned.push([
      { id: 'next.assistant', agent: 'assistant' },
      { id: 'm.assistant.a b#2', agent: 'a b' },
      { id: 'm.assistant.good#4', agent: 'good' },
      { id: 'm.assistant.good#4', agent: 'good' },
      { agent: 'good' },
      'nothing',
      ...Array.from({ length: MAX_CHILDREN }, (_, i) => ({ id: `m.assistant.many#${i + 7}`, agent: 'many' })),
    ])
    spawns.make()
    expect(made[0]).toBe('m.assistant.good#4')
    expect(made).toHaveLength(1 + MAX_CHILDREN - 6)
  })

  test('a second attempt finds what the first one has asked for (SUB-1)', () => {
    const doc = new Y.Doc()
    const { tasks } = rootsOf(doc)
    const run = new Y.Map<unknown>()
    doc.transact(() => {
      run.set(KEY.spawned, new Y.Array())
      tasks.push([run])
    })
    const session = { run: () => undefined, subscribe: () => () => {} } as unknown as Session
    const attempt = (): ((agent: string, data: number) => string) => {
      const children = new Children(session, run, 'm.assistant', new AbortController().signal)
      return (agent, data) => children.spawn(agent, data, undefined, (write) => write()).id
    }
    const first = attempt()
    expect([first('one', 1), first('one', 1), first('two', 1)]).toEqual([
      'm.assistant.one#1',
      'm.assistant.one#2',
      'm.assistant.two#3',
    ])
    const second = attempt()
    // It asks for one thing less, and for one more.
    expect([second('one', 1), second('two', 1), second('two', 2)]).toEqual([
      'm.assistant.one#1',
      'm.assistant.two#3',
      'm.assistant.two#4',
    ])
  })
})

describe('the end of a parent', () => {
  test('[G7] cancelled with its parent, those that nobody has taken as well, and theirs (SUB-3)', async () => {
    const store = memoryStore()
    const { url } = await serveHere({ store })
    const [a, b] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's', as: 'bob' })]
    const reasons: unknown[] = []
    const work = async (run: AgentRun): Promise<void> => {
      run.write('So far')
      const below = run.parent === undefined ? ['child', 'nobody'] : run.id.includes('grandchild') ? [] : ['grandchild']
      for (const agent of below) run.spawn(agent)
      await untilAborted(run)
      reasons.push((run.signal.reason as { code?: unknown }).code)
    }
    for (const name of ['assistant', 'child', 'grandchild']) await startAgent({ url, name, run: work })
    const input = a.send('Go')
    const parent = `${input}.assistant`
    const all = [parent, `${parent}.child#1`, `${parent}.nobody#2`, `${parent}.child#1.grandchild#1`]
    await until(() => textOfRun(b, all[3] ?? '') === 'So far')
    b.cancel({ run: parent }, 'enough')
    for (const id of all) await shows(a, id, 'cancelled')
    for (const id of all) expect(a.run(id)?.cancel).toMatchObject({ by: 'bob', reason: 'enough' })
    await until(() => reasons.length === 3)
    expect(reasons).toEqual(['cancelled', 'cancelled', 'cancelled'])
    await until(async () => (await store.jobs()).length === 0, { what: 'no job to be left' })
  })

  test('[G7] cancelled with the message that asked for all of it', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    await startAgent({
      url,
      run: async (run) => {
        run.spawn('child')
        await untilAborted(run)
      },
    })
    await startAgent({ url, name: 'child', run: untilAborted })
    const input = a.send('Go')
    await shows(a, `${input}.assistant.child#1`, 'active')
    a.cancel({ message: input })
    await shows(a, `${input}.assistant.child#1`, 'cancelled')
    await shows(a, `${input}.assistant`, 'cancelled')
    expect(a.view.runs.map(({ cancel }) => cancel?.by)).toEqual(['ada', 'ada'])
  })

  test('[G7] one that fails takes its children with it; cancelled alone they leave it at work (SUB-3)', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const gate = new Gate()
    await startAgent({
      url,
      run: async (run) => {
        run.spawn('child')
        run.spawn('child')
        await gate.passed
        throw new Error('lost my way')
      },
    })
    await startAgent({ url, name: 'child', run: untilAborted })
    const input = a.send('Go')
    const [first, second] = [`${input}.assistant.child#1`, `${input}.assistant.child#2`]
    await shows(a, first, 'active')
    await shows(a, second, 'active')
    a.cancel({ run: first })
    await shows(a, first, 'cancelled')
    expect(a.run(`${input}.assistant`)?.status).toBe('active')
    expect(a.run(second)?.status).toBe('active')
    gate.open()
    await shows(a, second, 'cancelled')
    expect(a.run(second)?.cancel).toMatchObject({ by: 'assistant', reason: 'The run that asked for it has ended: error.' })
  })

  test('[G7] one whose worker is gone: its children are cancelled when it is interrupted', async () => {
    const store = memoryStore()
    const { url } = await serveHere({ store, leaseMs: 1_000 })
    const a = await openLive({ url, id: 's' })
    const { agent } = await startAgent({
      url,
      run: async (run) => {
        run.spawn('child')
        await untilAborted(run)
      },
    })
    await startAgent({ url, name: 'child', run: untilAborted })
    const input = a.send('Go')
    await shows(a, `${input}.assistant.child#1`, 'active')
    await agent.close()
    await shows(a, `${input}.assistant`, 'interrupted')
    await shows(a, `${input}.assistant.child#1`, 'cancelled')
    const { control } = rootsOf(await storedDocument(store, 's'))
    expect(control.has(cancelKey(`${input}.assistant.child#1`))).toBe(true)
    expect(replyTo(a, input, 'assistant')).toBe('')
  })
})
