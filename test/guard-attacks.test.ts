import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { ATTACKS, stage } from './guard/attacks.ts'

for (const [group, attacks] of Object.entries(ATTACKS)) {
  describe(`${group} (GRD-1)`, () => {
    test.each(attacks)('%s', (_title, from, make, code) => {
      const here = stage()
      const update = make(here)
      const before = Y.encodeStateAsUpdate(here.world.doc)
      const verdict = here.world.receive(update, from)
      expect(verdict).toEqual({ ok: false, code, path: expect.any(String) as string })
      expect(Y.encodeStateAsUpdate(here.world.doc)).toEqual(before)
    })
  })
}
