/**
 * Programs as one file each, made from their sources before the first test that starts them. Tests start them some hundred times:
 * from the sources each loads two hundred modules one by one, which costs more than all that most of them do then.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Plugin } from 'vite'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Bundled {
  /** Where they are, each under the name of its source, but with `.mjs`. */
  readonly folder: string
  readonly remove: () => Promise<void>
}

/** @param sources paths of programs from the root of the repository */
export async function bundlePrograms(sources: readonly string[]): Promise<Bundled> {
  // Here, not above: who asks only where a program is need not load it.
  const { build } = await import('vite')
  const folder = await mkdtemp(join(tmpdir(), 'polylogue-programs-'))
  const programs = new Map(sources.map((path) => [join(ROOT, path), bundled(folder, path)]))
  await build({
    configFile: false,
    root: ROOT,
    logLevel: 'warn',
    plugins: [placed(programs)],
    ssr: { noExternal: true },
    build: {
      ssr: true,
      outDir: folder,
      emptyOutDir: false,
      copyPublicDir: false,
      minify: false,
      target: 'esnext',
      rolldownOptions: {
        input: Object.fromEntries([...programs].map(([path]) => [basename(path, '.ts'), path])),
        output: { entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' },
      },
    },
  })
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}

/** Where the program of a source is. */
export function bundled(folder: string, source: string): string {
  return join(folder, `${basename(source, '.ts')}.mjs`)
}

/** What looks for files beside itself looks beside its source, as if it were run from there; one of the programs is the one that was made. */
function placed(programs: ReadonlyMap<string, string>): Plugin {
  return {
    name: 'placed',
    transform(code, id) {
      if (!code.includes('import.meta.url')) return null
      const url = pathToFileURL(id)
      return code
        .replace(/new URL\((['"`])([^'"`$]+)\1, import\.meta\.url\)/g, (whole, _quote, path: string) => {
          const program = programs.get(fileURLToPath(new URL(path, url)))
          return program === undefined ? whole : `new URL(${JSON.stringify(pathToFileURL(program).href)})`
        })
        .replaceAll('import.meta.url', JSON.stringify(url.href))
    },
  }
}
