/** An agent's process: `node main.ts NAME URL DATA_DIR`. Several may run for one name; each input goes to one of them. */
import { join } from 'node:path'
import { createAgent, type AgentRun } from 'polylogue/agent'
import { mintToken } from 'polylogue/server'
import { demoModel } from '../model/index.ts'
import { signingSecret } from '../site/settings.ts'
import { openShop } from '../shop/database.ts'
import { AGENTS } from '../shop/routing.ts'
import { answer } from './answer.ts'

const [asked, url, dataDir] = process.argv.slice(2)
const name = AGENTS.find((agent) => agent === asked)
if (name === undefined || url === undefined || dataDir === undefined) {
  console.error(`usage: main.ts ${AGENTS.join('|')} URL DATA_DIR`)
  process.exit(2)
}

try {
  // Wrong settings show now, not with the first question.
  demoModel(name)
} catch (error) {
  console.error(`[${name}] ${error instanceof Error ? error.message : String(error)}`)
  process.exit(2)
}

const log = (line: string): void => console.log(`[${name}] ${line}`)
const secret = signingSecret(dataDir)
const shop = openShop(join(dataDir, 'shop.db'))
const title = `${name.charAt(0).toUpperCase()}${name.slice(1)}`

const agent = createAgent({
  url,
  name,
  // A return waits for people, perhaps for long: another process goes on with it. What it has done it does not do again.
  ...(name === 'returns' && { onLapse: 'retry', maxAttempts: 5 }),
  token: () => mintToken(secret, { id: name, kind: 'agent', name: title, sessions: ['*'] }),
  async run(run: AgentRun) {
    try {
      await answer(run, { agent: name, shop, log })
      log(`run ${run.id}: ${run.signal.aborted ? run.status : 'complete'}`)
    } catch (error) {
      log(`run ${run.id}: ${run.signal.aborted ? run.status : `failed: ${String(error)}`}`)
      throw error
    }
  },
  onError: (error, { stage }) => {
    // What the handler throws has been logged there.
    if (stage !== 'run') log(`${stage}: ${String(error)}`)
  },
})

let state = agent.connection
agent.subscribe(() => {
  if (agent.connection === state) return
  state = agent.connection
  log(`connection ${state}`)
  if (state === 'live') process.send?.('ready')
})

let stopping = false
async function stop(): Promise<void> {
  if (stopping) return
  stopping = true
  await agent.close(2_000)
  shop.close()
  process.exit(0)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop())
// The demo is gone, however it ended: an agent that nobody owns would never end.
process.on('disconnect', () => void stop())
