/** Durable steps, and handlers that begin again: what is done once, what is written once, and what is seen of it. */
import { describe, expect, test } from 'vitest'
import type { AgentRun } from '../client/agent.ts'
import type { Message, OpenSession, Run } from '../client/index.ts'
import { memoryStore, type Store } from '../server/index.ts'
import type { UIStreamChunk } from '../shared/ui-stream.ts'
import { Gate, startAgent } from './support/agent.ts'
import { openLive } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { storedView } from './support/stored.ts'
import { until } from './support/wait.ts'

interface Played {
  readonly user: OpenSession
  readonly run: Run
  readonly reply: Message | undefined
}

/**
 * Does one run, in as many attempts as it takes: `die(n)` takes it from the worker of the n-th attempt, and gives it to
 * another one. Resolves when it has ended.
 */
async function play(handler: (run: AgentRun, die: (attempt: number) => Promise<void>) => Promise<void>): Promise<Played> {
  const { url } = await serveHere()
  const user = await openLive({ url, id: 's' })
  const id = `${user.send('Go')}.assistant`
  const hasEnded = (): boolean => ['complete', 'error'].includes(user.run(id)?.status ?? '')
  for (let attempt = 1; !hasEnded(); attempt++) {
    const died = new Gate()
    const { agent } = await startAgent({
      url,
      onLapse: 'retry',
      run: (run) =>
        handler(run, async (when) => {
          if (run.attempt !== when) return
          died.open()
          await new Promise((_, reject) => run.signal.addEventListener('abort', () => reject(run.signal.reason as Error)))
        }),
    })
    await Promise.race([died.passed, until(hasEnded, { what: () => `attempt ${attempt} of ${JSON.stringify(user.run(id))}` })])
    await agent.close()
    expect(attempt).toBeLessThan(5)
  }
  const replies = user.view.messages.filter(({ role }) => role === 'assistant')
  expect(replies.length).toBeLessThan(2)
  return { user, run: user.run(id) as Run, reply: replies[0] }
}

/** Texts of a reply's parts, and types of those without. */
const partsOf = (reply: Message | undefined): unknown[] =>
  reply?.parts.map((part) => ('text' in part ? part.text : part.type)) ?? []

async function* chunks(...all: UIStreamChunk[]): AsyncGenerator<UIStreamChunk> {
  yield* all
}

const textChunks = (id: string, delta: string): UIStreamChunk[] => [
  { type: 'text-start', id },
  { type: 'text-delta', id, delta },
  { type: 'text-end', id },
]

describe('a durable step', () => {
  test('gives its result when that is stored, and gives the same to a later attempt without doing it again (RUN-9, AGT-2)', async () => {
    const done: string[] = []
    const results: unknown[] = []
    const { run } = await play(async (given, die) => {
      const order = await given.step('Reserve', (step) => {
        step.progress(0.5)
        done.push(`reserve ${given.attempt}`)
        return { id: 7, at: new Date(0) }
      })
      const nothing = await given.step('Tell', () => void done.push(`tell ${given.attempt}`))
      results.push([order, nothing])
      await die(1)
      await die(2)
    })
    expect(done).toEqual(['reserve 1', 'tell 1'])
    // As JSON has it, from the first time on.
    expect(results).toEqual(Array.from({ length: 3 }, () => [{ id: 7, at: '1970-01-01T00:00:00.000Z' }, null]))
    expect(run).toMatchObject({ status: 'complete', attempt: 3 })
    expect(run.steps.map(({ title, status }) => [title, status])).toEqual([
      ['Reserve', 'done'],
      ['Tell', 'done'],
    ])
  })

  test('of the n-th of a title the result is that of the n-th (RUN-9)', async () => {
    const done: number[] = []
    const { reply } = await play(async (run, die) => {
      for (let n = 1; n <= 4; n++) {
        if (n === 3) await die(1)
        const double = await run.step('Double', () => {
          done.push(n)
          return 2 * n
        })
        run.write(`${double} `)
      }
    })
    expect(done).toEqual([1, 2, 3, 4])
    expect(partsOf(reply).join('')).toBe('2 4 6 8 ')
  })

  test('one that throws has failed, and is done again by a later attempt', async () => {
    const done: number[] = []
    const seen: unknown[] = []
    const { run } = await play(async (given, die) => {
      const failed = await given
        .step('Pay', () => {
          done.push(given.attempt)
          if (given.attempt === 1) throw new Error('The bank is closed')
          return 'paid'
        })
        .catch(String)
      seen.push([failed, given.session.run(given.id)?.steps])
      await die(1)
    })
    expect(done).toEqual([1, 2])
    expect(seen).toEqual([
      ['Error: The bank is closed', [{ title: 'Pay', status: 'failed', detail: 'The bank is closed' }]],
      ['paid', [{ title: 'Pay', status: 'done' }]],
    ])
    expect(run.steps).toEqual([{ title: 'Pay', status: 'done' }])
  })

  test('a result that is not JSON fails the step at once, and says so', async () => {
    const { run } = await play(async (given) => {
      await given.step('Count', () => 10n)
    })
    expect(run).toMatchObject({ status: 'error', error: { code: 'bad-argument' }, steps: [{ title: 'Count', status: 'failed' }] })
    expect(run.error?.message).toMatch(/"Count" is not JSON/)
  })

  test('one whose run ends meanwhile rejects: what is not stored must not be built upon', async () => {
    const { url } = await serveHere()
    const user = await openLive({ url, id: 's' })
    const [inside, gate] = [new Gate(), new Gate()]
    const outcome = Promise.withResolvers<unknown>()
    await startAgent({
      url,
      run: async (run) => {
        const step = run.step('Slow', async () => {
          inside.open()
          await gate.passed
          return 1
        })
        step.then(outcome.resolve, outcome.resolve)
        await step
      },
    })
    const input = user.send('Go')
    await inside.passed
    user.cancel({ message: input })
    await until(() => user.run(`${input}.assistant`)?.status === 'cancelled')
    gate.open()
    expect(await outcome.promise).toMatchObject({ code: 'cancelled' })
    expect(user.run(`${input}.assistant`)?.steps).toEqual([{ title: 'Slow', status: 'cancelled' }])
  })
})

