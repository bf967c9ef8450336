/** Steering a run that is under way, from any device, and interrupting it. */
import { isStepCount, streamText, tool } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { describe, expect, test } from 'vitest'
import type * as Y from 'yjs'
import { z } from 'zod'
import type { AgentRun } from '../client/agent.ts'
import { askKey, KEY } from '../shared/layout.ts'
import { textOf } from '../shared/message.ts'
import { contentOf } from './guard/oracle.ts'
import { Peer, sender, World } from './guard/world.ts'
import { Gate, startAgent } from './support/agent.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openLive, replyTo } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { judged, sent, shows, stage, verdictOf } from './support/lanes.ts'
import { until } from './support/wait.ts'

/** Works in steps, each of which waits for the test. */
async function inSteps(run: AgentRun, gates: readonly Gate[]): Promise<void> {
  for (const [n, gate] of gates.entries()) {
    const step = run.step(`Step ${n + 1}`)
    await gate.passed
    step.done()
    for (const message of run.takeSteering()) run.write(`[${textOf(message)}]`)
  }
}

describe('steering', () => {
  test('[G9] from another device: taken at the next step boundary, and its sender sees where (LANE-3)', async () => {
    const { url } = await serveHere()
    const gates = [new Gate(), new Gate()]
    const { runs } = await startAgent({ url, run: (run) => inSteps(run, gates) })
    const [phone, laptop] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's' })]
    const bob = await openLive({ url, id: 's', as: 'bob' })
    const input = await sent(phone, 'Book delivery for Tuesday')
    await shows(laptop, input, 'active')
    const run = `${input}.assistant`
    const [one, two] = [
      await sent(laptop, 'make it Wednesday', { lane: 'steer' }),
      await sent(bob, 'before noon', { lane: 'steer' }),
    ]
    for (const session of [phone, laptop, bob]) {
      await judged(session, one, 'steering')
      await judged(session, two, 'steering')
      expect(verdictOf(session, one)).toMatchObject({ run })
    }
    // It makes no run of its own.
    expect(phone.view.runs).toHaveLength(1)
    await until(() => runs[0]?.session.message(two)?.metadata.verdict !== undefined)
    gates[0]?.open()
    for (const session of [phone, laptop, bob]) {
      await judged(session, one, 'taken')
      await judged(session, two, 'taken')
      expect(verdictOf(session, one)).toMatchObject({ run, step: 1 })
    }
    gates[1]?.open()
    await shows(phone, input, 'complete')
    expect(replyTo(phone, input, 'assistant')).toBe('[make it Wednesday][before noon]')
    expect(runs[0]?.messages.map(textOf)).toEqual(['Book delivery for Tuesday', 'make it Wednesday', 'before noon'])
    // A later run knows what was said, and it is not asked again.
    const next = await sent(phone, 'Thanks')
    await shows(phone, next, 'complete')
    const reply = '[make it Wednesday][before noon]'
    expect(runs[1]?.messages.map(textOf).filter((text) => text !== reply)).toEqual([
      'Book delivery for Tuesday',
      'make it Wednesday',
      'before noon',
      'Thanks',
    ])
    expect(phone.view.runs).toHaveLength(2)
  })

  test('[D7][G9] "make it Wednesday" reaches the model of the same run at its next step, by the AI SDK (LANE-3)', async () => {
    const { url } = await serveHere()
    const booking = new Gate()
    const booked: string[] = []
    const call = (id: string, day: string): object[] => [
      { type: 'tool-call', toolCallId: id, toolName: 'book', input: JSON.stringify({ day }) },
    ]
    const model = new MockLanguageModelV4({
      doStream: async ({ prompt }) => {
        const said = JSON.stringify(prompt)
        const results = prompt.filter(({ role }) => role === 'tool').length
        const usage = {
          inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
          outputTokens: { total: 1, text: 1, reasoning: 0 },
        }
        const parts =
          results === 0
            ? call('c1', 'Tuesday')
            : results === 1 && said.includes('Wednesday')
              ? call('c2', 'Wednesday')
              : [
                  { type: 'text-start', id: 't' },
                  { type: 'text-delta', id: 't', delta: `Booked for ${said.includes('Wednesday') ? 'Wednesday' : 'Tuesday'}.` },
                  { type: 'text-end', id: 't' },
                ]
        const unified = parts.length === 1 ? 'tool-calls' : 'stop'
        const all = [...parts, { type: 'finish', finishReason: { unified, raw: unified }, usage }]
        return { stream: new ReadableStream({ start: (c) => (all.forEach((part) => c.enqueue(part as never)), c.close()) }) }
      },
    })
    await startAgent({
      url,
      run: async (run) => {
        const result = streamText({
          model,
          messages: [{ role: 'user', content: textOf(run.input) }],
          tools: {
            book: tool({
              inputSchema: z.object({ day: z.string() }),
              execute: async ({ day }) => {
                booked.push(day)
                await booking.passed
                return { booked: day }
              },
            }),
          },
          stopWhen: isStepCount(5),
          prepareStep: run.prepareStep,
          abortSignal: run.signal,
        })
        await run.pipe(result.toUIMessageStream())
      },
    })
    const [phone, laptop] = [await openLive({ url, id: 's' }), await openLive({ url, id: 's' })]
    const input = await sent(phone, 'Book delivery for Tuesday')
    await until(() => booked.length === 1)
    const steer = await sent(laptop, 'make it Wednesday', { lane: 'steer' })
    await judged(phone, steer, 'steering')
    booking.open()
    await judged(laptop, steer, 'taken')
    expect(verdictOf(laptop, steer)).toMatchObject({ run: `${input}.assistant`, step: 1 })
    await shows(laptop, input, 'complete')
    expect(booked).toEqual(['Tuesday', 'Wednesday'])
    expect(replyTo(laptop, input, 'assistant')).toBe('Booked for Wednesday.')
    expect(phone.view.runs).toHaveLength(1)
  })

  test('[G9] not taken: its sender sees why, and it is answered in its turn (LANE-3)', async () => {
    const { url } = await serveHere()
    const { phone, laptop, let: go, worker } = await stage(url)
    const idle = await sent(phone, 'anybody?', { lane: 'steer' })
    await judged(phone, idle, 'queued')
    expect(verdictOf(phone, idle)).toMatchObject({ reason: 'no-run' })
    await shows(phone, idle, 'active')
    // This agent never looks for what steers it.
    const late = await sent(laptop, 'too late', { lane: 'steer' })
    await judged(laptop, late, 'steering')
    go('anybody?')
    await judged(laptop, late, 'queued')
    expect(verdictOf(laptop, late)).toMatchObject({ reason: 'run-ended', run: `${idle}.assistant` })
    await shows(laptop, late, 'active')
    go('too late')
    await shows(laptop, late, 'complete')
    expect(worker.runs.map(({ input }) => input.id)).toEqual([idle, late])
  })

  test('[G9] taken back before the next step, or offline and late: the agent does not read what was removed (LANE-1, LANE-3)', async () => {
    const { url } = await serveHere()
    const gates = [new Gate()]
    const { runs } = await startAgent({ url, run: (run) => inSteps(run, gates) })
    const phone = await openLive({ url, id: 's' })
    const proxy = await ChaosProxy.start(url)
    const tablet = await openLive({ url: proxy.url, id: 's' })
    const input = await sent(phone, 'Go')
    await shows(phone, input, 'active')
    const gone = await sent(phone, 'never mind', { lane: 'steer' })
    const kept = await sent(phone, 'and hurry', { lane: 'steer' })
    await until(() => verdictOf(tablet, kept)?.state === 'steering')
    phone.remove(gone)
    await judged(phone, gone, 'removed')
    proxy.down()
    await until(() => tablet.status.connection === 'offline')
    tablet.remove(kept)
    const steer = tablet.send('from the tunnel', { lane: 'steer' })
    await until(() => runs[0]?.session.message(gone)?.metadata.verdict?.state === 'removed')
    gates[0]?.open()
    await shows(phone, input, 'complete')
    expect(replyTo(phone, input, 'assistant')).toBe('[and hurry]')
    proxy.up()
    tablet.reconnect()
    await until(() => verdictOf(tablet, kept)?.reason === 'late')
    expect(verdictOf(tablet, kept)).toMatchObject({ state: 'taken', step: 1 })
    await judged(tablet, steer, 'queued')
    expect(verdictOf(tablet, steer)).toMatchObject({ reason: 'no-run' })
    await shows(tablet, steer, 'complete')
    expect(verdictOf(phone, gone)).toMatchObject({ state: 'removed', by: 'ada' })
  })

  test('[G9] of a run that was stopped: it waits with the rest of the queue (LANE-2, LANE-3)', async () => {
    const { url } = await serveHere()
    const { phone, laptop, let: go } = await stage(url)
    const input = await sent(phone, 'first')
    await shows(phone, input, 'active')
    const steer = await sent(laptop, 'faster', { lane: 'steer' })
    await judged(phone, steer, 'steering')
    phone.cancel({ message: input })
    await judged(laptop, steer, 'queued')
    await until(() => phone.view.paused.get('assistant')?.held.includes(`${steer}.assistant`))
    expect(phone.run(`${steer}.assistant`)?.status).toBe('pending')
    laptop.resume('assistant')
    await shows(phone, steer, 'active')
    go('faster')
    await shows(phone, steer, 'complete')
  })

  test('[G9] a steering message of a run whose worker is gone is an input of its own (RUN-4, LANE-3)', async () => {
    const { url } = await serveHere()
    const { phone, worker } = await stage(url)
    const input = await sent(phone, 'first')
    await shows(phone, input, 'active')
    const steer = await sent(phone, 'and?', { lane: 'steer' })
    await judged(phone, steer, 'steering')
    await worker.agent.close()
    await shows(phone, input, 'interrupted')
    await judged(phone, steer, 'queued')
    expect(phone.view.paused.size).toBe(0)
    const { runs } = await startAgent({ url })
    await shows(phone, steer, 'complete')
    expect(runs.map(({ input: asked }) => asked.id)).toEqual([steer])
  })
})

