import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { mayWait, type Denied } from '../server/guard/guard.ts'
import { ATTACKS, stage } from './guard/attacks.ts'

for (const [group, attacks] of Object.entries(ATTACKS)) {
  describe(`${group} (GRD-1)`, () => {
    test.each(attacks)('%s', (_title, from, make, code) => {
      const here = stage()
      const update = make(here)
      const before = Y.encodeStateAsUpdate(here.world.doc)
      const { isDue, ...verdict } = here.world.receive(update, from) as Denied
      expect(verdict).toEqual({ ok: false, code, path: expect.any(String) as string })
      // What may wait does so until something comes, and nothing else is ever looked at again.
      expect(isDue?.()).toBe(mayWait(code) ? false : undefined)
      expect(Y.encodeStateAsUpdate(here.world.doc)).toEqual(before)
    })
  })
}
