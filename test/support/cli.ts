/** The command `polylogue`, run from its source. */
import { startChild, type Child } from './child.ts'
import { SECRET } from './tokens.ts'
import { until } from './wait.ts'

const CLI = new URL('../../server/cli.ts', import.meta.url)

/** Runs it with the tests' secret in the environment, unless `env` says otherwise. */
function startCli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
  return startChild(CLI, args, { ipc: false, env: { POLYLOGUE_SECRET: SECRET, ...env } })
}

/** Runs it to its end. */
export async function runCli(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Child> {
  const child = startCli(args, env)
  await child.ended
  return child
}

export type LogLine = { readonly level: string; readonly msg: string; readonly [field: string]: unknown }

/** What it has logged so far. Throws when a line is no JSON. */
export function logOf(child: Child): LogLine[] {
  const lines = child.stdout.split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as LogLine)
}

/** Runs `polylogue serve`; resolves when it listens. */
export async function startServing(
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
): Promise<{ readonly child: Child; readonly url: string; readonly port: number }> {
  const child = startCli(['serve', ...args], env)
  const line = await until(() => logOf(child).find(({ msg }) => msg === 'listening') ?? child.exit, { timeoutMs: 20_000 })
  if (!('msg' in line)) throw new Error(`It ended before it listened: ${child.stderr}`)
  return { child, url: String(line['url']), port: Number(line['port']) }
}
