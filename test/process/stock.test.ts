/**
 * Faults that Hocuspocus has as it is shipped, and that are cured here: each scenario is played on both, and what goes wrong
 * on the stock server is asserted too, so that a cure that is not needed any more is noticed.
 */
import { join } from 'node:path'
import { HocuspocusProvider } from '@hocuspocus/provider'
import { Hocuspocus, Server } from '@hocuspocus/server'
import { expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import { memoryStore, sqliteStore } from '../../server/index.ts'
import { openClient, openLive, texts } from '../support/clients.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { serveHere } from '../support/in-process.ts'
import { describeObject, RawClient, stateOf, SYNC, TYPE, updateOf } from '../support/raw.ts'
import { openStock, startStock, storedByStock } from '../support/stock.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { tokenFor } from '../support/tokens.ts'
import { until } from '../support/wait.ts'

const EMPTY = Y.encodeStateVector(new Y.Doc())

test('who leaves and comes back at once finds the one copy of the session that there is (LOG-3)', async () => {
  const file = join(temporaryFolder(), 'sessions.db')
  const server = await serveHere({ store: sqliteStore({ file }) })
  const token = await tokenFor('ada')
  const clients = [await RawClient.open(server.url), await RawClient.open(server.url)]
  const written = new Set<string>()
  for (let round = 0; round < 150; round++) {
    const from = clients.map(({ received }) => received.length)
    for (const [index, client] of clients.entries()) {
      // Both leave and come back; how far apart they do, in turns of the event loop, is different each time.
      for (let turn = 0; turn < (index * round) % 12; turn++) await new Promise((resolve) => setImmediate(resolve))
      const field = `${index}-${round}`
      written.add(field)
      if (round > 0) client.frame('s', TYPE.close, () => {})
      client.authenticate('s', token)
      client.sync('s', SYNC.step1, EMPTY)
      client.sync(
        's',
        SYNC.update,
        updateOf((doc) => {
          describeObject(doc, 'race')
          doc.getMap('object:race').set(field, true)
        }),
      )
    }
    // All but what it has written itself in this round, which is not sent back.
    const seen = (index: number): number => stateOf(clients[index]!, 's', from[index]!).getMap('object:race').size
    await until(() => seen(0) === written.size - 1 && seen(1) === written.size - 1, {
      what: () => `both to see the other's write of round ${round}; they see ${seen(0)} and ${seen(1)} of ${written.size}`,
    })
  }
  await server.close()
  const later = await serveHere({ store: sqliteStore({ file }) })
  const reader = await openLive({ url: later.url, id: 's' })
  expect(Object.keys(reader.object('race').value).toSorted()).toEqual([...written].toSorted())
})

test('on a stock server there are two copies then, and what is written to one of them is lost', async () => {
  const stored = new Map<string, Uint8Array>()
  const host = new Hocuspocus({
    quiet: true,
    onLoadDocument: async ({ documentName }) => stored.get(documentName),
    onStoreDocument: async ({ documentName, document }) => void stored.set(documentName, Y.encodeStateAsUpdate(document)),
  })
  const first = await host.openDirectConnection('s')
  await first.transact((doc) => doc.getArray('a').push(['first']))
  await first.disconnect()
  const second = await host.openDirectConnection('s')
  await until(() => !host.documents.has('s'), { what: 'the document in use to be dropped' })
  const third = await host.openDirectConnection('s')
  await second.transact((doc) => doc.getArray('a').push(['second']))
  await third.transact((doc) => doc.getArray('a').push(['third']))
  expect(second.document?.getArray('a').toJSON()).toEqual(['first', 'second'])
  expect(third.document?.getArray('a').toJSON()).toEqual(['first', 'third'])
  await second.disconnect()
  await third.disconnect()
  const doc = new Y.Doc()
  Y.applyUpdate(doc, stored.get('s')!)
  expect(doc.getArray('a').toJSON()).toEqual(['first', 'third'])
})

test('what could not be stored is kept when its writer leaves, and stored when that is possible (LOG-2, LOG-3)', async () => {
  const faulty = new FaultyStore(memoryStore())
  const server = await serveHere({ store: faulty.store })
  faulty.appendError = new Error('database or disk is full')
  const writer = await openLive({ url: server.url, id: 's' })
  writer.send('a refund of 40')
  await until(() => faulty.failedAppends > 0)
  await writer.close()
  faulty.appendError = null
  for (const name of ['bob', 'carl']) {
    const reader = await openLive({ url: server.url, id: 's', as: name })
    expect(texts(reader)).toEqual(['a refund of 40'])
    await reader.close()
  }
})

test('a stock server acknowledges what it could not store, and forgets it', async () => {
  const file = join(temporaryFolder(), 'stock.db')
  const { child, url } = await startStock(file)
  await child.ask({ t: 'full', full: true })
  const writer = await openStock(url, 's')
  writer.document.getArray('a').push(['a refund of 40'])
  await until(() => !writer.hasUnsyncedChanges)
  writer.destroy()
  await child.said('store')
  await child.ask({ t: 'full', full: false })
  const reader = await openStock(url, 's')
  expect(reader.document.getArray('a').toJSON()).toEqual(['a refund of 40'])
  reader.destroy()
  await until(async () => {
    const next = await openStock(url, 's')
    const isLost = next.document.getArray('a').length === 0
    next.destroy()
    return isLost
  })
  expect(storedByStock(file, 's').getArray('a').length).toBe(0)
})

test('after a load that failed a client is in step within two seconds (LOG-7, CLI-6)', async () => {
  const faulty = new FaultyStore(memoryStore())
  const server = await serveHere({ store: faulty.store })
  faulty.failingReads = 1
  const startedAt = performance.now()
  const client = await openClient({ url: server.url, id: 's' })
  await until(() => client.status.connection === 'live')
  expect(performance.now() - startedAt).toBeLessThan(2_000)
  expect(faulty.failingReads).toBe(0)

  // The stock client beside it, of a stock server: half a minute, or never while its socket is used for other documents.
  vi.spyOn(console, 'error').mockReturnValue()
  let failing = true
  const stock = await startStockHere(async () => {
    if (!failing) return
    failing = false
    throw new Error('The disk does not answer.')
  })
  const provider = new HocuspocusProvider({ url: stock, name: 's', document: new Y.Doc(), token: 'any' })
  onTestFinished(() => provider.destroy())
  await until(() => !failing)
  const deadline = performance.now() + 3_000
  await until(() => provider.synced || performance.now() > deadline)
  expect(provider.synced).toBe(false)
})

test('loads that fail leave no timer behind, as they do on a stock server (LOG-7)', async () => {
  vi.spyOn(console, 'error').mockReturnValue()
  const faulty = new FaultyStore(memoryStore())
  const server = await serveHere({ store: faulty.store })
  faulty.failingReads = Number.POSITIVE_INFINITY
  const left = await timersLeftBy(server.url, await tokenFor('ada'))
  expect(left).toBeLessThan(FAILED_LOADS / 4)

  const stock = await startStockHere(async () => {
    throw new Error('The disk does not answer.')
  })
  expect(await timersLeftBy(stock, 'any')).toBeGreaterThan(FAILED_LOADS / 2)
})

const FAILED_LOADS = 20

/** How many timers are left when that many loads have failed and everybody has gone. */
async function timersLeftBy(url: string, token: string): Promise<number> {
  const timers = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
  const before = timers()
  const client = await RawClient.open(url)
  for (let n = 0; n < FAILED_LOADS; n++) client.authenticate(`s${n}`, token)
  await until(() => Array.from({ length: FAILED_LOADS }, (_, n) => client.refusal(`s${n}`)).every((reason) => reason !== null))
  client.socket.terminate()
  // What ends with the socket does so in its own time; what is left then stays.
  const deadline = performance.now() + 500
  await until(() => timers() <= before || performance.now() > deadline)
  return timers() - before
}

async function startStockHere(onLoadDocument: () => Promise<void>): Promise<string> {
  const server = new Server({ quiet: true, port: 0, address: '127.0.0.1', stopOnSignals: false, onLoadDocument })
  await server.listen()
  onTestFinished(() => void server.destroy())
  return server.webSocketURL
}
