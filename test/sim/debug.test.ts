import { test, vi } from 'vitest'
import { Chance } from '../support/random.ts'
import { Simulation } from './simulation.ts'
test('debug', async () => {
  const t = { step: 0, rest: 0, check: 0 }
  for (let seed = 1; seed <= 40; seed++) {
  const chance = new Chance(seed + 1_000_000)
  const spy = vi.spyOn(globalThis.crypto, 'getRandomValues').mockImplementation((array) => { chance.fill(new Uint8Array(array.buffer)); return array })
  const s = new Simulation(seed, seed % 2 === 0) as any
  const a = performance.now()
  await s.run(150)
  t.step += performance.now() - a
  spy.mockRestore()
  }
  console.log(t)
})
