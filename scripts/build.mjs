/**
 * The library into dist/ and the demo's page into demo/dist/, each only when something that goes into it has changed.
 *
 * A build is remembered by a hash of its inputs' contents, and by names, sizes and times of its outputs: so it is made again
 * also when somebody else has written or deleted there.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PINNED_NODE, ROOT, STATE, phase, run } from './phase.mjs'

const SOURCES = ['shared', 'server', 'client']

/** Folders and files of demo/ that are made by building or running it. */
const NOT_SOURCE = new Set(['dist', 'data', '.data', 'node_modules'])

/** Compiles the library. With type errors nothing is written, and the last build stays as it is. */
export function buildLibrary() {
  build(
    'library',
    'Building the library',
    [...SOURCES, 'scripts/widget.config.mjs', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'],
    'dist',
    () => {
      run('the type check', PINNED_NODE, [bin('typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--noEmitOnError'])
      removeOrphans('dist')
      // After that: the two scripts for pages of others have no sources of their names.
      for (const script of ['widget', 'polylogue-chat']) {
        const env = { ...process.env, NODE_ENV: 'production', WIDGET_SCRIPT: script }
        const args = [bin('vite/bin/vite.js'), 'build', '--config', 'scripts/widget.config.mjs', '--logLevel', 'warn']
        run('vite', PINNED_NODE, args, { env })
      }
    },
  )
}

/** Bundles the demo's page, which imports the library from dist/. */
export function buildDemo() {
  // A tree without the demo is a library alone, and complete.
  if (!existsSync(join(ROOT, 'demo', 'vite.config.ts'))) return
  const inputs = ['demo', ...SOURCES, 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']
  build('demo', "Building the demo's page", inputs, join('demo', 'dist'), () => {
    const env = { ...process.env, NODE_ENV: 'production' }
    run('vite', PINNED_NODE, [bin('vite/bin/vite.js'), 'build', 'demo', '--logLevel', 'warn'], { env })
  })
}

function build(name, label, inputs, output, work) {
  const remembered = join(STATE, `${name}.json`)
  const before = hash(inputs.flatMap(filesOf), (path) => readFileSync(join(ROOT, path)))
  const last = existsSync(remembered) ? readFileSync(remembered, 'utf8') : ''
  if (last === JSON.stringify({ inputs: before, outputs: fingerprint(output) })) return
  phase(label, work)
  mkdirSync(STATE, { recursive: true })
  // The inputs as they were before: what was changed meanwhile is built the next time.
  writeFileSync(remembered, JSON.stringify({ inputs: before, outputs: fingerprint(output) }))
}

/**
 * Files below a path of the repository, the path itself when it is a file, sorted.
 * @param {string} path
 * @returns {string[]}
 */
function filesOf(path) {
  const full = join(ROOT, path)
  if (!existsSync(full)) return []
  if (!statSync(full).isDirectory()) return [path]
  const entries = readdirSync(full, { withFileTypes: true }).filter(({ name }) => !NOT_SOURCE.has(name) && !name.endsWith('.log'))
  return entries.flatMap(({ name }) => filesOf(join(path, name))).sort()
}

function fingerprint(folder) {
  return hash(filesOf(folder), (path) => {
    const { size, mtimeMs } = statSync(join(ROOT, path))
    return `${size} ${mtimeMs}`
  })
}

function hash(paths, contentOf) {
  const sum = createHash('sha256')
  for (const path of paths) sum.update(path).update('\0').update(contentOf(path)).update('\0')
  return sum.digest('hex')
}

/** tsc leaves behind what came from sources that are gone, and a package would still carry it. */
function removeOrphans(folder) {
  for (const path of filesOf(folder)) {
    const source = path.slice(folder.length + 1).replace(/(\.d\.ts|\.js)(\.map)?$/, '')
    if (!existsSync(join(ROOT, `${source}.ts`)) && !existsSync(join(ROOT, `${source}.tsx`))) rmSync(join(ROOT, path))
  }
}

function bin(path) {
  return join(ROOT, 'node_modules', path)
}
