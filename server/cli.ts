#!/usr/bin/env node
/**
 * The command `polylogue`. What it does is in `commands.ts`, which is loaded once the process runs as it is to run.
 */

/**
 * V8 lets the space for new objects grow to 32 MB, where collecting what a flood has left takes 10 to 20 ms, and everybody waits
 * for it; with 4 MB it takes 2 to 4, at no more CPU (`bench/floods.ts`). Its size is fixed when a process begins.
 */
const SHORT_PAUSES = '--max-semi-space-size=4'

/** Begins anew as the same process with short pauses, where the system can do that and nobody has chosen a size himself. */
function keepPausesShort(): void {
  const isChosen = /max[-_]semi[-_]space[-_]size/.test([...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' '))
  // A parent that talks to this process would lose it.
  if (isChosen || process.execve === undefined || process.platform === 'win32' || process.send !== undefined) return
  try {
    process.execve(process.execPath, [process.execPath, SHORT_PAUSES, ...process.execArgv, ...process.argv.slice(1)])
  } catch {
    // It serves as well with longer pauses.
  }
}

const [command] = process.argv.slice(2)
if (command === 'serve') keepPausesShort()
const { runCommand } = await import('./commands.ts')
await runCommand(process.argv.slice(2))
