/** `useChat` of the AI SDK, unmodified, in real Chromium: a page of its own, with agents that wait where a test wants them to. */
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { build, type Rolldown } from 'vite'
import { startHalting, startPaying } from '../support/chat-agents.ts'
import { serveHere } from '../support/in-process.ts'
import { tokenFor } from '../support/tokens.ts'
import { each, launch, until, Window } from './windows.ts'

let browser: Browser | undefined
let scripts: readonly Rolldown.OutputChunk[] = []

beforeAll(async () => {
  ;[scripts, browser] = await Promise.all([bundle(), launch()])
})

afterAll(() => browser?.close())

/** The page's scripts, the one that it begins with first. */
async function bundle(): Promise<readonly Rolldown.OutputChunk[]> {
  const built = (await build({
    configFile: false,
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"development"' },
    build: {
      write: false,
      target: 'es2022',
      minify: false,
      rolldownOptions: { input: fileURLToPath(new URL('use-chat/page.tsx', import.meta.url)) },
    },
  })) as Rolldown.RolldownOutput
  const chunks = built.output.filter((file) => file.type === 'chunk')
  return chunks.sort((x, y) => Number(y.isEntry) - Number(x.isEntry))
}

interface Stage {
  /** For agents. */
  readonly url: string
  /** Opens the session's page; `beside`: as another tab of that window's browser. */
  readonly join: (name: string, beside?: Window, query?: string) => Promise<Window>
}

/** A server that has the page, with one session. What the pages print as an error fails the test. */
async function setStage(): Promise<Stage> {
  const { url, port } = await serveHere({
    routes: (app) => {
      const start = `<script type="module" src="/${scripts[0]?.fileName}"></script>`
      const html = `<!doctype html><link rel="icon" href="data:,"><div id="root"></div>${start}`
      app.get('/chat/:session', (context) => context.html(html))
      for (const { fileName, code } of scripts) {
        app.get(`/${fileName}`, (context) => context.body(code, 200, { 'content-type': 'text/javascript' }))
      }
      app.get('/token', async (context) => context.text(await tokenFor(context.req.query('as') ?? '')))
    },
  })
  const windows: Window[] = []
  onTestFinished(async () => {
    await Promise.all(windows.map(({ context }) => context.close()))
    expect(windows.flatMap(({ errors }) => errors)).toEqual([])
  })
  return {
    url,
    join: async (name, beside, query = '') => {
      if (browser === undefined) throw new Error('The browser is there when the first test begins.')
      const window = await Window.open(browser, `http://127.0.0.1:${port}/chat/s?as=${name}${query}`, beside?.context)
      windows.push(window)
      await window.composer.waitFor()
      return window
    },
  }
}

/** All that a window shows: each message as `role: text`, then the status. */
const shown = (window: Window): Promise<string[]> =>
  window.page.evaluate(() => [
    ...[...document.querySelectorAll<HTMLElement>('article')].map(
      (message) => `${message.dataset['role']}: ${message.textContent}`,
    ),
    document.querySelector<HTMLElement>('main')?.dataset['status'] ?? 'left',
  ])

const expectAll = (windows: readonly Window[], expected: readonly string[], what: string): Promise<void> =>
  until(each(windows, shown), what).toEqual(windows.map(() => expected))

const press = (window: Window, name: string): Promise<void> => window.page.getByRole('button', { name }).click()

const HALF = ['user: Go', 'assistant: half ']
const WHOLE = ['user: Go', 'assistant: half whole']

test('[G12] useChat in two tabs and another browser: all are live, and a page that is loaded again in the middle goes on', async () => {
  const { url, join } = await setStage()
  const gate = await startHalting(url)
  const a = await join('mia')
  const [b, c] = [await join('mia', a), await join('jonas')]
  await a.say('Go')
  await expectAll([a, b, c], [...HALF, 'streaming'], 'the beginning in all')
  await Promise.all([a.page.reload(), c.page.reload()])
  await expectAll([a, b, c], [...HALF, 'streaming'], 'the beginning in all, after loading again')
  await c.say('And then?')
  await until(async () => (await shown(b)).includes('user: And then?'), 'what somebody else wrote').toBe(true)
  gate.open()
  await until(async () => (await shown(a)).length, 'both answers').toBe(5)
  await until(async () => (await shown(a)).at(-1), 'the end').toBe('ready')
  const end = await shown(a)
  expect([...end].sort()).toEqual([...WHOLE, 'user: And then?', 'assistant: half whole', 'ready'].sort())
  await expectAll([b, c], end, 'the same in all')
})

