import { expect, test, vi } from 'vitest'
import { COVERED, survivors } from './guard/mutants.ts'

/**
 * Takes minutes, so only where it is asked for: `MUTANTS=10 npx vitest run test/guard-mutants.test.ts` gives each mutant the
 * attacks and ten sessions of the fuzz. A change of the guard should be tried with it.
 */
const FUZZED = Number(process.env['MUTANTS'] ?? -1)

test.skipIf(FUZZED < 0)(
  'every check of the guard and every cell of the policy is missed when it is taken out',
  { timeout: 3_600_000 },
  async () => {
    vi.spyOn(console, 'warn').mockReturnValue()
    const alive = await survivors(FUZZED)
    expect(alive.filter((name) => !Object.keys(COVERED).some((known) => name.includes(known)))).toEqual([])
  },
)
