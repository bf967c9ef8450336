/**
 * `polylogue serve` and `polylogue token`: a server for one machine, and tokens to try it with. Whatever serves real users
 * calls `serve` and `mintToken` itself.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { pino, stdTimeFunctions, type Logger } from 'pino'
import { mintToken, type TokenClaims } from './access.ts'
import { serve } from './serve.ts'
import { sqliteStore } from './store-sqlite.ts'
import { SessionError, type Report } from '../shared/errors.ts'

const HELP = `polylogue serve [options]    runs a server
  --port PORT                0 picks a free one          (env PORT; default 8787)
  --host HOST                address to listen on        (env HOST; default 127.0.0.1)
  --data FILE|DIR            SQLite file, or its folder  (env DATA_DIR; default data/)
  --secret-file FILE         the secret that signs tokens, at least 32 bytes
                                                         (else env POLYLOGUE_SECRET)
  --synchronous full|normal  normal: faster, but the last commits before a loss of power may be gone
                                                         (default full)
  It logs JSON to standard output. SIGTERM and SIGINT end it: with 0 when everything was stored, else with 1.

polylogue token [options]    mints a token for development
  --id ID                    of the participant; an agent's is its name
  --kind KIND                user, agent, support or viewer  (default user)
  --name NAME                what people see                 (default: the id)
  --session SESSION          that it opens; may be repeated; 'demo-*' opens all that begin so
  --expires SPAN             seconds, or 90s, 15m, 12h, 30d  (default 1h)
  --secret-file FILE         as above                        (else env POLYLOGUE_SECRET)

polylogue --help             shows this
`

/** Time for what is left to be stored when the server is told to end, in milliseconds. */
const CLOSE_TIMEOUT_MS = 5_000
/** A backstop: whatever else may hold the process, it is gone by then. */
const EXIT_TIMEOUT_MS = CLOSE_TIMEOUT_MS + 1_000
/** File within a data folder. */
const DATABASE = 'sessions.db'
const KINDS = ['user', 'agent', 'support', 'viewer'] as const
const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const

/** The command was not what it must be: it ends with 2, after saying what was expected. */
class UsageError extends Error {}

/** Does what a command line says. What is wrong with it is printed, and the process ends with 2; with 1 when it fails. */
export async function runCommand(args: readonly string[]): Promise<void> {
  try {
    await dispatch(args)
  } catch (error) {
    const isUsage = error instanceof UsageError || error instanceof SessionError
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`polylogue: ${message}\n${isUsage ? 'polylogue --help shows the commands and their options.\n' : ''}`)
    process.exit(isUsage ? 2 : 1)
  }
}

async function dispatch(args: readonly string[]): Promise<void> {
  const [command, ...rest] = args
  if (command === '--help' || command === '-h' || command === 'help' || rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(HELP)
  } else if (command === 'serve') {
    await runServer(rest)
  } else if (command === 'token') {
    await printToken(rest)
  } else {
    throw new UsageError(command === undefined ? 'Expected a command: serve or token.' : `Unknown command: ${command}.`)
  }
}

// ---- serve ------------------------------------------------------------------------------------------------------------

