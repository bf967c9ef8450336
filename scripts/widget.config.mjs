/** Builds a script for pages of other people, named by WIDGET_SCRIPT: one function, with nothing left in the page but what it means to. */
import { join } from 'node:path'
import { defineConfig } from 'vite'
import { ROOT } from './phase.mjs'

const ENTRIES = { widget: 'client/widget/loader.ts', 'polylogue-chat': 'client/widget/element.ts' }
const name = process.env.WIDGET_SCRIPT ?? 'widget'

export default defineConfig({
  root: ROOT,
  build: {
    outDir: 'dist',
    emptyOutDir: false,
    target: 'es2022',
    minify: true,
    reportCompressedSize: false,
    rolldownOptions: {
      input: join(ROOT, ENTRIES[name]),
      output: { format: 'iife', entryFileNames: `${name}.js`, codeSplitting: false },
    },
  },
})
