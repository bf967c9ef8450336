/** Policies of a server for who may cancel what. */
import { describe, expect, test } from 'vitest'
import { startAgent } from './support/agent.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openLive, replyTo } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { judged, sent, shows, stage, verdictOf } from './support/lanes.ts'
import { until } from './support/wait.ts'

describe('a policy for cancels', () => {
  test('[R6] a cancel that it refuses is seen as refused by the one who asked, and the run goes on (LANE-6)', async () => {
    const asked: unknown[] = []
    const { url, reported } = await serveHere({
      mayCancel: ({ by, ...request }) => {
        asked.push({ by: by.id, ...request })
        if (request.reason === 'crash') throw new Error('It crashes.')
        return by.kind === 'support' || 'A payment is under way.'
      },
    })
    const { phone, laptop, let: go, worker } = await stage(url)
    const sue = await openLive({ url, id: 's', as: 'sue', kind: 'support' })
    const input = await sent(phone, 'pay')
    const run = `${input}.assistant`
    await shows(laptop, input, 'active')
    laptop.cancel({ message: input }, 'changed my mind')
    // As every cancel it is shown at once, until the server has judged it.
    expect(laptop.run(run)?.cancel).toMatchObject({ by: 'ada' })
    for (const session of [laptop, phone, sue]) {
      await until(() => session.run(run)?.verdict !== undefined)
      expect(session.run(run)).toMatchObject({ verdict: { about: 'cancel', by: 'ada', reason: 'A payment is under way.' } })
      expect(session.run(run)).not.toHaveProperty('cancel')
    }
    expect(asked).toEqual([{ by: 'ada', session: 's', run, agent: 'assistant', input, reason: 'changed my mind' }])
    expect(worker.runs[0]?.signal.aborted).toBe(false)
    // An interrupt is a cancel as well: it waits its turn.
    const next = await sent(phone, 'next', { lane: 'interrupt' })
    await judged(phone, next, 'queued')
    expect(verdictOf(phone, next)).toMatchObject({ reason: 'A payment is under way.', run })
    phone.cancel({ run }, 'crash')
    await until(() => phone.run(run)?.verdict?.reason === 'The policy failed.')
    expect(reported).toMatchObject([{ stage: 'policy' }])
    expect(worker.runs[0]?.signal.aborted).toBe(false)
    go('pay')
    await shows(phone, input, 'complete')
    expect(replyTo(phone, input, 'assistant')).toBe('on pay: done')
    await shows(phone, next, 'active')
    // Whom the policy lets may.
    sue.cancel({ message: next })
    await shows(phone, next, 'cancelled')
    expect(phone.run(`${next}.assistant`)?.cancel).toMatchObject({ by: 'sue' })
  })

  test('[R6] of several runs of an input those end that may; also one that nobody has, and a flag that came before it (LANE-6)', async () => {
    const { url } = await serveHere({
      route: () => ['one', 'two'],
      mayCancel: ({ agent }) => agent === 'one',
    })
    const proxy = await ChaosProxy.start(url)
    const [phone, tablet] = [await openLive({ url, id: 's' }), await openLive({ url: proxy.url, id: 's' })]
    proxy.down()
    await until(() => tablet.status.connection === 'offline')
    const input = tablet.send('Both of you')
    tablet.cancel({ message: input })
    proxy.up()
    tablet.reconnect()
    for (const session of [phone, tablet]) {
      await shows(session, input, 'cancelled', 'one')
      await shows(session, input, 'pending', 'two')
      await until(() => session.run(`${input}.two`)?.verdict !== undefined)
      expect(session.run(`${input}.two`)?.verdict).toMatchObject({ by: 'ada', reason: 'refused' })
      expect(session.run(`${input}.two`)).not.toHaveProperty('cancel')
    }
    await startAgent({ url, name: 'two' })
    await shows(phone, input, 'complete', 'two')
  })
})
