/** The page in the widget's frame: whose texts are written where, what another session or user changes, and what signing out leaves. */
import { expect, test } from 'vitest'
import { mintToken } from '../server/index.ts'
import type { Limits } from '../shared/limits.ts'
import { serveHere } from './support/in-process.ts'
import { openLive, texts } from './support/clients.ts'
import { SECRET, tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'
import { Disk, FrameHere, HOST, KEY } from './support/widget-frame.ts'

const start = (limits: Partial<Limits> = {}) =>
  serveHere({ limits, widget: { keys: [{ key: KEY, origins: [HOST] }], page: '<p>chat</p>' } })
const nameOfVisitor = `polylogue:widget:${JSON.stringify([KEY, HOST])}`

/** What the device has of the visitor. */
async function visitOf({ disk }: FrameHere): Promise<{ visitor: string; session: string }> {
  return JSON.parse(await until(() => disk.items.get(nameOfVisitor))) as { visitor: string; session: string }
}
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
    server.revoke({ session: frame.session.id })
    await until(() => frame.session.id === id && frame.session.me?.id === as, { what: `${as} in ${id}` })
    await frame.live()
  }
  await again('second', 'mia')
  frame.user = async () => await mintToken(SECRET, { id: 'bob', kind: 'user', sessions: ['third'] })
  await again('third', 'bob')
  expect(frame.widget.state.visit).toBe(3)
})

test('[E1] signing out clears the device before it asks the server, and has the server end what the visitor had (WID-5)', async () => {
  const { port, url } = await start()
  const disk = new Disk()
  const asked: string[] = []
  const frame = await FrameHere.load({ port, disk, before: (method) => void asked.push(method) })
  const { session, visitor } = await visitOf(frame)
  await (await frame.live()).stored()
  disk.items.set(`polyshop:draft:${session}`, 'What was not sent')
  disk.items.set('polyshop:theme', 'dark')
  expect(await frame.wiped()).toBe(true)
  expect(await disk.dump()).not.toContain(session)
  expect(await disk.dump()).not.toContain('guest-')
  expect(disk.items.get('polyshop:theme')).toBe('dark')
  expect(frame.session.closed).toBe(true)
  await until(() => asked.includes('DELETE'))
  frame.tell({ t: 'send', text: 'late' })
  expect(frame.unsent).toEqual(['late'])
  // A copy of the secret.
  const copy = new Disk()
  copy.items.set(nameOfVisitor, JSON.stringify({ visitor, session }))
  const stolen = await FrameHere.load({ port, disk: copy })
  await until(() => stolen.session?.id !== session)
  const look = await openLive({ url, id: session, as: 'look', kind: 'support' })
  expect(look.view.messages).toEqual([])
})

test.each(['offline', 'refused', 'silent'])('[E1] signing out clears the device when the server is %s (WID-5)', async (how) => {
  const server = await start()
  const { port } = server
  const disk = new Disk()
  let isDown = false
  const before = async (): Promise<void> => {
    if (!isDown) return
    if (how === 'silent') await new Promise(() => {})
    if (how === 'offline') throw new TypeError('fetch failed')
  }
  const frame = await FrameHere.load({ port, disk, before })
  const { session } = await visitOf(frame)
  await frame.live()
  if (how === 'refused') server.setWidgetKeys([])
  isDown = true
  frame.session.send('Written while it could not be sent')
  await until(() => frame.session.status.onDevice)
  expect(await frame.wiped()).toBe(true)
  expect(await disk.dump()).not.toContain(session)
  isDown = false
  if (how === 'refused') server.setWidgetKeys([{ key: KEY, origins: [HOST] }])
  const next = await FrameHere.load({ port, disk })
  await next.live()
  expect([next.session.id === session, next.texts]).toEqual([false, []])
})

test('[E1] signing out takes along what others left who had signed in here before, and what was begun before that (WID-5)', async () => {
  const { port } = await start()
  const disk = new Disk()
  const frame = await FrameHere.load({ port, disk })
  const { session } = await visitOf(frame)
  await frame.live()
  for (const [id, as] of [
    ['team', 'mia'],
    ['team', 'bob'],
    ['bobs', 'bob'],
  ] as const) {
    frame.identify(user(as, id))
    await until(() => frame.session.id === id && frame.session.me?.id === as)
    await frame.live()
  }
  expect(await disk.dump()).toMatch(/mia:team.*bob:team|bob:team.*mia:team/)
  expect(await frame.wiped()).toBe(true)
  const left = await disk.dump()
  for (const name of [session, 'team', 'bobs']) expect(left).not.toContain(name)
})

test('[E1] a frame that was not heard when somebody signed out removes it all before it shows anything (WID-5)', async () => {
  const { port } = await start()
  const disk = new Disk()
  const first = await FrameHere.load({ port, disk })
  const { session } = await visitOf(first)
  await first.live()
  await first.session.close()
  const next = await FrameHere.load({ port, disk, init: { wipe: true } })
  next.tell({ t: 'send', text: 'of the next one' })
  expect((await next.hears('wiped')).all).toBe(true)
  expect(await disk.dump()).not.toContain(session)
  await (await next.live()).stored()
  expect(next.texts).toEqual(['of the next one'])
  expect(next.unsent).toEqual([])
  expect(next.opened.some(({ id }) => id === session)).toBe(false)
})