describe('what a worker has taken and its sender takes back at the same time', () => {
  /** A run of bot's, with a message of ada's that steers it. */
  function racing(): { world: World; ada: Peer; bot: Peer; verdict: () => unknown } {
    const world = new World(['bot'])
    const [ada, bot] = [new Peer(world, sender('ada', 'user')), new Peer(world, sender('bot', 'agent', 'w1'))]
    ada.post('m1', 'Go')
    world.clerk.grant('m1.bot', 'w1', 1)
    bot.pull()
    bot.set(bot.run('m1.bot'), KEY.status, 'active')
    ada.pull()
    ada.post('m2', 'Faster', { lane: 'steer' })
    bot.pull()
    return { world, ada, bot, verdict: () => world.message('m2').get(KEY.verdict) }
  }
  const take = (bot: Peer, message: string): void =>
    bot.doc.transact(() => (bot.run('m1.bot').get(KEY.steered) as Y.Array<unknown>).push([{ message, step: 2, at: 1 }]))
  const remove = (ada: Peer): void => ada.set(ada.roots.control, askKey('remove', 'm2'), { by: 'ada', at: 1 })

  test('the removal is first at the server: the verdict says in the end that the agent has read it (LANE-3)', () => {
    const { world, ada, bot, verdict } = racing()
    expect(verdict()).toMatchObject({ state: 'steering', run: 'm1.bot' })
    bot.online = false
    take(bot, 'm2')
    remove(ada)
    expect(verdict()).toMatchObject({ state: 'removed', by: 'ada', run: 'm1.bot' })
    expect(world.roots.control.size).toBe(0)
    expect(bot.reconnect()).toMatchObject({ ok: true })
    expect(verdict()).toMatchObject({ state: 'taken', run: 'm1.bot', step: 2, reason: 'late', by: 'ada' })
  })

  test('the worker is first: the removal has no effect (LANE-1)', () => {
    const { ada, bot, verdict } = racing()
    ada.online = false
    remove(ada)
    take(bot, 'm2')
    expect(ada.reconnect()).toMatchObject({ ok: true })
    expect(verdict()).toMatchObject({ state: 'taken', step: 2, reason: 'late', by: 'ada' })
  })

  test('a run takes only what is attached to it, and no run after its end (LANE-3, GRD-6)', () => {
    const { world, ada, bot, verdict } = racing()
    ada.post('m3', 'Next')
    take(bot, 'm3')
    take(bot, 'nowhere')
    expect(world.message('m3').has(KEY.verdict)).toBe(false)
    world.clerk.lapse('m1.bot')
    expect(verdict()).toMatchObject({ state: 'queued', reason: 'run-ended' })
    take(bot, 'm2')
    expect(bot.refused).toMatchObject([{ ok: false, code: 'forbidden' }])
    expect(verdict()).toMatchObject({ state: 'queued' })
    expect(world.run('m2.bot').get(KEY.status)).toBe('pending')
  })

  test('the asks of two devices at once: both are judged or one gives way, and none stays (LANE-1)', () => {
    for (const ids of [
      [1, 2],
      [2, 1],
    ] as const) {
      const world = new World(['bot'])
      const [phone, laptop] = ids.map((id) => new Peer(world, sender('ada', 'user'), id)) as [Peer, Peer]
      phone.post('m1', 'Go')
      laptop.pull()
      for (const peer of [phone, laptop]) peer.online = false
      phone.set(phone.roots.control, askKey('edit', 'm1'), { by: 'ada', at: 1, text: 'by phone' })
      laptop.set(laptop.roots.control, askKey('edit', 'm1'), { by: 'ada', at: 2, text: 'by laptop' })
      for (const peer of [phone, laptop]) expect(peer.reconnect()).toMatchObject({ ok: true })
      for (const peer of [phone, laptop]) peer.pull()
      expect(world.roots.control.size).toBe(0)
      const [text] = ['phone', 'laptop'].filter((device) => JSON.stringify(world.message('m1').toJSON()).includes(`by ${device}`))
      expect(text).toBe(ids[1] > ids[0] ? 'laptop' : 'phone')
      expect(contentOf(phone.doc)).toBe(contentOf(laptop.doc))
    }
  })
})

