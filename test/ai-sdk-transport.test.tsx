// @vitest-environment happy-dom
/** `useChat` of `@ai-sdk/react` over a transport: as it is rendered, in StrictMode, and when it is unmounted. */
import { useChat } from '@ai-sdk/react'
import {
  isToolUIPart,
  lastAssistantMessageIsCompleteWithApprovalResponses,
  lastAssistantMessageIsCompleteWithToolCalls,
} from 'ai'
import { beforeEach, expect, test, vi } from 'vitest'
import { createChatTransport, type SessionTransport } from '../client/ai-sdk.ts'
import { startAgent } from './support/agent.ts'
import { startHalting, startPaying } from './support/chat-agents.ts'
import { expectSoon, mount, statusOf, twoTabs, type Tab } from './support/chat-tab.tsx'
import { openClient, texts } from './support/clients.ts'
import { until } from './support/wait.ts'

beforeEach(() => vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', false))

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

test('[G12] its stop ends a run that waits for an approval', async () => {
  const { url, a } = await twoTabs()
  const paid = await startPaying(url)
  const transport = createChatTransport(a)
  const tab = await mountTransport(transport)
  void tab.chat.sendMessage({ text: 'Pay' })
  await expectSoon(tab, ['user: Pay', 'assistant: [pay approval-requested]'])
  transport.stop()
  await until(() => statusOf(a) === 'cancelled')
  expect(paid).toEqual([])
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
