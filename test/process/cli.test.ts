/** The command `polylogue`: what it prints, and how it ends. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { logOf, runCli, startServing } from '../support/cli.ts'
import { openClient, openLive, texts } from '../support/clients.ts'
import { LoadedSession, streamingAgent } from '../support/load.ts'
import { Chance } from '../support/random.ts'
import { RawClient } from '../support/raw.ts'
import { recover } from '../support/recovered.ts'
import { ServerProcess } from '../support/server.ts'
import { openStock, startStock } from '../support/stock.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { SECRET } from '../support/tokens.ts'
import { until } from '../support/wait.ts'

/** It gives the store 5 s; the rest is for the process to end on a busy machine. */
const DEADLINE_MS = 7_000

test('told to end while nothing can be stored it ends within its deadline, with 1; a stock server never does (LOG-6)', async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'sessions.db')
  const { child, url, port } = await startServing(['--port', '0', '--data', file])
  const writer = await openLive({ url, id: 's' })
  const holder = new DatabaseSync(file, { timeout: 10_000 })
  holder.exec('begin exclusive')
  writer.send('not to be lost')
  await until(() => writer.status.stalled)

  const stock = await startStock(join(folder, 'stock.db'))
  await stock.child.ask({ t: 'full', full: true })
  const stockWriter = await openStock(stock.url, 's')
  stockWriter.document.getArray('a').push([1])
  await until(() => !stockWriter.hasUnsyncedChanges)

  const startedAt = performance.now()
  void stock.child.kill('SIGTERM')
  expect(await child.kill('SIGTERM')).toEqual({ code: 1, signal: null })
  expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS)
  expect(logOf(child).at(-1)).toMatchObject({ level: 'error', stored: false })
  expect(writer.status.onServer).toBe(false)
  await until(() => performance.now() - startedAt > DEADLINE_MS, { timeoutMs: DEADLINE_MS + 1_000 })
  expect(stock.child.exit).toBeNull()

  holder.close()
  await startServing(['--port', String(port), '--data', file])
  await until(() => writer.status.onServer, { timeoutMs: 15_000 })
  const reader = await openLive({ url, id: 's', as: 'bob' })
  expect(texts(reader)).toEqual(['not to be lost'])
})

test('a server that is closed while nothing can be stored says so, and leaves nothing behind in its process (LOG-6)', async () => {
  const server = await ServerProcess.start()
  const agent = streamingAgent(server.url, 'assistant')
  const writer = await openLive({ url: server.url, id: 's' })
  await until(() => agent.connection === 'live')
  // The client id of whoever has just come may be on its way into the file.
  const holder = new DatabaseSync(server.file, { timeout: 10_000 })
  onTestFinished(() => holder.close())
  holder.exec('begin exclusive')
  writer.send('not to be lost')
  await until(() => writer.status.stalled)
  server.child.send({ t: 'close', timeoutMs: 300 })
  expect(await server.child.said('closed')).toMatchObject({ stored: false })
  // It does not exit: it ends, since there is no timer, socket or retry left.
  expect(await server.child.ended).toEqual({ code: 0, signal: null })
})

test('told to end under load, and started again, it loses nothing, and everybody comes back by themselves (LOG-6, CLI-6)', async () => {
  const file = join(temporaryFolder(), 'sessions.db')
  let { child, url, port } = await startServing(['--port', '0', '--data', file])
  const agent = streamingAgent(url, 'assistant')
  const chance = new Chance(1)
  const sessions: LoadedSession[] = []
  for (const id of ['a', 'b']) sessions.push(await LoadedSession.open({ url, id, chance, agents: () => ['assistant'] }))
  for (let restart = 0; restart < 3; restart++) {
    await until(() => sessions.every(({ isLive }) => isLive) && agent.connection === 'live', { timeoutMs: 15_000 })
    const before = sessions.map(({ shownChars }) => shownChars)
    await until(() => sessions.every(({ shownChars }, index) => shownChars > before[index]! + 200), { timeoutMs: 15_000 })
    expect(await child.kill('SIGTERM')).toEqual({ code: 0, signal: null })
    expect(logOf(child).at(-1)).toMatchObject({ msg: 'closed', stored: true })
    await Promise.all(sessions.map((session) => session.offline()))
    const recovered = await recover(file, ['a', 'b'])
    expect(sessions.flatMap((session) => session.missing(recovered.get(session.id)!))).toEqual([])
    ;({ child } = await startServing(['--port', String(port), '--data', file]))
  }
  await Promise.all(sessions.map((session) => session.settle('assistant')))
  await child.kill('SIGTERM')
  const recovered = await recover(file, ['a', 'b'])
  expect(sessions.flatMap((session) => session.missing(recovered.get(session.id)!))).toEqual([])
  const runs = [...recovered.values()].flatMap(({ view }) => view.runs)
  expect(runs.length).toBeGreaterThan(2)
  expect(runs.filter(({ status }) => status !== 'complete')).toEqual([])
})

