// @vitest-environment happy-dom
/** The hooks, in a DOM: what renders, how often, and what opening and closing leaves behind. */
import { act, Profiler, StrictMode, useEffect, type ReactNode } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { OpenSession } from '../client/open-session.ts'
import { Presence } from '../client/presence.ts'
import {
  SessionProvider,
  useHolder,
  useMe,
  useMessage,
  useMessageIds,
  useObject,
  useOpenSession,
  useParticipants,
  usePresence,
  useRun,
  useRuns,
  useSession,
  useStatus,
} from '../client/react.tsx'
import { Session } from '../client/session.ts'
import { KEY, rootsOf } from '../shared/layout.ts'
import { textOf } from '../shared/message.ts'
import { MessageWriter } from '../shared/part-writer.ts'
import { headOf, stamp, writeMessage } from './support/document.ts'
import { startAgent } from './support/agent.ts'
import { openLive, replyTo } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

beforeEach(() => vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true))

async function render(tree: ReactNode): Promise<{ root: Root; text: () => string; html: HTMLElement }> {
  const html = document.createElement('div')
  const root = createRoot(html)
  onTestFinished(async () => await act(async () => root.unmount()))
  await act(async () => root.render(tree))
  return { root, html, text: () => html.textContent ?? '' }
}

/** A session with no network below it, and its document. */
function localSession(): { session: OpenSession; doc: Y.Doc; awareness: Awareness } {
  const doc = new Y.Doc()
  const awareness = new Awareness(doc)
  onTestFinished(() => awareness.destroy())
  const report = (error: unknown): void => expect.unreachable(String(error))
  const session = new Session({ id: 's', doc, presence: new Presence(awareness, report), report, now: Date.now })
  session.identify({ id: 'ada', kind: 'user', name: 'Ada' })
  return { session: session as OpenSession, doc, awareness }
}

/** How often each part of a tree has rendered since the last look. */
function counting(): { Count: (props: { id: string; children: ReactNode }) => ReactNode; since: () => Record<string, number> } {
  let counts: Record<string, number> = {}
  const Count = ({ id, children }: { id: string; children: ReactNode }): ReactNode => (
    <Profiler id={id} onRender={() => (counts[id] = (counts[id] ?? 0) + 1)}>
      {children}
    </Profiler>
  )
  const since = (): Record<string, number> => {
    const before = counts
    counts = {}
    return before
  }
  return { Count, since }
}

