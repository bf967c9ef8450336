/**
 * The demo: an electronics shop whose support chat is a Polylogue session. `npm start` builds what is needed and runs this.
 *
 * One server for pages and sessions, and three agents, each in a process of its own. See `site/settings.ts` for the
 * environment variables.
 */
import { join } from 'node:path'
import { serve, sqliteStore, type RunningServer } from 'polylogue/server'
import { AgentFailed, startAgents, type Agents } from './site/agents.ts'
import { watchStore, type Desk } from './site/desk.ts'
import { mayApprove } from './site/may-approve.ts'
import { addPages } from './site/pages.ts'
import { addHostPage, widgetOf } from './site/widget.ts'
import { readSettings, signingSecret, type Settings } from './site/settings.ts'
import { openShop } from './shop/database.ts'
import { AGENTS, route, routeChange } from './shop/routing.ts'

async function start(settings: Settings): Promise<{ server: RunningServer; agents: Agents; desk: Desk }> {
  const { host, port, dataDir, leaseMs, idleReturnMs, intentMs, restartAgents, push } = settings
  const secret = signingSecret(dataDir)
  // Created and filled here, before three processes open it at once.
  openShop(join(dataDir, 'shop.db')).close()
  const desk = watchStore(sqliteStore({ file: join(dataDir, 'sessions.db') }))
  const server = await serve({
    store: desk.store,
    access: { secret },
    host,
    port,
    push,
    ...(leaseMs === undefined ? {} : { leaseMs }),
    ...(idleReturnMs === undefined ? {} : { idleReturnMs }),
    ...(intentMs === undefined ? {} : { intentMs }),
    route: ({ to, text, lane, active }) => {
      if (to !== undefined) return AGENTS.filter((name) => to.includes(name))
      return lane === 'steer' ? routeChange(text, active) : route(text)
    },
    mayApprove,
    widget: widgetOf(settings),
    routes: (app) => {
      addHostPage(app)
      addPages(app, { secret, desk })
    },
  })
  const url = `ws://${isAny(host) ? '127.0.0.1' : inUrl(host)}:${server.port}/sync`
  const agents = startAgents({ url, dataDir, restart: restartAgents })
  return { server, agents, desk }
}

/** Addresses that listen everywhere and cannot be called. */
function isAny(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function explain(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return `The port is taken (${message}). Stop what uses it, or choose another: PORT=8788 npm start`
  if (code === 'EACCES') return `Not allowed: ${message}`
  if (error instanceof RangeError || error instanceof AgentFailed) return message
  return String(error instanceof Error ? error.stack : error)
}

try {
  const settings = readSettings()
  const { server, agents, desk } = await start(settings)
  let stopping = false
  const stop = async (exitCode: number): Promise<void> => {
    if (stopping) return
    stopping = true
    // Agents first: they mark what they were at as interrupted, and the server stores it.
    await agents.stop()
    desk.close()
    await server.close()
    process.exit(exitCode)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(0))
  try {
    await agents.ready
    const address = `http://${isAny(settings.host) ? 'localhost' : inUrl(settings.host)}:${server.port}`
    console.log(`Polylogue demo: ${address}  (open the link twice: two windows, one session; support desk: ${address}/desk)`)
  } catch (error) {
    console.error(explain(error))
    await stop(1)
  }
} catch (error) {
  console.error(explain(error))
  process.exit(1)
}
