// @vitest-environment happy-dom
/** `useChat` of `@ai-sdk/react` over sessions: as it is rendered, in StrictMode, in two tabs, and when it is unmounted. */
import { useChat } from '@ai-sdk/react'
import { isToolUIPart } from 'ai'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { sessionChat, useSessionChat } from '../client/ai-sdk.ts'
import { SessionProvider } from '../client/react.tsx'
import type { OpenSession } from '../client/open-session.ts'
import { startAgent } from './support/agent.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { startHalting, startPaying } from './support/chat-agents.ts'
import { expectSoon, mount, statusOf, twoTabs, type Tab } from './support/chat-tab.tsx'
import { openLive } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { until } from './support/wait.ts'

beforeEach(() => vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', false))

const mountSession = (session: OpenSession): Promise<Tab> => mount(() => useChat({ chat: sessionChat(session) }))

const mountBoth = async (a: OpenSession, b: OpenSession): Promise<[Tab, Tab]> => [await mountSession(a), await mountSession(b)]

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

  test('a failed run is an error in all tabs; regenerate makes another answer; clearError hides it in its tab', async () => {
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
    for (const tab of [tabA, tabB]) await expectSoon(tab, ['user: Go', 'assistant: There.'])
    const reply = a.view.messages.at(-1)?.id ?? ''
    await tabA.chat.regenerate({ messageId: reply })
    await until(() => a.siblings(reply)?.ids.length === 3)
    for (const tab of [tabA, tabB]) await expectSoon(tab, ['user: Go', 'assistant: There.'])
    expect(a.isShown(reply), 'the other one is shown').toBe(false)
    await tabA.chat.sendMessage({ text: 'Come', messageId: a.messageIds[0] ?? '' })
    for (const tab of [tabA, tabB]) await expectSoon(tab, ['user: Come', 'assistant: There.'])
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
