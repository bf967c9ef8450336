/** Every attack of the list on a real server, over real sockets, with others watching. */
import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { mayWait } from '../server/guard/guard.ts'
import { Arena, type Outcome } from './guard/arena.ts'
import { ATTACKS, stage, type Attack, type Stage } from './guard/attacks.ts'
import { SYNC } from './support/raw.ts'

/** Servers at a time. */
const AT_ONCE = 8
/** Attacks on one server, one after the other, where they begin with the same session. */
const ON_ONE = 12

const LARGE_BYTES = 1_000_000

/** Codes that are told as reasons of their own. */
const REASONS: Readonly<Record<string, string>> = { malformed: 'malformed', 'too-big': 'too-big', 'read-only': 'read-only' }

interface Planned {
  readonly attack: Attack
  readonly update: Uint8Array
}

/**
 * Attacks that share a server: one that changes the session first, or takes seconds, has its own; and a large one, for after
 * garbage the server takes nothing large of the same sender for a while (LIM-2).
 */
function plan(attacks: readonly Attack[]): { here: Stage; planned: Planned[] }[] {
  const plain = stateOf(stage())
  const rounds: { here: Stage; planned: Planned[] }[] = []
  let shared: Planned[] = []
  for (const attack of attacks) {
    const here = stage()
    const planned = { attack, update: attack[2](here) }
    const isAlone = mayWait(attack[3]) || attack[1].leases !== undefined || planned.update.byteLength > LARGE_BYTES
    if (isAlone || stateOf(here) !== plain) rounds.push({ here, planned: [planned] })
    else if (shared.push(planned) === 1) rounds.push({ here: stage(), planned: shared })
    else if (shared.length === ON_ONE) shared = []
  }
  return rounds
}

function stateOf({ world }: Stage): string {
  return JSON.stringify([...Y.encodeStateAsUpdate(world.doc), ...world.bindings.all])
}

describe('over sockets, with others watching (GRD-1, GRD-3)', () => {
  test.each(Object.entries(ATTACKS))(
    '%s: each is refused with its reason, nobody notices anything of it, nothing is stored, and all go on and agree',
    { timeout: 120_000 },
    async (_group, attacks) => {
      const ends: Record<string, Outcome | string> = {}
      const wrong: string[] = []
      const rounds = plan(attacks)
      const work = async (): Promise<void> => {
        for (let round = rounds.shift(); round !== undefined; round = rounds.shift()) {
          const arena = await Arena.open(round.here)
          for (const [n, { attack, update }] of round.planned.entries()) {
            const [title, from] = attack
            ends[title] = await arena.attack(from, update, n % 2 === 0 ? SYNC.update : SYNC.step2).catch(String)
          }
          wrong.push(...(await arena.end()))
          await arena.close()
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, work))
      const wanted = attacks.map(([title, { worker }, , code]): [string, unknown] => {
        const end = ends[title]
        if (typeof end === 'object' && end.refused === null && end.wrong.length === 0) return [title, end]
        const reason = REASONS[code] ?? 'refused-update'
        return [title, { refused: { reason, code }, plain: worker === null ? `4403 ${reason}` : null, wrong: [] }]
      })
      expect(ends).toEqual(Object.fromEntries(wanted))
      expect(wrong).toEqual([])
    },
  )
})