test('it logs JSON, with no token and nothing that anybody wrote', async () => {
  const folder = temporaryFolder()
  const secretFile = join(folder, 'secret')
  writeFileSync(secretFile, `${SECRET}\n`)
  const data = join(folder, 'new', 'data')
  const { child, url } = await startServing(['--secret-file', secretFile], { PORT: '0', DATA_DIR: data, POLYLOGUE_SECRET: '' })
  expect(existsSync(join(data, 'sessions.db'))).toBe(true)
  const args = ['token', '--id', 'ada', '--session', 's*', '--session', 'other', '--secret-file', secretFile]
  const token = (await runCli(args, { POLYLOGUE_SECRET: '' })).stdout.trim()
  const ada = await openClient({ url, id: 's1', token })
  await until(() => ada.status.connection === 'live')
  ada.send('the vault opens with 4711')
  ada.presence.set({ typing: 'at the vault' })
  await ada.stored()
  const stranger = await openClient({ url, id: 'private', token })
  await until(() => stranger.status.reason === 'forbidden')
  // What does not decode is quoted by the error about it.
  const clumsy = await RawClient.join(url, 's1', token)
  clumsy.presence('s1', 'vault 4711')
  await until(() => clumsy.refusal('s1'))
  expect(await child.kill('SIGINT')).toEqual({ code: 0, signal: null })

  expect(logOf(child).map(({ msg }) => msg)).toEqual(['listening', 'failed', 'closing', 'closed'])
  const printed = child.stdout + child.stderr
  for (const secret of [SECRET, token, token.split('.')[2]!, 'vault', '4711']) expect(printed).not.toContain(secret)
})

// Where the command line of a process can be read.
test.runIf(process.platform === 'linux')(
  'the server collects its garbage in short steps, unless somebody has chosen how',
  async () => {
    const linesOf = async (env: Readonly<Record<string, string>>): Promise<{ argv: string[]; first: unknown }> => {
      const { child } = await startServing(['--port', '0', '--data', temporaryFolder()], env)
      const argv = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0')
      expect(await child.kill('SIGTERM'), 'it is the process that was started').toEqual({ code: 0, signal: null })
      return { argv, first: logOf(child)[0]?.msg }
    }
    const [usual, chosen] = await Promise.all([linesOf({}), linesOf({ NODE_OPTIONS: '--max-semi-space-size=16' })])
    expect(usual.first).toBe('listening')
    expect(usual.argv.filter((arg) => arg === '--max-semi-space-size=4')).toHaveLength(1)
    expect(chosen.argv.filter((arg) => arg.includes('semi-space'))).toEqual([])
  },
)

const WRONG: [args: string[], says: RegExp][] = [
  [[], /serve or token/],
  [['start'], /Unknown command: start/],
  [['serve', '--prot', '1'], /--prot/],
  [['serve', '--port', 'http'], /--port must be 0 to 65535; it is http/],
  [['serve', '--port', '65536'], /--port must be/],
  [['serve', '--synchronous', 'off'], /--synchronous must be full or normal; it is off/],
  [['serve', 'extra'], /extra/],
  [['token', '--session', 's'], /needs --id/],
  [['token', '--id', 'ada'], /needs --session/],
  [['token', '--id', 'ada', '--session', 's', '--kind', 'server'], /--kind must be user, agent, support, viewer; it is server/],
  [['token', '--id', 'ada', '--session', 's', '--expires', 'soon'], /--expires must be/],
]

test('a command that is not understood says what was expected, and ends with 2', async () => {
  const results = await Promise.all(WRONG.map(async ([args, says]) => ({ args, says, child: await runCli(args) })))
  for (const { args, says, child } of results) {
    expect(child.stderr, args.join(' ')).toMatch(says)
    expect(child.exit?.code, args.join(' ')).toBe(2)
  }
  const noSecret = await runCli(['serve', '--port', '0'], { POLYLOGUE_SECRET: '' })
  expect([noSecret.exit?.code, noSecret.stderr]).toEqual([2, expect.stringMatching(/--secret-file FILE or env POLYLOGUE_SECRET/)])
  const short = await runCli(['token', '--id', 'ada', '--session', 's'], { POLYLOGUE_SECRET: 'short' })
  expect([short.exit?.code, short.stderr]).toEqual([2, expect.stringMatching(/at least 32 bytes; it has 5/)])
  const help = await runCli(['serve', '--help'])
  expect([help.exit?.code, help.stdout]).toEqual([0, expect.stringMatching(/--secret-file/)])
})

test('it ends with 1 when it cannot start: the port is taken, or the file is something else', async () => {
  const folder = temporaryFolder()
  const { port } = await startServing(['--port', '0', '--data', folder])
  const taken = await runCli(['serve', '--port', String(port), '--data', join(folder, 'other.db')])
  expect([taken.exit?.code, taken.stderr]).toEqual([1, expect.stringMatching(/EADDRINUSE/)])
  const foreign = join(folder, 'notes.db')
  writeFileSync(foreign, 'these are my notes, not a database'.repeat(100))
  const other = await runCli(['serve', '--port', '0', '--data', foreign])
  expect([other.exit?.code, other.stderr]).toEqual([1, expect.stringMatching(/not a database/)])
})
