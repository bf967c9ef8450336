/**
 * How much of the disk a streamed conversation takes: one session whose answers are streamed token by token, each token an
 * update of its own, into the default store; compactions come as they do in use.
 *
 *   node bench/stored.ts [--megabytes N]
 */
import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openSession } from 'polylogue'
import { createAgent } from 'polylogue/agent'
import { endAll, start } from './load/children.ts'
import { tokenAt } from './load/tokens.ts'
import { isMain, printRows, type Row } from './report.ts'
import type { Address } from './systems/system.ts'

export interface StoredOptions {
  /** Length of all answers, in characters (ASCII, so bytes). */
  readonly chars: number
}

const ANSWER_CHARS = 50_000
const AGENT = 'bench'
/** Tokens written before the agent waits for the server: more would only queue. */
const WINDOW = 10_000
const SETTLE_MS = 1_500

export async function benchStored({ chars }: StoredOptions): Promise<Row[]> {
  const server = start(new URL('./load/child.ts', import.meta.url), ['polylogue', 'server'])
  const address = await server.call<Address>('start')
  const { url, agentToken, viewerToken, file = '' } = address
  let tokens = 0
  const agent = createAgent({
    url,
    token: agentToken,
    name: AGENT,
    flushEveryMs: 0,
    run: async (run) => {
      let length = 0
      while (length < ANSWER_CHARS) {
        const token = tokenAt(tokens++)
        length += token.length
        run.write(token)
        // The flush is a microtask: after this one, the token is an update.
        await Promise.resolve()
        if (tokens % WINDOW === 0) while (!run.session.status.onServer) await pause(5)
      }
    },
  })
  const session = openSession({ url, id: 'stored', token: viewerToken, offline: false })
  await session.ready
  for (let answers = Math.round(chars / ANSWER_CHARS); answers > 0; answers--) {
    const id = session.send('And then?', { to: [AGENT] })
    while (!session.view.runs.some((run) => run.input === id && run.status === 'complete')) await pause(20)
  }
  await agent.close()
  const json = Buffer.byteLength(JSON.stringify(session.view.messages))
  const open = await settled(file)
  await session.close()
  const closed = await settled(file)
  await server.end()
  const describe = (bytes: number): string =>
    `${(bytes / 1e6).toFixed(2)} MB, ${(bytes / tokens).toFixed(1)} bytes a token, ${(bytes / json).toFixed(2)} × JSON`
  console.log(`\nStored: ${tokens} tokens, ${(chars / 1e6).toFixed(1)} MB of text, ${(json / 1e6).toFixed(2)} MB as JSON`)
  console.log(`  while it is open    ${describe(open.used)}; the file ${describe(open.file)}`)
  console.log(`  when all have left  ${describe(closed.used)}; the file ${describe(closed.file)}`)
  const perToken = open.file / tokens
  const ratio = closed.used / json
  return [
    { what: 'stored: bytes per token, file', value: perToken, shown: perToken.toFixed(1), budget: 40, better: 'less' },
    { what: 'stored: pages in use, × its JSON', value: ratio, shown: ratio.toFixed(2), budget: 0.5, better: 'less' },
  ]
}

interface Sizes {
  /** The database with its write-ahead log. */
  readonly file: number
  /** Of that, pages in use: those that compactions have left free are for the sessions to come. */
  readonly used: number
}

/** Sizes after a checkpoint, once compactions have come to rest. */
async function settled(file: string): Promise<Sizes> {
  const database = new DatabaseSync(file, { timeout: 5_000 })
  const pragma = (name: string): number => Number(Object.values(database.prepare(`pragma ${name}`).get() ?? {})[0])
  try {
    for (let before = -1; ; await pause(SETTLE_MS)) {
      database.exec('pragma wal_checkpoint(truncate)')
      const used = (pragma('page_count') - pragma('freelist_count')) * pragma('page_size')
      if (used === before) return { file: statSync(file).size + statSync(`${file}-wal`).size, used }
      before = used
    }
  } finally {
    database.close()
  }
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({ options: { megabytes: { type: 'string', default: '2' } } })
  try {
    printRows(await benchStored({ chars: Number(values.megabytes) * 1e6 }))
  } finally {
    await endAll()
  }
}
