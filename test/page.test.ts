/** What a page's events do to a connection. */
import { expect, test } from 'vitest'
import type { OpenSession } from '../client/index.ts'
import { Device } from './support/device.ts'
import { openLive } from './support/clients.ts'
import { canonical } from './support/document.ts'
import { live, Network } from './support/network.ts'
import { storedDocument, storedTexts } from './support/stored.ts'
import { until } from './support/wait.ts'

test('[O8] a half-open connection is found within three seconds of the network’s return, the page’s show or its restoring (CLI-6)', async () => {
  const half = await Promise.all(
    (
      [
        ['online', {}],
        ['pageshow', { persisted: true }],
        ['visibilitychange', {}],
      ] as const
    ).map(async ([event, details]) => ({
      event,
      details,
      net: await Network.start(),
      device: new Device(),
    })),
  )
  const open: OpenSession[] = []
  // One after the other: a device takes the place of the page while it opens a tab.
  for (const { net, device } of half) open.push(await net.open(device))
  await live(...open)
  for (const { net } of half) net.proxy.hold()
  // What was on its way when the network went is no sign of life.
  for (const { net } of half) {
    const bob = await openLive({ url: net.direct, id: 's', as: 'bob' })
    bob.object('seen').set('by', 'bob')
    await bob.stored()
  }
  expect(open.map(({ status }) => status.connection)).toEqual(['live', 'live', 'live'])
  // Heard, not polled: each is found dead at a moment of its own, and connects again at once.
  const found = open.map((session) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    session.subscribe(() => session.status.connection !== 'live' && resolve(), 'status')
    return promise
  })
  const startedAt = performance.now()
  for (const { net, device, event, details } of half) {
    device.fire(event, details)
    net.proxy.release()
    net.proxy.hold()
  }
  for (const session of open) session.send('into the void')
  await Promise.all(found)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  await until(() => open.every(({ status }) => status.onServer))
  expect(performance.now() - startedAt).toBeLessThan(6_000)
  for (const { net } of half) expect(await storedTexts(net.store, 's')).toEqual(['into the void'])
})

test('[O8] the loss of the network is known at once, and its return is not waited for (CLI-6)', async () => {
  const [net, device] = [await Network.start(), new Device()]
  const a = await net.open(device)
  await live(a)
  net.proxy.down()
  device.fire('offline')
  expect(a.status.connection).toBe('offline')
  // An attempt has just failed: the next one is at least half a second away.
  const before = net.proxy.accepted
  await until(() => net.proxy.accepted >= before + 2)
  net.proxy.up()
  const startedAt = performance.now()
  device.fire('online')
  await live(a)
  expect(performance.now() - startedAt).toBeLessThan(480)
})

test('[O8] a connection that stands is left alone, and a hidden page asks nothing', async () => {
  const [net, device] = [await Network.start(), new Device()]
  const a = await net.open(device)
  await live(a)
  const { accepted } = net.proxy
  const states = new Set<string>()
  a.subscribe(() => states.add(a.status.connection), 'status')
  device.fire('visibilitychange', { visible: false })
  device.fire('pageshow', { persisted: false })
  for (let i = 0; i < 5; i++) device.fire('visibilitychange')
  a.send('still the same')
  await a.stored()
  expect(net.proxy.accepted).toBe(accepted)
  expect([...states]).toEqual(['live'])
})

test('[O8] nothing of all this is ever written into the document (DOC-5)', async () => {
  const [net, device] = [await Network.start(), new Device()]
  const a = await net.open(device)
  a.send('the only write')
  await a.stored()
  const before = canonical(await storedDocument(net.store, 's'))
  const { lastSeq } = await net.store.read('s')
  for (let i = 0; i < 3; i++) {
    net.proxy.cut()
    await until(() => a.status.connection !== 'live')
    a.presence.set({ typing: i % 2 === 0 })
    device.fire('online')
    await live(a)
    device.fire('visibilitychange', { visible: false })
  }
  await a.close()
  expect(canonical(await storedDocument(net.store, 's'))).toEqual(before)
  expect((await net.store.read('s')).lastSeq).toBe(lastSeq)
})

test('after closing, the page’s events find nobody (CLI-4)', async () => {
  const [net, device] = [await Network.start(), new Device()]
  const a = await net.open(device)
  await live(a)
  await a.close()
  const { accepted } = net.proxy
  for (const event of ['online', 'visibilitychange', 'offline']) device.fire(event)
  device.fire('pageshow', { persisted: true })
  await until(() => net.proxy.open === 0)
  expect(device.listeners).toBe(0)
  expect(net.proxy.accepted).toBe(accepted)
})