describe('[G6] the reply of a retried run', () => {
  test('has what was written up to the last durable step once, and the rest of the last attempt (RUN-10)', async () => {
    const { reply, run } = await play(async (given, die) => {
      given.write('one ')
      given.step('Looking').done()
      await given.step('A', () => given.write('in A '))
      given.write('two ')
      given.write('three ')
      await given.step('B', () => given.write('in B '))
      given.write(`four of attempt ${given.attempt} `)
      given.step('Thinking')
      await die(1)
      await given.step('C', () => given.write('in C '))
      given.write(`five of attempt ${given.attempt} `)
      await die(2)
    })
    expect(partsOf(reply)).toEqual(['one ', 'in A ', 'two three ', 'in B ', 'four of attempt 2 ', 'in C ', 'five of attempt 3 '])
    expect(reply?.parts.every((part) => (part as { state?: string }).state === 'done')).toBe(true)
    expect(run.steps.map(({ title, status }) => `${title}: ${status}`)).toEqual([
      'Looking: done',
      'A: done',
      'B: done',
      'Thinking: done',
      'C: done',
    ])
  })

  test('a stream that came before a durable step stands, also if it comes out otherwise the next time', async () => {
    const { reply } = await play(async (run, die) => {
      const before = run.attempt === 1 ? ['Hello ', 'there '] : run.attempt === 2 ? ['Hi '] : ['Well ', 'well ', 'well ']
      await run.pipe(chunks(...before.flatMap((text, n) => textChunks(`t${n}`, text))))
      await run.step('A', () => 1)
      await run.pipe(chunks(...textChunks('x', `after ${run.attempt}`)))
      await die(1)
      await die(2)
    })
    expect(partsOf(reply)).toEqual(['Hello ', 'there ', 'after 3'])
  })

  test('a durable step within a stream, as of a tool, is done once, and the stream as a whole again', async () => {
    const done: number[] = []
    const { reply } = await play(async (run, die) => {
      run.write('Intro')
      async function* model(): AsyncGenerator<UIStreamChunk> {
        yield* textChunks('t', `Thinking ${run.attempt}`)
        yield { type: 'tool-input-available', toolCallId: 'c', toolName: 'pay', input: { euro: 5 } }
        const output = await run.step('Pay', () => {
          done.push(run.attempt)
          return { paid: true }
        })
        await die(1)
        yield { type: 'tool-output-available', toolCallId: 'c', output }
      }
      await run.pipe(model())
      run.write('Outro')
    })
    expect(done).toEqual([1])
    expect(partsOf(reply)).toEqual(['Intro', 'Thinking 2', 'tool-pay', 'Outro'])
    expect(reply?.parts[2]).toMatchObject({ state: 'output-available', output: { paid: true } })
  })

  test('a durable step within another is done once, and the outer one as a whole again', async () => {
    const done: string[] = []
    const { reply } = await play(async (run, die) => {
      await run.step('Outer', async () => {
        done.push('outer')
        run.write(`begin ${run.attempt} `)
        await run.step('Inner', () => {
          done.push('inner')
          return 1
        })
        await die(1)
        run.write('end ')
      })
    })
    expect(done).toEqual(['outer', 'inner', 'outer'])
    expect(partsOf(reply)).toEqual(['begin 2 ', 'end '])
  })

  test('is not among the messages that the next attempt is given', async () => {
    const given: number[] = []
    await play(async (run, die) => {
      given.push(run.messages.length)
      run.write('So far ')
      await run.step('A', () => 1)
      await die(1)
    })
    expect(given).toEqual([1, 1])
  })
})

test('[G3] a run that is given again is stored as that before its job is open: a crash in between shows nobody a half (RUN-10)', async () => {
  const inner = memoryStore()
  const reopened: unknown[] = []
  const store: Store = new Proxy(inner, {
    get: (target, key) => {
      const method: unknown = Reflect.get(target, key)
      if (typeof method !== 'function') return method
      return async (...given: never[]): Promise<unknown> => {
        if (key === 'append') await new Promise((resolve) => setImmediate(resolve))
        if (key === 'reopen')
          reopened.push((await storedView(inner, 's')).runs.map(({ status, attempt }) => ({ status, attempt })))
        return (await (method as (...args: never[]) => unknown).apply(target, given)) as unknown
      }
    },
  })
  const { url } = await serveHere({ store })
  const user = await openLive({ url, id: 's' })
  const id = `${user.send('Go')}.assistant`
  const never = new Gate()
  const first = await startAgent({ url, onLapse: 'retry', run: () => never.passed })
  await until(() => user.run(id)?.status === 'active')
  await first.agent.close()
  await startAgent({ url, onLapse: 'retry' })
  await until(() => user.run(id)?.status === 'complete')
  expect(reopened).toEqual([[{ status: 'pending', attempt: 2 }]])
})
