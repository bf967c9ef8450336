/** What an agent asks people is asked once, however many attempts its run takes. */
import { describe, expect, test } from 'vitest'
import type { AgentRun } from '../client/agent.ts'
import type { MessagePart, OpenSession, ToolPart } from '../client/index.ts'
import type { UIStreamChunk } from '../shared/ui-stream.ts'
import { Gate, startAgent } from './support/agent.ts'
import { openLive } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { until } from './support/wait.ts'

interface Played {
  readonly user: OpenSession
  readonly parts: () => readonly MessagePart[]
  /** Starts a worker. `die`, in the handler of that attempt, stops it there; `lost` takes the run from it, dead or waiting. */
  readonly attempt: (
    onLapse?: 'retry' | 'restart',
  ) => Promise<{ readonly stuck: Promise<void>; readonly lost: () => Promise<void> }>
  readonly ended: () => Promise<unknown>
}

type Handler = (run: AgentRun, die: (attempt: number) => Promise<void>) => Promise<void>

async function play(handler: Handler): Promise<Played> {
  const { url } = await serveHere()
  const user = await openLive({ url, id: 's' })
  const id = `${user.send('Go')}.assistant`
  return {
    user,
    parts: () => user.view.messages.find(({ metadata }) => metadata.run === id)?.parts ?? [],
    async attempt(onLapse = 'retry') {
      const stuck = new Gate()
      const { agent } = await startAgent({
        url,
        onLapse,
        run: (run) =>
          handler(run, async (when) => {
            if (run.attempt !== when) return
            stuck.open()
            await new Promise((_, reject) => run.signal.addEventListener('abort', () => reject(run.signal.reason as Error)))
          }),
      })
      return { stuck: stuck.passed, lost: () => agent.close() }
    },
    ended: () => until(() => user.run(id)?.status === 'complete', { what: () => `the end of ${JSON.stringify(user.run(id))}` }),
  }
}

interface Approval {
  readonly type: string
  readonly id: string
  readonly data: Readonly<Record<string, unknown>>
}

const approvals = (parts: readonly MessagePart[]): Approval[] =>
  parts.filter(({ type }) => type === 'data-approval') as unknown as Approval[]
const states = (parts: readonly MessagePart[]): unknown[] => approvals(parts).map(({ data }) => data['state'])
const texts = (parts: readonly MessagePart[]): unknown[] => parts.map((part) => ('text' in part ? part.text : part.type))

const APPROVAL_CHUNKS: UIStreamChunk[] = [
  { type: 'tool-input-available', toolCallId: 'c', toolName: 'pay', input: {} },
  { type: 'tool-approval-request', approvalId: 'a', toolCallId: 'c' },
]

async function* chunks(all: readonly UIStreamChunk[]): AsyncGenerator<UIStreamChunk> {
  yield* all
}

const requested = (played: Played, count = 1): Promise<Approval> =>
  until(() => {
    const open = approvals(played.parts())
    return open.length === count && open.at(-1)?.data['state'] === 'requested' ? open.at(-1) : undefined
  })

