/** Inputs that were written long before they arrive. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { OpenSession } from '../client/index.ts'
import { sqliteStore } from '../server/index.ts'
import { startAgent } from './support/agent.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openLive } from './support/clients.ts'
import { Device } from './support/device.ts'
import { serveHere } from './support/in-process.ts'
import { judged, sent, shows, textIn, verdictOf } from './support/lanes.ts'
import { temporaryFolder } from './support/temporary.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const HOUR_MS = 3_600_000

/** Opens a session that goes on writing as it would have then: its own clock stays there, that of the page is right. */
function ago(ms: number, open: () => Promise<OpenSession>): Promise<OpenSession> {
  const now = Date.now
  Date.now = (): number => now() - ms
  try {
    return open()
  } finally {
    Date.now = now
  }
}

test('[O6] what was written offline more than an hour ago asks on return, and starts when its author says so (LANE-5)', async () => {
  const { url } = await serveHere()
  const proxy = await ChaosProxy.start(url)
  const device = new Device()
  const token = (): Promise<string> => (proxy.isDown ? Promise.reject(new Error('No network')) : tokenFor('ada'))
  const visit = await device.open({ url: proxy.url, token })
  await until(() => visit.status.connection === 'live')
  await visit.close()
  proxy.down()
  const { runs } = await startAgent({ url })
  const bob = await openLive({ url, id: 's', as: 'bob' })

  // On the plane, 90 minutes ago; then the page is closed.
  const plane = await ago(1.5 * HOUR_MS, () => device.open({ url: proxy.url, token }))
  const [order, other, third] = [plane.send('Order it'), plane.send('Never mind'), plane.send('Cancel that')]
  await until(() => plane.delivery(third) === 'device')
  await plane.close()
  const landed = await device.open({ url: proxy.url, token })
  const fresh = landed.send('I am back')
  proxy.up()
  landed.reconnect()
  for (const id of [order, other, third]) {
    await judged(landed, id, 'asks')
    expect(verdictOf(landed, id)).toMatchObject({ reason: 'stale' })
    await judged(bob, id, 'asks')
  }
  await shows(landed, fresh, 'complete')
  expect(runs.map(({ input }) => input.id)).toEqual([fresh])
  expect(runs[0]?.messages.map(({ id }) => id)).toEqual([fresh])
  expect(landed.view.runs).toHaveLength(1)

  // Nobody else's word starts it.
  expect(() => bob.confirm(order)).toThrow(expect.objectContaining({ code: 'forbidden' }))
  const laptop = await openLive({ url, id: 's' })
  laptop.remove(other)
  laptop.cancel({ message: third })
  laptop.editQueued(order, 'Order two of them')
  laptop.confirm(order)
  await shows(landed, order, 'complete')
  await judged(landed, other, 'removed')
  await judged(landed, third, 'removed')
  expect(textIn(bob, order)).toBe('Order two of them')
  expect(verdictOf(landed, order)).toBeUndefined()
  expect(runs.map(({ input }) => input.id)).toEqual([fresh, order])
  expect(landed.view.runs).toHaveLength(2)
})

test('[O6] how long an intent lasts is for the server to say; a steer that waited asks too (LANE-5)', async () => {
  const { url } = await serveHere({ intentMs: 3 * HOUR_MS })
  await startAgent({ url })
  const plane = await ago(2 * HOUR_MS, () => openLive({ url, id: 's' }))
  const old = await ago(4 * HOUR_MS, () => openLive({ url, id: 's' }))
  const kept = await sent(plane, 'Still good')
  await shows(plane, kept, 'complete')
  const stale = await sent(old, 'Make it Wednesday', { lane: 'steer' })
  await judged(plane, stale, 'asks')
  plane.confirm(stale)
  await shows(plane, stale, 'complete')
  expect(verdictOf(plane, stale)).toMatchObject({ state: 'queued', reason: 'no-run' })
})

test('[O6] it still asks after a restart of the server, and what was said meanwhile counts (LANE-5)', async () => {
  const file = join(temporaryFolder(), 'sessions.db')
  const server = await serveHere({ store: sqliteStore({ file }) })
  const proxy = await ChaosProxy.start(server.url)
  const old = await ago(2 * HOUR_MS, () => openLive({ url: proxy.url, id: 's' }))
  const id = await sent(old, 'Now?')
  await judged(old, id, 'asks')
  proxy.down()
  await until(() => old.status.connection === 'offline')
  await server.close()
  old.confirm(id)
  expect(old.message(id)?.metadata).toMatchObject({ verdict: { state: 'asks' }, asked: { confirm: true } })

  const again = await serveHere({ store: sqliteStore({ file }), port: server.port })
  const bob = await openLive({ url: again.url, id: 's', as: 'bob' })
  await judged(bob, id, 'asks')
  expect(bob.view.runs).toEqual([])
  proxy.up()
  old.reconnect()
  await shows(bob, id, 'pending')
  await until(() => old.message(id)?.metadata.asked === undefined)
  expect(verdictOf(bob, id)).toBeUndefined()
})

test('[O6] how old an input is, is measured by its author’s clock, also where that is hours slow or fast (LANE-5)', async () => {
  const { url } = await serveHere()
  const proxy = await ChaosProxy.start(url)
  await startAgent({ url })
  const now = Date.now
  let offMs = -2 * HOUR_MS
  Date.now = (): number => now() + offMs
  try {
    const slow = await openLive({ url, id: 's' })
    const id = slow.send('Now')
    await shows(slow, id, 'complete')
    expect(slow.message(id)?.metadata.verdict).toBeUndefined()
    slow.regenerate(`${id}.assistant`)
    await until(() => slow.run(`${id}.assistant~2`)?.status === 'complete', { what: 'another answer' })

    // Its clock is two hours fast, and this is from 90 minutes ago: only half an hour from now.
    offMs = 2 * HOUR_MS
    const fast = await openLive({ url: proxy.url, id: 's', as: 'bob' })
    proxy.down()
    await until(() => fast.status.connection === 'offline')
    offMs = 0.5 * HOUR_MS
    const old = fast.send('Order it')
    offMs = 2 * HOUR_MS
    const fresh = fast.send('I am back')
    proxy.up()
    fast.reconnect()
    await judged(fast, old, 'asks')
    await shows(fast, fresh, 'complete')
    expect(fast.run(`${old}.assistant`)).toBeUndefined()
  } finally {
    Date.now = now
  }
})
