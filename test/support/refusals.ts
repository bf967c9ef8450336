/** A server that refuses what a test tells it to. */
import { onTestFinished, vi } from 'vitest'
import { Room } from '../../server/room.ts'

/** What stands in an update that the server of a test refuses. */
export const POISON = 'POISON'

/** Makes the server refuse updates that contain a text, as if a rule forbade it; gives what has been refused. */
export function refuse(contains: (text: string) => boolean = (text) => text.includes(POISON)): { count: number; allow: boolean } {
  const state = { count: 0, allow: false }
  type Receive = Room['receive']
  const receive: Receive = Reflect.get(Room.prototype, 'receive') as Receive
  const spy = vi.spyOn(Room.prototype, 'receive').mockImplementation(function (this: Room, update, member) {
    if (!state.allow && contains(Buffer.from(update).toString('latin1'))) {
      state.count += 1
      member.refuse('refused-update', { code: 'forbidden', path: 'of the test' })
      return
    }
    receive.call(this, update, member)
  })
  onTestFinished(() => spy.mockRestore())
  return state
}
