/** The AI SDK's own `streamText` piped into runs. */
import { isStepCount, readUIMessageStream, streamText, tool, type UIMessage } from 'ai'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { AgentRun } from '../client/agent.ts'
import type { OpenSession, RunStatus } from '../client/index.ts'
import { MAX_VALUE_CHARS, MAX_VALUE_DEPTH } from '../shared/limits.ts'
import { textOf } from '../shared/message.ts'
import type { UIStreamChunk } from '../shared/ui-stream.ts'
import { Gate, startAgent, type StartedAgent } from './support/agent.ts'
import { openLive, replyTo } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { finish, modelOf, says } from './support/model.ts'
import { until } from './support/wait.ts'

interface Piping extends StartedAgent {
  readonly a: OpenSession
  readonly input: string
}

/** Sends a message to an agent that does `run`. */
async function piping(run: (given: AgentRun) => Promise<unknown>): Promise<Piping> {
  const { url } = await serveHere()
  const a = await openLive({ url, id: 's' })
  const started = await startAgent({ url, run })
  return { a, input: a.send('Where is order 7?'), ...started }
}

const ended = ({ a, input }: Piping, status: RunStatus): Promise<unknown> =>
  until(() => a.run(`${input}.assistant`)?.status === status, { what: `the run to be ${status}` })

/** Chunks with a gate between them, as a stream. */
async function* chunksOf(...chunks: readonly (UIStreamChunk | Gate | Error)[]): AsyncGenerator<UIStreamChunk> {
  for (const chunk of chunks) {
    if (chunk instanceof Error) throw chunk
    if (chunk instanceof Gate) await chunk.passed
    else yield chunk
  }
}

describe('streamText', () => {
  test('with a tool, over two steps: the message is what the SDK would show', async () => {
    const model = modelOf(
      [
        { type: 'stream-start', warnings: [] },
        { type: 'reasoning-start', id: 'r' },
        { type: 'reasoning-delta', id: 'r', delta: 'An order. ' },
        { type: 'reasoning-end', id: 'r', providerMetadata: { openai: { itemId: 'rs_1' } } },
        ...says('Let me ', 'look.'),
        { type: 'tool-input-start', id: 'c1', toolName: 'order' },
        { type: 'tool-input-delta', id: 'c1', delta: '{"id":' },
        { type: 'tool-input-delta', id: 'c1', delta: '7}' },
        { type: 'tool-input-end', id: 'c1' },
        {
          type: 'tool-call',
          toolCallId: 'c1',
          toolName: 'order',
          input: '{"id":7}',
          providerMetadata: { google: { signature: 's' } },
        },
        finish('tool-calls'),
      ],
      [{ type: 'stream-start', warnings: [] }, ...says('It is ', 'in Bonn.'), finish('stop')],
    )
    const order = tool({
      inputSchema: z.object({ id: z.number() }),
      execute: async function* ({ id }) {
        yield { id, place: 'looking' }
        yield { id, place: 'Bonn' }
      },
    })
    let shown: UIMessage['parts'] = []
    const given = await piping(async (run) => {
      const result = streamText({
        model,
        messages: [{ role: 'user', content: textOf(run.input) }],
        tools: { order },
        stopWhen: isStepCount(3),
      })
      const [ours, theirs] = result.toUIMessageStream().tee()
      const bySdk = readUIMessageStream({ stream: theirs })
      await run.pipe(ours)
      for await (const message of bySdk) shown = message.parts
    })
    await ended(given, 'complete')
    expect(given.a.view.messages[1]?.parts).toEqual(JSON.parse(JSON.stringify(shown)))
    expect(given.a.view.messages[1]?.parts).toEqual([
      { type: 'step-start' },
      {
        type: 'reasoning',
        id: expect.any(String),
        text: 'An order. ',
        state: 'done',
        providerMetadata: { openai: { itemId: 'rs_1' } },
      },
      { type: 'text', text: 'Let me look.', state: 'done' },
      {
        type: 'tool-order',
        toolCallId: 'c1',
        state: 'output-available',
        input: { id: 7 },
        output: { id: 7, place: 'Bonn' },
        callProviderMetadata: { google: { signature: 's' } },
        resultProviderMetadata: { google: { signature: 's' } },
      },
      { type: 'step-start' },
      { type: 'text', text: 'It is in Bonn.', state: 'done' },
    ])
    expect(model.doStreamCalls).toHaveLength(2)
    expect(given.reported).toEqual([])
  })

  test('[R2] cancelled in the middle: the model call is aborted, what it had said stays', async () => {
    const gate = new Gate()
    const model = modelOf([
      { type: 'stream-start', warnings: [] },
      { type: 'text-start', id: 't' },
      { type: 'text-delta', id: 't', delta: 'So far' },
      gate,
    ])
    let aborted: AbortSignal | undefined
    const given = await piping(async (run) => {
      const result = streamText({ model, prompt: 'x', abortSignal: run.signal, onError: () => {} })
      await run.pipe(result.toUIMessageStream())
      aborted = model.doStreamCalls[0]?.abortSignal
    })
    await until(() => replyTo(given.a, given.input, 'assistant') === 'So far')
    given.a.cancel('all')
    await ended(given, 'cancelled')
    await until(() => aborted?.aborted === true)
    expect(given.a.view.messages[1]?.parts.at(-1)).toEqual({ type: 'text', text: 'So far', state: 'done' })
    gate.open()
  })

  test('[R9] that fails in the middle: the run is an error, and what it had said stays', async () => {
    const model = modelOf([
      { type: 'stream-start', warnings: [] },
      { type: 'text-start', id: 't' },
      { type: 'text-delta', id: 't', delta: 'So far' },
      { type: 'error', error: new Error('Overloaded') },
    ])
    const given = await piping(async (run) => {
      const result = streamText({ model, prompt: 'x', onError: () => {} })
      await run.pipe(result.toUIMessageStream({ onError: String }))
    })
    await ended(given, 'error')
    expect(given.a.run(`${given.input}.assistant`)?.error?.message).toContain('Overloaded')
    expect(given.a.view.messages[1]?.parts.at(-1)).toEqual({ type: 'text', text: 'So far', state: 'done' })
  })
})

