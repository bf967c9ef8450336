/** A long session, and agents that say what a test wants them to. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createAgent, type Agent, type AgentRun } from '../../client/agent.ts'
import { openSession, type OpenSession } from '../../client/index.ts'
import { mintToken } from '../../server/access.ts'
import type { Demo } from './demo.ts'

const syncUrl = (demo: Demo): string => `${demo.url.replace(/^http/, 'ws')}/sync`
const secretOf = (demo: Demo): string => readFileSync(join(demo.dataDir, 'secret'), 'utf8').trim()

/** A person without a browser. They are to be closed. */
export async function personIn(demo: Demo, link: string, name: string): Promise<OpenSession> {
  const id = link.split('/').at(-1) ?? ''
  const claims = { id: `user-${name.toLowerCase()}`, kind: 'user' as const, name, sessions: [id] }
  const session = openSession({ url: syncUrl(demo), id, token: () => mintToken(secretOf(demo), claims) })
  await session.ready
  return session
}

/** Says so many things that nobody is to answer, of one to five lines, and waits until they are stored. */
export async function talk(session: OpenSession, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, i) =>
    session.send(`Message ${i + 1}. ${'So many words as a message may have. '.repeat(1 + ((i * 7) % 9))}`, { to: [] }),
  )
  await session.stored()
  return ids
}

/** In the place of the demo's own agent of that name, whose process ends. */
export async function speak(demo: Demo, name: string, run: (run: AgentRun) => Promise<unknown>): Promise<Agent> {
  process.kill(demo.agentPid(name), 'SIGKILL')
  const claims = { id: name, kind: 'agent' as const, name, sessions: ['*'] }
  const agent = createAgent({ url: syncUrl(demo), name, token: () => mintToken(secretOf(demo), claims), run })
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (agent.connection === 'live') resolve()
    }
    agent.subscribe(look)
    look()
  })
  return agent
}

/** Writes a text in pieces of so many characters, so many milliseconds apart. */
export async function write(
  run: AgentRun,
  text: string,
  { chars, everyMs = 10 }: { readonly chars: number; readonly everyMs?: number },
): Promise<void> {
  for (let at = 0; at < text.length && !run.signal.aborted; at += chars) {
    run.write(text.slice(at, at + chars))
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
