/**
 * Packages as package-lock.json names them, and the pinned Node among them.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { PINNED_NODE, ROOT, SetupError, phase, run, versionOf } from './phase.mjs'

/** Installs what is missing; does nothing, in a few milliseconds, when nothing is. */
export function installPackages() {
  const lock = readLock('package-lock.json')
  if (lock === null) throw new SetupError('package-lock.json is missing or is not JSON: restore it with git')
  const reason = reasonToInstall(lock)
  if (reason !== null) phase(`Installing packages (${reason})`, npmCi)
  ensurePinnedNode(lock.packages['node_modules/node'].version)
}

/**
 * npm writes what it has installed into node_modules/.package-lock.json, as its last act. Comparing that file with
 * package-lock.json also recognises the `npm install` of a developer and a `git checkout` of other versions, with no stamp of
 * our own that could be wrong.
 * @returns {string | null} null when what is installed is what the lock file asks for on this machine
 */
function reasonToInstall(lock) {
  if (!existsSync(join(ROOT, 'node_modules'))) return 'first run only'
  const installed = readLock(join('node_modules', '.package-lock.json'))
  if (installed === null) return 'the last installation did not finish'
  for (const [path, wanted] of Object.entries(lock.packages)) {
    if (path === '') continue
    const found = installed.packages[path]
    // Optional packages are those of other platforms, mostly.
    if (found === undefined && !(wanted.optional || wanted.devOptional)) return 'package-lock.json has changed'
    if (found !== undefined && (found.version !== wanted.version || found.integrity !== wanted.integrity)) {
      return 'package-lock.json has changed'
    }
  }
  for (const [path, found] of Object.entries(installed.packages)) {
    if (!allows(found.os, process.platform) || !allows(found.cpu, process.arch)) return 'they are those of another platform'
    if (!existsSync(join(ROOT, path))) return 'some have gone'
  }
  return null
}

/** Whether a package.json `os` or `cpu` list admits this machine; `!name` excludes one. */
function allows(list, mine) {
  return list === undefined || list.includes(mine) || (list.some((entry) => entry.startsWith('!')) && !list.includes(`!${mine}`))
}

function readLock(path) {
  try {
    const lock = JSON.parse(readFileSync(join(ROOT, path), 'utf8'))
    return typeof lock?.packages === 'object' ? lock : null
  } catch {
    return null
  }
}

function npmCi() {
  // `include`: NODE_ENV=production or a user's `omit=dev` would leave out the tools that build and test.
  npm(['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error'])
}

/** A first installation fetches about 250 MB. */
const NPM_TIMEOUT_MS = 1_800_000

/** Runs the npm that called us, on the Node that it runs on: ours may lie in the node_modules that it is about to replace. */
function npm(args) {
  const script = process.env.npm_execpath ?? ''
  const timeoutMs = NPM_TIMEOUT_MS
  if (/npm-cli\.c?js$/.test(script))
    run('npm', process.env.npm_node_execpath ?? process.execPath, [script, ...args], { timeoutMs })
  else run('npm', 'npm', args, { timeoutMs, shell: process.platform === 'win32' })
}

/**
 * The npm package `node` fetches its binary in a preinstall script. That script does not run when npm is told to ignore
 * scripts, or when it does not honour `allowScripts` of package.json; then it is run here.
 */
function ensurePinnedNode(version) {
  if (runningOn(version) || isPinned(version)) return
  const folder = join(ROOT, 'node_modules', 'node')
  phase(`Fetching Node ${version}`, () => {
    run('fetching the pinned Node', process.execPath, [join(folder, 'installArchSpecificPackage.js')], { cwd: folder })
    // Links node_modules/.bin/node, which npm leaves out while there is no binary.
    npm(['rebuild', 'node', '--ignore-scripts'])
  })
  if (isPinned(version)) return
  throw new SetupError(
    `node_modules/.bin/node should be Node ${version}, but ${versionOf(PINNED_NODE) ?? 'it does not run on this machine'} ` +
      `(${process.platform}, ${process.arch}). Prebuilt binaries need glibc on Linux (not Alpine). ` +
      `Delete node_modules and try again; if that does not help, see https://www.npmjs.com/package/node`,
  )
}

function isPinned(version) {
  const linked = join(ROOT, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')
  return existsSync(linked) && versionOf(PINNED_NODE) === `v${version}`
}

/** From the second run on, npm starts us on the pinned Node already, and there is nothing to ask. */
function runningOn(version) {
  return (
    process.versions.node === version && existsSync(PINNED_NODE) && realpathSync(PINNED_NODE) === realpathSync(process.execPath)
  )
}