describe('[T3] an approval (TOOL-4)', () => {
  test('that was answered is not asked again by the next attempt', async () => {
    const played = await play(async (run, die) => {
      run.write(`Attempt ${run.attempt}. `)
      const yes = await run.approval({ title: 'Refund $40?' })
      await die(1)
      run.write(`${yes} in attempt ${run.attempt}`)
    })
    const first = await played.attempt()
    const { id } = await requested(played)
    played.user.approve(id, true)
    await first.stuck
    await first.lost()
    await played.attempt()
    await played.ended()
    expect(texts(played.parts())).toEqual(['Attempt 1. ', 'data-approval', 'true in attempt 2'])
    expect(approvals(played.parts())[0]).toMatchObject({ id, data: { state: 'approved' } })
  })

  test('that waits when its worker is lost can be answered while there is none', async () => {
    const played = await play(async (run) => run.write(String(await run.approval({ title: 'Now?', data: { amount: 1 } }))))
    const first = await played.attempt()
    const { id } = await requested(played)
    await first.lost()
    await until(() => played.user.view.runs[0]?.status === 'pending')
    expect(states(played.parts())).toEqual(['requested'])
    played.user.approve(id, true)
    await until(() => states(played.parts())[0] === 'approved')
    await played.attempt()
    await played.ended()
    expect(texts(played.parts())).toEqual(['data-approval', 'true'])
  })

  test('that waits goes on waiting for the next attempt, in the same place', async () => {
    const played = await play(async (run) => {
      const [yes, no] = await Promise.all([run.approval({ title: 'A?' }), run.approval({ title: 'B?' })])
      run.write(`${yes} ${no}`)
    })
    const first = await played.attempt()
    await requested(played, 2)
    const ids = approvals(played.parts()).map(({ id }) => id)
    await first.lost()
    await played.attempt()
    await until(() => played.user.view.runs[0]?.status === 'suspended')
    expect(approvals(played.parts()).map(({ id }) => id)).toEqual(ids)
    played.user.approve(ids[1] ?? '', false)
    played.user.approve(ids[0] ?? '', true)
    await played.ended()
    expect(texts(played.parts())).toEqual(['data-approval', 'data-approval', 'true false'])
  })

  test('of two that ask the same each keeps its own answer', async () => {
    const played = await play(async (run, die) => {
      const given = [await run.approval({ title: 'Again?' }), await run.approval({ title: 'Again?' })]
      await die(1)
      given.push(await run.approval({ title: 'Again?' }))
      run.write(given.join(' '))
    })
    const first = await played.attempt()
    played.user.approve((await requested(played)).id, false)
    played.user.approve((await requested(played, 2)).id, true)
    await first.stuck
    await first.lost()
    await played.attempt()
    played.user.approve((await requested(played, 3)).id, false)
    await played.ended()
    expect(texts(played.parts()).at(-1)).toBe('false true false')
  })

  test('that the next attempt does not ask for is closed with the run', async () => {
    const played = await play(async (run) => {
      if (run.attempt === 1) await run.approval({ title: 'Refund $40?', detail: 'Order 1042' })
    })
    const first = await played.attempt()
    await requested(played)
    await first.lost()
    await played.attempt()
    await played.ended()
    expect(approvals(played.parts()).map(({ data }) => data)).toEqual([
      { title: 'Refund $40?', detail: 'Order 1042', state: 'cancelled' },
    ])
  })

  test('makes place for another one that the next attempt asks for instead', async () => {
    const played = await play(async (run) => run.write(String(await run.approval({ title: `Attempt ${run.attempt}?` }))))
    const first = await played.attempt()
    const { id } = await requested(played)
    await first.lost()
    await played.attempt()
    const other = await until(() => approvals(played.parts()).find((approval) => approval.id !== id))
    played.user.approve(other.id, true)
    await played.ended()
    expect(approvals(played.parts()).map(({ data }) => data['title'])).toEqual(['Attempt 2?'])
    expect(texts(played.parts())).toEqual(['data-approval', 'true'])
  })

  test('of a model is asked again with the whole stream, where a durable step after it stands', async () => {
    const done: number[] = []
    const played = await play(async (run, die) => {
      let calls = 0
      await run.stream(() => {
        calls += 1
        return chunks(
          calls === 1
            ? APPROVAL_CHUNKS
            : [
                { type: 'text-start', id: 't' },
                { type: 'text-end', id: 't' },
              ],
        )
      })
      await run.step('Pay', () => void done.push(run.attempt))
      await die(1)
      run.write('Paid')
    })
    const first = await played.attempt()
    const approve = async (): Promise<void> => {
      const call = await until(() =>
        played
          .parts()
          .find(
            (part): part is ToolPart =>
              'toolCallId' in part && (part.approval as { approved?: boolean } | undefined)?.approved === undefined,
          ),
      )
      await until(() => played.user.view.runs[0]?.status === 'suspended')
      played.user.approve(call.approval?.id ?? '', true)
    }
    await approve()
    await first.stuck
    await first.lost()
    await played.attempt()
    await approve()
    await played.ended()
    expect(done).toEqual([1])
    expect(texts(played.parts())).toEqual(['tool-pay', '', 'Paid'])
  })

  test('within a durable step or a stream is a part of that, and asked again with it', async () => {
    const played = await play(async (run, die) => {
      const yes = await run.step('Asking', async () => {
        const answer = await run.approval({ title: 'In a step?' })
        await die(1)
        return answer
      })
      async function* model(): AsyncGenerator<unknown> {
        yield { type: 'tool-input-available', toolCallId: 'c', toolName: 'pay', input: {} }
        const output = await run.approval({ title: 'In a stream?' })
        await die(2)
        yield { type: 'tool-output-available', toolCallId: 'c', output }
      }
      await run.pipe(model())
      run.write(String(yes))
    })
    for (const [attempt, titles] of [
      [1, ['In a step?']],
      [2, ['In a step?', 'In a stream?']],
      [3, ['In a stream?']],
    ] as const) {
      const { stuck, lost } = await played.attempt()
      for (const title of titles) {
        const { id } = await until(() =>
          approvals(played.parts()).find(({ data }) => data['title'] === title && data['state'] === 'requested'),
        )
        played.user.approve(id, true)
      }
      if (attempt === 3) break
      await stuck
      await lost()
    }
    await played.ended()
    expect(texts(played.parts())).toEqual(['data-approval', 'tool-pay', 'data-approval', 'true'])
    expect(played.parts()[1]).toMatchObject({ state: 'output-available', output: true })
  })

  test('is asked again by an agent that begins everything anew', async () => {
    const played = await play(async (run) => run.write(String(await run.approval({ title: 'Now?' }))))
    const first = await played.attempt('restart')
    const { id } = await requested(played)
    await first.lost()
    await played.attempt('restart')
    const again = await until(() => approvals(played.parts()).find((approval) => approval.id !== id))
    expect(approvals(played.parts()).length).toBe(1)
    played.user.approve(again.id, true)
    await played.ended()
  })
})

test('[T1] a client tool runs once, however many attempts ask for it (TOOL-4)', async () => {
  const ran: unknown[] = []
  const played = await play(async (run, die) => {
    const where = await run.callClient('where', { precise: true })
    const other = await run.callClient('where', { precise: false })
    await die(1)
    await die(2)
    run.write(`${String(where)} ${String(other)}`)
  })
  played.user.tools({ where: (input) => ran.push(input) && `Bonn ${ran.length}` })
  for (let attempt = 1; attempt < 3; attempt++) {
    const { stuck, lost } = await played.attempt()
    await stuck
    await lost()
  }
  await played.attempt()
  await played.ended()
  expect(ran).toEqual([{ precise: true }, { precise: false }])
  expect(texts(played.parts())).toEqual(['tool-where', 'tool-where', 'Bonn 1 Bonn 2'])
  expect(played.parts().slice(0, 2)).toMatchObject([{ output: 'Bonn 1' }, { output: 'Bonn 2' }] satisfies Partial<ToolPart>[])
})
