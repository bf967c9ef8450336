/** Who is here: neither longer than they are, nor shorter. Networks go, sockets die without a word, pages come and go. */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { expect, onTestFinished, test, vi } from 'vitest'
import { applyAwarenessUpdate, Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { OpenSession } from '../client/index.ts'
import { openLive } from './support/clients.ts'
import { Device } from './support/device.ts'
import { serveHere } from './support/in-process.ts'
import { live, Network } from './support/network.ts'
import { RawClient, TYPE } from './support/raw.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

/** What is not at once comes with the next sign of life: up to 15 s later, or is given up 30 s after the last one. */
const AT_ONCE = { timeoutMs: 5_000 }

const names = ({ presence }: OpenSession): string[] => presence.others.map(({ participant }) => participant.id)

test('[H3] who comes back after a loss of the network is here again at once, and gone at once the next time (PRS-1)', async () => {
  const net = await Network.start()
  const devices = [new Device(), new Device()] as const
  const [a, b] = [await net.open(devices[0]), await net.open(devices[1], 'bob')]
  const see = (...who: string[]): Promise<true> =>
    until(() => names(a).join() === who.join(), { ...AT_ONCE, what: `ada to see ${who.join()}` })
  await live(a, b)
  await see('bob')
  for (let i = 0; i < 2; i++) {
    await net.away(a, b)
    await see()
    await net.back(a, b)
    await see('bob')
    await until(() => names(b).join() === 'ada', AT_ONCE)
  }
  await b.close()
  await see()
  expect(names(a)).toEqual([])
})

test('[H3] who has vanished without a word is here for two pings at most, and one who is back meanwhile stays (PRS-1)', async () => {
  const net = await Network.start({ limits: { pingMs: 1_000 } })
  const [lost, back] = [new Device(), new Device()]
  // Before there is a page, whose events are not hers.
  const a = await openLive({ url: net.direct, id: 's', as: 'eve' })
  const [b, c] = [await net.open(lost), await net.open(back, 'cyd')]
  await live(b, c)
  await until(() => names(a).join() === 'ada,cyd', AT_ONCE)
  const health = net.direct.replace('ws', 'http').replace('sync', 'health')
  const connections = async (): Promise<number> => ((await (await fetch(health)).json()) as { connections: number }).connections
  const seen: string[] = []
  a.presence.subscribe(() => seen.push(names(a).join()))
  net.proxy.hold()
  // The one notices, and is back on a second socket before the server has given up the first.
  for (const event of ['offline', 'online']) back.fire(event)
  await until(async () => (await connections()) === 4)
  await until(() => names(a).join() === 'cyd', { ...AT_ONCE, what: 'ada to be gone' })
  await until(async () => (await connections()) === 2)
  await a.stored()
  expect(
    seen.filter((who) => !who.includes('cyd')),
    'cyd was here all the time',
  ).toEqual([])
  net.proxy.down()
  await until(() => names(a).length === 0, { ...AT_ONCE, what: 'cyd to be gone' })
})

test('[H3] what a client shows ends with its connection, also what it had taken away before, and not with another one (PRS-1)', async () => {
  const { url } = await serveHere()
  const a = await openLive({ url, id: 's' })
  const eve = await RawClient.join(url, 's', await tokenFor('eve'))
  for (const json of ['{"n":1}', 'null', '{"n":2}']) eve.presence('s', json)
  await until(() => a.presence.others.some(({ state }) => state['n'] === 2))
  const other = await openLive({ url, id: 's', as: 'eve' })
  await until(() => names(other).join() === 'ada')
  await other.close()
  expect(names(a), 'one of two tabs is left').toEqual(['eve'])
  eve.socket.close()
  await until(() => names(a).length === 0, { ...AT_ONCE, what: 'eve to be gone' })
})

test('[H3] a hidden page, which may show a sign of life once a minute, is here as long as its connection stands (PRS-1)', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const shows = vi.spyOn(Awareness.prototype, 'setLocalState')
  onTestFinished(() => void vi.useRealTimers().restoreAllMocks())
  const { url } = await serveHere()
  const a = await openLive({ url, id: 's' })
  const b = await openLive({ url, id: 's', as: 'bob' })
  await until(() => names(a).join() === 'bob')
  // The server's as well as the clients': all of them run in here.
  for (const awareness of new Set(shows.mock.contexts as Awareness[])) {
    for (const [client, meta] of awareness.meta) if (client !== awareness.clientID) meta.lastUpdated -= 59_000
  }
  const seen: string[] = []
  a.presence.subscribe(() => seen.push(names(a).join()))
  vi.advanceTimersByTime(4_000)
  b.presence.set({ n: 1 })
  await until(() => a.presence.others.some(({ state }) => state['n'] === 1))
  expect(seen).toEqual(['bob'])
})

test('a client is asked whether its program runs, and its answer is no frame of a session (PRS-1)', async () => {
  const { url, reported } = await serveHere({ limits: { pingMs: 30 } })
  const eve = await RawClient.open(url)
  let asked = 0
  eve.socket.on('message', (data: Buffer) => {
    if (data.byteLength !== 1 || data[0] !== 9) return
    asked += 1
    eve.socket.send(Uint8Array.of(10))
  })
  await until(() => asked >= 2, { what: 'it to be asked, before it has shown a token' })
  eve.authenticate('s', await tokenFor('eve'))
  await until(() => asked >= 4)
  eve.presence('s', '{"n":1}')
  const a = await openLive({ url, id: 's' })
  await until(() => names(a).join() === 'eve')
  expect([eve.closed, reported]).toEqual([null, []])
})

test('[X6] a connection shows so many clients at once and no more; the oldest go (PRS-1)', async () => {
  const { url } = await serveHere()
  const [bob, eve] = await Promise.all([
    RawClient.join(url, 's', await tokenFor('bob')),
    RawClient.join(url, 's', await tokenFor('eve')),
  ])
  for (let n = 1; n <= 20; n++) {
    eve.frame('s', TYPE.awareness, (encoder) => {
      const states = encoding.createEncoder()
      for (const number of [1, 1_000 + n, 1]) encoding.writeVarUint(states, number)
      encoding.writeVarString(states, JSON.stringify({ n }))
      encoding.writeVarUint8Array(encoder, encoding.toUint8Array(states))
    })
  }
  const shown = (): unknown[] => {
    const awareness = new Awareness(new Y.Doc())
    awareness.setLocalState(null)
    for (const { type, decoder } of bob.frames) {
      if (type === TYPE.awareness) applyAwarenessUpdate(awareness, decoding.readVarUint8Array(decoder), null)
    }
    const all = [...awareness.getStates().values()].map((state) => state['n'] as unknown)
    awareness.destroy()
    return all
  }
  // The last one comes before that goes which it takes the place of.
  await until(() => shown().includes(20) && shown().length <= 16)
  expect(shown()).toEqual(Array.from({ length: 16 }, (_, at) => at + 5))
})
