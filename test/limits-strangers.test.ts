/** The limits on sockets that have not shown a token yet. */
import { describe, expect, test } from 'vitest'
import { Traffic } from '../server/traffic.ts'
import { LIMITS, MAX_FRAME_BYTES } from '../shared/limits.ts'
import { openClient, openLive, texts } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { RawClient, SYNC } from './support/raw.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

describe('strangers', () => {
  test('[X6] a socket that shows no token in time is closed (LIM-6)', async () => {
    const token = await tokenFor('ada')
    // Long enough for who shows one at once, on a busy machine too.
    const server = await serveHere({ limits: { authenticateMs: 400 } })
    const silent = await RawClient.open(server.url)
    const wrong = await RawClient.open(server.url)
    wrong.authenticate('s', 'wrong')
    const ada = await RawClient.join(server.url, 's', token)
    await until(() => silent.closed !== null && wrong.closed !== null)
    expect(silent.closed).toEqual({ code: 4401, reason: 'bad-token' })
    expect(ada.closed).toBeNull()
  })

  test('[X6] of too many sockets without a token the oldest go; who has shown one stays (LIM-6)', async () => {
    const server = await serveHere({ limits: { unauthenticatedSockets: 5 } })
    const ada = await openLive({ url: server.url, id: 's' })
    const strangers: RawClient[] = []
    for (let n = 0; n < 12; n++) strangers.push(await RawClient.open(server.url))
    await until(() => strangers.filter(({ closed }) => closed !== null).length === 7)
    expect(strangers.map(({ closed }) => closed?.reason ?? null)).toEqual([...Array(7).fill('too-many'), ...Array(5).fill(null)])
    const bob = await openClient({ url: server.url, id: 's', as: 'bob' })
    await until(() => bob.status.connection === 'live')
    ada.send('hello')
    await until(() => texts(bob).includes('hello'))
  })

  test('[X6] what comes before the token is limited also while its frame is not whole, and over all (LIM-6)', async () => {
    const each = await serveHere({ limits: { unauthenticatedBytes: 100_000 } })
    const all = await serveHere({ limits: { allUnauthenticatedBytes: 100_000 } })
    const [large, modest, more, most] = await Promise.all([
      RawClient.open(each.url),
      RawClient.open(all.url),
      RawClient.open(all.url),
      RawClient.open(all.url),
    ])
    large.begin(MAX_FRAME_BYTES, 150_000)
    modest.begin(MAX_FRAME_BYTES, 1_000)
    more.begin(MAX_FRAME_BYTES, 40_000)
    most.begin(MAX_FRAME_BYTES, 90_000)
    await until(() => large.closed !== null && most.closed !== null)
    expect(large.closed).toEqual({ code: 4429, reason: 'too-big' })
    // Who has sent most has to go.
    expect(most.closed).toEqual({ code: 4429, reason: 'too-many' })
    expect([modest.closed, more.closed]).toEqual([null, null])
  })

  test('[X6] what has come before the token counts also while its whole frame waits for its turn, and once (LIM-6)', () => {
    const limits = { ...LIMITS, unauthenticatedBytes: 100_000, allUnauthenticatedBytes: 150_000 }
    const traffic = new Traffic(limits, () => 0)
    const open = () => {
      const ended: string[] = []
      return {
        meter: traffic.open({ bufferedAmount: 0, isGivenUp: false, close: (_code, reason) => void ended.push(reason) }),
        ended,
      }
    }
    const [first, second, third] = [open(), open(), open()]
    first.meter.arriving(70_000)
    first.meter.arrived(70_000)
    expect(first.meter.strangeBytes).toBe(70_000)
    first.meter.taken(70_000)
    first.meter.stray(70_000)
    expect(first.meter.strangeBytes, 'handled').toBe(70_000)
    second.meter.arriving(60_000)
    second.meter.arrived(60_000)
    third.meter.arriving(30_000)
    expect([first.ended, second.ended, third.ended]).toEqual([['too-many'], [], []])
    second.meter.arriving(50_000)
    expect(second.ended, 'more than one may send').toEqual(['too-big'])
  })

  test('[X6] what waits for a token is limited in number and in size (LIM-6)', async () => {
    for (const limits of [{ waitingFrames: 10 }, { waitingBytes: 10_000 }]) {
      const server = await serveHere({ limits })
      const filler = await RawClient.open(server.url)
      filler.authenticate('s', await tokenFor('eve'))
      for (let n = 0; n < 20; n++) filler.sync('s', SYNC.update, new Uint8Array(1_000))
      expect((await until(() => filler.closed)).code).toBe(4205)
    }
  })

  test('[X6] frames that belong to no connection are limited in number (LIM-6)', async () => {
    const server = await serveHere({ limits: { strayFrames: { perSecond: 1, burst: 50 } } })
    const guesser = await RawClient.open(server.url)
    for (let n = 0; n < 100; n++) guesser.authenticate('s', `guess ${n}`)
    await until(() => guesser.closed !== null)
    expect(guesser.closed).toEqual({ code: 4429, reason: 'too-fast' })
    const heavy = await RawClient.open(server.url)
    heavy.sync('s', SYNC.update, new Uint8Array(LIMITS.unauthenticatedBytes))
    await until(() => heavy.closed !== null)
    expect([4205, 4429]).toContain(heavy.closed?.code)
  })
})
