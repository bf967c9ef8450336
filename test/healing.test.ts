/** A client whose update the server refuses: it heals by itself, and nothing of the user's is lost. */
import 'fake-indexeddb/auto'
import { HocuspocusProvider } from '@hocuspocus/provider'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { createAgent } from '../client/agent.ts'
import { openSession, type OpenSession } from '../client/index.ts'
import { textOf } from '../shared/message.ts'
import { openLive, texts } from './support/clients.ts'
import { serveHere } from './support/in-process.ts'
import { POISON, refusePoison } from './support/refusing.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

let sessions = 0

interface Opened {
  readonly session: OpenSession
  readonly errors: unknown[]
}

/** A tab of a browser with storage of its own; `id` tells the tests apart. */
async function openTab(url: string, id: string, as = 'ada'): Promise<Opened> {
  const errors: unknown[] = []
  const session = openSession({ url, id, token: () => tokenFor(as), offline: true, onError: (error) => errors.push(error) })
  onTestFinished(() => session.close())
  await session.ready
  return { session, errors }
}

const live = (session: OpenSession): Promise<unknown> =>
  until(() => session.status.connection === 'live', { what: 'a tab to be live' })
const newId = (): string => `heal${process.pid}x${(sessions += 1)}`

const sorted = (list: readonly string[]): string[] => list.toSorted((a, b) => (a < b ? -1 : 1))

/** What another participant sees in the end. */
async function seenByBob(url: string, id: string): Promise<string[]> {
  const bob = await openLive({ url, id, as: 'bob' })
  return texts(bob)
}

/** Entries of the stored `messages`, two of one id counted as two. */
async function entries(url: string, id: string): Promise<number> {
  const doc = new Y.Doc()
  const provider = new HocuspocusProvider({ url, name: id, document: doc, token: await tokenFor('bob') })
  await until(() => provider.synced)
  provider.destroy()
  return doc.getArray('messages').length
}

/** What is kept aside on the device. */
async function kept(url: string, id: string): Promise<string[]> {
  const name = `polylogue:${url}:ada:${id}`
  const db = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('no database'))
  })
  const keys = await new Promise<IDBValidKey[]>((resolve) => {
    const request = db.transaction('meta').objectStore('meta').getAllKeys()
    request.onsuccess = () => resolve(request.result)
  })
  db.close()
  return keys.map(String).filter((key) => key.startsWith('quarantine:'))
}