describe('any stream', () => {
  test('a tool call that is cut by a cancel gets an error in the transaction that ends the run (RUN-6)', async () => {
    const gate = new Gate()
    const given = await piping((run) =>
      run.pipe(
        chunksOf(
          { type: 'text-start', id: 't' },
          { type: 'text-delta', id: 't', delta: 'Looking' },
          { type: 'tool-input-start', toolCallId: 'c1', toolName: 'find' },
          { type: 'tool-input-delta', toolCallId: 'c1', inputTextDelta: '{"q' },
          { type: 'tool-input-available', toolCallId: 'c2', toolName: 'find', input: { q: 1 } },
          gate,
        ),
      ),
    )
    await until(() => given.a.view.messages[1]?.parts.length === 3)
    const seen: string[] = []
    given.a.subscribe(() => {
      const states = given.a.view.messages[1]?.parts.map((part) => (part as { state: string }).state)
      seen.push(`${given.a.view.runs[0]?.status}: ${states?.join()}`)
    })
    given.a.cancel('all')
    await ended(given, 'cancelled')
    const closed = 'done,output-error,output-error'
    expect(seen.filter((line) => line.includes(closed) !== line.startsWith('cancelled'))).toEqual([])
    expect(given.a.view.messages[1]?.parts).toMatchObject([
      { text: 'Looking', state: 'done' },
      { state: 'output-error', errorText: expect.stringMatching(/cancelled/), input: '{"q' },
      { state: 'output-error', input: { q: 1 } },
    ])
    gate.open()
  })

  test('a stream that says nothing more does not keep a cancelled handler', async () => {
    const never = new Gate()
    let returned = false
    const given = await piping(async (run) => {
      await run.pipe(chunksOf({ type: 'text-delta', id: 't', delta: 'Hm' }, never))
      returned = true
    })
    await until(() => replyTo(given.a, given.input, 'assistant') === 'Hm')
    given.a.cancel('all')
    await until(() => returned)
    await until(() => given.agent.runs.length === 0)
    expect(given.a.view.runs[0]?.status).toBe('cancelled')
  })

  test('one that throws, one that ends in the middle of a tool call, one that is empty', async () => {
    const thrown = await piping((run) =>
      run.pipe(chunksOf({ type: 'text-delta', id: 't', delta: 'x' }, new Error('The line is dead'))),
    )
    await ended(thrown, 'error')
    expect(thrown.a.run(`${thrown.input}.assistant`)?.error).toEqual({ code: 'agent-error', message: 'The line is dead' })
    expect(thrown.a.view.messages[1]?.parts).toEqual([{ type: 'text', text: 'x', state: 'done' }])

    const cut = await piping((run) => run.pipe(chunksOf({ type: 'tool-input-start', toolCallId: 'c', toolName: 'find' })))
    await ended(cut, 'complete')
    expect(cut.a.view.messages[1]?.parts).toMatchObject([{ type: 'tool-find', state: 'output-error' }])

    const empty = await piping((run) => run.pipe(chunksOf()))
    await ended(empty, 'complete')
    expect(empty.a.view.messages).toHaveLength(1)
  })

  test('what a document cannot hold as it is stands there as text: a key __proto__, nesting without end, a million characters (STR-1)', async () => {
    const proto = '{"a":[{"__proto__":{"x":1}}],"b":2}'
    const deep = `${'['.repeat(MAX_VALUE_DEPTH + 1)}${']'.repeat(MAX_VALUE_DEPTH + 1)}`
    const given = await piping((run) =>
      run.pipe(
        chunksOf(
          { type: 'tool-input-available', toolCallId: 'c', toolName: 'find', input: JSON.parse(proto) as unknown },
          { type: 'tool-output-available', toolCallId: 'c', output: JSON.parse(deep) as unknown },
          { type: 'tomorrow', text: 'x'.repeat(5 * MAX_VALUE_CHARS) } as never,
          { type: 'data-odd', ['__proto__']: 1, data: JSON.parse('{"__proto__":1}') as unknown },
        ),
      ),
    )
    await ended(given, 'complete')
    const [tool, large, odd] = given.a.view.messages[1]?.parts ?? []
    expect(tool).toMatchObject({ input: { a: ['{"__proto__":{"x":1}}'], b: 2 }, output: deep })
    expect(large).toMatchObject({ type: 'raw', event: expect.stringMatching(/^.{1000000}… \(50000\d\d characters\)$/) as string })
    expect(JSON.stringify(odd)).toContain('__proto__')
    expect(given.reported).toEqual([])
    // What a handler hands over itself throws where it is handed over, and the run goes on.
    const value = JSON.parse('{"__proto__":1}') as { [key: string]: number }
    const codes: unknown[] = []
    const refused = await piping(async (run) => {
      const calls = [
        () => run.callClient('where', value),
        () => run.approval({ title: 'Yes?', data: value }),
        () => run.step('Find', () => [value]),
        async () => run.spawn('other', value),
        async () => run.session.object('cart').set('a', value),
        () => run.callClient('where', JSON.parse(deep)),
        () => run.step('Find', () => 'x'.repeat(MAX_VALUE_CHARS)),
      ]
      for (const call of calls) await call().catch(({ code }: { code?: unknown }) => codes.push(code))
    })
    await ended(refused, 'complete')
    expect(codes).toEqual([...Array<string>(6).fill('bad-argument'), 'too-big'])
  })

  test('written text and piped streams stand one after the other in one reply', async () => {
    const given = await piping(async (run) => {
      run.write('First ')
      run.write('this. ')
      await run.pipe(
        chunksOf(
          { type: 'text-start', id: '1' },
          { type: 'text-delta', id: '1', delta: 'Then that. ' },
          { type: 'text-end', id: '1' },
        ),
      )
      await run.pipe(chunksOf({ type: 'text-delta', id: '1', delta: 'And more. ' }))
      run.write('Done.')
    })
    await ended(given, 'complete')
    expect(given.a.view.messages).toHaveLength(2)
    expect(given.a.view.messages[1]?.parts).toEqual(
      ['First this. ', 'Then that. ', 'And more. ', 'Done.'].map((text) => ({ type: 'text', text, state: 'done' })),
    )
  })
})
