// @vitest-environment happy-dom
/** `useChat` of `@ai-sdk/react` over sessions: as it is rendered, in StrictMode, in two tabs, and when it is unmounted. */
import { useChat, type UseChatHelpers } from '@ai-sdk/react'
import {
  getToolName,
  isToolUIPart,
  lastAssistantMessageIsCompleteWithApprovalResponses,
  lastAssistantMessageIsCompleteWithToolCalls,
  type UIMessage,
} from 'ai'
import { StrictMode, useEffect, type ReactNode } from 'react'
import { createRoot } from 'react-dom/client'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createChatTransport, sessionChat, useSessionChat, type SessionTransport } from '../client/ai-sdk.ts'
import { SessionProvider } from '../client/react.tsx'
import type { OpenSession } from '../client/open.ts'
import { startAgent } from './support/agent.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { startHalting, startPaying } from './support/chat-agents.ts'
import { openClient, openLive, texts } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { until } from './support/wait.ts'

beforeEach(() => vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', false))

/** A mounted component that uses a chat, and what it shows. */
interface Tab {
  /** What was rendered last. */
  readonly chat: UseChatHelpers<UIMessage>
  /** `role: text` of each message. */
  readonly lines: readonly string[]
  /** Each status that was rendered, without repetitions. */
  readonly statuses: readonly string[]
  /** Whether any render showed two messages of one id. */
  readonly doubled: boolean
  unmount(): void
}

/** Mounts, in StrictMode, a component that uses what `use` gives; resolves when its effects have run, ended and run again. */
async function mount(use: () => UseChatHelpers<UIMessage>, around = (children: ReactNode): ReactNode => children): Promise<Tab> {
  const statuses: string[] = []
  let doubled = false
  let mounts = 0
  let last: UseChatHelpers<UIMessage> | undefined
  function App(): ReactNode {
    const chat = use()
    useEffect(() => void mounts++, [])
    last = chat
    if (statuses.at(-1) !== chat.status) statuses.push(chat.status)
    doubled ||= new Set(chat.messages.map(({ id }) => id)).size < chat.messages.length
    return chat.messages.map(lineOf).join('\n')
  }
  const html = document.createElement('div')
  const root = createRoot(html)
  root.render(<StrictMode>{around(<App />)}</StrictMode>)
  onTestFinished(() => root.unmount())
  await until(() => mounts === 2)
  return {
    get chat() {
      if (last === undefined) throw new Error('Nothing is rendered yet.')
      return last
    },
    get lines() {
      return (html.textContent ?? '').split('\n').filter((line) => line !== '')
    },
    get doubled() {
      return doubled
    },
    statuses,
    unmount: () => root.unmount(),
  }
}

function lineOf({ role, parts }: UIMessage): string {
  const words = parts.map((part) => {
    if (part.type === 'text') return part.text
    return isToolUIPart(part) ? `[${getToolName(part)} ${part.state}]` : ''
  })
  return `${role}: ${words.join('')}`
}

const mountSession = (session: OpenSession): Promise<Tab> => mount(() => useChat({ chat: sessionChat(session) }))

const mountBoth = async (a: OpenSession, b: OpenSession): Promise<[Tab, Tab]> => [await mountSession(a), await mountSession(b)]

const expectSoon = (tab: Tab, lines: readonly string[], status = 'ready'): Promise<unknown> =>
  until(() => JSON.stringify(tab.lines) === JSON.stringify(lines) && tab.chat.status === status, {
    what: () => `${status}: ${JSON.stringify(lines)}; it is ${tab.chat.status}: ${JSON.stringify(tab.lines)}`,
  })

const statusOf = (session: OpenSession): string | undefined => session.view.runs.at(-1)?.status

async function twoTabs(): Promise<{ url: string; a: OpenSession; b: OpenSession }> {
  const { url } = await serveHere()
  const [a, b] = await Promise.all([openLive({ url, id: 's' }), openLive({ url, id: 's' })])
  return { url, a, b }
}

describe('useChat with the chat of a session', () => {
  test('[G12] two tabs are live: what is written in one is answered in both, token by token, and nothing is there twice', async () => {
    const { url, a, b } = await twoTabs()
    const gate = await startHalting(url)
    const [tabA, tabB] = await mountBoth(a, b)
    await tabA.chat.sendMessage({ text: 'Go' })
    for (const tab of [tabA, tabB]) await expectSoon(tab, ['user: Go', 'assistant: half '], 'streaming')
    await tabB.chat.sendMessage({ text: 'And then?' })
    for (const tab of [tabA, tabB]) {
      await until(() => tab.lines.includes('user: And then?'))
      expect(tab.chat.status).toBe('streaming')
    }
    gate.open()
    const all = ['user: Go', 'user: And then?', 'assistant: half whole', 'assistant: half whole']
    for (const tab of [tabA, tabB]) await until(() => tab.chat.status === 'ready' && tab.lines.length === 4)
    expect([...tabA.lines].sort()).toEqual([...all].sort())
    expect(tabB.lines).toEqual(tabA.lines)
    for (const { doubled, statuses } of [tabA, tabB]) {
      expect(doubled).toBe(false)
      expect(statuses).not.toContain('error')
    }
  })

  test('[G12] stop is the control flag, from either tab; what was said stays', async () => {
    const { url, a, b } = await twoTabs()
    await startHalting(url)
    const [tabA, tabB] = await mountBoth(a, b)
    await tabA.chat.sendMessage({ text: 'Go' })
    await expectSoon(tabB, ['user: Go', 'assistant: half '], 'streaming')
    await tabB.chat.stop()
    for (const tab of [tabA, tabB]) await expectSoon(tab, ['user: Go', 'assistant: half '])
    expect(a.view.runs).toMatchObject([{ status: 'cancelled', cancel: { by: 'ada' } }])
    await tabA.chat.sendMessage({ text: 'Again' })
    await expectSoon(tabB, ['user: Go', 'assistant: half ', 'user: Again', 'assistant: half '], 'streaming')
  })

  test('[G12] unmounting cancels nothing, in StrictMode; what is mounted again shows the reply so far and goes on', async () => {
    const { url, a } = await twoTabs()
    const gate = await startHalting(url)
    const first = await mountSession(a)
    await first.chat.sendMessage({ text: 'Go' })
    await expectSoon(first, ['user: Go', 'assistant: half '], 'streaming')
    first.unmount()
    const second = await mountSession(a)
    await expectSoon(second, ['user: Go', 'assistant: half '], 'streaming')
    await a.stored()
    expect(statusOf(a)).toBe('active')
    gate.open()
    await expectSoon(second, ['user: Go', 'assistant: half whole'])
    expect(statusOf(a)).toBe('complete')
    expect(second.doubled).toBe(false)
  })

  test('[G12] without a connection a message is shown and kept, another may be written, and both are answered later', async () => {
    const { url } = await serveHere()
    await startAgent({ url })
    const proxy = await ChaosProxy.start(url)
    const a = await openLive({ url: proxy.url, id: 's' })
    const tab = await mountSession(a)
    proxy.down()
    await until(() => a.status.connection === 'offline')
    await tab.chat.sendMessage({ text: 'One' })
    await tab.chat.sendMessage({ text: 'Two' })
    await expectSoon(tab, ['user: One', 'user: Two'])
    proxy.up()
    a.reconnect()
    await until(() => tab.chat.status === 'ready' && tab.lines.length === 4)
    expect([...tab.lines].sort()).toEqual(['assistant: assistant', 'assistant: assistant', 'user: One', 'user: Two'])
  })

  test('a failed run is an error in all tabs; regenerate asks the same again; clearError hides it in its tab', async () => {
    const { url, a, b } = await twoTabs()
    let fails = true
    await startAgent({
      url,
      run: (run) => {
        if (fails) throw new Error('No fuel')
        run.write('There.')
      },
    })
    const [tabA, tabB] = await mountBoth(a, b)
    await tabA.chat.sendMessage({ text: 'Go' })
    for (const tab of [tabA, tabB]) await until(() => tab.chat.error?.message === 'No fuel' && tab.chat.status === 'error')
    tabB.chat.clearError()
    await until(() => tabB.chat.status === 'ready' && tabB.chat.error === undefined)
    expect(tabA.chat.status).toBe('error')
    fails = false
    await tabA.chat.regenerate()
    for (const tab of [tabA, tabB]) await expectSoon(tab, ['user: Go', 'user: Go', 'assistant: There.'])
    await tabA.chat.regenerate()
    await until(() => tabB.lines.length === 5)
    expect(a.view.messages.at(-2)?.metadata.to).toEqual(['assistant'])
    await expect(tabA.chat.regenerate({ messageId: 'none' })).rejects.toMatchObject({ code: 'not-found' })
  })

  test('what a message asks for goes with it; files and parts too; a wrong request is refused', async () => {
    const { url, a } = await twoTabs()
    await startAgent({ url, name: 'pilot' })
    const tab = await mountSession(a)
    await tab.chat.sendMessage({ text: 'Go' }, { body: { to: ['pilot'], lane: 'steer' } })
    expect(a.view.messages[0]?.metadata).toMatchObject({ to: ['pilot'], lane: 'steer' })
    await expectSoon(tab, ['user: Go', 'assistant: pilot'])
    const file = { type: 'file', mediaType: 'text/plain', url: 'data:text/plain,x' } as const
    await tab.chat.sendMessage({ text: 'See', files: [file] }, { body: { to: [] } })
    await tab.chat.sendMessage({ parts: [file] }, { body: { to: [] } })
    expect(a.view.messages.slice(2).map(({ parts }) => parts)).toEqual([[file, { type: 'text', text: 'See' }], [file]])
    await expect(tab.chat.sendMessage({ text: 'x' }, { body: { to: 'pilot' } })).rejects.toMatchObject({ code: 'bad-argument' })
    await expect(tab.chat.sendMessage({ text: 'x' }, { body: { lane: 'fast' } })).rejects.toMatchObject({ code: 'bad-argument' })
    await expect(tab.chat.sendMessage({ text: 'x'.repeat(200_001) })).rejects.toMatchObject({ code: 'too-big' })
    // A chat that is continued has been answered already.
    await tab.chat.sendMessage()
    expect(a.view.messages).toHaveLength(4)
  })
})

describe('useSessionChat', () => {
  test('[G12] has the shape of useChat, and tells of an end once, with the functions of the last render', async () => {
    const { url, a } = await twoTabs()
    const gate = await startHalting(url)
    await startAgent({ url, name: 'bad', run: () => Promise.reject(new Error('No fuel')) })
    const ends: unknown[] = []
    const errors: unknown[] = []
    let renders = 0
    const tab = await mount(
      () => {
        const render = ++renders
        return useSessionChat({
          onFinish: ({ message, isAbort, isError, finishReason }) =>
            ends.push([render > 1, message.parts.length, isAbort, isError, finishReason]),
          onError: ({ message }) => errors.push(message),
        })
      },
      (children) => <SessionProvider session={a}>{children}</SessionProvider>,
    )
    const plain = await mount(() => useChat())
    expect(Object.keys(tab.chat).sort()).toEqual(Object.keys(plain.chat).sort())
    expect(tab.chat.id).toBe('s')
    await tab.chat.sendMessage({ text: 'Go' })
    await expectSoon(tab, ['user: Go', 'assistant: half '], 'streaming')
    gate.open()
    await until(() => ends.length > 0)
    await tab.chat.sendMessage({ text: 'Go' }, { body: { to: ['bad'] } })
    await until(() => tab.chat.status === 'error')
    expect(errors).toEqual(['No fuel'])
    expect(ends).toEqual([[true, 1, false, false, 'stop']])
  })

  test('[G12] an approval is answered from the other tab, once, and the run goes on', async () => {
    const { url, a, b } = await twoTabs()
    const paid = await startPaying(url)
    const [tabA, tabB] = await mountBoth(a, b)
    await tabA.chat.sendMessage({ text: 'Pay' })
    for (const tab of [tabA, tabB]) await expectSoon(tab, ['user: Pay', 'assistant: [pay approval-requested]'])
    const part = tabB.chat.messages[1]?.parts.find(isToolUIPart)
    const id = part?.state === 'approval-requested' ? part.approval.id : ''
    await tabB.chat.addToolApprovalResponse({ id, approved: true })
    await tabA.chat.addToolApprovalResponse({ id, approved: false })
    for (const tab of [tabA, tabB]) await expectSoon(tab, ['user: Pay', 'assistant: [pay output-available]Paid.'])
    // Too late, and no error.
    await tabA.chat.addToolApprovalResponse({ id, approved: false })
    expect(paid).toEqual([7])
    await expect(tabA.chat.addToolApprovalResponse({ id: 'none', approved: true })).rejects.toMatchObject({ code: 'not-found' })
  })

  test('[G12] a client’s tool runs in one tab, and one without code is answered by hand', async () => {
    const { url, a, b } = await twoTabs()
    const runs: string[] = []
    for (const [name, session] of Object.entries({ a, b })) session.tools({ where: () => (runs.push(name), 'Kyoto') })
    await startAgent({
      url,
      run: async (run) => {
        const place = await run.callClient('where', {})
        const seat = await run.callClient('seat', {}).catch(String)
        run.write(`${String(place)}, ${String(seat)}`)
      },
    })
    const [tabA, tabB] = await mountBoth(a, b)
    await tabA.chat.sendMessage({ text: 'Go' })
    for (const tab of [tabA, tabB])
      await expectSoon(tab, ['user: Go', 'assistant: [where output-available][seat input-available]'])
    expect(runs).toHaveLength(1)
    const open = tabB.chat.messages[1]?.parts.filter(isToolUIPart).at(-1)?.toolCallId ?? ''
    await tabB.chat.addToolOutput({ tool: 'seat', toolCallId: open, output: '12A' })
    for (const tab of [tabA, tabB]) {
      await expectSoon(tab, ['user: Go', 'assistant: [where output-available][seat output-available]Kyoto, 12A'])
    }
    await tabB.chat.addToolOutput({ tool: 'seat', toolCallId: open, output: '12B' })
    await tabA.chat.sendMessage({ text: 'Go' })
    await until(() => tabA.lines.at(-1) === 'assistant: [where output-available][seat input-available]')
    const failed = tabA.chat.messages.at(-1)?.parts.filter(isToolUIPart).at(-1)?.toolCallId ?? ''
    await tabA.chat.addToolOutput({ tool: 'seat', toolCallId: failed, state: 'output-error', errorText: 'Full' })
    await until(() => tabB.lines.at(-1)?.endsWith('[seat output-error]Kyoto, Error: Full'))
  })
})

describe('useChat with a transport', () => {
  const mountTransport = (transport: SessionTransport, options: object = {}): Promise<Tab> =>
    mount(() => useChat({ transport, messages: transport.messages, resume: true, ...options }))

  test('[G12] the reply streams; unmounting lets go and cancels nothing; mounted again it goes on, with nothing twice', async () => {
    const { url, a } = await twoTabs()
    const gate = await startHalting(url)
    const transport = createChatTransport(a)
    const first = await mountTransport(transport)
    void first.chat.sendMessage({ text: 'Go' })
    await expectSoon(first, ['user: Go', 'assistant: half '], 'streaming')
    first.unmount()
    await a.stored()
    expect(statusOf(a)).toBe('active')
    const second = await mountTransport(createChatTransport(a))
    await expectSoon(second, ['user: Go', 'assistant: half '], 'streaming')
    gate.open()
    await expectSoon(second, ['user: Go', 'assistant: half whole'])
    expect(statusOf(a)).toBe('complete')
    expect(second.doubled).toBe(false)
    expect(texts(a)).toEqual(['Go', 'half whole'])
  })

  test('[G12] a page that is loaded in the middle finds the reply, also before it is connected', async () => {
    const { url, a } = await twoTabs()
    const gate = await startHalting(url)
    a.send('Go')
    await until(() => texts(a)[1] === 'half ')
    const late = await openClient({ url, id: 's', as: 'bob' })
    const tab = await mountTransport(createChatTransport(late))
    await until(() => tab.lines.at(-1) === 'assistant: half ' && tab.chat.status === 'streaming')
    gate.open()
    await until(() => tab.lines.at(-1) === 'assistant: half whole' && tab.chat.status === 'ready')
    expect(tab.doubled).toBe(false)
    const after = await mountTransport(createChatTransport(late))
    await expectSoon(after, ['user: Go', 'assistant: half whole'])
    expect(after.statuses).toEqual(['ready'])
  })

  test('[G12] its stop is the control flag; the run of the other tab’s chat ends too', async () => {
    const { url, a, b } = await twoTabs()
    await startHalting(url)
    const transport = createChatTransport(a)
    const tab = await mountTransport(transport)
    void tab.chat.sendMessage({ text: 'Go' })
    await expectSoon(tab, ['user: Go', 'assistant: half '], 'streaming')
    transport.stop()
    await expectSoon(tab, ['user: Go', 'assistant: half '])
    await until(() => statusOf(b) === 'cancelled')
    expect(a.view.runs[0]?.cancel?.by).toBe('ada')
  })

  test('an error of the run is the chat’s; regenerate asks again, of the same agent', async () => {
    const { url, a } = await twoTabs()
    let n = 0
    await startAgent({
      url,
      name: 'pilot',
      run: (run) => {
        if (++n === 1) throw new Error('No fuel')
        run.write(`Answer ${n}`)
      },
    })
    const tab = await mountTransport(createChatTransport(a))
    void tab.chat.sendMessage({ text: 'Go' }, { body: { to: ['pilot'] } })
    await until(() => tab.chat.status === 'error')
    expect(tab.chat.error?.message).toBe('No fuel')
    void tab.chat.regenerate({ body: { to: ['pilot'] } })
    await expectSoon(tab, ['user: Go', 'assistant: Answer 2'])
    void tab.chat.regenerate({ messageId: tab.chat.messages[1]?.id ?? '' })
    await expectSoon(tab, ['user: Go', 'assistant: Answer 3'])
    expect(texts(a)).toEqual(['Go', 'Go', 'Answer 2', 'Go', 'Answer 3'])
    void tab.chat.sendMessage({ text: 'To nobody' }, { body: { to: [] } })
    await expectSoon(tab, ['user: Go', 'assistant: Answer 3', 'user: To nobody'])
  })

  test('[G12] with sendAutomaticallyWhen a tool’s output reaches the agent, and nothing is sent for ever', async () => {
    const { url, a } = await twoTabs()
    await startAgent({ url, run: async (run) => run.write(`Seat ${String(await run.callClient('seat', {}))}`) })
    const transport = createChatTransport(a)
    const send = vi.spyOn(transport, 'sendMessages')
    const calls: string[] = []
    const tab = await mountTransport(transport, {
      sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
      onToolCall: ({ toolCall }: { toolCall: { toolName: string } }) => void calls.push(toolCall.toolName),
    })
    void tab.chat.sendMessage({ text: 'Go' })
    await expectSoon(tab, ['user: Go', 'assistant: [seat input-available]'])
    expect(calls).toEqual(['seat'])
    const id = tab.chat.messages[1]?.parts.find(isToolUIPart)?.toolCallId ?? ''
    await tab.chat.addToolOutput({ tool: 'seat', toolCallId: id, output: '12A' })
    await expectSoon(tab, ['user: Go', 'assistant: [seat output-available]Seat 12A'])
    await until(() => statusOf(a) === 'complete')
    // The answer, and once more in vain: the text is in the step of the call, so the SDK takes it for answered anew.
    await until(() => send.mock.calls.length === 3 && tab.chat.status === 'ready')
    void tab.chat.sendMessage({ text: 'Again' })
    await until(() => tab.lines.at(-1) === 'assistant: [seat input-available]')
    expect(send).toHaveBeenCalledTimes(4)
    expect(calls).toEqual(['seat', 'seat'])
    expect(texts(a)).toEqual(['Go', 'Seat 12A', 'Again', ''])
  })

  test('[G12] with sendAutomaticallyWhen an approval reaches the agent, and the same message goes on', async () => {
    const { url, a } = await twoTabs()
    await startPaying(url)
    const tab = await mountTransport(createChatTransport(a), {
      sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
    })
    void tab.chat.sendMessage({ text: 'Pay' })
    await expectSoon(tab, ['user: Pay', 'assistant: [pay approval-requested]'])
    const part = tab.chat.messages[1]?.parts.find(isToolUIPart)
    await tab.chat.addToolApprovalResponse({ id: part?.approval?.id ?? '', approved: true })
    await expectSoon(tab, ['user: Pay', 'assistant: [pay output-available]Paid.'])
    await until(() => statusOf(a) === 'complete')
    expect(tab.doubled).toBe(false)
  })
})