describe('a refused update', () => {
  test('[X7] the client goes on with a fresh replica; messages are sent again, the refused field is offered (CLI-8, CLI-9)', async () => {
    const server = await serveHere({ route: () => [] })
    const id = newId()
    const refused = refusePoison()
    const { session } = await openTab(server.url, id)
    await live(session)
    session.send('before')
    await session.stored()
    const cart = session.object('cart')
    let cartChanges = 0
    cart.subscribe(() => (cartChanges += 1))
    const lists: string[][] = []
    session.subscribe(() => lists.push(texts(session)), 'messages')
    const states = new Set<string>()
    session.subscribe(() => states.add(`${session.status.connection} ${session.status.reason}`), 'status')

    cart.set('note', POISON)
    session.send('behind it')
    await until(() => refused.count > 0 && session.refused !== null && session.status.onServer)
    await live(session)
    expect(await seenByBob(server.url, id)).toEqual(['before', 'behind it'])
    expect(texts(session)).toEqual(['before', 'behind it'])
    // The view never lacked what was there, and the app still holds what it held.
    expect(lists.filter((list) => list[0] !== 'before')).toEqual([])
    expect([...states].filter((state) => state.startsWith('refused'))).toEqual([])
    expect(session.refused).toMatchObject({ messages: [], fields: { cart: { note: POISON } } })
    expect(session.object('cart')).toBe(cart)
    expect(cart.value).toEqual({})
    expect(await kept(server.url, id)).toHaveLength(1)

    // It goes on: writes arrive, both ways, and undo takes back what is new.
    const changes = cartChanges
    cart.set('items', 2)
    session.send('after')
    expect(lists.at(-1)).toEqual(['before', 'behind it', 'after'])
    await session.stored()
    expect(cartChanges).toBeGreaterThan(changes)
    expect([session.undo(), cart.value]).toEqual([true, {}])
    refused.allow = true
    session.restoreRefused()
    expect([session.refused, cart.get('note')]).toEqual([null, POISON])
    await session.stored()
    await until(async () => (await kept(server.url, id)).length === 0)
  })

  test('[X7] written offline, one bad write holds nothing else back (CLI-8)', async () => {
    const first = await serveHere({ route: () => [] })
    await first.close()
    const id = newId()
    const refused = refusePoison()
    const { session } = await openTab(first.url, id)
    const words = ['one', `two ${POISON}`, 'three', 'four']
    const sent = words.map((text) => session.send(text))
    session.cancel({ message: sent[3] ?? '' })
    await until(() => session.status.onDevice)
    await session.close()
    const { session: again } = await openTab(first.url, id)
    expect(sorted(texts(again))).toEqual(sorted(words))
    const server = await serveHere({ route: () => [], port: first.port })
    again.reconnect()
    await until(() => again.refused?.messages.length === 1 && again.status.onServer, { timeoutMs: 20_000 })
    // Once for all that was written offline, and twice for the one that is to blame.
    expect(refused.count).toBe(3)
    expect(sorted(await seenByBob(server.url, id))).toEqual(['four', 'one', 'three'])
    expect(again.refused?.messages.map(({ head, parts }) => [head.id, parts])).toEqual([
      [sent[1], [{ type: 'text', text: words[1] }]],
    ])
    expect(sorted(again.messageIds)).toEqual(sorted(sent.filter((_id, n) => n !== 1)))
    expect(await kept(server.url, id)).not.toEqual([])
    again.discardRefused()
    expect(again.refused).toBeNull()
    await until(async () => (await kept(server.url, id)).length === 0)
  }, 30_000)

  test('[X7] what was offered is offered again after a reload, and what was sent again is there (CLI-9)', async () => {
    const server = await serveHere({ route: () => [] })
    const id = newId()
    const refused = refusePoison()
    const { session } = await openTab(server.url, id)
    await live(session)
    session.object('form').update({ name: POISON, city: 'Bonn' })
    session.send(`bad ${POISON}`)
    session.send('hello')
    await until(() => session.refused?.messages.length === 1 && session.status.onServer && session.status.onDevice)
    const { count } = refused
    const offered = session.refused
    await session.close()
    const { session: again } = await openTab(server.url, id)
    await until(() => again.refused !== null)
    expect(again.refused).toEqual(offered)
    expect(again.refused?.fields).toEqual({ form: { name: POISON, city: 'Bonn' } })
    // What was offered is not sent again.
    await again.stored()
    expect(refused.count).toBe(count)
    expect(texts(again)).toEqual(['hello'])
    await again.stored()
    expect(await seenByBob(server.url, id)).toEqual(['hello'])
  })

  test('[X7] a page that ends while it heals has everything when it opens again (CLI-8)', async () => {
    const server = await serveHere({ route: () => [] })
    const id = newId()
    const refused = refusePoison()
    const { session } = await openTab(server.url, id)
    await live(session)
    session.object('cart').set('note', POISON)
    session.send('precious')
    await until(() => refused.count > 0)
    await session.close()
    const { session: again } = await openTab(server.url, id)
    await live(again)
    await until(() => again.refused !== null && again.status.onServer)
    expect(await seenByBob(server.url, id)).toEqual(['precious'])
  })

  test('[X7] what is written while it heals is not lost either, and a listener that throws stops nothing (CLI-8, CLI-5)', async () => {
    const server = await serveHere({ route: () => [] })
    const id = newId()
    const refused = refusePoison()
    const { session, errors } = await openTab(server.url, id)
    await live(session)
    session.subscribe(() => {
      throw new Error('listener')
    }, 'messages')
    session.object('cart').set('note', POISON)
    const written: string[] = []
    while (session.refused === null) {
      written.push(`during ${written.length}`)
      session.send(written.at(-1) ?? '')
      await new Promise((resolve) => setImmediate(resolve))
    }
    await live(session)
    await until(() => session.status.onServer)
    expect(refused.count).toBe(1)
    expect(sorted(await seenByBob(server.url, id))).toEqual(sorted(written))
    expect(errors.some((error) => String(error).includes('listener'))).toBe(true)
  })

  test('[X7] two tabs of one browser both heal, each message arrives, and none twice (CLI-10)', async () => {
    const server = await serveHere({ route: () => [] })
    const id = newId()
    const refused = refusePoison()
    const [{ session: one }, { session: two }] = [await openTab(server.url, id), await openTab(server.url, id)]
    await Promise.all([live(one), live(two)])
    one.send('old')
    await until(() => texts(two).includes('old'))
    await one.stored()
    one.object('cart').set('note', POISON)
    one.send('from one')
    two.send('from two')
    await until(() => refused.count > 0 && (one.refused !== null || two.refused !== null))
    await Promise.all([live(one), live(two)])
    await until(() => texts(one).length === 3 && texts(two).length === 3 && one.status.onServer && two.status.onServer)
    expect(sorted(await seenByBob(server.url, id))).toEqual(['from one', 'from two', 'old'])
    expect(one.view.messages.map(textOf)).toEqual(two.view.messages.map(textOf))
    expect(await entries(server.url, id)).toBe(3)
    // And they go on telling each other.
    one.send('afterwards')
    two.object('cart').set('items', 1)
    await until(() => texts(two).includes('afterwards') && one.object('cart').get('items') === 1)
    await Promise.all([one.stored(), two.stored()])
    await Promise.all([one.close(), two.close()])
    // The device holds nothing that would be refused again.
    const before = refused.count
    const { session: later } = await openTab(server.url, id)
    await live(later)
    later.send('later')
    await later.stored()
    expect(refused.count).toBe(before)
    expect(texts(later).length).toBe(5)
  })

  test('[X7] a tab that had no server heals with the one that had, and its messages arrive (CLI-10)', async () => {
    const server = await serveHere({ route: () => [] })
    const id = newId()
    const refused = refusePoison()
    const { session: one } = await openTab(server.url, id)
    await live(one)
    const { session: two } = await openTab(server.url, id)
    await live(two)
    two.send('from two')
    one.object('cart').set('note', POISON)
    await two.close()
    await until(() => refused.count > 0 && one.refused !== null)
    await until(() => one.status.onServer)
    await until(async () => (await seenByBob(server.url, id)).includes('from two'))
    expect(texts(one)).toEqual(['from two'])
  })

  test('[X7] a tab that cannot reach the server does not bring the refused replica back, and loses nothing (CLI-10)', async () => {
    const server = await serveHere({ route: () => [] })
    const id = newId()
    const refused = refusePoison()
    const { session: one } = await openTab(server.url, id)
    await live(one)
    // Its first token says who it is; there is no other, so that it never gets a connection.
    let asked = 0
    const never = new Promise<string>(() => {})
    const token = (): Promise<string> => ((asked += 1) === 1 ? tokenFor('ada') : never)
    const two = openSession({ url: server.url, id, token, offline: true, onError: () => {} })
    onTestFinished(() => two.close())
    await two.ready
    two.object('cart').set('note', POISON)
    two.send('from two')
    await until(() => refused.count === 1)
    await live(one)
    // It is the other tab's to send, and that one is still open.
    await until(() => texts(one).length === 0)
    expect(texts(two)).toEqual(['from two'])
    two.send('later')
    await until(() => two.status.onDevice)
    one.send('from one')
    await one.stored()
    expect([refused.count, texts(one)]).toEqual([1, ['from one']])

    await two.close()
    await until(() => texts(one).length === 2)
    await one.stored()
    expect(await seenByBob(server.url, id)).toEqual(['from one', 'from two'])
    await one.close()
    const { session: next } = await openTab(server.url, id)
    await until(() => texts(next).includes('later') && next.status.onServer)
    expect(await seenByBob(server.url, id)).toEqual(['from one', 'from two', 'later'])
    expect(refused.count).toBe(1)
  })

  test('[X7] somebody who may not write any more reads on, and the unsent text is kept (CLI-9)', async () => {
    const server = await serveHere({ route: () => [] })
    const id = newId()
    let kind: 'user' | 'viewer' = 'user'
    const session = openSession({ url: server.url, id, token: () => tokenFor('ada', kind), offline: true, onError: () => {} })
    onTestFinished(() => session.close())
    await session.ready
    await live(session)
    session.send('allowed')
    await session.stored()
    server.revoke({ participant: 'ada' })
    kind = 'viewer'
    session.send('too late')
    await until(() => session.refused !== null)
    await live(session)
    expect(session.refused?.messages.map(({ parts }) => parts)).toEqual([[{ type: 'text', text: 'too late' }]])
    expect([session.me?.kind, texts(session)]).toEqual(['viewer', ['allowed']])
    expect(await seenByBob(server.url, id)).toEqual(['allowed'])
  }, 15_000)

  test('an app that writes what is refused again and again is slowed down, not stopped (CLI-8)', async () => {
    const server = await serveHere({ route: () => [] })
    const id = newId()
    const refused = refusePoison()
    const { session } = await openTab(server.url, id)
    await live(session)
    const times: number[] = []
    session.subscribe(() => {
      if (session.status.connection === 'live') session.object('cart').set('note', POISON + times.push(Date.now()))
    }, 'status')
    session.object('cart').set('note', POISON)
    await until(() => refused.count >= 8, { timeoutMs: 20_000 })
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(900)
    refused.allow = true
    session.send('at last')
    await until(async () => (await seenByBob(server.url, id)).includes('at last'), { timeoutMs: 20_000 })
  }, 45_000)

  test('an agent whose update is refused gives that run up, and does the next one (CLI-8)', async () => {
    const server = await serveHere({ leaseMs: 1_000 })
    const refused = refusePoison()
    const ada = await openLive({ url: server.url, id: 'agents' })
    const agent = createAgent({
      url: server.url,
      name: 'assistant',
      token: await tokenFor('assistant', 'agent'),
      run: async (run) => {
        run.write(`on it: ${textOf(run.input)}`)
        await until(() => run.signal.aborted || !textOf(run.input).includes('bad'))
      },
      onError: () => {},
    })
    onTestFinished(() => agent.close(0))
    refused.allow = true
    const bad = ada.send(`bad ${POISON}`)
    await ada.stored()
    refused.allow = false
    await until(() => ada.run(`${bad}.assistant`)?.status === 'interrupted', { timeoutMs: 15_000 })
    await until(() => agent.runs.length === 0)
    const good = ada.send('good')
    await until(() => ada.run(`${good}.assistant`)?.status === 'complete', { timeoutMs: 15_000 })
    expect([ada.run(`${bad}.assistant`)?.status, refused.count > 0]).toEqual(['interrupted', true])
  }, 40_000)
})
