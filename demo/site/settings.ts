/** What the environment says about where and how the demo runs. Read once, at start. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { PushOptions } from 'polylogue/server'

export interface Settings {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** Absolute. Holds the sessions, the shop and the signing secret. */
  readonly dataDir: string
  /** How long an agent holds a run without a sign of life, in milliseconds; undefined: the package's own default. */
  readonly leaseMs: number | undefined
  /** How long the desk may be silent before the assistant answers again, in milliseconds; undefined: the package's default. */
  readonly idleReturnMs: number | undefined
  /** Origins of the pages that may show the widget. */
  readonly widgetOrigins: readonly string[]
  /** How people are told while they do not look; the keys are kept with the sessions. */
  readonly push: PushOptions
  /** Whether an agent that dies is started again. */
  readonly restartAgents: boolean
}

/**
 * Reads PORT (8787), HOST (127.0.0.1), DATA_DIR (./data), DEMO_LEASE_MS, DEMO_IDLE_RETURN_MS, DEMO_RESTART (`0`: agents that
 * die stay dead), DEMO_WIDGET_ORIGINS (comma-separated; this server by the name `localhost`), DEMO_PUSH_SUBJECT (whom push
 * services may turn to), DEMO_PUSH_GRACE_MS and, for tests, DEMO_PUSH_LOOPBACK (`1`: pushes to this machine).
 * Throws a `RangeError` that names the variable when a value is of no use.
 */
export function readSettings(env: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const graceMs = numberIn(env, 'DEMO_PUSH_GRACE_MS', 0, 600_000)
  return {
    host: env['HOST'] || '127.0.0.1',
    port: numberIn(env, 'PORT', 0, 65_535) ?? 8787,
    dataDir: resolve(env['DATA_DIR'] || 'data'),
    leaseMs: numberIn(env, 'DEMO_LEASE_MS', 1_000, 600_000),
    idleReturnMs: numberIn(env, 'DEMO_IDLE_RETURN_MS', 1_000, 86_400_000),
    widgetOrigins: env['DEMO_WIDGET_ORIGINS']?.split(',') ?? [`http://localhost:${numberIn(env, 'PORT', 0, 65_535) ?? 8787}`],
    push: {
      subject: env['DEMO_PUSH_SUBJECT'] || 'mailto:push@polyshop.example',
      loopback: env['DEMO_PUSH_LOOPBACK'] === '1',
      ...(graceMs === undefined ? {} : { graceMs }),
    },
    restartAgents: env['DEMO_RESTART'] !== '0',
  }
}

function numberIn(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const text = env[name]
  if (text === undefined || text === '') return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new RangeError(`${name} is a whole number from ${least} to ${most}; it is "${text}".`)
}

/** The secret that signs the demo's tokens: made on the first run, readable by its owner alone, never in the repository. */
export function signingSecret(dataDir: string): string {
  mkdirSync(dataDir, { recursive: true })
  const file = resolve(dataDir, 'secret')
  try {
    // `wx`: of two processes that start at once one makes it, and the other reads that one's.
    writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return readFileSync(file, 'utf8').trim()
}
