/** The README's server, agent and browser code run as they stand, each as a program, but for address, secret and model. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL, fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { openSession, textOf } from '../../client/index.ts'
import { Child } from '../support/child.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { SECRET, tokenFor } from '../support/tokens.ts'
import { until } from '../support/wait.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const MODEL = `
import { MockLanguageModelV4, simulateReadableStream } from 'ai/test'
const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } }
const model = new MockLanguageModelV4({
  doStream: async () => ({ stream: simulateReadableStream({ chunks: [
    { type: 'stream-start', warnings: [] }, { type: 'text-start', id: 't' },
    { type: 'text-delta', id: 't', delta: 'Your flight ' }, { type: 'text-delta', id: 't', delta: 'is booked.' },
    { type: 'text-end', id: 't' }, { type: 'finish', finishReason: { unified: 'stop', raw: 'stop' }, usage }] }) }),
})
`

/** Replaces each text, which must be there, so that the README cannot change without this test. */
function adapt(code: string, changes: Readonly<Record<string, string>>): string {
  for (const [from, to] of Object.entries(changes)) {
    expect(code, from).toContain(from)
    code = code.replaceAll(from, to)
  }
  return code
}

test("the README's server, agent and browser code work together", async () => {
  const blocks = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)]
  const [server, agent, browser] = ['await serve({', 'streamText({', 'openSession({'].map(
    (call) => blocks.find(([, code]) => code?.includes(call))?.[1] ?? '',
  ) as [string, string, string]
  // Within the package, so that `polylogue` is found by its name.
  mkdirSync(join(ROOT, '.setup'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, '.setup', 'readme-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const run = (name: string, code: string): Child => {
    writeFileSync(join(folder, name), code)
    const child = new Child(pathToFileURL(join(folder, name)), [], { env: { POLYLOGUE_SECRET: SECRET }, ipc: false })
    onTestFinished(async () => {
      if (child.exit === null) process.kill(child.pid, 'SIGKILL')
      await child.ended
    })
    return child
  }

  const file = join(temporaryFolder(), 'sessions.db')
  const serving = run('server.ts', adapt(server, { 'port: 8787': 'port: 0', "'sessions.db'": JSON.stringify(file) }))
  const [url = '', token = ''] = await until(() => /^(ws:\S+)\n(\S+)\n/.exec(serving.stdout)?.slice(1) ?? serving.exit, {
    what: () => `the server's address; it said ${serving.stdout}${serving.stderr}`,
  }).then((said) => (Array.isArray(said) ? said : []))
  expect(token).not.toBe('')

  const there = { 'ws://127.0.0.1:8787/sync': url }
  const page = run(
    'browser.ts',
    adapt(browser, { ...there, "async () => await (await fetch('/api/token')).text()": JSON.stringify(token) }),
  )
  expect(await page.ended, page.stderr).toEqual({ code: 0, signal: null })

  const session = openSession({ url, id: 'trip-42', token, offline: false })
  onTestFinished(() => session.close())
  await session.ready
  await until(() => session.view.runs.some(({ status }) => status === 'cancelled'))
  expect(session.view.messages.map(textOf)).toEqual(['Book me a flight'])
  expect(session.object('trip').value).toEqual({ seat: 'aisle' })

  run(
    'agent.ts',
    adapt(agent, {
      ...there,
      'declare const model: LanguageModel': MODEL,
      'declare const token: string': `const token = ${JSON.stringify(await tokenFor('assistant', 'agent'))}`,
    }),
  )
  session.send('And now really')
  await until(() => session.view.runs.some(({ status }) => status === 'complete'))
  expect(session.view.messages.map(textOf)).toEqual(['Book me a flight', 'And now really', 'Your flight is booked.'])
})
