/** Client tools and approvals, where tabs and servers are really killed. */
import { expect, test } from 'vitest'
import type { MessagePart, OpenSession, ToolPart } from '../../client/index.ts'
import type { TabSettings } from '../fixtures/tab.ts'
import { startAgent } from '../support/agent.ts'
import { startChild, type Child } from '../support/child.ts'
import { openLive, replyTo } from '../support/clients.ts'
import { serveHere } from '../support/in-process.ts'
import { ServerProcess } from '../support/server.ts'
import { tokenFor } from '../support/tokens.ts'
import { until } from '../support/wait.ts'

const callsOf = (tab: Child): number => tab.messages.filter(({ t }) => t === 'call').length
const callsOfAll = (tabs: readonly Child[]): number => tabs.map(callsOf).reduce((sum, count) => sum + count)
const statusOf = (session: OpenSession, input: string) => session.run(`${input}.assistant`)?.status
const lastPart = (session: OpenSession, input: string): MessagePart | undefined =>
  session.view.messages.find(({ metadata }) => metadata.parent === input)?.parts.at(-1)

test('[T3] an approval is answered while its agent is gone, after the server was killed; the next worker hears it (TOOL-4)', async () => {
  const server = await ServerProcess.start()
  const ada = await openLive({ url: server.url, id: 's' })
  const start = () =>
    startAgent({
      url: server.url,
      onLapse: 'retry',
      run: async (run) => run.write(String(await run.approval({ title: 'Refund $40?' }))),
    })
  const { agent } = await start()
  const input = ada.send('Refund it')
  const approval = await until(() => {
    const part = lastPart(ada, input)
    return part?.type === 'data-approval' && statusOf(ada, input) === 'suspended'
      ? (part as unknown as { id: string })
      : undefined
  })
  await agent.close()
  await until(() => statusOf(ada, input) === 'pending')
  await server.kill()
  await until(() => ada.status.connection === 'offline')
  ada.approve(approval.id, true)
  await server.start()
  await until(() => ada.status.onServer && ada.status.connection === 'live')
  await until(() => (lastPart(ada, input) as { data?: { state?: string } }).data?.state === 'approved')
  await start()
  await until(() => statusOf(ada, input) === 'complete')
  expect(replyTo(ada, input, 'assistant')).toBe('true')
})

async function openTab(settings: Omit<TabSettings, 'token'>): Promise<Child> {
  const tab = startChild('tab.ts', [JSON.stringify({ ...settings, token: await tokenFor('ada') })])
  await tab.said('live')
  return tab
}

test('[T1] of three tabs exactly one takes a call; its process is killed, and another one does it after the lease (TOOL-1)', async () => {
  const { url } = await serveHere({ leaseMs: 1_500 })
  const ada = await openLive({ url, id: 's' })
  const claims: string[] = []
  const note = (): void => {
    const call = ada.view.messages.at(-1)?.parts.find((part): part is ToolPart => 'toolCallId' in part)?.call
    const claim = `${call?.claim?.n}:${call?.claim?.tab ?? 'free'}`
    if (call?.claim !== undefined && claims.at(-1) !== claim) claims.push(claim)
  }
  ada.subscribe(note, 'calls')
  await startAgent({ url, run: async (run) => run.write(String(await run.callClient('where', { precise: true }))) })
  const tabs = await Promise.all([1, 2, 3].map(() => openTab({ url, id: 's' })))
  const input = ada.send('Where am I?')
  const first = await until(() => tabs.find((tab) => callsOf(tab) > 0))
  await until(() => ada.run(`${input}.assistant`)?.status === 'suspended')
  expect(callsOfAll(tabs)).toBe(1)
  await first.kill()
  const rest = tabs.filter((tab) => tab !== first)
  const second = await until(() => rest.find((tab) => callsOf(tab) > 0))
  expect(callsOfAll(rest)).toBe(1)
  second.send({ t: 'give', output: 'Bonn' })
  await until(() => statusOf(ada, input) === 'complete')
  expect(replyTo(ada, input, 'assistant')).toBe('Bonn')
  // One tab, then none, then another one: no two at once, and none twice.
  expect(claims.map((claim) => claim.split(':')[0])).toEqual(['1', '1', '2'])
  expect(claims[1]).toBe('1:free')
  expect(new Set(claims).size).toBe(3)
  expect(callsOfAll(tabs)).toBe(2)
})

test('[T3] an approval survives that all tabs are closed and the server is killed, with its deadline; another device answers (TOOL-2, TOOL-3)', async () => {
  const server = await ServerProcess.start()
  const tab = await openLive({ url: server.url, id: 's' })
  await startAgent({
    url: server.url,
    run: async (run) =>
      run.write((await run.approval({ title: 'Refund $40?', expiresInMs: 3_600_000 })) ? 'Refunded.' : 'Then not.'),
  })
  const input = tab.send('Refund it')
  await until(() => statusOf(tab, input) === 'suspended' && (lastPart(tab, input) as ToolPart | undefined)?.call?.expiresAt)
  const before = lastPart(tab, input)
  await tab.close()
  await server.kill()
  await server.start()
  const phone = await openLive({ url: server.url, id: 's' })
  await until(() => lastPart(phone, input))
  expect(lastPart(phone, input)).toEqual(before)
  expect(before).toMatchObject({ type: 'data-approval', data: { title: 'Refund $40?', state: 'requested' } })
  expect(statusOf(phone, input)).toBe('suspended')
  phone.approve(String((before as { id?: unknown }).id), true)
  await until(() => statusOf(phone, input) === 'complete')
  expect(replyTo(phone, input, 'assistant')).toBe('Refunded.')
  expect(lastPart(phone, input)).toMatchObject({ type: 'text' })
})

test('[T3] a deadline that passes while the server is down expires the approval when it is back (TOOL-3)', async () => {
  const server = await ServerProcess.start()
  const tab = await openLive({ url: server.url, id: 's' })
  await startAgent({
    url: server.url,
    run: async (run) => run.write((await run.approval({ title: 'Now?', expiresInMs: 700 })) ? 'Yes' : 'No'),
  })
  const input = tab.send('Go')
  const due = await until(() => (lastPart(tab, input) as ToolPart | undefined)?.call?.expiresAt)
  await tab.stored()
  await server.kill()
  await until(() => Date.now() > due)
  await server.start()
  const phone = await openLive({ url: server.url, id: 's' })
  await until(() => statusOf(phone, input) === 'complete', { timeoutMs: 20_000 })
  expect(replyTo(phone, input, 'assistant')).toBe('No')
  const approval = phone.view.messages.at(-1)?.parts.find(({ type }) => type === 'data-approval')
  expect(approval).toMatchObject({ data: { state: 'expired' }, call: { expired: true, expiresAt: due } })
})
