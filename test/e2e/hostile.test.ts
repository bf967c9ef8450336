/** Markdown from a model or a stranger never runs, never loads, never leads away, and never keeps the page busy. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { build, type Rolldown } from 'vite'
import { costlyTexts, hostileTexts } from './hostile/corpus.ts'
import { launch, until } from './windows.ts'

/** A text that is made to cost may take so many times as long to show as an honest one of its length and kind, and a moment. */
const MAX_RATIO = 6
const SLACK_MS = 50
/** Beginnings of a long text that are shown. */
const CUTS = 3

let browser: Browser | undefined
let script = ''

beforeAll(async () => {
  ;[script, browser] = await Promise.all([bundle(), launch()])
})

afterAll(() => browser?.close())

/** The component and what looks at it, as one script. */
async function bundle(): Promise<string> {
  const built = (await build({
    configFile: false,
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    oxc: { jsx: { development: false } },
    build: {
      write: false,
      target: 'es2022',
      rolldownOptions: { input: fileURLToPath(new URL('hostile/page.tsx', import.meta.url)) },
    },
  })) as Rolldown.RolldownOutput
  const chunks = built.output.filter((file) => file.type === 'chunk')
  expect(chunks, 'one script').toHaveLength(1)
  return chunks[0]?.code ?? ''
}

interface Trap {
  readonly page: Page
  /** What the other origin was asked for. */
  readonly asked: readonly string[]
  readonly canary: string
  /** Dialogs, navigations, new windows, errors of the page. */
  readonly seen: readonly string[]
}

/** A page with no policy of its own, so that nothing but the component stands between a text and the page. */
async function setTrap(): Promise<Trap> {
  const asked: string[] = []
  const serve = async (answer: (path: string) => string): Promise<string> => {
    const server = createServer((request, response) => {
      const path = request.url ?? ''
      response.setHeader('content-type', path.endsWith('.js') ? 'text/javascript' : 'text/html')
      response.end(answer(path))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const canary = await serve((path) => {
    asked.push(path)
    return ''
  })
  const html =
    '<!doctype html><title>trap</title><link rel="icon" href="data:,"><div id="root"></div><script src="/page.js"></script>'
  const home = await serve((path) => (path === '/page.js' ? script : html))
  if (browser === undefined) throw new Error('No browser.')
  const context = await browser.newContext()
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const seen: string[] = []
  page.on('dialog', (dialog) => {
    seen.push(`dialog ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('pageerror', (error) => seen.push(String(error)))
  await page.goto(`${home}/`)
  page.on('framenavigated', (frame) => seen.push(`navigation to ${frame.url()}`))
  context.on('page', (other) => seen.push(`window ${other.url()}`))
  return { page, asked, canary, seen }
}

describe('[X8] Markdown that is hostile', () => {
  test('does nothing, whole and at each of its beginnings', async () => {
    const { page, asked, canary, seen } = await setTrap()
    const texts = hostileTexts(canary)
    expect(texts.length).toBeGreaterThanOrEqual(60)
    for (const text of texts) expect(await page.evaluate((it) => window.tryText(it), text), text).toEqual([])
    // All of them in one text as well, one in the other's middle.
    expect(await page.evaluate((it) => window.tryText(it, []), texts.join(' '))).toEqual([])
    expect(await page.evaluate((it) => window.tryText(it, []), texts.join('\n\n'))).toEqual([])
    expect(await page.evaluate(() => [document.title, document.body.childElementCount, Object.keys(Object.prototype)])).toEqual([
      'trap',
      2,
      [],
    ])
    // The traps do close: what is asked for and run after all the others is noticed, and nothing was before it.
    await page.evaluate((url) => {
      document.querySelector('#root')?.insertAdjacentHTML('beforeend', `<img src="${url}/last" onerror="pwn()">`)
    }, canary)
    await until(() => page.evaluate(() => window.pwned), 'the last one runs').toBe(1)
    expect(asked).toEqual(['/last'])
    expect(seen).toEqual([])
  })

  test('takes no longer than in proportion to what there is to show', async () => {
    const { page, seen } = await setTrap()
    const { blowUps, crowds } = costlyTexts()
    const time = (text: string): Promise<number> => page.evaluate((it) => window.timeText(it), text)
    const slow: string[] = []
    const compare = async (texts: Readonly<Record<string, string>>, honest: string): Promise<void> => {
      const usual = await time(honest)
      for (const [name, text] of Object.entries(texts)) {
        let took = await time(text)
        // Something else may have had the machine for a moment; what is slow by itself is so again.
        for (let again = 0; again < 3 && took > MAX_RATIO * usual + SLACK_MS; again++) took = Math.min(took, await time(text))
        if (took > MAX_RATIO * usual + SLACK_MS)
          slow.push(`${name}: ${took.toFixed(0)} ms, an honest text ${usual.toFixed(0)} ms`)
        const ends = Array.from({ length: CUTS }, (_, i) => Math.floor(((i + 0.5) * text.length) / CUTS))
        expect(await page.evaluate(([it, at]) => window.tryText(it, at), [text, ends] as const), name).toEqual([])
      }
    }
    await compare(blowUps, 'word '.repeat(20_000))
    await compare(crowds, 'word\n\n'.repeat(1_600))
    expect(slow).toEqual([])
    expect(seen).toEqual([])
  })
})

/** Lists and tables that end, nest, turn loose, go on, or only seem to. */
const GROWING = [
  '- one\n- two\n- three\n- four\n\n- turns loose\n- six\n\nand an end\n\n- another\n- list',
  '3. three\n4. **four**\n   goes on\nlazily\n5. five\n   - nested\n   - *too*\n\n     more of it\n6. six\n7) another list\n8) of it',
  '- [ ] open\n- [x] done\n- `code`\n- ~~gone~~\n- > quote\n- # heading\n- ```\n  code\n  ```\n- [a link](https://example.com/)\n* star',
  '| a | b | c |\n|:--|:-:|--:|\n| 1 | **2** | `3` |\n| x |\n| p \\| q | r | s | t |\nwithout\n| last | row | *half* |\n\nafter',
  `${'- an entry with **bold** and `code`\n'.repeat(40)}\n${'| some | row |\n'.replace('some', 'a')}|---|---|\n${'| **b** | c |\n'.repeat(40)}`,
]

describe('Markdown that grows', () => {
  test('looks at each moment as it does when it is shown anew', async () => {
    const { page, seen } = await setTrap()
    for (const text of GROWING)
      for (const step of text.length > 1_000 ? [23] : [1, 7, 40])
        expect(await page.evaluate(([it, by]) => window.growText(it, by), [text, step] as const)).toEqual([])
    expect(seen).toEqual([])
  })
})
