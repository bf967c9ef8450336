/**
 * What a page downloads for the client: everything that `polylogue` exports with Yjs, the provider and the local store, as
 * one minified module, compressed; and the widget's loader, as it is served.
 *
 *   node bench/size.ts
 */
import { readFileSync } from 'node:fs'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build, type Rolldown } from 'vite'
import { isMain, printRows, type Row } from './report.ts'

const BUDGET_KB = 48
const LOADER_BUDGET_KB = 5
const ENTRY = 'virtual:entry'

/** Gives two rows: kilobytes (of 1,024) by gzip. */
export async function benchSize(): Promise<Row[]> {
  const code = await bundle("export * from 'polylogue'")
  const kilobytes = (bytes: Uint8Array | string): number => Buffer.byteLength(bytes) / 1024
  const gzip = kilobytes(gzipSync(code, { level: 9 }))
  const others = `${kilobytes(brotliCompressSync(code)).toFixed(1)} by brotli, ${kilobytes(code).toFixed(0)} minified`
  const shown = `${gzip.toFixed(1)} KB (${others})`
  const loader = kilobytes(gzipSync(readFileSync(new URL('../dist/widget.js', import.meta.url)), { level: 9 }))
  return [
    { what: 'size: client core, gzip, KB', value: gzip, shown, budget: BUDGET_KB, better: 'less' },
    {
      what: 'size: widget loader, gzip, KB',
      value: loader,
      shown: `${loader.toFixed(1)} KB`,
      budget: LOADER_BUDGET_KB,
      better: 'less',
    },
  ]
}

async function bundle(source: string): Promise<string> {
  const result = await build({
    configFile: false,
    root: import.meta.dirname,
    logLevel: 'error',
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === ENTRY ? `\0${ENTRY}` : null),
        load: (id) => (id === `\0${ENTRY}` ? source : null),
      },
    ],
    build: {
      write: false,
      target: 'es2022',
      rolldownOptions: { input: ENTRY, preserveEntrySignatures: 'strict', output: { codeSplitting: false } },
    },
  })
  const outputs = [result].flat() as Rolldown.RolldownOutput[]
  return outputs
    .flatMap(({ output }) => output)
    .map((file) => (file.type === 'chunk' ? file.code : ''))
    .join('')
}

if (isMain(import.meta.url)) printRows(await benchSize())
