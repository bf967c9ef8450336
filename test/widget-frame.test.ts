/** The page in the widget's frame: whose texts are written where, what another session or user changes, and what signing out leaves. */
import { expect, test } from 'vitest'
import { mintToken } from '../server/index.ts'
import { serveHere } from './support/in-process.ts'
import { openLive, texts } from './support/clients.ts'
import { SECRET, tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'
import { Disk, FrameHere, HOST, KEY } from './support/widget-frame.ts'

const start = () => serveHere({ widget: { keys: [{ key: KEY, origins: [HOST] }], page: '<p>chat</p>' } })
const user = (id: string, session: string) => () => tokenFor(id, 'user', [session])

test('[E1] what is to be sent before somebody signs in is not written in their name, and comes back (WID-5)', async () => {
  const { port, url } = await start()
  const frame = await FrameHere.load({ port, opens: false })
  frame.tell({ t: 'send', text: 'of a visitor' })
  frame.identify(user('mia', 'mia-chat'))
  frame.tell({ t: 'send', text: 'of Mia' })
  frame.identify(user('bob', 'bob-chat'))
  frame.tell({ t: 'send', text: 'of Bob' })
  await until(() => frame.widget.state.session === 'bob-chat')
  frame.open()
  await (await frame.live()).stored()
  expect(frame.texts).toEqual(['of Bob'])
  expect(frame.unsent).toEqual(['of a visitor', 'of Mia'])
  const mia = await openLive({ url, id: 'mia-chat', as: 'mia' })
  expect(texts(mia)).toEqual([])
})

test('[E1] a session of the former user that becomes ready late, or is still shown, gets nothing of the next one (WID-5)', async () => {
  const { port, url } = await start()
  const held = Promise.withResolvers<string>()
  const frame = await FrameHere.load({ port, user: user('mia', 'mia-chat') })
  await (await frame.live()).stored()
  // A page that lets go of a session later than it hears of the next.
  const mia = await openLive({ url, id: 'mia-chat', as: 'mia' })
  frame.widget.track(mia)
  frame.user = () => held.promise
  frame.tell({ t: 'identify', hasUser: true })
  frame.widget.track(mia)
  frame.tell({ t: 'send', text: 'of Bob' })
  held.resolve(await tokenFor('bob', 'user', ['bob-chat']))
  await until(() => frame.session.id === 'bob-chat' && frame.texts.length === 1)
  expect(frame.texts).toEqual(['of Bob'])
  expect(texts(mia)).toEqual([])
})

test('[E1] what cannot be written comes back with the reason, and what comes after it is written (WID-5)', async () => {
  const { port } = await start()
  const frame = await FrameHere.load({ port, opens: false })
  for (const text of ['', 'x'.repeat(2_000_000), 'good']) frame.tell({ t: 'send', text })
  await until(() => frame.widget.state.session !== null)
  frame.open()
  await frame.live()
  expect(frame.texts).toEqual(['good'])
  frame.tell({ t: 'send', text: ' ' })
  expect(frame.unsent).toEqual(['', 'x'.repeat(2_000_000), ' '])
})

test('[E1] a fresh token for another session, or for somebody else, is another visit, without loading anything again (WID-5)', async () => {
  const server = await start()
  const frame = await FrameHere.load({ port: server.port, user: user('mia', 'first') })
  await frame.live()
  frame.user = user('mia', 'second')
  const again = async (id: string, as: string): Promise<void> => {
    await until(() => Math.floor(Date.now() / 1_000) * 1_000 > 0)
    server.revoke({ session: frame.session.id })
    await until(() => frame.session.id === id && frame.session.me?.id === as, { what: `${as} in ${id}` })
    await frame.live()
  }
  await again('second', 'mia')
  frame.user = async () => await mintToken(SECRET, { id: 'bob', kind: 'user', sessions: ['third'] })
  await again('third', 'bob')
  expect(frame.widget.state.visit).toBe(3)
})
