/** Healing in a real browser: its IndexedDB, its BroadcastChannel, two tabs. */
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { build } from 'vite'
import type { OpenSession } from '../../client/index.ts'
import { findChromium } from '../../scripts/chromium.mjs'
import { openLive, texts } from '../support/clients.ts'
import { serveHere } from '../support/in-process.ts'
import { POISON, refusePoison } from '../support/refusing.ts'
import { tokenFor } from '../support/tokens.ts'
import { until } from '../support/wait.ts'

/** What the page puts where the test finds it. */
declare global {
  interface Window {
    session: OpenSession
    openSession: (options: { url: string; id: string; token: string }) => OpenSession
  }
}

/** The client as one script that puts `openSession` on the window. */
async function bundle(): Promise<string> {
  const entry = fileURLToPath(new URL('../../client/index.ts', import.meta.url))
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    build: { write: false, minify: false, lib: { entry, formats: ['iife'], name: 'polylogue' } },
  })
  const [result] = Array.isArray(built) ? built : [built]
  if (result === undefined || !('output' in result)) throw new Error('Vite gave no output.')
  return `${result.output[0].code}\nwindow.openSession = polylogue.openSession`
}

test('[X7] two tabs of a browser heal from a refused update, with a reload between (CLI-8, CLI-9, CLI-10)', async () => {
  const refused = refusePoison()
  const script = await bundle()
  const server = await serveHere({
    route: () => [],
    routes: (app) => {
      app.get('/', (context) => context.html('<!doctype html><script src="/client.js"></script>'))
      app.get('/client.js', (context) => context.body(script, 200, { 'content-type': 'text/javascript' }))
    },
  })
  const browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] })
  onTestFinished(() => browser.close())
  const context = await browser.newContext()
  const token = await tokenFor('ada')
  const openTab = async (): Promise<Awaited<ReturnType<typeof context.newPage>>> => {
    const page = await context.newPage()
    await page.goto(`http://127.0.0.1:${server.port}/`)
    await page.evaluate(
      async (options) => {
        window.session = window.openSession(options)
        await window.session.ready
      },
      { url: server.url, id: 's', token },
    )
    await until(() => page.evaluate(() => window.session.status.connection === 'live'))
    return page
  }
  const [one, two] = [await openTab(), await openTab()]
  const textsIn = (page: typeof one): Promise<string[]> =>
    page.evaluate(() => window.session.view.messages.map(({ parts }) => (parts[0] as { text: string }).text))

  await one.evaluate(() => window.session.send('before'))
  await until(async () => (await textsIn(two)).includes('before') && (await one.evaluate(() => window.session.status.onServer)))
  await one.evaluate((poison) => {
    window.session.object('cart').set('note', poison)
    window.session.send('behind it')
  }, POISON)
  await two.evaluate(() => window.session.send('from two'))
  for (const page of [one, two]) {
    await until(() => page.evaluate(() => window.session.status.onServer && window.session.view.messages.length === 3))
  }
  const bob = await openLive({ url: server.url, id: 's', as: 'bob' })
  expect(texts(bob).toSorted()).toEqual(['before', 'behind it', 'from two'])
  const offers = (page: typeof one): Promise<unknown> => page.evaluate(() => window.session.refused?.fields ?? null)
  expect(await offers(one)).toEqual({ cart: { note: POISON } })

  await one.close()
  await two.close()
  const before = refused.count
  const again = await openTab()
  await until(() => again.evaluate(() => window.session.refused !== null))
  expect(await offers(again)).toEqual({ cart: { note: POISON } })
  await again.evaluate(() => {
    window.session.discardRefused()
    window.session.send('afterwards')
  })
  await until(() => texts(bob).includes('afterwards'))
  expect([refused.count, await textsIn(again)]).toEqual([before, texts(bob)])
})
