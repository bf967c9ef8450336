/** Who answers: people and agents take turns. */
import { describe, expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { textOf, type OpenSession, type ParticipantKind, type Run } from '../client/index.ts'
import { Holding } from '../server/holding.ts'
import { memoryStore, type Store } from '../server/index.ts'
import type { HandoverAction } from '../shared/control.ts'
import { rootsOf, type SessionRoots } from '../shared/layout.ts'
import type { MessageHead } from '../shared/message.ts'
import { Gate, startAgent } from './support/agent.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openLive, replyTo, texts } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { storedDocument } from './support/stored.ts'
import { until } from './support/wait.ts'

const shows = (session: OpenSession, id: string, status: Run['status']): Promise<unknown> =>
  until(() => session.run(id)?.status === status, { what: () => `${id} to be ${status}; it is ${session.run(id)?.status}` })

const held = (session: OpenSession, state: string): Promise<unknown> =>
  until(() => session.view.holder.state === state, { what: () => `the session to be held by ${state}` })

interface Chunk {
  readonly type: string
  readonly [field: string]: unknown
}

/** A stream of two calls of a model, with a gate before each piece of text. */
async function* twoCalls(gates: readonly Gate[], asked: (call: number) => void): AsyncGenerator<Chunk> {
  yield { type: 'start' }
  for (const call of [1, 2]) {
    yield { type: 'start-step' }
    asked(call)
    yield { type: 'text-start', id: String(call) }
    for (const half of [0, 1]) {
      await gates[(call - 1) * 2 + half]?.passed
      yield { type: 'text-delta', id: String(call), delta: `${call}${half === 0 ? 'a' : 'b'} ` }
    }
    yield { type: 'text-end', id: String(call) }
    yield { type: 'finish-step' }
  }
  yield { type: 'finish' }
}

describe('a human takes over while an agent works', () => {
  test('[H1][H2] nothing of the run is shown from then on; handed back it goes on, and the agent knows what was said (HLD-1)', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const gates = [new Gate(), new Gate(), new Gate(), new Gate()]
    const asked: number[] = []
    let known: string[] = []
    await startAgent({
      url,
      run: async (run) => {
        await run.pipe(twoCalls(gates, (call) => asked.push(call)))
        known = run.messages.map(textOf)
        run.write('Bye')
      },
    })
    const input = a.send('Refund, please')
    const id = `${input}.assistant`
    gates[0]?.open()
    await until(() => replyTo(a, input, 'assistant') === '1a ')
    // Sue joins in the middle and sees everything.
    const sue = await openLive({ url, id: 's', as: 'sue', kind: 'support' })
    await until(() => texts(sue).join('|') === 'Refund, please|1a ')
    const during: string[] = []
    sue.take()
    await shows(a, id, 'suspended')
    expect(a.run(id)?.waiting).toBe('sue is answering')
    a.subscribe(() => void during.push(replyTo(a, input, 'assistant')))
    gates[1]?.open()
    gates[2]?.open()
    const hers = sue.send('You get it all back')
    await until(() => a.message(hers) !== undefined)
    const next = a.send('Thank you, Sue')
    await until(() => sue.message(next)?.metadata.seq !== undefined)
    // What the model says in the call that was under way is read, and no further.
    expect(asked).toEqual([1])
    expect(new Set(during)).toEqual(new Set(['1a ']))
    sue.handBack()
    await until(() => replyTo(a, input, 'assistant').startsWith('1a 1b '))
    gates[3]?.open()
    await shows(a, id, 'complete')
    expect(asked).toEqual([1, 2])
    expect(replyTo(a, input, 'assistant')).toBe('1a 1b 2a 2b Bye')
    expect(known.sort()).toEqual(['Refund, please', 'You get it all back'])
    expect(a.view.runs).toHaveLength(1)
  })

  test('[H2] what a handler writes by itself is kept back, and a run that is done ends after the human (HLD-1)', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const sue = await openLive({ url, id: 's', as: 'sue', kind: 'support' })
    const gate = new Gate()
    let free: 'no' | 'yes' = 'no'
    const { runs } = await startAgent({
      url,
      run: async (run) => {
        run.write('before ')
        await gate.passed
        run.write('after')
        run.step('A step').done()
        void run.untilReturned().then(() => (free = 'yes'))
      },
    })
    const input = a.send('Go')
    const id = `${input}.assistant`
    await until(() => replyTo(sue, input, 'assistant') === 'before ')
    sue.take()
    await shows(a, id, 'suspended')
    gate.open()
    await until(() => a.run(id)?.steps.length === 1)
    sue.send('It is my turn')
    await until(() => texts(a).includes('It is my turn'))
    expect(replyTo(a, input, 'assistant')).toBe('before ')
    expect([a.run(id)?.status, runs[0]?.over, free]).toEqual(['suspended', false, 'no'])
    sue.handBack()
    await shows(a, id, 'complete')
    expect(replyTo(a, input, 'assistant')).toBe('before after')
    expect(free).toBe('yes')
  })

  test('[H2] a run that nobody has begun waits until the session is handed back, and keeps no other session waiting (RUN-3)', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const sue = await openLive({ url, id: 's', as: 'sue', kind: 'support' })
    const input = a.send('Go')
    const id = `${input}.assistant`
    await shows(a, id, 'pending')
    sue.take()
    await held(a, 'human')
    const { agent, runs } = await startAgent({ url, slots: 1 })
    await until(() => agent.runs.length === 1)
    const elsewhere = await openLive({ url, id: 't' })
    await shows(elsewhere, `${elsewhere.send('Me too')}.assistant`, 'complete')
    const hers = sue.send('I can do that')
    await until(() => a.message(hers)?.metadata.seq !== undefined)
    expect([a.run(id)?.status, runs.length]).toEqual(['pending', 1])
    sue.handBack()
    await shows(a, id, 'complete')
    expect(replyTo(a, input, 'assistant')).toBe('assistant')
  })

  test('a run can be cancelled while it waits for the human', async () => {
    const { url } = await serveHere()
    const a = await openLive({ url, id: 's' })
    const sue = await openLive({ url, id: 's', as: 'sue', kind: 'support' })
    const gates = [new Gate(), new Gate(), new Gate(), new Gate()]
    const { agent, reported } = await startAgent({ url, run: (run) => run.pipe(twoCalls(gates, () => {})) })
    const input = a.send('Go')
    const id = `${input}.assistant`
    gates[0]?.open()
    await until(() => replyTo(sue, input, 'assistant') === '1a ')
    sue.take()
    await shows(a, id, 'suspended')
    for (const gate of gates) gate.open()
    a.cancel({ run: id })
    await shows(a, id, 'cancelled')
    await until(() => agent.runs.length === 0)
    expect(replyTo(a, input, 'assistant')).toBe('1a ')
    expect(reported).toEqual([])
  })
})

