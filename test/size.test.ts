/** What a page must load: the client with Yjs, the provider, the protocols and the store, in one minified file. */
import { gzipSync } from 'node:zlib'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { build, type Rolldown } from 'vite'

const MAX_GZIP_BYTES = 48 * 1024

test('the client core is at most 48 KB, gzipped', { timeout: 60_000 }, async () => {
  const entry = fileURLToPath(new URL('../client/index.ts', import.meta.url))
  const built = (await build({
    configFile: false,
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      write: false,
      minify: true,
      target: 'es2024',
      modulePreload: false,
      rolldownOptions: { input: entry, preserveEntrySignatures: 'strict' },
    },
  })) as Rolldown.RolldownOutput | Rolldown.RolldownOutput[]
  const [output] = [built].flat()
  const chunks = output?.output.filter((file) => file.type === 'chunk') ?? []
  const [chunk] = chunks
  expect(chunks).toHaveLength(1)
  expect(chunk?.imports).toEqual([])
  expect(chunk?.exports).toContain('openSession')
  const bytes = gzipSync(chunk?.code ?? '', { level: 9 }).byteLength
  console.log(
    `client core: ${(bytes / 1024).toFixed(1)} KB gzipped of ${MAX_GZIP_BYTES / 1024}, ${((chunk?.code.length ?? 0) / 1024).toFixed(0)} KB minified`,
  )
  expect(bytes).toBeGreaterThan(10 * 1024)
  expect(bytes).toBeLessThanOrEqual(MAX_GZIP_BYTES)
})