describe('an interrupt', () => {
  test('[G10] cancels what the agent is at and starts with the new message, before the queue (LANE-4)', async () => {
    const { url } = await serveHere()
    const { phone, laptop, let: go, worker, prompts } = await stage(url)
    const first = await sent(phone, 'first')
    const second = await sent(phone, 'second')
    await shows(laptop, first, 'active')
    const third = await sent(laptop, 'third', { lane: 'interrupt' })
    await shows(phone, first, 'cancelled')
    await shows(phone, third, 'active')
    expect(phone.run(`${first}.assistant`)?.cancel).toMatchObject({ by: 'ada', for: third })
    expect(worker.runs[0]?.signal.reason).toMatchObject({ code: 'cancelled' })
    // Nobody has stopped the agent: its queue goes on, after the interrupt.
    expect(phone.view.paused.size).toBe(0)
    go('third')
    await shows(phone, second, 'active')
    go('second')
    await shows(phone, second, 'complete')
    expect(worker.runs.map(({ input }) => input.id)).toEqual([first, third, second])
    expect(prompts[1]).toEqual(['first', 'on first: ', 'third'])
  })

  test('[G10] of an agent that is idle, or whose queue waits, just goes first (LANE-2, LANE-4)', async () => {
    const { url } = await serveHere()
    const { phone, let: go, worker } = await stage(url)
    const first = await sent(phone, 'fail', { lane: 'interrupt' })
    const second = await sent(phone, 'second')
    go('fail')
    await until(() => phone.view.paused.size === 1)
    const third = await sent(phone, 'third', { lane: 'interrupt' })
    await shows(phone, third, 'active')
    go('third')
    await shows(phone, third, 'complete')
    expect(phone.run(`${second}.assistant`)?.status).toBe('pending')
    expect(worker.runs.map(({ input }) => input.id)).toEqual([first, third])
  })
})