test('[H1] who takes the session without having heard that a human was just asked for has it (HLD-3)', async () => {
  const { url } = await serveHere()
  const proxy = await ChaosProxy.start(url)
  // Of two writes at one place of the document one wins, by chance.
  const ids = Array.from({ length: 10 }, (_, n) => `s${n}`)
  const customers = await Promise.all(ids.map((id) => openLive({ url, id })))
  const sues = await Promise.all(ids.map((id) => openLive({ url: proxy.url, id, as: 'sue', kind: 'support' })))
  proxy.hold()
  for (const customer of customers) customer.requestHuman('Now')
  await Promise.all(customers.map((customer) => held(customer, 'waiting')))
  for (const sue of sues) sue.take()
  proxy.release()
  await Promise.all(sues.map((sue) => sue.stored()))
  expect(sues.map((sue) => sue.view.holder.state)).toEqual(ids.map(() => 'human'))
})

test('[H1] who takes the session without a network, while a human is asked for, has it when the network is back (HLD-3)', async () => {
  const { url } = await serveHere()
  const proxy = await ChaosProxy.start(url)
  // Were there one place for all, the device would drop one of two writes before it has sent it: by chance, its own.
  const ids = Array.from({ length: 10 }, (_, n) => `s${n}`)
  const customers = await Promise.all(ids.map((id) => openLive({ url, id })))
  const sues = await Promise.all(ids.map((id) => openLive({ url: proxy.url, id, as: 'sue', kind: 'support' })))
  proxy.down()
  await until(() => sues.every((sue) => sue.status.connection === 'offline'), { what: 'Sue to be offline' })
  for (const customer of customers) customer.requestHuman('Now')
  await Promise.all(customers.map((customer) => held(customer, 'waiting')))
  for (const sue of sues) sue.take()
  proxy.up()
  await Promise.all(sues.map((sue) => sue.stored()))
  expect(sues.map((sue) => sue.view.holder.state)).toEqual(ids.map(() => 'human'))
})

/** A session at a desk, with a clock of its own. */
class Desk {
  readonly roots: SessionRoots = rootsOf(new Y.Doc())
  readonly holding: Holding
  now = 1_000
  #seq = 0

  constructor(idleReturnMs = 100) {
    this.holding = new Holding({ roots: this.roots, idleReturnMs, now: () => this.now, wake: () => {} })
    onTestFinished(() => this.holding.destroy())
  }

  ask(action: HandoverAction, kind: ParticipantKind): boolean {
    // What a client's clock says does not count.
    return this.holding.decide({ id: kind, kind, name: kind }, { action, by: kind, at: 77 })
  }

