/** What takes the place of parts of the host. */
import { expect, test } from 'vitest'
import { countedRarely } from '../server/host.ts'

test('a count is taken anew only where it may be too high, and is never given too low', () => {
  let [now, counts] = [0, 0]
  const most = 100
  const count = countedRarely(() => {
    counts += 1
    return now
  }, most)
  for (let opened = 0; opened < 1_000; opened++) {
    expect(count()).toBeGreaterThanOrEqual(now)
    now += 1
    if (now === 10) now = 0
  }
  expect(counts).toBeLessThan(1_000 / (most - 10))
})

test('what is too many is seen at once', () => {
  let now = 0
  const count = countedRarely(() => now, 3)
  for (; now < 3; now++) expect(count()).toBeLessThan(3)
  expect(count()).toBe(3)
  now = 2
  expect(count(), 'one was let in meanwhile').toBe(2)
})
