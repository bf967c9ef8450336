/** Builds the page into demo/dist, compressed once and for all, with a service worker that knows the names of all files. */
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin, type UserConfig } from 'vite'

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
  plugins: [react(), serviceWorker(), compressed()],
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
