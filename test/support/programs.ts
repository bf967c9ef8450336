/**
 * The programs of `test/fixtures/` as one file each, made from the sources before the first test that starts them. They are started
 * some hundred times: from the sources each loads two hundred modules one by one, which costs more than all that most of them
 * do then.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Plugin } from 'vite'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the programs, each with the name of its source. */
    programs?: string
  }
}

const NAMES = ['server', 'agent', 'tab']
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What looks for files beside itself looks beside its source, and finds what it finds when it is run from there. */
const placed: Plugin = {
  name: 'placed',
  transform: (code, id) =>
    code.includes('import.meta.url') ? code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href)) : null,
}

/** Called by vitest before the tests of a project begin; what it gives is called after them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'polylogue-programs-'))
  const input = Object.fromEntries(NAMES.map((name) => [name, join(ROOT, 'test', 'fixtures', `${name}.ts`)]))
  await build({
    configFile: false,
    root: ROOT,
    logLevel: 'warn',
    plugins: [placed],
    ssr: { noExternal: true },
    build: {
      ssr: true,
      outDir: folder,
      copyPublicDir: false,
      minify: false,
      target: 'esnext',
      rolldownOptions: { input, output: { entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' } },
    },
  })
  project.provide('programs', folder)
  return () => rm(folder, { recursive: true, force: true })
}
