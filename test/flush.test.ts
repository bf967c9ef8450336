/** When streamed text goes out, measured with a clock of the test's own. */
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { AgentRun } from '../client/agent-run.ts'
import { FLUSH_EVERY_MS, Flusher } from '../client/flusher.ts'
import { Presence } from '../client/presence.ts'
import { Session } from '../client/session.ts'
import type { Run } from '../shared/entries.ts'
import { KEY, rootsOf } from '../shared/layout.ts'
import { textOf, type Message } from '../shared/message.ts'
import { NO_BLOBS } from './support/no-blobs.ts'
import { documentOf, writeMessage } from './support/document.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
})

/** Lets what was queued for the end of this turn happen. */
const turn = async (): Promise<void> => await Promise.resolve()

describe('the flusher (AGT-1)', () => {
  test('idle it flushes at the end of the turn, then at most once per interval, and at once again after a pause', async () => {
    const at: number[] = []
    const flusher = new Flusher(() => at.push(performance.now()), 24)
    const startedAt = performance.now()
    flusher.request()
    flusher.request()
    expect(at).toEqual([])
    await turn()
    expect(at).toEqual([startedAt])
    for (let ms = 0; ms < 100; ms += 4) {
      flusher.request()
      await turn()
      vi.advanceTimersByTime(4)
    }
    const gaps = at.slice(1).map((time, index) => time - (at[index] ?? 0))
    expect(gaps).toEqual([24, 24, 24, 24])
    vi.advanceTimersByTime(1_000)
    const count = at.length
    flusher.request()
    await turn()
    expect(at).toHaveLength(count + 1)
    expect(at.at(-1)).toBe(performance.now())
  })

  test('with an interval of zero each turn is flushed', async () => {
    let count = 0
    const flusher = new Flusher(() => (count += 1), 0)
    for (let i = 0; i < 5; i++) {
      flusher.request()
      await turn()
    }
    expect(count).toBe(5)
  })

  test('stopped it forgets what was asked, whichever way it waited', async () => {
    let count = 0
    const flusher = new Flusher(() => (count += 1))
    flusher.request()
    flusher.stop()
    await turn()
    expect(count).toBe(0)
    flusher.now()
    flusher.request()
    flusher.stop()
    vi.advanceTimersByTime(1_000)
    expect(count).toBe(1)
  })
})

interface Started {
  readonly run: AgentRun
  readonly session: Session
  /** Updates that the document has made since the last call. */
  readonly updates: () => number
  readonly reply: () => string
  readonly tasks: Y.Array<Y.Map<unknown>>
}

/** A run of an agent, with no network below it. */
function start(flushEveryMs?: number): Started {
  const doc = documentOf()
  writeMessage(doc, 'q', 'Question')
  const task = new Y.Map<unknown>()
  task.set(KEY.head, { id: 'q.agent', agent: 'agent', input: 'q', attempt: 1, at: 1 })
  task.set(KEY.status, 'pending')
  task.set(KEY.steps, new Y.Array())
  rootsOf(doc).tasks.push([task])
  const awareness = new Awareness(doc)
  const report = (error: unknown): void => expect.unreachable(String(error))
  const session = new Session({ id: 's', doc, presence: new Presence(awareness, report), report, now: Date.now })
  onTestFinished(() => awareness.destroy())
  const parts = { session, doc, run: session.run('q.agent') as Run, input: session.message('q') as Message }
  const run = new AgentRun({ ...parts, agent: 'agent', now: Date.now, flushEveryMs, blobs: NO_BLOBS })
  let count = 0
  doc.on('update', () => (count += 1))
  const updates = (): number => {
    const since = count
    count = 0
    return since
  }
  const reply = (): string =>
    session.view.messages
      .filter(({ id }) => id !== 'q')
      .map(textOf)
      .join()
  return { run, session, updates, reply, tasks: rootsOf(doc).tasks }
}

describe('a run (AGT-1)', () => {
  test('sends the first token at once, then what has come in 24 ms as one update', async () => {
    const { run, updates, reply } = start()
    run.start()
    updates()
    run.write('0 ')
    await turn()
    expect([updates(), reply()]).toEqual([1, '0 '])
    for (let i = 1; i <= 96; i++) {
      run.write(`${i} `)
      await turn()
      vi.advanceTimersByTime(1)
    }
    expect(updates()).toBe(96 / FLUSH_EVERY_MS)
    expect(reply()).toBe(Array.from({ length: 97 }, (_, i) => `${i} `).join(''))
    expect(FLUSH_EVERY_MS).toBe(24)
  })

  test('takes its own interval', async () => {
    const { run, updates } = start(100)
    run.start()
    updates()
    for (let i = 0; i < 200; i++) {
      run.write('x')
      await turn()
      vi.advanceTimersByTime(1)
    }
    expect(updates()).toBe(3)
  })

  test('a change of state takes with it what waits, in the same update; so does the end', async () => {
    const { run, updates, reply } = start()
    run.start()
    run.write('a')
    await turn()
    updates()
    run.write('b')
    const step = run.step('Looking')
    expect([updates(), reply()]).toEqual([1, 'ab'])
    run.write('c')
    step.done()
    expect([updates(), reply()]).toEqual([1, 'abc'])
    run.write('d')
    run.complete()
    expect([updates(), reply(), run.status]).toEqual([1, 'abcd', 'complete'])
    run.write('e')
    vi.advanceTimersByTime(1_000)
    await turn()
    expect([updates(), reply()]).toEqual([0, 'abcd'])
  })

  test('whose lease is lost writes nothing more, not even what waits', async () => {
    const { run, updates, reply } = start()
    run.start()
    run.write('a')
    await turn()
    run.write('b')
    updates()
    run.lose()
    const piped = run.pipe(
      (async function* () {
        yield { type: 'text-delta', id: 't', delta: 'c' }
      })(),
    )
    await piped
    run.complete()
    run.fail(new Error('x'))
    run.interrupt()
    vi.advanceTimersByTime(1_000)
    expect([updates(), reply(), run.status, run.over]).toEqual([0, 'a', 'active', true])
    expect(run.signal.reason).toMatchObject({ code: 'cancelled' })
  })

  test('that the server has ended meanwhile writes nothing more', async () => {
    const { run, reply, tasks } = start()
    run.start()
    run.write('a')
    await turn()
    run.write('b')
    tasks.get(0).set(KEY.status, 'interrupted')
    expect(run.signal.aborted).toBe(true)
    run.complete()
    vi.advanceTimersByTime(1_000)
    expect([reply(), run.status]).toEqual(['a', 'interrupted'])
  })

  test('that was ended before it began is not begun', () => {
    const { run, tasks, updates } = start()
    tasks.get(0).set(KEY.status, 'cancelled')
    updates()
    expect(run.start()).toBe(false)
    expect(updates()).toBe(0)
  })
})