async function runServer(args: string[]): Promise<void> {
  const { env } = process
  const options = parse(args, ['port', 'host', 'data', 'secret-file', 'synchronous'])
  const port = readPort(options.port ?? env['PORT'] ?? '8787')
  const host = options.host ?? env['HOST'] ?? '127.0.0.1'
  const file = databaseIn(options.data ?? env['DATA_DIR'] ?? 'data')
  const secret = readSecret(options['secret-file'])
  const { synchronous = 'full' } = options
  if (synchronous !== 'full' && synchronous !== 'normal') {
    throw new UsageError(`--synchronous must be full or normal; it is ${synchronous}.`)
  }
  const log = pino({
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
  })
  const store = sqliteStore({ file, synchronous })
  const server = await serve({ store, access: { secret }, port, host, onError: reportTo(log) })
  log.info({ url: server.url, port: server.port, file }, 'listening')

  let ending = false
  const end = (signal: NodeJS.Signals): void => {
    // Whoever asks twice does not want to wait.
    if (ending) process.exit(1)
    ending = true
    log.info({ signal }, 'closing')
    setTimeout(() => process.exit(1), EXIT_TIMEOUT_MS).unref()
    const closed = server.close(CLOSE_TIMEOUT_MS).then((stored) => {
      log[stored ? 'info' : 'error']({ stored }, stored ? 'closed' : 'closed before everything was stored')
      process.exit(stored ? 0 : 1)
    })
    closed.catch((error: unknown) => {
      reportTo(log)(error, { stage: 'close' })
      process.exit(1)
    })
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
}

/**
 * Logs where something failed and what the error says of itself. A frame that does not decode is content: errors about it
 * may quote it, so of those only the kind is logged.
 */
function reportTo(log: Logger): Report {
  return (error, { stage, ...details }) => {
    const { name, message, code } = error instanceof Error ? (error as Error & { code?: unknown }) : asError(error)
    const said = stage === 'frame' ? {} : { message }
    log.error({ stage, ...details, error: name, ...said, ...(code === undefined ? {} : { code }) }, 'failed')
  }
}

function asError(value: unknown): { name: string; message: string; code?: unknown } {
  return { name: typeof value, message: String(value) }
}

function databaseIn(path: string): string {
  const isFolder = existsSync(path) ? statSync(path).isDirectory() : extname(path) === ''
  return isFolder ? join(path, DATABASE) : path
}

function readPort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) throw new UsageError(`--port must be 0 to 65535; it is ${text}.`)
  return port
}

// ---- token ------------------------------------------------------------------------------------------------------------

async function printToken(args: string[]): Promise<void> {
  const options = parse(args, ['id', 'kind', 'name', 'expires', 'secret-file'], ['session'])
  const { id, kind = 'user', name, expires = '1h', session: sessions = [] } = options
  if (id === undefined || id === '') throw new UsageError('token needs --id.')
  if (!isKind(kind)) throw new UsageError(`--kind must be ${KINDS.join(', ')}; it is ${kind}.`)
  if (sessions.length === 0) throw new UsageError("token needs --session, once or more; '*' opens all.")
  const claims = { id, kind, sessions, expiresInS: readSpan(expires), ...(name === undefined ? {} : { name }) }
  process.stdout.write(`${await mintToken(readSecret(options['secret-file']), claims)}\n`)
}

function isKind(kind: string): kind is TokenClaims['kind'] {
  return (KINDS as readonly string[]).includes(kind)
}

function readSpan(text: string): number {
  const [, count = '', unit = 's'] = /^(\d+)([smhd]?)$/.exec(text) ?? []
  const seconds = Number(count) * SECONDS[(unit || 's') as keyof typeof SECONDS]
  if (!(seconds > 0)) throw new UsageError(`--expires must be a number of seconds, or such as 15m, 12h, 30d; it is ${text}.`)
  return seconds
}

// ---- both -------------------------------------------------------------------------------------------------------------

/** Not an option by itself: what stands in a command line is seen by everybody on the machine. */
function readSecret(file: string | undefined): string {
  const secret = file === undefined ? process.env['POLYLOGUE_SECRET'] : readFileSync(file, 'utf8').trim()
  if (secret === undefined || secret === '') {
    throw new UsageError('A secret is needed, of at least 32 bytes: --secret-file FILE or env POLYLOGUE_SECRET.')
  }
  return secret
}

type Options<Single extends string, Several extends string> = { [name in Single]?: string } & { [name in Several]?: string[] }

function parse<Single extends string, Several extends string = never>(
  args: string[],
  single: readonly Single[],
  several: readonly Several[] = [],
): Options<Single, Several> {
  const options = Object.fromEntries([
    ...single.map((name) => [name, { type: 'string' as const }]),
    ...several.map((name) => [name, { type: 'string' as const, multiple: true }]),
  ])
  try {
    return parseArgs({ args, options, allowPositionals: false }).values as Options<Single, Several>
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
