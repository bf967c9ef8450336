/** The queue of an agent: seen by all, changed by its authors, held after a stop or a failure. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sqliteStore } from '../server/index.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openLive } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { judged, sent, shows, stage, textIn, verdictOf } from './support/lanes.ts'
import { temporaryFolder } from './support/temporary.ts'
import { until } from './support/wait.ts'

describe('the queue', () => {
  test('[G8] is visible on every device, edited and removed by its author, and taken in order (LANE-1)', async () => {
    const { url } = await serveHere()
    const { phone, laptop, bob, let: go, prompts } = await stage(url)
    const first = await sent(phone, 'first')
    await shows(phone, first, 'active')
    const [second, third, fourth] = [await sent(phone, 'second'), await sent(laptop, 'third'), await sent(bob, 'fourth')]
    for (const session of [phone, laptop, bob]) {
      await until(() => session.view.runs.length === 4)
      expect(session.view.runs.map(({ status }) => status)).toEqual(['active', 'pending', 'pending', 'pending'])
    }
    // Its author's word, from another device; nobody else's.
    laptop.editQueued(second, 'second, changed')
    expect(laptop.message(second)?.metadata.asked).toEqual({ edit: 'second, changed' })
    phone.remove(third)
    expect(() => bob.editQueued(second, 'mine now')).toThrow(expect.objectContaining({ code: 'forbidden' }))
    expect(() => bob.remove('nowhere')).toThrow(expect.objectContaining({ code: 'not-found' }))
    expect(() => phone.editQueued(second, ' ')).toThrow(expect.objectContaining({ code: 'bad-argument' }))
    for (const session of [phone, laptop, bob]) {
      await until(() => textIn(session, second) === 'second, changed')
      await judged(session, third, 'removed')
      await shows(session, third, 'cancelled')
      expect(session.message(second)?.metadata).not.toHaveProperty('asked')
      expect(verdictOf(session, third)).toMatchObject({ by: 'ada' })
      expect(session.view.paused.size).toBe(0)
    }
    go('first')
    await shows(phone, second, 'active')
    go('second, changed')
    await shows(phone, fourth, 'active')
    go('fourth')
    await shows(phone, fourth, 'complete')
    // Each prompt ends with what is to be answered, and holds nothing that waits or was taken back.
    expect(prompts).toEqual([
      ['first'],
      ['first', 'on first: done', 'second, changed'],
      ['first', 'on first: done', 'second, changed', 'on second, changed: done', 'fourth'],
    ])
  })

  test('[G8] an edit or a removal that comes too late is answered, and the text of the edit is kept (LANE-1, CLI-3)', async () => {
    const { url } = await serveHere()
    const { phone, laptop, let: go } = await stage(url)
    const proxy = await ChaosProxy.start(url)
    const tablet = await openLive({ url: proxy.url, id: 's' })
    const first = await sent(phone, 'first')
    const [second, third] = [await sent(phone, 'second'), await sent(phone, 'third')]
    await until(() => tablet.view.runs.length === 3)
    proxy.down()
    await until(() => tablet.status.connection === 'offline')
    tablet.editQueued(second, 'second, changed on a train')
    tablet.remove(first)
    tablet.editQueued(third, 'third, in time')
    go('first')
    await shows(phone, second, 'active')
    proxy.up()
    tablet.reconnect()
    for (const session of [tablet, phone, laptop]) {
      await judged(session, second, 'taken')
      await judged(session, first, 'taken')
      await until(() => textIn(session, third) === 'third, in time')
      expect(verdictOf(session, second)).toMatchObject({
        reason: 'late',
        by: 'ada',
        run: `${second}.assistant`,
        text: 'second, changed on a train',
      })
      expect(verdictOf(session, first)).toMatchObject({ reason: 'late', by: 'ada' })
      expect(textIn(session, second)).toBe('second')
    }
  })

  test('[G8] what was written, changed and removed offline in one go never reaches an agent (LANE-1)', async () => {
    const { url } = await serveHere()
    const { phone, worker, prompts, let: go } = await stage(url)
    const proxy = await ChaosProxy.start(url)
    const tablet = await openLive({ url: proxy.url, id: 's' })
    proxy.down()
    await until(() => tablet.status.connection === 'offline')
    const [gone, kept] = [tablet.send('gone'), tablet.send('kept')]
    tablet.editQueued(kept, 'kept, changed')
    tablet.remove(gone)
    proxy.up()
    tablet.reconnect()
    await judged(phone, gone, 'removed')
    await shows(phone, kept, 'active')
    go('kept, changed')
    await shows(phone, kept, 'complete')
    expect(worker.runs.map(({ input }) => input.id)).toEqual([kept])
    expect(prompts).toEqual([['kept, changed']])
  })

  test('[G8] waits after a stop; what is sent then goes at once and alone; resume lets the rest go on (LANE-2)', async () => {
    const { url } = await serveHere()
    const { phone, laptop, bob, let: go, prompts } = await stage(url)
    const first = await sent(phone, 'first')
    const [second, third] = [await sent(phone, 'second'), await sent(bob, 'third')]
    await shows(laptop, first, 'active')
    laptop.cancel({ run: `${first}.assistant` })
    for (const session of [phone, laptop, bob]) {
      await until(() => session.view.paused.size === 1)
      expect(session.view.paused.get('assistant')).toMatchObject({
        reason: 'cancelled',
        by: 'ada',
        run: `${first}.assistant`,
        held: [`${second}.assistant`, `${third}.assistant`],
      })
    }
    const fourth = await sent(phone, 'fourth')
    await shows(phone, fourth, 'active')
    go('fourth')
    await shows(phone, fourth, 'complete')
    expect(prompts.at(-1)).toEqual(['first', 'on first: ', 'fourth'])
    expect(phone.view.paused.has('assistant')).toBe(true)
    expect([second, third].map((id) => phone.run(`${id}.assistant`)?.status)).toEqual(['pending', 'pending'])
    // From any device, by anybody who may write.
    bob.resume('assistant')
    await until(() => phone.view.paused.size === 0)
    await shows(phone, second, 'active')
    go('second')
    go('third')
    await shows(phone, third, 'complete')
  })

  test('[G8] waits after an error, and not when nothing is left of it (LANE-2)', async () => {
    const { url } = await serveHere()
    const { phone, let: go } = await stage(url)
    const first = await sent(phone, 'fail')
    const second = await sent(phone, 'second')
    go('fail')
    await shows(phone, first, 'error')
    await until(() => phone.view.paused.get('assistant')?.reason === 'error')
    phone.remove(second)
    await until(() => phone.view.paused.size === 0)
    const third = await sent(phone, 'fail again')
    go('fail again')
    await shows(phone, third, 'error')
    expect(phone.view.paused.size).toBe(0)
    // Nothing to resume: no effect.
    phone.resume('assistant')
    await phone.stored()
    const fourth = await sent(phone, 'fourth')
    await shows(phone, fourth, 'active')
  })

  test('[R5] cancel all ends what waits as well, and leaves nothing held (LANE-2)', async () => {
    const { url } = await serveHere()
    const { phone, laptop, let: go } = await stage(url)
    const first = await sent(phone, 'first')
    const second = await sent(phone, 'second')
    await shows(laptop, first, 'active')
    const steer = await sent(phone, 'to steer', { lane: 'steer' })
    await judged(laptop, steer, 'steering')
    expect(laptop.cancel('all').sort()).toEqual([`${first}.assistant`, `${second}.assistant`, steer].sort())
    await shows(phone, first, 'cancelled')
    await shows(phone, second, 'cancelled')
    await judged(phone, steer, 'removed')
    const third = await sent(phone, 'third')
    await shows(phone, third, 'active')
    expect(phone.view.paused.size).toBe(0)
    go('third')
    await shows(phone, third, 'complete')
    expect(phone.view.runs).toHaveLength(3)
  })
})

test('[G8] a queue that waits waits after a restart of the server, and goes on from where it was (LANE-2)', async () => {
  const file = join(temporaryFolder(), 'sessions.db')
  const server = await serveHere({ store: sqliteStore({ file }) })
  const proxy = await ChaosProxy.start(server.url)
  const { phone, laptop, let: go, worker } = await stage(proxy.url)
  const first = await sent(phone, 'fail')
  const [second, third] = [await sent(phone, 'second'), await sent(phone, 'third')]
  await shows(phone, first, 'active')
  go('fail')
  await shows(phone, first, 'error')
  await until(() => laptop.view.paused.size === 1)
  proxy.down()
  await until(() => [phone, laptop].every(({ status }) => status.connection === 'offline'))
  expect(await server.close()).toBe(true)
  // Asked while there is no server at all.
  laptop.editQueued(third, 'third, changed')

  const again = await serveHere({ store: sqliteStore({ file }), port: server.port })
  proxy.up()
  for (const session of [phone, laptop]) session.reconnect()
  await until(() => textIn(phone, third) === 'third, changed')
  const fourth = await sent(phone, 'fourth')
  await shows(phone, fourth, 'active')
  go('fourth')
  await shows(phone, fourth, 'complete')
  expect(phone.view.paused.get('assistant')?.held).toEqual([`${second}.assistant`, `${third}.assistant`])
  expect(worker.runs.map(({ input }) => input.id)).toEqual([first, fourth])
  laptop.resume('assistant')
  go('second')
  go('third, changed')
  await shows(phone, third, 'complete')
  expect(worker.runs.map(({ input }) => input.id)).toEqual([first, fourth, second, third])
  expect(phone.view.paused.size).toBe(0)
  await again.close()
})
