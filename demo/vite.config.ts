/** Builds the page into demo/dist, compressed once and for all, with a service worker that knows the names of all files. */
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { build, defineConfig, type Plugin, type UserConfig } from 'vite'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Writes `sw.js`: web/sw.js with the list of files, and a version that changes with any of them. */
function serviceWorker(): Plugin {
  return {
    name: 'service-worker',
    apply: 'build',
    enforce: 'post',
    generateBundle: {
      // After Vite has made index.html.
      order: 'post',
      handler(_options, bundle) {
        const built = Object.values(bundle).filter((file) => !file.fileName.endsWith('.map'))
        const fixed = readdirSync(here('public'))
        const sum = createHash('sha256')
        for (const file of built) sum.update(file.fileName).update(file.type === 'chunk' ? file.code : file.source)
        for (const name of fixed) sum.update(name).update(readFileSync(here(`public/${name}`)))
        const files = [...built.map((file) => file.fileName), ...fixed].map((name) => `/${name}`).sort()
        const source = readFileSync(here('web/sw.js'), 'utf8')
          .replace("'FILES'", JSON.stringify(files))
          .replace('VERSION', sum.digest('hex').slice(0, 12))
        this.emitFile({ type: 'asset', fileName: 'sw.js', source })
      },
    },
  }
}

/**
 * Builds web/picture/show.ts as a classic script of its own, and names it first in the customer's page: it runs before anything
 * of the program can, or can fail. The program is kept waiting for nothing by that: its files are fetched meanwhile, and it would
 * not begin before the end of the page.
 */
function pictureScript(): Plugin {
  const NAME = 'last-screen.js'
  return {
    name: 'picture-script',
    apply: 'build',
    async buildStart() {
      const built = await build({
        configFile: false,
        root: here('.'),
        logLevel: 'warn',
        build: {
          write: false,
          target: 'es2022',
          copyPublicDir: false,
          rolldownOptions: { input: here('web/picture/show.ts'), output: { format: 'iife', codeSplitting: false } },
        },
      })
      const [chunk] = 'output' in built ? built.output : []
      if (chunk === undefined) throw new Error(`${NAME} was not built`)
      this.emitFile({ type: 'asset', name: NAME, source: chunk.code })
    },
    transformIndexHtml: {
      order: 'post',
      handler(html, { path, bundle }) {
        if (path !== '/index.html') return
        const file = Object.values(bundle ?? {}).find((it) => it.type === 'asset' && it.names.includes(NAME))
        if (file === undefined) throw new Error(`${NAME} is not in the bundle`)
        const script = `<script src="/${file.fileName}"></script>`
        // What is painted first is asked for first, before the two dozen files of the program: the worker gives one after the other.
        const styles = html.match(/<link rel="stylesheet"[^>]*>/g) ?? []
        const without = styles.reduce((rest, style) => rest.replace(style, ''), html)
        return without.replace('<script type="module"', `${[script, ...styles].join('\n    ')}\n    <script type="module"`)
      },
    },
  }
}

/** Writes `assets/NAME.gz` beside each file there: the server need not compress it for every visitor anew. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    writeBundle(_options, bundle) {
      for (const name of Object.keys(bundle)) {
        if (!name.startsWith('assets/')) continue
        const path = here(`dist/${name}`)
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }))
      }
    },
  }
}

const config: UserConfig = defineConfig({
  root: here('.'),
  plugins: [react(), pictureScript(), serviceWorker(), compressed()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 600,
    rolldownOptions: { input: [here('index.html'), here('widget.html')] },
  },
})

export default config