test('[G12] useChat without a network in the middle of a reply: the rest comes by itself, and what was written meanwhile goes out', async () => {
  const { url, join } = await setStage()
  const gate = await startHalting(url)
  const [a, b] = [await join('mia'), await join('jonas')]
  await a.say('Go')
  await expectAll([a, b], [...HALF, 'streaming'], 'the beginning in both')
  await b.context.setOffline(true)
  await b.say('Thanks')
  await until(async () => (await shown(b)).slice(0, -1), 'what was written without a network').toEqual([...HALF, 'user: Thanks'])
  gate.open()
  await expectAll([a], [...WHOLE, 'ready'], 'the end for the one that stayed')
  expect(await shown(b)).toContain('assistant: half ')
  await b.context.setOffline(false)
  const end = ['user: Go', 'assistant: half whole', 'user: Thanks', 'assistant: half whole', 'ready']
  await expectAll([a, b], end, 'both in step again')
})

test('[G12] useChat: stop from the other tab ends the run for all, and its text stays', async () => {
  const { url, join } = await setStage()
  await startHalting(url)
  const a = await join('mia')
  const b = await join('mia', a)
  await a.say('Go')
  await expectAll([a, b], [...HALF, 'streaming'], 'the beginning in both')
  await press(b, 'Stop')
  await expectAll([a, b], [...HALF, 'ready'], 'stopped in both')
  await a.page.reload()
  await expectAll([a], [...HALF, 'ready'], 'stopped for good')
  await a.say('Again')
  await expectAll([a, b], [...HALF, 'user: Again', 'assistant: half ', 'streaming'], 'the next run')
})

test('[G12] useChat: a component that is unmounted, and a tab that is closed, cancel nothing', async () => {
  const { url, join } = await setStage()
  const gate = await startHalting(url)
  const [a, b] = [await join('mia'), await join('jonas')]
  await a.say('Go')
  await expectAll([a, b], [...HALF, 'streaming'], 'the beginning in both')
  await press(b, 'Leave')
  await expectAll([b], ['left'], 'unmounted')
  await press(b, 'Return')
  await expectAll([b], [...HALF, 'streaming'], 'as it was')
  await a.page.close()
  gate.open()
  await expectAll([b], [...WHOLE, 'ready'], 'to the end')
})

test('[G12] useChat: a tool is approved from the other tab, also after a reload, and runs once', async () => {
  const { url, join } = await setStage()
  const paid = await startPaying(url)
  const [a, b] = [await join('mia'), await join('jonas')]
  await a.say('Pay')
  const asked = ['user: Pay', 'assistant: [pay approval-requested]ApproveDeny', 'ready']
  await expectAll([a, b], asked, 'the question in both')
  await b.page.reload()
  await expectAll([b], asked, 'the question after loading again')
  expect(paid).toEqual([])
  await press(b, 'Approve')
  await expectAll([a, b], ['user: Pay', 'assistant: [pay output-available]Paid.', 'ready'], 'paid in both')
  expect(paid).toEqual([7])
})

test('[G12] useChat over a transport: unmounted and loaded again in the middle, the reply goes on with nothing twice', async () => {
  const { url, join } = await setStage()
  const gate = await startHalting(url)
  const [a, b] = [await join('mia', undefined, '&with=transport'), await join('jonas')]
  await a.say('Go')
  await expectAll([a, b], [...HALF, 'streaming'], 'the beginning in both')
  await press(a, 'Leave')
  await expectAll([a], ['left'], 'unmounted')
  await press(a, 'Return')
  await expectAll([a, b], [...HALF, 'streaming'], 'as it was')
  await a.page.reload()
  await expectAll([a, b], [...HALF, 'streaming'], 'as it was, after loading again')
  gate.open()
  await expectAll([a, b], [...WHOLE, 'ready'], 'to the end')
  expect((await shown(a)).length).toBe(3)
})
