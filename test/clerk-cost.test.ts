/** What one update may make the server's clerk do: nobody holds up the others by asking for very much at once. */
import { expect, test } from 'vitest'
import { askKey, KEY, type Ask } from '../shared/layout.ts'
import type { MessageHead } from '../shared/message.ts'
import { newMessage } from '../shared/new-message.ts'
import { Peer, sender, World } from './guard/world.ts'

const COUNT = 1_200

/** Writes many messages as one update. */
function say(peer: Peer, name: string, more: (i: number) => Partial<MessageHead> = () => ({})): void {
  peer.doc.transact(() => {
    for (let i = 0; i < COUNT; i++) {
      const head = { id: `${name}${i}`, role: 'user', by: 'ada', kind: 'user', at: 1, ...more(i) } as const
      newMessage(peer.roots.messages, head).push([{ type: 'text', text: name }])
    }
  })
}

function ask(peer: Peer, what: Ask, target: (i: number) => string): void {
  peer.doc.transact(() => {
    for (let i = 0; i < COUNT; i++) peer.roots.control.set(askKey(what, target(i)), { by: 'ada', at: 1, text: 'x' })
  })
}

test('a thousand edits and asks in one update take no more than a thousand times one (GRD-9)', () => {
  const world = new World()
  const peer = new Peer(world, sender('ada', 'user'))
  say(peer, 'm')
  let spentMs = 0
  const receive = world.receive.bind(world)
  world.receive = (...update) => {
    const before = process.cpuUsage()
    const verdict = receive(...update)
    const { user, system } = process.cpuUsage(before)
    spentMs += (user + system) / 1_000
    return verdict
  }
  ask(peer, 'edit', (i) => `m${i}`)
  ask(peer, 'regenerate', (i) => `m${i}.bot`)
  say(peer, 'steer', () => ({ lane: 'steer' }))
  say(peer, 'again', (i) => ({ edits: `m${i}`, seen: Number.MAX_SAFE_INTEGER }))
  ask(peer, 'remove', (i) => `m${i}`)
  // Ten seconds and more where each of them looks through all others; half a second where it does not.
  expect(spentMs).toBeLessThan(3_000)
  expect(peer.refused).toEqual([])
  expect(world.run('m7.bot').get(KEY.status)).toBe('cancelled')
  expect(world.run(`again${COUNT - 1}.bot`).get(KEY.status)).toBe('pending')
})
