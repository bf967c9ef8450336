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
import type { AgentOptions, AgentRole, ServerRole, System, ViewerRole } from './system.ts'

const AGENT = 'bench'

function server(inMemory: boolean): ServerRole {
  return {
    async start() {
      const folder = mkdtempSync(join(tmpdir(), 'polylogue-bench-'))
      process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
      const secret = 'a secret that only this benchmark uses'
      const file = join(folder, 'store.db')
      const { url } = await serve({ store: inMemory ? memoryStore() : sqliteStore({ file }), access: { secret }, port: 0 })
      const sessions = ['*']
      return {
        url,
        file,
        agentToken: await mintToken(secret, { id: AGENT, kind: 'agent', sessions }),
        viewerToken: await mintToken(secret, { id: 'viewer', kind: 'user', sessions }),
      }
    },
  }
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

export const polylogue: System = { server: () => server(false), agent, viewer }

/** The same without a disk: what `memoryStore` does in tests. */
export const polylogueInMemory: System = { server: () => server(true), agent, viewer }
