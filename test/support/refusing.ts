/** A server that refuses what a test says, as if a rule forbade it. */
import { onTestFinished, vi } from 'vitest'
import { Room } from '../../server/room.ts'

/** What stands in an update that the server of a test refuses. */
export const POISON = 'POISON'

export interface Refusing {
  /** How many updates have been refused. */
  count: number
  /** Everything is let in again. */
  allow: boolean
}

/** Makes the servers of this process refuse updates with `POISON` in them until the test has ended. */
export function refusePoison(): Refusing {
  const state: Refusing = { count: 0, allow: false }
  type Receive = Room['receive']
  const receive: Receive = Reflect.get(Room.prototype, 'receive') as Receive
  const spy = vi.spyOn(Room.prototype, 'receive').mockImplementation(function (this: Room, update, member) {
    if (state.allow || !Buffer.from(update).toString('latin1').includes(POISON)) {
      receive.call(this, update, member)
      return
    }
    state.count += 1
    member.refuse('refused-update', { code: 'forbidden', path: 'of the test' })
  })
  onTestFinished(() => spy.mockRestore())
  return state
}
