/**
 * The README's app as a reader has it: the four files in an empty folder, with what it says to install and the commands that it
 * says to run. Only the port is another one, and the model's server is the test's.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { startChild, type Child } from '../support/child.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { SECRET } from '../support/tokens.ts'
import { freePort } from './demo.ts'
import { each, launch, until, Window } from './windows.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What a reader's compiler is told; no more than the code asks for. */
const TSCONFIG = {
  strict: true,
  target: 'es2024',
  module: 'nodenext',
  jsx: 'react-jsx',
  noEmit: true,
  types: ['node'],
  skipLibCheck: true,
}

interface Project {
  readonly folder: string
  /** The README's `npx` and `node` commands, in their order. */
  readonly commands: readonly string[]
  /** Runs `node FILE …` or `npx NAME …`. */
  readonly run: (command: string, env?: Readonly<Record<string, string>>) => Child
}

/** The README's files in a new folder, with links to what it installs: this package as it is built, and its dependencies. */
function unpack(port: number): Project {
  const folder = temporaryFolder()
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const at = (code: string): string => code.replaceAll(':8787', `:${port}`).replaceAll('port: 8787', `port: ${port}`)
  const files = [...readme.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm)]
  expect(files.map(([, name]) => name)).toEqual(['server.ts', 'agent.ts', 'index.html', 'chat.tsx'])
  const lines = files.reduce((sum, [, , code = '']) => sum + code.trimEnd().split('\n').length, 0)
  expect(lines, 'lines of the app').toBeLessThanOrEqual(60)
  for (const [, name = '', code = ''] of files) writeFileSync(join(folder, name), at(code))
  const page = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].find(([, code]) => code?.includes('openSession({'))?.[1] ?? ''
  expect(page).toContain("fetch('/api/token')")
  writeFileSync(join(folder, 'browser.ts'), at(page).replace("'/api/token'", `'http://127.0.0.1:${port}/token'`))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: TSCONFIG, include: ['*.ts', '*.tsx'] }))

  const shell = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].find(([, code]) => code?.includes('npm install'))?.[1] ?? ''
  const installed = [...shell.matchAll(/^npm install (.*)$/gm)].flatMap(([, names = '']) => names.split(' '))
  for (const name of installed.filter((it) => !it.startsWith('--'))) {
    const isThis = name.startsWith('./polylogue-')
    const link = join(folder, 'node_modules', isThis ? 'polylogue' : name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(isThis ? ROOT : join(ROOT, 'node_modules', name), link)
  }
  const run = (command: string, env: Readonly<Record<string, string>> = {}): Child => {
    const [how = '', what = '', ...args] = command.replace(/ &$/, '').split(' ')
    const program = how === 'npx' ? binOf(what) : join(folder, what)
    return startChild(pathToFileURL(program), args, { env, ipc: false, cwd: folder })
  }
  return { folder, run, commands: [...shell.matchAll(/^(?:npx|node) .*$/gm)].map(([line]) => line) }
}

/** The program that `npx` finds by a name. */
function binOf(name: string): string {
  const folder = join(ROOT, 'node_modules', name === 'tsc' ? 'typescript' : name)
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { bin: Record<string, string> }
  return join(folder, bin[name] ?? '')
}

async function succeed(child: Child): Promise<void> {
  const exit = await child.ended
  expect({ ...exit, said: exit.code === 0 ? '' : child.stdout + child.stderr }).toEqual({ code: 0, signal: null, said: '' })
}

/** A model that speaks OpenAI's protocol: answers in two pieces, the second once it is let. */
async function startModel(): Promise<{ url: string; goOn: () => void; asked: () => readonly unknown[] }> {
  const gate = Promise.withResolvers<void>()
  const asked: unknown[] = []
  const server = createServer((request, response) => {
    void (async () => {
      let body = ''
      for await (const chunk of request.setEncoding('utf8')) body += chunk
      const { messages, model } = JSON.parse(body) as { messages: { content: unknown }[]; model: string }
      asked.push({ at: request.url, key: request.headers.authorization, model, texts: messages.at(-1)?.content })
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const say = (delta: object, finish_reason: string | null = null): void => {
        response.write(`data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta, finish_reason }] })}\n\n`)
      }
      say({ role: 'assistant', content: 'Your flight ' })
      await gate.promise
      say({ content: 'is booked.' })
      say({}, 'stop')
      response.end('data: [DONE]\n\n')
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/v1`, goOn: gate.resolve, asked: () => asked }
}

const shown = (window: Window): Promise<string[]> => window.page.locator('form p').allTextContents()
const saved = (window: Window): Promise<string> => window.page.locator('small').innerText()

test("the README's app of sixty lines compiles, builds, and holds a conversation that a second window sees", async () => {
  const [model, browser, port] = await Promise.all([startModel(), launch(), freePort()])
  onTestFinished(() => browser.close())
  const { commands, run } = unpack(port)
  expect(commands).toEqual(['npx vite build', 'node server.ts &', 'node agent.ts'])
  const [build = '', serveIt = '', agent = ''] = commands
  const env = { POLYLOGUE_SECRET: SECRET, MODEL_URL: model.url, MODEL_KEY: 'key', MODEL: 'some-model' }
  const types = succeed(run('npx tsc -p .'))
  await Promise.all([succeed(run(build)), types])
  const server = run(serveIt, env)
  await until(() => server.stdout + server.stderr, 'the server is there').toBe(`ws://127.0.0.1:${port}/sync\n`)

  // What the page does without React: writes, and cancels before any agent is there.
  await succeed(run('node browser.ts'))
  run(agent, env)

  const open = (): Promise<Window> => Window.open(browser, `http://127.0.0.1:${port}`)
  const windows = await Promise.all([open(), open()])
  const [a, b] = windows
  await until(each(windows, saved), 'both are in step').toEqual(['Saved · live', 'Saved · live'])
  await a.say('And now really')
  const half = ['Book me a flight', 'And now really', 'Your flight ']
  await until(each(windows, shown), 'the first words in both').toEqual([half, half])
  await b.page.reload()
  await until(each(windows, shown), 'the first words in both, after a reload').toEqual([half, half])
  const stop = b.page.getByRole('button', { name: 'Stop' })
  await stop.waitFor()
  model.goOn()
  const whole = ['Book me a flight', 'And now really', 'Your flight is booked.']
  await until(each(windows, shown), 'the whole answer in both').toEqual([whole, whole])
  await stop.waitFor({ state: 'detached' })
  const texts = half.slice(0, 2).map((text) => ({ type: 'text', text }))
  expect(model.asked()).toEqual([{ at: '/v1/chat/completions', key: 'Bearer key', model: 'some-model', texts }])
  expect(windows.flatMap(({ errors }) => errors.filter((it) => !it.includes('404')))).toEqual([])
})
