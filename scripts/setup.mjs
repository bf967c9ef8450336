/**
 * All that `npm start` and `npm test` need, from a bare clone on; called by npm before them (`prestart`, `pretest`).
 *
 *   node scripts/setup.mjs start    packages, library, the demo's page
 *   node scripts/setup.mjs test     the same, and a Chromium
 *   node scripts/setup.mjs build    packages and library
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildDemo, buildLibrary } from './build.mjs'
import { ensureChromium } from './chromium.mjs'
import { installPackages } from './install.mjs'
import { STATE, SetupError, phase } from './phase.mjs'

const STEPS = {
  build: [installPackages, buildLibrary],
  start: [installPackages, buildLibrary, buildDemo],
  test: [installPackages, buildLibrary, buildDemo, ensureChromium],
}

const LOCK = join(STATE, 'lock')

/** Longest wait for another set-up: longer than npm may take. */
const LOCK_TIMEOUT_MS = 2_400_000

/** Two at once (`npm start` here, `npm test` there) would install into each other's feet: the second waits. */
function lock() {
  mkdirSync(STATE, { recursive: true })
  if (tryLock()) return
  phase('Waiting for another set-up', () => {
    const giveUpAt = Date.now() + LOCK_TIMEOUT_MS
    while (!tryLock()) {
      if (Date.now() > giveUpAt)
        throw new SetupError(`another set-up has not ended in 40 minutes; if there is none, delete ${LOCK}`)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
  })
}

function tryLock() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  if (holderIsAlive()) return false
  rmSync(LOCK, { force: true })
  return tryLock()
}

/** A set-up that was killed leaves its lock behind. */
function holderIsAlive() {
  try {
    process.kill(Number(readFileSync(LOCK, 'utf8')), 0)
    return true
  } catch (error) {
    return error.code === 'EPERM' // ESRCH: no such process; ENOENT: it has just ended.
  }
}

try {
  const steps = STEPS[process.argv[2] ?? 'test']
  if (steps === undefined) throw new SetupError(`unknown: ${process.argv[2]}; expected one of ${Object.keys(STEPS).join(', ')}`)
  if (Number(process.versions.node.split('.')[0]) < 20) {
    throw new SetupError(`Node 20 or newer is needed to begin with; this is ${process.version}. The rest is installed by itself.`)
  }
  lock()
  try {
    for (const step of steps) step()
  } finally {
    rmSync(LOCK, { force: true })
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  process.stderr.write(`\n${error.message}\n`)
  process.exitCode = 1
}
