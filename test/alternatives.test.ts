/** Edits and other answers over real servers: what the server decides, what agents are given, and each viewer's own choice. */
import { describe, expect, test } from 'vitest'
import type { OpenSession } from '../client/index.ts'
import { MAX_ANSWERS } from '../shared/limits.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openLive } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { sent, shows, stage, textIn, verdictOf } from './support/lanes.ts'
import { until } from './support/wait.ts'

const texts = (session: OpenSession): string[] => session.messageIds.map((id) => textIn(session, id))
const showing = (session: OpenSession, expected: readonly string[]): Promise<unknown> =>
  until(() => JSON.stringify(texts(session)) === JSON.stringify(expected), {
    what: () => `${JSON.stringify(expected)}; it is ${JSON.stringify(texts(session))}`,
  })
const answered = (session: OpenSession, run: string): Promise<unknown> =>
  until(() => session.run(run)?.status === 'complete', { what: () => `${run} complete; it is ${session.run(run)?.status}` })
/** Somebody wanted another answer than a run's, and there is none. */
const refused = async (session: OpenSession, run: string, reason: string): Promise<void> => {
  const said = (): unknown => [session.run(run)?.verdict, session.run(run)?.asked]
  const expected = [expect.objectContaining({ about: 'regenerate', reason }), undefined]
  await expect.poll(said, { timeout: 5_000, interval: 10 }).toEqual(expected)
}
/** A turn that has been answered. */
async function turn(session: OpenSession, text: string, go: (text: string) => void): Promise<string> {
  go(text)
  const id = await sent(session, text)
  await answered(session, `${id}.assistant`)
  return id
}

