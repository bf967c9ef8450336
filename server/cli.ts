#!/usr/bin/env node
/**
 * The command `polylogue`. What it does is in `commands.ts`, which is loaded once the process runs as it is to run.
 */

import { basename } from 'node:path'

/**
 * V8 lets the space for new objects grow to 32 MB, where collecting what a flood has left takes 10 to 20 ms, and everybody waits
 * for it; with 4 MB it takes 2 to 4, at no more CPU (`bench/floods.ts`). Its size is fixed when a process begins.
 */
const SHORT_PAUSES = '--max-semi-space-size=4'

/** Goes on when it cannot be replaced by a new process; 22 and 24 end. */
const NODE = 26

/** Begins anew as the same process with short pauses, where that can be done and nobody has chosen a size himself. */
function keepPausesShort(): void {
  const { argv, env, execArgv, execPath, platform, versions } = process
  const isChosen = /m(ax|in)[-_]semi[-_]space[-_]size/.test([...execArgv, env['NODE_OPTIONS'] ?? ''].join(' '))
  // Something else may have loaded Node, and a parent that talks to this process would lose it.
  const isPlain = /^node/.test(basename(execPath)) && process.send === undefined && platform !== 'win32'
  if (isChosen || !isPlain || Number.parseInt(versions.node, 10) < NODE) return
  try {
    process.execve?.(execPath, [execPath, SHORT_PAUSES, ...execArgv, ...argv.slice(1)], env)
  } catch {
    // It serves as well with longer pauses.
  }
}

const [command] = process.argv.slice(2)
if (command === 'serve') keepPausesShort()
const { runCommand } = await import('./commands.ts')
await runCommand(process.argv.slice(2))
