/** Sessions on a device: with no server, over reloads, in several tabs. */
import { IDBDatabase, IDBFactory, IDBObjectStore } from 'fake-indexeddb'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { texts } from './support/clients.ts'
import { Device } from './support/device.ts'
import { live, Network, stampedIn } from './support/network.ts'
import { storedDocument, storedTexts } from './support/stored.ts'
import { until } from './support/wait.ts'

describe('with no server', () => {
  test('[O1] two messages, a reload, and back: both arrive, once and in order (CLI-3)', async () => {
    const [net, device] = [await Network.start(), new Device()]
    await net.visit(device)
    const before = await net.open(device)
    const ids = [before.send('first'), before.send('second')]
    await until(() => before.delivery(ids[1] ?? '') === 'device')
    await before.close()

    const earlier = device.opened.length
    const opening = net.open(device)
    const early = await until(() => device.opened[earlier])
    expect(early.status.onServer, 'before it is ready').toBe(false)
    const after = await opening
    expect(texts(after)).toEqual(['first', 'second'])
    expect(after.status).toMatchObject({ onDevice: true, onServer: false })
    expect(ids.map((id) => after.delivery(id))).toEqual(['device', 'device'])
    after.send('third')
    await net.back(after)
    await until(() => after.status.onServer)
    expect(await storedTexts(net.store, 's')).toEqual(['first', 'second', 'third'])
    await until(() => ids.every((id) => after.delivery(id) === 'sent'))
    expect(texts(after)).toEqual(['first', 'second', 'third'])
  })

  test('[O2] two who write at once converge to one order, everywhere', async () => {
    const [net, one, two] = [await Network.start(), new Device(), new Device()]
    const [a, b] = [await net.open(one), await net.open(two, 'bob')]
    await live(a, b)
    await net.away(a, b)
    for (let i = 1; i <= 5; i++) {
      a.send(`a${i}`)
      b.send(`b${i}`)
    }
    await net.back(a, b)
    await until(() => stampedIn(a) === 10 && stampedIn(b) === 10)
    expect(texts(a)).toEqual(texts(b))
    expect(await storedTexts(net.store, 's')).toEqual(texts(a))
    for (const who of ['a', 'b']) {
      expect(texts(a).filter((text) => text.startsWith(who))).toEqual([1, 2, 3, 4, 5].map((i) => who + i))
    }
  })

  test('[O3] fields of a shared object: different ones both stay, of the same one all see the same', async () => {
    const [net, one, two] = [await Network.start(), new Device(), new Device()]
    const [a, b] = [await net.open(one), await net.open(two, 'bob')]
    await live(a, b)
    await net.away(a, b)
    const list = ['x']
    a.object('cart').update({ apples: 2, both: 'a', list })
    list.push('not written')
    expect(a.object('cart').get('list')).toEqual(['x'])
    b.object('cart').update({ pears: 3, both: 'b' })
    await net.back(a, b)
    await until(() => [a, b].every((session) => Object.keys(session.object('cart').value).length === 4))
    expect(a.object('cart').value).toMatchObject({ apples: 2, pears: 3, list: ['x'] })
    expect(a.object('cart').value).toEqual(b.object('cart').value)
    await until(() => a.status.onServer && b.status.onServer)
    expect((await storedDocument(net.store, 's')).getMap('object:cart').toJSON()).toEqual(a.object('cart').value)
    // What one takes back is what that one did.
    expect(a.undo()).toBe(true)
    await until(() => !('apples' in b.object('cart').value))
    expect(b.object('cart').value).toMatchObject({ pears: 3 })
    expect(a.redo()).toBe(true)
    await until(() => b.object('cart').get('apples') === 2)
  })

  test('two who make an object at once make one (DOC-1)', async () => {
    const [net, one, two] = [await Network.start(), new Device(), new Device()]
    const [a, b] = [await net.open(one), await net.open(two, 'bob')]
    await live(a, b)
    await net.away(a, b)
    for (let i = 0; i < 10; i++) {
      a.object(`o${i}`).set('a', i)
      b.object(`o${i}`).set('b', i)
    }
    await net.back(a, b)
    await until(() => a.status.onServer && b.status.onServer)
    for (let i = 0; i < 10; i++) {
      await until(() => [a, b].every((session) => Object.keys(session.object(`o${i}`).value).length === 2))
      expect(a.object(`o${i}`).value).toEqual({ a: i, b: i })
    }
  })

  test('[O4] a cold start shows the last known conversation', async () => {
    const [net, device] = [await Network.start(), new Device()]
    const before = await net.open(device)
    before.send('stored')
    await before.stored()
    await before.close()
    net.proxy.down()
    const after = await net.open(device)
    expect(texts(after)).toEqual(['stored'])
    expect(after.me).toMatchObject({ id: 'ada' })
    expect(after.status).toMatchObject({ onServer: true, onDevice: true })
    expect(after.status.connection).not.toBe('live')
    await after.close()
    // A network that swallows what is sent: the token is not waited for.
    const never = (): Promise<string> => new Promise<string>(() => {})
    const startedAt = performance.now()
    const swallowed = await device.open({ url: net.proxy.url, token: never })
    expect(performance.now() - startedAt).toBeLessThan(1_000)
    expect(texts(swallowed)).toEqual(['stored'])
  })

  test('[O5] two tabs of one browser see each other at once', async () => {
    const [net, device, other] = [await Network.start(), new Device(), new Device()]
    const stranger = await net.open(other, 'bob')
    await net.visit(device)
    const one = await net.open(device)
    one.send('before the other opened')
    const two = await net.open(device)
    await until(() => texts(two).length === 1)
    two.send('from two')
    one.object('cart').set('n', 1)
    await until(() => texts(one).length === 2 && two.object('cart').get('n') === 1)
    // By now they have told each other all that was before; from here on it is each single write.
    one.object('cart').set('n', 2)
    await until(() => two.object('cart').get('n') === 2)
    two.send('from two again')
    await until(() => texts(one).length === 3)
    expect(texts(one)).toEqual(texts(two))
    expect(texts(stranger)).toEqual([])
    await net.back(one, two, stranger)
    await until(() => [one, two].every((tab) => tab.status.onServer && stampedIn(tab) === 3))
    expect(await storedTexts(net.store, 's')).toEqual(texts(one))
    await until(() => texts(stranger).length === 3)
    expect(device.reported.filter((error) => String(error) !== 'Error: No network')).toEqual([])
  })

  test('a tab that closes while it opens leaves nothing behind that would be told', async () => {
    const [net, device] = [await Network.start(), new Device()]
    const opened = vi.spyOn(IDBFactory.prototype, 'open')
    const closed = vi.spyOn(IDBDatabase.prototype, 'close')
    onTestFinished(() => void vi.restoreAllMocks())
    await net.visit(device)
    const one = await net.open(device)
    for (let turns = 0; turns < 12; turns++) {
      const opening = net.open(device)
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
      await device.opened.at(-1)?.close()
      const two = await opening
      one.send(`after ${turns}`)
      expect([two.closed, device.channels]).toEqual([true, 1])
    }
    await until(() => one.status.onDevice)
    const last = await net.open(device)
    expect(texts(last)).toHaveLength(12)
    await one.close()
    await last.close()
    expect([device.channels, closed.mock.calls.length]).toEqual([0, opened.mock.calls.length])
    expect(opened.mock.calls.length).toBeGreaterThan(3)
    expect(device.reported.filter((error) => String(error) !== 'Error: No network')).toEqual([])
  })

  test('what one account wrote is neither shown nor sent by another on the same device', async () => {
    const [net, device] = [await Network.start(), new Device()]
    await net.visit(device)
    const a = await net.open(device)
    a.send('private, and unsent')
    await until(() => a.status.onDevice)
    await a.close()
    net.proxy.up()
    const b = await net.open(device, 'bob')
    await live(b)
    b.send('hello')
    await b.stored()
    expect(texts(b)).toEqual(['hello'])
    expect(await storedTexts(net.store, 's')).toEqual(['hello'])
  })

  test('wiping removes the session from the device', async () => {
    const [net, device] = [await Network.start(), new Device()]
    await net.visit(device)
    const a = await net.open(device)
    a.send('gone')
    await a.wipe()
    net.proxy.up()
    const again = await net.open(device)
    expect(texts(again)).toEqual([])
    await live(again)
    expect(texts(again)).toEqual([])
  })
})

