/** A day's work with no network, in one tab over several page loads, that another tab of the same browser hands in. */
import { expect, onTestFinished, test, vi } from 'vitest'
import type { OpenSession } from '../client/index.ts'
import { Guard, mayWait, type Verdict } from '../server/guard/guard.ts'
import { memoryStore } from '../server/index.ts'
import { ChaosProxy } from './support/chaos-proxy.ts'
import { openLive, texts } from './support/clients.ts'
import { Device } from './support/device.ts'
import { serveHere } from './support/in-process.ts'
import { stampedIn } from './support/network.ts'
import { storedDocument, storedTexts } from './support/stored.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const LONG = { timeoutMs: 30_000 }

/** What the guards of this process say of updates from now on. */
function verdicts(): Verdict[] {
  const said: Verdict[] = []
  const check: Guard['check'] = Reflect.get(Guard.prototype, 'check') as Guard['check']
  const spy = vi.spyOn(Guard.prototype, 'check').mockImplementation(function (this: Guard, update, sender) {
    const verdict = check.call(this, update, sender)
    said.push(verdict)
    return verdict
  })
  onTestFinished(() => spy.mockRestore())
  return said
}

/** What somebody does in one page load: messages, edits of what is there and what is new, and cancels. */
function work(tab: OpenSession, load: number): string[] {
  const sent: string[] = []
  const cart = tab.object('cart')
  const note = tab.object(`note-${load}`)
  for (let n = 0; n < 8; n++) {
    sent.push(`load ${load}, message ${n}`)
    const id = tab.send(sent.at(-1) ?? '')
    cart.update({ [`item-${n}`]: load, total: load * 10 + n, last: { load, n, tags: ['offline', null, 1.5] } })
    note.set('text', 'x'.repeat(n))
    if (n % 2 === 1) tab.undo()
    if (n % 4 === 1) tab.redo()
    if (n === 3) cart.delete('item-1')
    // One that is older, one that another page load has cancelled already, and its own.
    if (n > 4) tab.cancel({ message: id })
    tab.cancel({ message: 'written yesterday' })
  }
  note.delete('text')
  note.set('done', true)
  if (load === 2) tab.requestHuman('nobody answers')
  return sent
}

test.each(['is closed', 'stays open without a network'])(
  '[X7] a day of edits offline, over five page loads of a tab that %s, is handed in by a second tab, and nothing of it is refused (GRD-8)',
  { timeout: 60_000 },
  async (first) => {
    const store = memoryStore()
    const server = await serveHere({ store, route: () => [] })
    const proxy = await ChaosProxy.start(server.url)
    const bob = await openLive({ url: server.url, id: 's', as: 'bob' })
    const device = new Device()
    const token = (): Promise<string> => (proxy.isDown ? Promise.reject(new Error('No network')) : tokenFor('ada'))
    const open = (fetchToken = token): Promise<OpenSession> => device.open({ url: proxy.url, token: fetchToken })
    // In the morning there is a network.
    const morning = await open()
    morning.object('cart').update({ 'item-0': 'morning', total: 0 })
    const sent = ['in the morning']
    morning.send('in the morning')
    await morning.stored()
    await until(() => bob.object('cart').get('total') === 0)
    await morning.close()
    proxy.down()

    const said = verdicts()
    for (let load = 1; load <= 4; load++) {
      const tab = await open()
      sent.push(...work(tab, load))
      // Others go on meanwhile.
      bob.object('cart').update({ [`bob-${load}`]: load, total: -load })
      bob.send(`bob, ${load}`)
      await until(() => tab.status.onDevice, LONG)
      await tab.close()
    }
    await bob.stored()
    const never = new Promise<string>(() => {})
    const one = await open(first === 'is closed' ? token : () => never)
    sent.push(...work(one, 5))
    await until(() => one.status.onDevice, LONG)
    const two = await open()
    await until(() => texts(two).length === sent.length, LONG)
    if (first === 'is closed') await one.close()

    proxy.up()
    two.reconnect()
    await until(() => two.status.connection === 'live' && two.status.onServer, LONG)
    await until(() => stampedIn(two) === sent.length + 4 && stampedIn(bob) === sent.length + 4, LONG)
    if (first !== 'is closed') {
      // What the first one writes now goes the same way, though it has heard nothing of what others wrote.
      sent.push(...work(one, 6))
      await until(() => stampedIn(bob) === sent.length + 4, LONG)
      await until(() => two.status.onServer && bob.object('note-6').get('done') === true, LONG)
    }

    // What comes before something that it builds on may wait for that.
    expect(said.filter((verdict) => !verdict.ok && !mayWait(verdict.code))).toEqual([])
    expect([two.refused, one.refused]).toEqual([null, null])
    expect(device.reported.filter((error) => String(error) !== 'Error: No network')).toEqual([])
    expect(texts(two).filter((text) => !text.startsWith('bob'))).toEqual(sent)
    expect(await storedTexts(store, 's')).toEqual(texts(two))
    expect(texts(bob)).toEqual(texts(two))
    const stored = await storedDocument(store, 's')
    for (const name of ['cart', 'note-1', 'note-5']) {
      expect(stored.getMap(`object:${name}`).toJSON()).toEqual(two.object(name).value)
      expect(bob.object(name).value).toEqual(two.object(name).value)
    }
    expect(two.object('note-3').value).toEqual({ done: true })
    expect(bob.object('cart').get('bob-4')).toBe(4)
    expect(bob.view.holder).toMatchObject({ state: 'waiting', by: 'ada' })
    // Every page load has written under an id of its own, and all of them are hers.
    const owners = [...(await store.clients('s'))].filter(([client]) => stored.store.clients.has(client))
    expect(owners.filter(([, owner]) => owner === 'ada').length).toBeGreaterThanOrEqual(6)
    expect(new Set(owners.map(([client]) => client))).toEqual(new Set(stored.store.clients.keys()))
  },
)