  said(kind: ParticipantKind, id: string, more: Partial<MessageHead> = {}): void {
    const head: MessageHead = { id, role: kind === 'user' ? 'user' : 'assistant', by: kind, kind, at: 5, ...more }
    const stamp = { seq: ++this.#seq, at: this.now, by: kind }
    this.holding.said(new Y.Map(), head, stamp, { id: kind, kind, name: kind })
  }

  /** The state, and the message that was left unanswered, after some time. */
  after(ms: number): [state: string, unanswered: string | undefined] {
    this.now += ms
    const unanswered = this.holding.returnIfIdle()
    return [this.holding.holder.state, unanswered?.head.id]
  }
}

describe('a human who says nothing more', () => {
  test('[H2] after a while the session goes back to the agents, with what was left unanswered (HLD-2)', () => {
    const desk = new Desk()
    desk.said('user', 'before')
    desk.now += 1
    expect(desk.ask('take', 'support')).toBe(true)
    expect(desk.holding.holder).toEqual({ state: 'human', by: 'support', at: 1_001 })
    desk.now += 10
    desk.said('user', 'one')
    expect(desk.after(89)).toEqual(['human', undefined])
    desk.said('support', 'answer')
    expect(desk.after(99), 'counted from the last word of support').toEqual(['human', undefined])
    desk.said('user', 'two')
    desk.said('user', 'three')
    desk.said('user', 'to nobody', { to: [] })
    desk.said('agent', 'late')
    expect(desk.after(1)).toEqual(['agents', 'three'])
    expect(desk.holding.holder).toEqual({ state: 'agents', at: 1_200, reason: 'idle' })
    expect(desk.after(1_000)).toEqual(['agents', undefined])
  })

  test('[H2] what was left unanswered is as old as it was when it came, however long people were silent (HLD-2, LANE-5)', () => {
    const desk = new Desk()
    desk.ask('take', 'support')
    desk.now += 1
    desk.said('user', 'one')
    const cameAt = desk.now
    desk.now += 1_000_000
    expect(desk.holding.returnIfIdle()).toMatchObject({ head: { id: 'one' }, behindMs: desk.now - cameAt })
  })

  test('[H2] a request that nobody takes up ends likewise; what support has answered is left alone', () => {
    const desk = new Desk()
    desk.ask('request', 'user')
    expect(desk.after(100)).toEqual(['agents', undefined])
    desk.ask('request', 'agent')
    desk.said('user', 'one')
    expect(desk.after(99)).toEqual(['waiting', undefined])
    desk.ask('take', 'support')
    expect(desk.after(99)).toEqual(['human', undefined])
    desk.said('user', 'two')
    desk.said('support', 'answer')
    expect(desk.after(100)).toEqual(['agents', undefined])
    desk.ask('take', 'support')
    desk.said('user', 'three')
    expect(desk.ask('return', 'support')).toBe(true)
    expect(desk.holding.holder, 'handed back by hand').toEqual({ state: 'agents' })
  })

  test('never, where the server is told so', () => {
    const desk = new Desk(Number.POSITIVE_INFINITY)
    desk.ask('take', 'support')
    expect(desk.after(1e12)).toEqual(['human', undefined])
  })

  test('it happens by itself, while people are there', async () => {
    const { url } = await serveHere({ idleReturnMs: 1_000 })
    const a = await openLive({ url, id: 's' })
    await startAgent({ url })
    const states: string[] = []
    a.subscribe(() => void states.push(a.view.holder.state), 'ledger')
    a.requestHuman('please')
    const input = a.send('Anybody?')
    await until(() => replyTo(a, input, 'assistant') === 'assistant')
    expect(states).toContain('waiting')
    expect(a.view.holder).toMatchObject({ state: 'agents', reason: 'idle' })
  })

  test('it returns also when nobody was in the session at that time, and the server was started anew (HLD-2)', async () => {
    const store = memoryStore()
    const lasting = kept(store)
    const first = await serveHere({ store: lasting, idleReturnMs: Number.POSITIVE_INFINITY })
    const a = await openLive({ url: first.url, id: 's' })
    a.requestHuman('please')
    await held(a, 'waiting')
    const input = a.send('Anybody?')
    await until(() => a.delivery(input) === 'sent')
    await a.close()
    await first.close()
    const { at } = (await storedDocument(store, 's')).getMap('ledger').get('holder') as { at: number }
    await until(() => Date.now() >= at + 1_000)
    const second = await serveHere({ store: lasting, idleReturnMs: 1_000 })
    await startAgent({ url: second.url })
    const b = await openLive({ url: second.url, id: 's', as: 'bob' })
    await until(() => replyTo(b, input, 'assistant') === 'assistant')
    expect(b.view.holder).toMatchObject({ state: 'agents', reason: 'idle' })
  })

  test('wrong settings are refused at once', async () => {
    await expect(serveHere({ idleReturnMs: 10 })).rejects.toMatchObject({ code: 'bad-argument' })
    await expect(serveHere({ idleReturnMs: Number.NaN })).rejects.toMatchObject({ code: 'bad-argument' })
  })
})

/** A store that a server does not close, for the next one. */
function kept(store: Store): Store {
  return new Proxy(store, {
    get: (target, key) => {
      if (key === 'close') return () => Promise.resolve()
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