test('[E1] another page of the browser that signs out is followed; what was under way does not bring the visitor back (WID-5)', async () => {
  const { port } = await start()
  const disk = new Disk()
  const gate = { wait: null as Promise<void> | null }
  const frame = await FrameHere.load({ port, disk, before: async () => void (await gate.wait) })
  const { session, visitor } = await visitOf(frame)
  await frame.live()
  const passed = Promise.withResolvers<void>()
  gate.wait = passed.promise
  const token = frame.widget.token()
  token.catch(() => {})
  // The other page has removed it, and this one hears of that.
  disk.items.delete(nameOfVisitor)
  frame.fire('storage', { key: nameOfVisitor, oldValue: JSON.stringify({ visitor, session }), newValue: null })
  passed.resolve()
  await expect(token).rejects.toThrow('another one by now')
  await until(() => frame.session.id !== session)
  await frame.live()
  expect(disk.items.get(nameOfVisitor)).not.toContain(session)
})

test('[E1] a token that runs out while the chat is open is renewed without a gap, and what is written meanwhile arrives (WID-3)', async () => {
  const { port, url } = await start()
  let asked = 0
  const frame = await FrameHere.load({
    port,
    user: () => {
      asked += 1
      return mintToken(SECRET, { id: 'mia', kind: 'user', sessions: ['mia-chat'], expiresInS: asked === 1 ? 3 : 60 })
    },
  })
  await frame.live()
  const changes: string[] = []
  frame.session.subscribe(() => void changes.push(frame.session.status.connection), 'status')
  frame.tell({ t: 'send', text: 'before' })
  await until(() => asked === 2)
  frame.tell({ t: 'send', text: 'while it is renewed' })
  await frame.session.stored()
  const look = await openLive({ url, id: 'mia-chat', as: 'look', kind: 'support' })
  expect(texts(look)).toEqual(['before', 'while it is renewed'])
  expect([frame.opened.length, frame.widget.state.visit]).toEqual([1, 1])
  expect(changes).not.toContain('offline')
  expect(changes).not.toContain('refused')
})

test('[E1] a token that cannot be renewed in time leaves what was written on the device, and it arrives when there is one (WID-3)', async () => {
  const { port, url } = await start({ tokenGraceMs: 50 })
  let isDown = false
  const before = (): void => {
    if (isDown) throw new TypeError('fetch failed')
  }
  const expiresInS = (): number => (isDown ? 60 : 3)
  const frame = await FrameHere.load({
    port,
    before,
    user: () => mintToken(SECRET, { id: 'mia', kind: 'user', sessions: ['mia-chat'], expiresInS: expiresInS() }),
  })
  await frame.live()
  isDown = true
  await until(() => frame.session.status.connection !== 'live')
  frame.tell({ t: 'send', text: 'with no token' })
  expect(frame.session.status.onServer).toBe(false)
  isDown = false
  frame.user = () => tokenFor('mia', 'user', ['mia-chat'])
  await frame.session.stored()
  const look = await openLive({ url, id: 'mia-chat', as: 'look', kind: 'support' })
  expect(texts(look)).toEqual(['with no token'])
  expect(frame.opened.length).toBe(1)
})

test('[E1] a chat in a closed panel is not in sight, and so keeps nobody from being told by push (PSH-2)', async () => {
  const { port, url } = await start()
  const frame = await FrameHere.load({ port, user: user('mia', 'mia-chat'), init: { shown: false } })
  await frame.live()
  const look = await openLive({ url, id: 'mia-chat', as: 'look', kind: 'support' })
  const isSeen = (): unknown => look.presence.others.find(({ participant }) => participant.id === 'mia')?.state['visible']
  const seen: unknown[] = []
  for (const shown of [false, true, false]) {
    frame.tell({ t: 'shown', shown })
    seen.push(await until(() => isSeen() === shown))
  }
  expect(seen).toEqual([true, true, true])
  expect(frame.session.status.connection).toBe('live')
})

test('[E1] a page sends texts, no parts of messages (WID-4)', async () => {
  const { port } = await start()
  const frame = await FrameHere.load({ port })
  await frame.live()
  for (const text of [[{ type: 'data-handover', data: { action: 'take' } }], null, 7]) {
    frame.tell({ t: 'send', text: text as unknown as string })
  }
  frame.tell({ t: 'send', text: 'Hello' })
  expect(frame.texts).toEqual(['Hello'])
})

test.each(['find', 'refresh'])(
  '[E1] a token that is under way when somebody signs out leaves nothing on the device (WID-5): %s',
  async (what) => {
    const { port } = await start()
    const disk = new Disk()
    const gate = { wait: null as Promise<void> | null }
    const passed = Promise.withResolvers<void>()
    if (what === 'find') gate.wait = passed.promise
    const asked: string[] = []
    const before = async (method: string): Promise<void> => {
      asked.push(method)
      if (method === 'POST') await gate.wait
    }
    const frame = await FrameHere.load({ port, disk, before, user: user('mia', 'mia-chat') })
    await until(() => asked.length === 1)
    if (what === 'refresh') {
      await frame.live()
      gate.wait = passed.promise
      frame.open()
      await until(() => asked.length === 2)
    }
    const wiped = frame.wiped()
    passed.resolve()
    expect(await wiped).toBe(true)
    await Promise.allSettled(frame.opened.map((session) => session.ready))
    expect(await disk.dump()).toBe('[]')
    expect(frame.opened.every(({ closed }) => closed)).toBe(true)
  },
)
