/**
 * What a page downloads for the client: everything that `polylogue` exports with Yjs, the provider and the local store,
 * minified and compressed, without what is loaded only when it is needed (tools that run in the page, large values, what heals a
 * refusal); and the widget's loader, as it is served.
 *
 *   node bench/size.ts
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build, type Plugin, type Rolldown } from 'vite'
import { isMain, printRows, type Row } from './report.ts'

const BUDGET_KB = 48
const LOADER_BUDGET_KB = 5

const kilobytes = (bytes: Uint8Array | string): number => Buffer.byteLength(bytes) / 1024
const zipped = (code: Uint8Array | string): Uint8Array => gzipSync(code, { level: 9 })

/** Gives two rows: kilobytes (of 1,024) by gzip. */
export async function benchSize(): Promise<Row[]> {
  const { needed, later } = await clientCore()
  const gzip = kilobytes(zipped(needed))
  const brotli = kilobytes(brotliCompressSync(needed))
  const rest = kilobytes(zipped(later))
  const loader = kilobytes(zipped(readFileSync(new URL('../dist/widget.js', import.meta.url))))
  return [
    {
      what: 'size: client core, gzip, KB',
      value: gzip,
      shown: `${gzip.toFixed(1)} KB (${brotli.toFixed(1)} by brotli, ${kilobytes(needed).toFixed(0)} minified; ${rest.toFixed(1)} when needed)`,
      budget: BUDGET_KB,
      better: 'less',
    },
    {
      what: 'size: widget loader, gzip, KB',
      value: loader,
      shown: `${loader.toFixed(1)} KB`,
      budget: LOADER_BUDGET_KB,
      better: 'less',
    },
  ]
}

/** Of Vite, not of ours: it fetches the styles of what is loaded later. */
const withoutPreload: Plugin = {
  name: 'without-preload',
  enforce: 'pre',
  load: (id) => (id.includes('vite/preload-helper') ? 'export const __vitePreload = (load) => load()' : null),
}

/** The client's code, minified: what a page must load, and what it loads when that is needed. */
export async function clientCore(): Promise<{ readonly needed: string; readonly later: string }> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    plugins: [withoutPreload],
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      write: false,
      minify: true,
      target: 'es2024',
      modulePreload: false,
      rolldownOptions: {
        input: fileURLToPath(new URL('../client/index.ts', import.meta.url)),
        preserveEntrySignatures: 'strict',
      },
    },
  })
  const outputs = [built].flat() as Rolldown.RolldownOutput[]
  const chunks = outputs.flatMap(({ output }) => output).filter((file) => file.type === 'chunk')
  const needed = new Set(chunks.filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName))
  // What is found on the way is looked at as well.
  for (const name of needed)
    for (const other of chunks.find(({ fileName }) => fileName === name)?.imports ?? []) needed.add(other)
  const codeOf = (isNeeded: boolean): string =>
    chunks
      .filter(({ fileName }) => needed.has(fileName) === isNeeded)
      .map(({ code }) => code)
      .join('')
  return { needed: codeOf(true), later: codeOf(false) }
}

if (isMain(import.meta.url)) printRows(await benchSize())
