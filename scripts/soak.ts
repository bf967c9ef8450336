/**
 * Runs tests again and again beside a process that keeps every core busy: what depends on a timer fails here.
 *
 *   node scripts/soak.ts [--times 20] [--idle] [files…]
 *
 * Without files: all that is about agents. `--idle`: without the load. Ends with code 1 at the first run that fails.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'

const ABOUT_AGENTS = [
  'agent.test',
  'agent-cancel',
  'agent-pipe',
  'approvals',
  'calls',
  'client-tools',
  'durable-steps',
  'handover',
  'intent',
  'lanes',
  'spawn',
  'steering',
  'turns',
  'wake',
  'process/agents',
  'process/retries',
  'process/tools',
].map((name) => `test/${name}`)

const { values, positionals } = parseArgs({
  options: { times: { type: 'string', default: '20' }, idle: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const times = Number(values.times)
if (!Number.isInteger(times) || times < 1) throw new RangeError(`--times is a whole number from 1; it is "${values.times}".`)
const files = positionals.length > 0 ? positionals : ABOUT_AGENTS

function runOnce(): Promise<number> {
  const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
  const root = fileURLToPath(new URL('..', import.meta.url))
  const { promise, resolve } = Promise.withResolvers<number>()
  const child = spawn(process.execPath, [vitest, 'run', '--reporter=dot', ...files], { cwd: root, stdio: 'inherit' })
  child.on('error', (error) => {
    console.error(error)
    resolve(1)
  })
  child.on('close', (code) => resolve(code ?? 1))
  return promise
}

const load = values.idle
  ? []
  : Array.from({ length: availableParallelism() }, () => new Worker('for (;;) Math.random()', { eval: true }))
try {
  for (let run = 1; run <= times; run++) {
    const startedAt = performance.now()
    const code = await runOnce()
    console.log(
      `Run ${run} of ${times}: ${code === 0 ? 'passed' : 'FAILED'} (${((performance.now() - startedAt) / 1000).toFixed(0)} s)`,
    )
    if (code === 0) continue
    process.exitCode = 1
    break
  }
} finally {
  for (const worker of load) void worker.terminate()
}