describe('[E2] a change renders what it changes and nothing else', () => {
  const { Count, since } = counting()

  function Row({ id }: { id: string }): ReactNode {
    const message = useMessage(id)
    return <p>{message === undefined ? '' : textOf(message)}</p>
  }
  function List(): ReactNode {
    return useMessageIds().map((id) => (
      <Count key={id} id={`row ${id}`}>
        <Row id={id} />
      </Count>
    ))
  }
  function Runs(): ReactNode {
    return useRuns().map(({ id, status }) => <i key={id}>{status}</i>)
  }
  function OneRun(): ReactNode {
    return <b>{useRun('q.other')?.status}</b>
  }
  function Others(): ReactNode {
    const [status, me, holder, people] = [useStatus(), useMe(), useHolder(), useParticipants()]
    return `${status.connection} ${me?.name} ${holder.state} ${people.size} `
  }
  function Here(): ReactNode {
    return usePresence().map(({ participant, typing }) => <i key={participant.id}>{`${participant.name}${typing ? '…' : ''}`}</i>)
  }
  function Cart(): ReactNode {
    const [cart, update] = useObject('cart')
    const count = Number(cart['n'] ?? 0)
    return <button onClick={() => update({ n: count + 1 })}>{count}</button>
  }
  const parts = { list: List, runs: Runs, run: OneRun, others: Others, here: Here, cart: Cart }

  async function page(): Promise<ReturnType<typeof localSession> & Awaited<ReturnType<typeof render>>> {
    const local = localSession()
    const tree = Object.entries(parts).map(([id, Part]) => (
      <Count key={id} id={id}>
        <Part />
      </Count>
    ))
    return { ...local, ...(await render(<SessionProvider session={local.session}>{tree}</SessionProvider>)) }
  }

  test('a token renders its one message', async () => {
    const { doc, text } = await page()
    const writer = new MessageWriter(rootsOf(doc).messages, headOf('a', { at: 2 }))
    const part = writer.open({ type: 'text' })
    const append = (delta: string): Promise<void> =>
      act(async () => {
        writer.append(part, delta)
        doc.transact(() => writer.flush())
      })
    await act(async () => void writeMessage(doc, 'q', 'Question '))
    await append('one')
    since()
    await append(' two')
    // The list is around the row: React counts it in what its child renders.
    expect(since()).toEqual({ 'row a': 1, list: 1 })
    await append(' three')
    expect(since()).toEqual({ 'row a': 1, list: 1 })
    expect(text()).toContain('Question one two three')
  })

  test('a token does not call the list, the runs or anything else', async () => {
    const local = localSession()
    const called: string[] = []
    const Called = ({ what, use }: { what: string; use: () => unknown }): ReactNode => {
      called.push(what)
      use()
      return null
    }
    const hooks = { useMessageIds, useRuns, useStatus, useMe, useHolder, useParticipants, usePresence }
    const writer = new MessageWriter(rootsOf(local.doc).messages, headOf('a'))
    const part = writer.open({ type: 'text' })
    const append = (delta: string): void => {
      writer.append(part, delta)
      local.doc.transact(() => writer.flush())
    }
    append('one')
    writeMessage(local.doc, 'b', 'Other')
    await render(
      <SessionProvider session={local.session}>
        {Object.entries(hooks).map(([what, use]) => (
          <Called key={what} what={what} use={use} />
        ))}
        <Called what="message b" use={() => useMessage('b')} />
        <Called what="message a" use={() => useMessage('a')} />
        <Called what="object" use={() => useObject('cart')} />
      </SessionProvider>,
    )
    called.length = 0
    for (let i = 0; i < 5; i++) await act(async () => append(' more'))
    expect(called).toEqual(Array.from({ length: 5 }, () => 'message a'))
  })

  test('a run, a stamp, the holder, presence, the status and an object render their own', async () => {
    const { doc, session, awareness, html, text } = await page()
    const run = new Y.Map<unknown>()
    await act(async () => {
      writeMessage(doc, 'q', 'Question')
      run.set(KEY.head, { id: 'q.agent', agent: 'agent', input: 'q', attempt: 1, at: 1 })
      run.set(KEY.status, 'pending')
      rootsOf(doc).tasks.push([run])
    })
    since()
    await act(async () => void run.set(KEY.status, 'active'))
    expect(since()).toEqual({ runs: 1 })
    await act(async () => stamp(rootsOf(doc).messages.get(0), 1))
    expect(since()).toEqual({ 'row q': 1, list: 1 })
    await act(async () => void rootsOf(doc).ledger.set(KEY.holder, { state: 'human', by: 'sue', at: 1 }))
    expect(since()).toEqual({ others: 1 })
    await act(async () => session.setStatus({ connection: 'live' }))
    expect(since()).toEqual({ others: 1 })
    await act(async () => {
      awareness.states.set(7, { participant: { id: 'bob', kind: 'user', name: 'Bob' }, typing: true })
      awareness.emit('change', [{ added: [7], updated: [], removed: [] }, 'remote'])
    })
    expect(since()).toEqual({ here: 1 })
    await act(async () => html.querySelector('button')?.click())
    expect(since()).toEqual({ cart: 1 })
    await act(async () => session.object('other').set('n', 1))
    expect(since()).toEqual({})
    expect(text()).toBe('Questionactivelive Ada human 0 Bob…1')
  })

  test('a hook without a provider says what is missing', async () => {
    const Lost = (): ReactNode => useSession().id
    vi.spyOn(console, 'error').mockImplementation(() => {})
    onTestFinished(() => void vi.restoreAllMocks())
    await expect(render(<Lost />)).rejects.toThrow(/SessionProvider/)
  })
})

describe('useOpenSession', () => {
  /** Shows a session's messages, and tells of each session that it is given. */
  function Open(props: { url: string; id: string; onSession: (session: OpenSession) => void }): ReactNode {
    const { url, id, onSession } = props
    const session = useOpenSession({ url, id, token: () => tokenFor('ada'), offline: false, onError: () => {} })
    useEffect(() => {
      if (session !== null) onSession(session)
    }, [session, onSession])
    return session === null ? (
      'none'
    ) : (
      <SessionProvider session={session}>
        <Ids />
      </SessionProvider>
    )
  }
  function Ids(): ReactNode {
    return `${useSession().id}: ${useMessageIds().length}`
  }

  test('opens one session, in StrictMode too; another id is another session; unmounting closes it, and cancels nothing', async () => {
    vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', false)
    const { url } = await serveHere()
    const gate = Promise.withResolvers<void>()
    await startAgent({
      url,
      run: async (run) => {
        run.write('half ')
        await gate.promise
        run.write('whole')
      },
    })
    const b = await openLive({ url, id: 'one', as: 'bob' })
    const opened: OpenSession[] = []
    const onSession = (session: OpenSession): void => void opened.push(session)
    const html = document.createElement('div')
    const root = createRoot(html)
    const show = (id: string): void =>
      root.render(
        <StrictMode>
          <Open url={url} id={id} onSession={onSession} />
        </StrictMode>,
      )
    show('one')
    await until(() => opened.at(-1)?.status.connection === 'live')
    const [first] = opened.slice(-1)
    const input = first?.send('Go') ?? ''
    await until(() => html.textContent === 'one: 2' && replyTo(b, input, 'assistant') === 'half ')
    expect(opened.filter(({ closed }) => !closed)).toEqual([first])

    show('two')
    await until(() => html.textContent === 'two: 0' && opened.at(-1)?.status.connection === 'live')
    expect(first?.closed).toBe(true)
    root.unmount()
    await until(() => opened.every(({ closed }) => closed))
    gate.resolve()
    await until(() => b.run(`${input}.assistant`)?.status === 'complete')
    expect(replyTo(b, input, 'assistant')).toBe('half whole')
    // Nobody of hers is left behind.
    await until(() => b.presence.others.every(({ participant }) => participant.id !== 'ada'))
  })
})
