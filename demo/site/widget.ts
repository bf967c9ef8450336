/** The shop's widget: its key and page, and an example of a page of somebody else that shows it. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Hono } from 'hono'
import type { WidgetOptions } from 'polylogue/server'
import type { Settings } from './settings.ts'

/** Public, as such keys are. */
const KEY = 'pk_polyshop_demo'

const file = (path: string): string => readFileSync(fileURLToPath(new URL(path, import.meta.url)), 'utf8')

export function widgetOf({ widgetOrigins }: Settings): WidgetOptions {
  return { keys: [{ key: KEY, origins: widgetOrigins }], page: file('../dist/widget.html') }
}

/**
 * Adds `GET /widget-example`: a page with nothing of the shop but one script tag. Under another name of this machine than the
 * shop's (`localhost` and `127.0.0.1`) it is a page of another origin, with a policy as strict as they get.
 */
export function addHostPage(app: Hono): void {
  const page = file('../widget-example.html')
  app.get('/widget-example', (context) => {
    const { port } = new URL(context.req.url)
    const server = `http://127.0.0.1:${port}`
    return context.body(page.replaceAll('SERVER', server), 200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; script-src ${server}; frame-src ${server}; style-src 'none'; base-uri 'none'`,
      'cache-control': 'no-cache',
    })
  })
}
