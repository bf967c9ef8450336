/**
 * What can be said about the sources without running them: types, lint, format, code that nobody uses, and
 * whether what would be published can be imported.
 * `npm run check` does this alone, `npm test` does it first.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const CHECKS = [
  { name: 'types', bin: 'typescript/bin/tsc', args: ['-p', '.'], remedy: '' },
  { name: 'lint', bin: 'oxlint/bin/oxlint', args: [], remedy: '' },
  { name: 'format', bin: 'oxfmt/bin/oxfmt', args: ['--check', '.'], remedy: 'npm run fmt' },
  { name: 'unused code', bin: 'knip/bin/knip.js', args: [], remedy: '' },
  { name: 'package', bin: 'publint/src/cli.js', args: ['--strict'], remedy: '' },
]

/** Runs all checks side by side and prints what those say that fail. Resolves to the names of the failed ones. */
export async function runChecks(): Promise<readonly string[]> {
  const results = await Promise.all(CHECKS.map(async (check) => ({ ...check, ...(await outcome(check.bin, check.args)) })))
  for (const { name, passed, seconds, output, remedy } of results) {
    console.log(`${passed ? '✓' : '✗'} ${name} ${seconds.toFixed(1)} s`)
    if (!passed) console.log(`${output.trimEnd()}\n${remedy && `Remedy: ${remedy}\n`}`)
  }
  return results.filter(({ passed }) => !passed).map(({ name }) => name)
}

function outcome(bin: string, args: readonly string[]): Promise<{ passed: boolean; seconds: number; output: string }> {
  const startedAt = performance.now()
  const { promise, resolve } = Promise.withResolvers<{ passed: boolean; seconds: number; output: string }>()
  const root = fileURLToPath(new URL('..', import.meta.url))
  const script = fileURLToPath(new URL(`../node_modules/${bin}`, import.meta.url))
  const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const collect = (text: string): void => void (output += text)
  child.stdout.setEncoding('utf8').on('data', collect)
  child.stderr.setEncoding('utf8').on('data', collect)
  const settle = (passed: boolean): void => resolve({ passed, seconds: (performance.now() - startedAt) / 1000, output })
  child.on('error', (error) => {
    output += String(error)
    settle(false)
  })
  child.on('close', (code) => settle(code === 0))
  return promise
}

if (import.meta.main) process.exitCode = (await runChecks()).length === 0 ? 0 : 1
