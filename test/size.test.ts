/** What a page must load for the client; `bench/size.ts` says what is counted. */
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { clientCore } from '../bench/size.ts'

const MAX_GZIP_BYTES = 48 * 1024

test('the client core is at most 48 KB, gzipped', { timeout: 60_000 }, async () => {
  const { needed, later } = await clientCore()
  const [bytes, rest] = [needed, later].map((code) => gzipSync(code, { level: 9 }).byteLength) as [number, number]
  console.log(`client core: ${(bytes / 1024).toFixed(2)} KB gzipped of ${MAX_GZIP_BYTES / 1024}`)
  expect(needed).toContain('openSession')
  // Large code must not hide there either.
  expect(rest).toBeLessThan(6 * 1024)
  expect(bytes).toBeGreaterThan(10 * 1024)
  expect(bytes).toBeLessThanOrEqual(MAX_GZIP_BYTES)
})
