/**
 * What the steps of the set-up share: where the repository is, one printed line per piece of work, and children that are
 * silent unless they fail.
 *
 * Every file that setup.mjs loads is plain JavaScript without a dependency, because it runs before anything is installed, on
 * the machine's own Node (20 or newer).
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Root of the repository. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** What the set-up remembers between runs; git-ignored, may be deleted at any time. */
export const STATE = join(ROOT, '.setup')

/** The Node that package.json pins, once it is installed. */
export const PINNED_NODE = join(ROOT, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

/** A failure that the developer can do something about: the message says what. Shown without a stack. */
export class SetupError extends Error {}

/**
 * Does one piece of work under one printed line, which ends with the time it took.
 * @template T
 * @param {string} label what is done, in the words of the one who waits
 * @param {() => T} work
 * @returns {T}
 */
export function phase(label, work) {
  const startedAt = performance.now()
  process.stdout.write(`${label}… `)
  try {
    const result = work()
    process.stdout.write(`${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`)
    return result
  } catch (error) {
    process.stdout.write('failed\n')
    throw error
  }
}

/**
 * Runs a child to its end. Its output is kept back and becomes part of the error when it fails.
 * @param {string} what name of the work, for the error
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs?: number, shell?: boolean }} [options]
 * @throws {SetupError} when the child cannot be started, fails, or takes longer than `timeoutMs` (10 minutes by default)
 */
export function run(what, command, args, { cwd = ROOT, env = process.env, timeoutMs = 600_000, shell = false } = {}) {
  // SIGKILL: a child that ignores the gentle signal would hold us for ever.
  const options = {
    cwd,
    env,
    shell,
    timeout: timeoutMs,
    killSignal: /** @type {const} */ ('SIGKILL'),
    maxBuffer: 64 * 1024 * 1024,
  }
  const child = spawnSync(command, args, { ...options, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  if (child.status === 0) return
  const output = excerpt(`${child.stdout ?? ''}${child.stderr ?? ''}`.trim())
  const how = child.error ? child.error.message : child.signal ? `ended by ${child.signal}` : `exit code ${child.status}`
  throw new SetupError(`${output ? `${output}\n\n` : ''}${what} failed (${how}): ${[command, ...args].join(' ')}`)
}

/** The beginning and the end: npm says the reason first, compilers and downloads last. */
function excerpt(output) {
  const lines = output.split('\n')
  return lines.length <= 100
    ? output
    : [...lines.slice(0, 50), `… ${lines.length - 100} lines left out …`, ...lines.slice(-50)].join('\n')
}

/**
 * What `FILE --version` prints; null when it does not run here, for whatever reason.
 * @param {string} file
 */
export function versionOf(file) {
  if (!existsSync(file)) return null
  const child = spawnSync(file, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 30_000 })
  return child.status === 0 ? child.stdout.trim() : null
}
