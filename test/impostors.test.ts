/** Who pretends to be another on the wire: in presence, as a worker, and from another session. */
import * as encoding from 'lib0/encoding'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import type { OpenSession } from '../client/index.ts'
import { memoryStore } from '../server/index.ts'
import { asRecord, KEY, rootsOf } from '../shared/layout.ts'
import { controlDocument } from '../shared/wire.ts'
import { startAgent } from './support/agent.ts'
import { openLive, replyTo } from './support/clients.ts'
import { writeMessage } from './support/document.ts'
import { serveHere } from './support/in-process.ts'
import { RawClient, stateOf, SYNC, TYPE } from './support/raw.ts'
import { storedDocument } from './support/stored.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

type Shown = readonly [client: number, clock: number, json: string]

/** Presence as it goes over the wire. */
function presenceOf(states: readonly Shown[]): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, states.length)
    for (const [client, clock, json] of states) {
      encoding.writeVarUint(encoder, client)
      encoding.writeVarUint(encoder, clock)
      encoding.writeVarString(encoder, json)
    }
  })
}

function show(raw: RawClient, ...states: Shown[]): void {
  raw.frame('s', TYPE.awareness, (encoder) => encoding.writeVarUint8Array(encoder, presenceOf(states)))
}

const BANK = JSON.stringify({ participant: { id: 'bank', kind: 'support', name: 'Your bank' } })
const idsOf = (session: OpenSession): string[] => session.presence.others.map(({ participant }) => participant.id)

describe('presence', () => {
  test("[H3] under another's client id is not shown, takes nothing away and does not get ahead of it (ACC-4, GRD-2)", async () => {
    const store = memoryStore()
    const server = await serveHere({ store })
    const [ada, bob] = [await openLive({ url: server.url, id: 's' }), await openLive({ url: server.url, id: 's', as: 'bob' })]
    ada.presence.set({ typing: true })
    await until(() => bob.presence.others[0]?.typing === true)
    const owned = async (id: string): Promise<number[]> =>
      [...(await store.clients('s'))].filter(([, owner]) => owner === id).map(([client]) => client)
    const [hers = 0] = await owned('ada')
    const hersAtBob = (): string => JSON.stringify(bob.presence.others.filter(({ participant }) => participant.id !== 'eve'))
    const before = hersAtBob()
    const others: string[] = []
    bob.presence.subscribe(() => others.push(hersAtBob()))

    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
    show(eve, [hers, 1_000_000, BANK])
    show(eve, [hers, 1_000_001, 'null'])
    show(
      eve,
      [5, 1, BANK],
      [hers, 1_000_002, 'null'],
      [6, 1, '{}'],
      [7, 1, '{}'],
      [8, 1, '{}'],
      [9, 1, '{}'],
      [hers, 2 ** 40, BANK],
    )
    // The same by the frames of a plain client.
    const plain = new WebSocket(`${server.url.replace(/\/sync$/, '/yjs')}/s?token=${await tokenFor('eve')}`)
    onTestFinished(() => plain.terminate())
    let isAnswered = false
    plain.on('message', (data: Buffer) => (isAnswered ||= data[0] === TYPE.awareness))
    await until(() => plain.readyState === WebSocket.OPEN)
    for (const states of [[[hers, 1_000_003, BANK]], [[hers, 1_000_004, 'null']], [[10, 1, '{"plain":true}']]] as Shown[][]) {
      plain.send(
        encoding.encode((encoder) => {
          encoding.writeVarUint(encoder, TYPE.awareness)
          encoding.writeVarUint8Array(encoder, presenceOf(states))
        }),
      )
    }
    await until(() => bob.presence.others.some(({ state }) => state['plain'] === true))
    expect(isAnswered).toBe(true)
    expect(idsOf(bob)).toEqual(['ada', 'eve'])
    expect(others.filter((other) => other !== before)).toEqual([])
    // One message speaks for four client ids at most, and they are its sender's before anybody sees them.
    expect(new Set(await owned('eve'))).toEqual(new Set([5, 6, 7, 8, 10]))

    ada.presence.set({ typing: false })
    await until(() => bob.presence.others[0]?.typing === false)
    await ada.close()
    await until(() => !idsOf(bob).includes('ada'))
  })

  test.each([
    BANK,
    `{"participant":{"id":"bank","kind":"support","name":"x"},"participant":{"id":"bank","kind":"support","name":"x"}}`,
    '{"__proto__":{"participant":{"id":"bank","kind":"support","name":"x"}}}',
    '["participant"]',
  ])('[H3] bears the name of the token, whatever it says: %s (ACC-4)', async (json) => {
    const server = await serveHere()
    const bob = await openLive({ url: server.url, id: 's', as: 'bob' })
    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
    show(eve, [5, 1, json])
    await until(() => bob.presence.others.length > 0)
    expect(bob.presence.others.map(({ participant }) => participant)).toEqual([{ id: 'eve', kind: 'user', name: 'eve' }])
  })

  test('[H3] the place of a viewer is taken by nobody, while it is there and while it is away (GRD-2)', async () => {
    const server = await serveHere()
    const bob = await openLive({ url: server.url, id: 's', as: 'bob' })
    const eve = await RawClient.join(server.url, 's', await tokenFor('eve'))
    const come = async (clock: number): Promise<RawClient> => {
      const raw = await RawClient.join(server.url, 's', await tokenFor('vera', 'viewer'))
      show(raw, [77, clock, '{}'])
      await until(() => idsOf(bob).includes('vera'))
      return raw
    }
    let marker = 0
    const tryIt = async (clock: number): Promise<void> => {
      show(eve, [77, clock, '{}'])
      show(eve, [88, ++marker, JSON.stringify({ marker })])
      await until(() => bob.presence.others.some(({ state }) => state['marker'] === marker))
    }
    const vera = await come(1)
    await tryIt(1_000)
    expect(idsOf(bob)).toEqual(['eve', 'vera'])
    vera.socket.terminate()
    await until(() => !idsOf(bob).includes('vera'))
    await tryIt(1_001)
    await come(3)
    // Neither by writing under it.
    eve.sync('s', SYNC.update, writtenUnder(77))
    await until(() => eve.told('s').some((message) => message.t === 'refused'))
    expect(eve.told('s').find((message) => message.t === 'refused')).toMatchObject({ code: 'foreign-client' })
    expect(idsOf(bob)).toContain('vera')
  })
})