describe('edits (BR-1, BR-6)', () => {
  test('[B1] an edit is an alternative; the model is told of its own branch only; each viewer chooses for itself (BR-7)', async () => {
    const { url } = await serveHere()
    const { phone, laptop, bob, let: go, prompts } = await stage(url)
    const first = await turn(phone, 'first', go)
    await turn(phone, 'second', go)
    const old = ['first', 'on first: done', 'second', 'on second: done']
    for (const session of [phone, laptop, bob]) await showing(session, old)
    go('first, changed')
    const changed = laptop.edit(first, 'first, changed')
    expect(texts(laptop), 'at once').toEqual(['first, changed'])
    const now = ['first, changed', 'on first, changed: done']
    for (const session of [phone, laptop, bob]) {
      await showing(session, now)
      expect(session.siblings(first)).toEqual({ ids: [first, changed], index: 1 })
      expect(session.siblings(changed)).toBe(session.siblings(first))
      expect(session.message(changed)?.metadata.edits).toBe(first)
      expect([first, changed].map((id) => session.isShown(id))).toEqual([false, true])
    }
    let told = 0
    phone.subscribe(() => (told += 1), 'messages')
    phone.choose(first)
    expect(told).toBe(1)
    expect(texts(phone)).toEqual(old)
    expect(phone.siblings(first)?.index).toBe(0)
    await phone.stored()
    for (const session of [laptop, bob]) expect(texts(session)).toEqual(now)
    // What is written there stays there, and is answered with what was said there.
    const third = await turn(phone, 'third', go)
    expect(phone.message(third)?.metadata.parent).toBeDefined()
    await showing(phone, [...old, 'third', 'on third: done'])
    for (const session of [laptop, bob]) await showing(session, now)
    await turn(bob, 'fourth', go)
    await showing(laptop, [...now, 'fourth', 'on fourth: done'])
    expect(prompts.at(-2)).toEqual([...old, 'third'])
    expect(prompts.at(-1)).toEqual([...now, 'fourth'])
    phone.choose(changed)
    await showing(phone, [...now, 'fourth', 'on fourth: done'])
    expect(() => bob.edit(first, 'mine')).toThrow(expect.objectContaining({ code: 'forbidden' }))
    expect(() => phone.edit('nowhere', 'x')).toThrow(expect.objectContaining({ code: 'not-found' }))
    expect(() => phone.edit(first, ' ')).toThrow(expect.objectContaining({ code: 'bad-argument' }))
    expect(() => phone.choose('nowhere')).toThrow(expect.objectContaining({ code: 'not-found' }))
  })

  test('[B1] an edit stops what its author has under way and waiting behind it, and goes first; others’ runs go on (BR-6)', async () => {
    const { url } = await serveHere()
    const { phone, laptop, bob, let: go } = await stage(url)
    const first = await sent(phone, 'first')
    await shows(phone, first, 'active')
    const second = await sent(phone, 'second')
    const bobs = await sent(bob, 'of bob')
    const steering = await sent(phone, 'and this', { lane: 'steer' })
    await until(() => laptop.view.runs.length === 3 && verdictOf(laptop, steering)?.state === 'steering')
    const changed = laptop.edit(first, 'first, changed')
    await shows(phone, first, 'cancelled')
    await shows(phone, second, 'cancelled')
    await shows(phone, changed, 'active')
    expect(verdictOf(phone, steering)?.state).toBe('removed')
    expect(phone.run(`${first}.assistant`)?.cancel).toMatchObject({ by: 'ada', for: changed })
    expect(phone.view.paused.size, 'nothing waits for a word').toBe(0)
    expect(phone.run(`${bobs}.assistant`)?.status).toBe('pending')
    go('first, changed')
    await answered(phone, `${changed}.assistant`)
    go('of bob')
    await answered(phone, `${bobs}.assistant`)
  })

  test('[B1] [O2] an edit and a message that were written at the same time, one of them offline: both are in one line (BR-4)', async () => {
    const { url } = await serveHere()
    const { phone, bob, let: go } = await stage(url)
    const proxy = await ChaosProxy.start(url)
    const tablet = await openLive({ url: proxy.url, id: 's' })
    const first = await turn(phone, 'first', go)
    await until(() => tablet.messageIds.length === 2)
    proxy.down()
    await until(() => tablet.status.connection === 'offline')
    go('first, changed')
    tablet.send('left behind', { to: [] })
    const changed = tablet.edit(first, 'first, changed')
    expect(texts(tablet)).toEqual(['first, changed'])
    await sent(bob, 'at the same time', { to: [] })
    proxy.up()
    tablet.reconnect()
    await answered(phone, `${changed}.assistant`)
    for (const session of [tablet, phone, bob]) {
      await showing(session, ['at the same time', 'first, changed', 'on first, changed: done'])
    }
    tablet.choose(first)
    expect(texts(tablet)).toEqual(['first', 'on first: done', 'left behind'])
  })

  test('[X1] an edit that names another’s message changes nothing for anybody (BR-1)', async () => {
    const { url } = await serveHere()
    const { phone, bob, let: go } = await stage(url)
    const first = await sent(phone, 'first')
    await shows(phone, first, 'active')
    const head = { id: 'forged', role: 'user', by: 'bob', kind: 'user', at: Date.now(), edits: first, seen: 99, to: [] } as const
    bob.post(head, [{ type: 'text', text: 'not hers' }])
    await until(() => phone.message('forged')?.metadata.seq !== undefined)
    for (const session of [phone, bob]) {
      expect(texts(session)).toContain('first')
      expect(texts(session)).toContain('not hers')
      expect(session.siblings(first)).toBeUndefined()
    }
    go('first')
    await answered(phone, `${first}.assistant`)
    expect(phone.run(`${first}.assistant`)?.cancel).toBeUndefined()
  })
})

