/**
 * A Chromium for the end-to-end tests: one that is on the machine already, or else one that is fetched.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { PINNED_NODE, ROOT, STATE, SetupError, phase, run, versionOf } from './phase.mjs'

const REMEMBERED = join(STATE, 'chromium.json')
/** The first is the same browser without its windows and menus: it starts, and opens pages, at half the cost. */
const COMMANDS = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const USUAL_PLACES = {
  linux: ['/usr/bin', '/usr/local/bin', '/snap/bin'].flatMap((folder) => COMMANDS.map((name) => join(folder, name))),
  darwin: ['Google Chrome', 'Chromium'].map((name) => `/Applications/${name}.app/Contents/MacOS/${name}`),
  win32: ['PROGRAMFILES', 'PROGRAMFILES(X86)', 'LOCALAPPDATA'].flatMap((name) =>
    process.env[name] === undefined ? [] : [join(process.env[name], 'Google', 'Chrome', 'Application', 'chrome.exe')],
  ),
}
const HELP = 'Install Chromium or Google Chrome, or set CHROMIUM_PATH to the file of one, and try again.'

/** How long Playwright's download may take: about 170 MB. A server that does not answer must not hold the tests for ever. */
const DOWNLOAD_TIMEOUT_MS = 240_000

/** See chromium.d.mts. */
export function findChromium() {
  const path = known() ?? search()
  if (path === null) throw new SetupError(`No Chromium was found for the end-to-end tests. ${HELP}`)
  return path
}

/** Finds a Chromium or fetches one, and remembers where it is. */
export function ensureChromium() {
  if (known() !== null) return
  const path = search() ?? fetchOne()
  mkdirSync(STATE, { recursive: true })
  writeFileSync(REMEMBERED, JSON.stringify({ path }))
}

/** The one that the environment names, or the one that was found in an earlier run. */
function known() {
  const named = process.env.CHROMIUM_PATH
  if (named) {
    if (existsSync(named)) return named
    throw new SetupError(`CHROMIUM_PATH names a file that does not exist: ${named}`)
  }
  try {
    const { path } = JSON.parse(readFileSync(REMEMBERED, 'utf8'))
    return existsSync(path) ? path : null
  } catch {
    return null
  }
}

function search() {
  const onPath = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => COMMANDS.map((name) => join(folder, name)))
  return [...playwrightsOwn(), ...onPath, ...(USUAL_PLACES[process.platform] ?? [])].find(works) ?? null
}

function playwrightsOwn() {
  try {
    return [createRequire(join(ROOT, 'package.json'))('playwright-core').chromium.executablePath()]
  } catch {
    return [] // Playwright has none for this platform.
  }
}

/** Asks it for its version: the file may be a stub (Ubuntu's asks for snap) or lack libraries. On Windows the question opens a window. */
function works(path) {
  return process.platform === 'win32' ? existsSync(path) : versionOf(path) !== null
}

function fetchOne() {
  const playwright = (...args) =>
    run('Playwright', PINNED_NODE, [join(ROOT, 'node_modules', 'playwright-core', 'cli.js'), ...args], {
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
      env: { PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: '15000', ...process.env },
    })
  const ways = [{ label: "Downloading Playwright's Chromium (first run only)", fetch: () => playwright('install', 'chromium') }]
  if (existsSync('/etc/debian_version') && process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const install = (name) => run('apt-get', 'apt-get', ['install', '-y', '--no-install-recommends', name], { env })
    ways.push({
      label: 'Installing Chromium by apt-get (first run only)',
      fetch() {
        run('apt-get', 'apt-get', ['update'], { env })
        try {
          install('chromium-headless-shell')
        } catch {
          install('chromium')
        }
      },
    })
    // Ubuntu's package is a stub for snap; what Playwright has downloaded may want nothing but its libraries.
    ways.push({ label: "Installing Chromium's libraries (first run only)", fetch: () => playwright('install-deps', 'chromium') })
  }
  const failures = []
  for (const { label, fetch } of ways) {
    try {
      phase(label, fetch)
    } catch (error) {
      failures.push(`${label}:\n${error.message}`)
    }
    const path = search()
    if (path !== null) return path
  }
  throw new SetupError(`${failures.join('\n\n')}\n\nNo Chromium could be had for the end-to-end tests. ${HELP}`)
}