function writtenUnder(client: number): Uint8Array {
  const doc = new Y.Doc()
  doc.clientID = client
  writeMessage(doc, 'x', 'hello', { by: 'eve' })
  return Y.encodeStateAsUpdate(doc)
}

/** A worker's socket, on the control document of its agent. */
async function workerOf(url: string, agent: string): Promise<RawClient> {
  const raw = await RawClient.open(url)
  raw.authenticate(controlDocument(agent), await tokenFor(agent, 'agent'))
  return raw
}

describe('another agent', () => {
  test("[X2] that calls its worker like another's is given none of its runs, and the other one is (GRD-6)", async () => {
    const store = memoryStore()
    const server = await serveHere({ store, route: () => ['bot'] })
    await startAgent({ url: server.url, name: 'bot' })
    const ada = await openLive({ url: server.url, id: 's' })
    const first = ada.send('one')
    await until(() => ada.view.runs[0]?.status === 'complete')
    const { tasks } = rootsOf(await storedDocument(store, 's'))
    const worker = asRecord(tasks.get(0).get(KEY.lease))?.['worker'] as string

    const mallory = await workerOf(server.url, 'mallory')
    mallory.tell(controlDocument('mallory'), { t: 'worker', worker, slots: 9, leases: [] })
    mallory.tell(controlDocument('mallory'), { t: 'mark', n: 1 })
    await until(() => mallory.told(controlDocument('mallory')).some(({ t }) => t === 'marked'))
    const second = ada.send('two')
    await until(() => replyTo(ada, second, 'bot') !== '')
    expect(replyTo(ada, first, 'bot')).toBe('bot')
    expect(mallory.told(controlDocument('mallory')).filter(({ t }) => t !== 'marked')).toEqual([])
  })

  test('[X2] cannot keep the lease of a worker alive that is gone (RUN-4)', async () => {
    const store = memoryStore()
    const server = await serveHere({ store, route: () => ['bot'], leaseMs: 1_000 })
    const ada = await openLive({ url: server.url, id: 's' })
    const bot = await workerOf(server.url, 'bot')
    bot.tell(controlDocument('bot'), { t: 'worker', worker: 'w1', slots: 1, leases: [] })
    const input = ada.send('one')
    const run = `${input}.bot`
    await until(() => bot.told(controlDocument('bot')).some((message) => message.t === 'assign' && message.run === run))
    bot.authenticate('s', await tokenFor('bot', 'agent'))
    bot.sync('s', SYNC.step1, Uint8Array.of(0))
    await until(() => stateOf(bot, 's').getArray('tasks').length === 1)
    const doc = stateOf(bot, 's')
    const before = Y.encodeStateVector(doc)
    rootsOf(doc).tasks.get(0).set(KEY.status, 'active')
    bot.sync('s', SYNC.update, Y.encodeStateAsUpdate(doc, before))
    await until(() => ada.view.runs[0]?.status === 'active')
    bot.socket.terminate()

    const control = controlDocument('mallory')
    const mallory = await workerOf(server.url, 'mallory')
    mallory.tell(control, { t: 'worker', worker: 'm1', slots: 0, leases: [{ run, generation: 1 }] })
    const renewing = setInterval(() => mallory.tell(control, { t: 'renew', leases: [{ run, generation: 1 }] }), 100)
    onTestFinished(() => clearInterval(renewing))
    await until(() => ada.view.runs[0]?.status !== 'active')
    expect(ada.view.runs[0]?.status).toBe('interrupted')
    expect(mallory.told(control)).toContainEqual({ t: 'lost', run, generation: 1 })
  })
})

test('[X2, X3] a viewer who copies an input into a session of its own, and cancels it there, ends nothing here (RUN-2)', async () => {
  const store = memoryStore()
  const server = await serveHere({ store, route: () => ['bot'] })
  const ada = await openLive({ url: server.url, id: 's' })
  const input = ada.send('please')
  await until(async () => (await store.jobs()).length === 1)
  const here = await openLive({
    url: server.url,
    id: 's',
    as: 'eve',
    kind: 'viewer',
    token: () => tokenFor('eve', 'viewer', ['s']),
  })
  await until(() => here.view.runs.length === 1)

  const token = (): Promise<string> => tokenFor('eve', 'user', ['own'])
  const own = await openLive({ url: server.url, id: 'own', as: 'eve', token })
  const raw = await RawClient.join(server.url, 'own', await token())
  const doc = new Y.Doc()
  writeMessage(doc, input, 'please', { by: 'eve', at: Date.now() })
  raw.sync('own', SYNC.update, Y.encodeStateAsUpdate(doc))
  await until(() => own.view.runs.length === 1)
  own.cancel({ message: input })
  await until(() => own.view.runs[0]?.status === 'cancelled')
  await own.stored()

  expect(await store.jobs()).toMatchObject([{ run: `${input}.bot`, session: 's' }])
  await startAgent({ url: server.url, name: 'bot' })
  await until(() => replyTo(ada, input, 'bot') === 'bot')
  await until(() => ada.view.runs[0]?.status === 'complete')
  await until(async () => (await store.jobs()).length === 0)
})
