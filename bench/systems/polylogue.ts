/**
 * Polylogue through its public API, with its default store: a user's message starts a run, the agent writes its reply token by
 * token, and the user sees it in the view. Every token is committed to the disk (`synchronous = full`) before anybody sees it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSession, textOf, type OpenSession } from 'polylogue'
import { createAgent, type Agent, type AgentRun } from 'polylogue/agent'
import { memoryStore, mintToken, serve, sqliteStore } from 'polylogue/server'
// The type of an inner part, which the package does not export.
// oxlint-disable-next-line no-restricted-imports
import type { Guard } from '../../server/guard/guard.ts'
import type { AgentOptions, AgentRole, ServerRole, System, ViewerRole } from './system.ts'

const AGENT = 'bench'

interface Variant {
  readonly inMemory?: boolean
  readonly synchronous?: 'full' | 'normal'
  readonly unguarded?: boolean
}

function server({ inMemory = false, synchronous = 'full', unguarded = false }: Variant = {}): ServerRole {
  return {
    async start() {
      if (unguarded) await removeGuard()
      const folder = mkdtempSync(join(tmpdir(), 'polylogue-bench-'))
      process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
      const secret = 'a secret that only this benchmark uses'
      const file = join(folder, 'store.db')
      const store = inMemory ? memoryStore() : sqliteStore({ file, synchronous })
      const { url } = await serve({ store, access: { secret }, port: 0 })
      const sessions = ['*']
      return {
        url,
        file,
        agentToken: await mintToken(secret, { id: AGENT, kind: 'agent', sessions }),
        viewerToken: await mintToken(secret, { id: 'viewer', kind: 'user', sessions }),
        attackerToken: await mintToken(secret, { id: 'attacker', kind: 'user', sessions }),
      }
    },
  }
}

/**
 * Makes the guard of this process accept the bytes of every update as they come. The server has no option for that, and must
 * not have one: what is patched here is the module that its package has loaded and that its exports do not show.
 */
async function removeGuard(): Promise<void> {
  const inner = new URL('./guard/guard.js', import.meta.resolve('polylogue/server'))
  const { prototype } = ((await import(inner.href)) as { Guard: typeof Guard }).Guard
  if (typeof prototype.check !== 'function' || typeof prototype.confirm !== 'function') {
    throw new Error(`${inner.href} has another guard than this benchmark takes out.`)
  }
  prototype.check = (update) => ({ ok: true, update, claims: [], after: [] })
  prototype.confirm = () => {}
}

function agent({ eachAlone }: AgentOptions): AgentRole {
  let worker: Agent | null = null
  const began = new Map<string, (run: AgentRun) => void>()
  let release = (): void => {}
  const released = new Promise<void>((resolve) => (release = resolve))
  return {
    async open({ url, agentToken }, sessions) {
      const runs = sessions.map((session) => new Promise<AgentRun>((resolve) => began.set(session, resolve)))
      worker ??= createAgent({
        url,
        token: agentToken,
        name: AGENT,
        slots: 10_000,
        ...(eachAlone ? { flushEveryMs: 0 } : {}),
        run: async (run) => {
          began.get(run.session.id)?.(run)
          await released
        },
      })
      return (await Promise.all(runs)).map((run) => (token) => run.write(token))
    },
    async close() {
      release()
      await worker?.close()
    },
  }
}

function viewer(): ViewerRole {
  const opened: OpenSession[] = []
  return {
    async open({ url, viewerToken }, sessions, first, seen) {
      await Promise.all(
        sessions.map(async (id, index) => {
          const session = openSession({ url, id, token: viewerToken, offline: false })
          opened.push(session)
          await session.ready
          await new Promise<void>((resolve) => {
            const unsubscribe = session.subscribe(() => {
              if (session.view.runs.every((run) => run.status !== 'active')) return
              unsubscribe()
              resolve()
            })
            session.send('Tell me a long story.', { to: [AGENT] })
          })
          session.subscribe(() => {
            const reply = session.view.messages.at(-1)
            if (reply?.role === 'assistant') seen(first + index, textOf(reply).length)
          })
        }),
      )
    },
    async close() {
      await Promise.all(opened.splice(0).map((session) => session.close()))
    },
  }
}

export const polylogue: System = { server: () => server(), agent, viewer }

/** Every token is in the log before anybody sees it and survives the death of every process, but not a power cut. */
export const polylogueLogged: System = { server: () => server({ synchronous: 'normal' }), agent, viewer }

/** The same without a disk: what `memoryStore` does in tests. */
export const polylogueInMemory: System = { server: () => server({ inMemory: true }), agent, viewer }

/** Like `polylogueInMemory`, but whoever connects may write anything. */
export const polylogueUnguarded: System = { server: () => server({ inMemory: true, unguarded: true }), agent, viewer }