describe('where a write is', () => {
  test('[O7] writing, on this device, sending, sent; and after a reload not yet stored (CLI-2)', async () => {
    const [net, device] = [await Network.start(), new Device()]
    await net.visit(device)
    const a = await net.open(device)
    expect(a.status).toMatchObject({ onDevice: true, onServer: true })
    const id = a.send('Hello')
    const seen = [a.delivery(id)]
    const look = (): void => void (seen.at(-1) === a.delivery(id) || seen.push(a.delivery(id)))
    a.subscribe(look)
    a.subscribe(look, 'status')
    expect(a.status).toMatchObject({ onDevice: false, onServer: false })
    await until(() => a.status.onDevice)
    expect(a.status.onServer).toBe(false)
    net.proxy.delay(20)
    await net.back(a)
    await until(() => a.delivery(id) === 'sent' && a.status.onServer)
    expect(seen).toEqual(['writing', 'device', 'sending', 'sent'])

    net.proxy.delay(0)
    await net.away(a)
    a.send('unsent')
    await until(() => a.status.onDevice)
    await a.close()
    const after = await net.open(device)
    expect(after.status.onServer).toBe(false)
    await net.back(after)
    await until(() => after.status.onServer)
    expect(await storedTexts(net.store, 's')).toEqual(['Hello', 'unsent'])
    await after.close()
    net.proxy.down()
    expect((await net.open(device)).status.onServer).toBe(true)
  })

  test('a device that has no room for a moment has the write when it has room again (CLI-3)', async () => {
    const [net, device] = [await Network.start(), new Device()]
    await net.visit(device)
    const a = await net.open(device)
    const full = vi.spyOn(IDBObjectStore.prototype, 'add').mockImplementation(() => {
      throw new DOMException('No room left', 'QuotaExceededError')
    })
    a.send('first')
    await until(() => device.reported.some((error) => error instanceof DOMException))
    expect(a.status.onDevice).toBe(false)
    full.mockRestore()
    a.send('second')
    await until(() => a.status.onDevice)
    await a.close()
    expect(texts(await net.open(device))).toEqual(['first', 'second'])
  })

  test('hundreds of writes are folded into one, and two tabs that fold lose nothing of each other', async () => {
    const [net, device] = [await Network.start(), new Device()]
    await net.visit(device)
    const [one, two] = [await net.open(device), await net.open(device)]
    let rows = 0
    for (let i = 0; i < 160; i++) {
      one.object('one').set(`f${i}`, i)
      two.object('two').set(`f${i}`, i)
      await until(() => one.status.onDevice && two.status.onDevice)
      rows = Math.max(rows, await device.rows())
    }
    await one.close()
    await two.close()
    // Each tab writes its own rows and those that it hears of: three hundred are folded.
    expect(rows).toBeGreaterThan(300)
    expect(await device.rows()).toBeLessThan(300)
    const after = await net.open(device)
    for (const name of ['one', 'two']) expect(Object.keys(after.object(name).value)).toHaveLength(160)
  })

  test('[O7] a device that gives no storage is told of as such, and still chats', async () => {
    const [net, device] = [await Network.start(), new Device({ storage: false })]
    const a = await net.open(device)
    await live(a)
    const id = a.send('Hello')
    expect(a.status.onDevice).toBe(false)
    await until(() => a.delivery(id) === 'sent')
    expect(a.status).toMatchObject({ onDevice: false, onServer: true })
    expect(device.reported).toHaveLength(1)
    await net.away(a)
    expect(a.delivery(a.send('offline'))).toBe('writing')
  })
})
