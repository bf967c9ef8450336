/**
 * What a page must load: the client with Yjs, the provider, the protocols and the store, minified. What is loaded when it is
 * needed first (tools that run in the page, large values) is not counted.
 */
import { gzipSync } from 'node:zlib'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { build, type Plugin, type Rolldown } from 'vite'

/** Of Vite, not of ours: it fetches the styles of what is loaded later. */
const withoutPreload: Plugin = {
  name: 'without-preload',
  enforce: 'pre',
  load: (id) => (id.includes('vite/preload-helper') ? 'export const __vitePreload = (load) => load()' : null),
}

const MAX_GZIP_BYTES = 48 * 1024

test('the client core is at most 48 KB, gzipped', { timeout: 60_000 }, async () => {
  const entry = fileURLToPath(new URL('../client/index.ts', import.meta.url))
  const built = (await build({
    configFile: false,
    logLevel: 'error',
    plugins: [withoutPreload],
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
  const entryChunk = chunks.find(({ isEntry }) => isEntry)
  expect(entryChunk?.exports).toContain('openSession')
  const needed = new Set([entryChunk?.fileName ?? ''])
  for (const name of needed)
    for (const other of chunks.find(({ fileName }) => fileName === name)?.imports ?? []) needed.add(other)
  const loaded = chunks.filter(({ fileName }) => needed.has(fileName))
  const sizeOf = (files: readonly Rolldown.OutputChunk[]): number =>
    gzipSync(files.map(({ code }) => code).join(''), { level: 9 }).byteLength
  const bytes = sizeOf(loaded)
  const later = chunks.filter((chunk) => !loaded.includes(chunk))
  // Large code must not hide there either.
  expect(sizeOf(later)).toBeLessThan(6 * 1024)
  console.log(
    `client core: ${(bytes / 1024).toFixed(1)} KB gzipped of ${MAX_GZIP_BYTES / 1024}, and ${later.length} files that may be needed later`,
  )
  expect(bytes).toBeGreaterThan(10 * 1024)
  expect(bytes).toBeLessThanOrEqual(MAX_GZIP_BYTES)
})