describe('other answers (BR-5)', () => {
  test('[B2] twice, back, and once more: the old ones stay as they are; the model is told what was before (BR-8)', async () => {
    const { url } = await serveHere()
    const { phone, laptop, let: go, prompts } = await stage(url)
    await turn(phone, 'zeroth', go)
    const first = await turn(phone, 'first', go)
    const run = `${first}.assistant`
    await turn(phone, 'second', go)
    const before = phone.message(phone.messageIds[3] ?? '')
    phone.regenerate(before?.id ?? '')
    expect(phone.run(run)?.asked).toBe(true)
    await answered(phone, `${run}~2`)
    const now = ['zeroth', 'on zeroth: done', 'first', 'on first: done']
    for (const session of [phone, laptop]) {
      await showing(session, now)
      expect(session.siblings(run)).toEqual({ ids: [run, `${run}~2`], index: 1 })
      expect(session.run(run)).not.toHaveProperty('asked')
      expect(session.run(`${run}~2`)?.again).toBe(run)
    }
    expect(prompts.at(-1)).toEqual(['zeroth', 'on zeroth: done', 'first'])
    phone.choose(run)
    expect(texts(phone)).toEqual([...now, 'second', 'on second: done'])
    phone.regenerate(run)
    await answered(phone, `${run}~3`)
    for (const session of [phone, laptop]) {
      await showing(session, now)
      expect(session.siblings(run)).toEqual({ ids: [run, `${run}~2`, `${run}~3`], index: 2 })
    }
    expect(phone.message(before?.id ?? ''), 'the first has not changed').toEqual(before)
    const replies = [2, 3].map((n) => phone.allIds.find((id) => phone.message(id)?.metadata.run === `${run}~${n}`))
    expect(new Set(replies).size).toBe(2)
    expect(prompts.at(-1)).toEqual(['zeroth', 'on zeroth: done', 'first'])
    const fourth = await turn(phone, 'fourth', go)
    expect(prompts.at(-1)).toEqual([...now, 'fourth'])
    expect(phone.isShown(fourth)).toBe(true)
    expect(() => phone.regenerate('nowhere')).toThrow(expect.objectContaining({ code: 'not-found' }))
  })

  test('what is asked twice, by two devices, makes one answer; one under way gives way to it', async () => {
    const { url } = await serveHere()
    const { phone, laptop, let: go } = await stage(url)
    const first = await sent(phone, 'first')
    const run = `${first}.assistant`
    await shows(phone, first, 'active')
    await until(() => laptop.run(run)?.status === 'active')
    phone.regenerate(run)
    laptop.regenerate(run)
    phone.regenerate(run)
    await until(() => phone.run(run)?.status === 'cancelled' && phone.run(`${run}~2`)?.status === 'active')
    expect(phone.view.paused.size).toBe(0)
    laptop.regenerate(run)
    await refused(laptop, run, 'busy')
    go('first')
    await answered(phone, `${run}~2`)
    expect(phone.view.runs.map(({ id }) => id)).toEqual([run, `${run}~2`])
  })

  test('one that has failed, and one that was stopped with its input, can be asked for again', async () => {
    const { url } = await serveHere()
    const { phone, let: go } = await stage(url)
    go('to fail')
    const failing = await sent(phone, 'to fail')
    await shows(phone, failing, 'error')
    phone.regenerate(`${failing}.assistant`)
    await until(() => phone.run(`${failing}.assistant~2`)?.status === 'error')
    const stopped = await sent(phone, 'stopped')
    await shows(phone, stopped, 'active')
    phone.cancel({ message: stopped })
    await shows(phone, stopped, 'cancelled')
    go('stopped')
    phone.regenerate(`${stopped}.assistant`)
    await answered(phone, `${stopped}.assistant~2`)
    expect(phone.run(`${stopped}.assistant`)?.cancel?.by).toBe('ada')
  })

  test('[X2] nobody asks for an answer to another’s input, or for what is no run', async () => {
    const { url } = await serveHere()
    const { phone, bob, let: go } = await stage(url)
    const run = `${await turn(phone, 'first', go)}.assistant`
    await until(() => bob.run(run)?.status === 'complete')
    bob.regenerate(run)
    phone.ask('regenerate', 'nowhere', {})
    await phone.stored()
    await refused(bob, run, 'forbidden')
    expect(bob.run(run)?.verdict?.by).toBe('bob')
    expect(bob.view.runs.length).toBe(1)
    expect(phone.siblings(run)).toBeUndefined()
  })

  test('what is refused says why on the run, and may be asked for again: then nothing is said of it (BR-5)', async () => {
    const { url } = await serveHere()
    const { phone, let: go } = await stage(url)
    const run = `${await turn(phone, 'first', go)}.assistant`
    const sam = await openLive({ url, id: phone.id, as: 'sam', kind: 'support' })
    sam.take()
    await until(() => phone.view.holder.state === 'human')
    phone.regenerate(run)
    expect(phone.run(run)?.asked, 'at once').toBe(true)
    await refused(phone, run, 'human')
    sam.handBack()
    await until(() => phone.view.holder.state === 'agents')
    phone.regenerate(run)
    await answered(phone, `${run}~2`)
    expect([phone.run(run)?.status, phone.run(run)?.verdict]).toEqual(['complete', undefined])
  })

  test('an agent gives so many answers to one input and no more', async () => {
    const { url } = await serveHere()
    const { phone, let: go } = await stage(url)
    const run = `${await turn(phone, 'first', go)}.assistant`
    for (let n = 2; n <= MAX_ANSWERS; n++) {
      phone.regenerate(run)
      await answered(phone, `${run}~${n}`)
    }
    phone.regenerate(run)
    await refused(phone, run, 'limit')
    expect(phone.siblings(run)?.ids.length).toBe(MAX_ANSWERS)
    expect(phone.view.runs.length).toBe(MAX_ANSWERS)
  })
})
