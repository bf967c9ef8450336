// @vitest-environment happy-dom
/** The README's React chat as it stands, on a real server with a real agent. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createElement, type FunctionComponent } from 'react'
import { createRoot } from 'react-dom/client'
import { expect, onTestFinished, test } from 'vitest'
import { createAgent } from '../client/agent.ts'
import { serveHere } from './support/in-process.ts'
import { tokenFor } from './support/tokens.ts'
import { until } from './support/wait.ts'

const ROOT = join(import.meta.dirname, '..')

test("the README's React code is a chat: what is written is answered, and Stop stops", async () => {
  const code = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^```tsx\n([\s\S]*?)^```$/gm)]
    .map(([, block = '']) => block)
    .find((block) => block.includes('function Composer'))
  mkdirSync(join(ROOT, '.setup'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, '.setup', 'readme-react-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'chat.tsx'), `/** @jsxRuntime automatic */\n${code}`)
  const { Chat } = (await import(/* @vite-ignore */ join(folder, 'chat.tsx'))) as {
    Chat: FunctionComponent<{ url: string; token: string }>
  }
  const { url } = await serveHere()
  const agent = createAgent({
    url,
    token: await tokenFor('assistant', 'agent'),
    name: 'assistant',
    async run(run) {
      run.write('Booked.')
      if (run.messages.length > 1) await new Promise((resolve) => run.signal.addEventListener('abort', resolve))
    },
  })
  onTestFinished(() => agent.close())
  const root = document.body.appendChild(document.createElement('div'))
  const app = createRoot(root)
  onTestFinished(() => app.unmount())
  app.render(createElement(Chat, { url, token: await tokenFor('ada') }))
  const button = (name: string): HTMLButtonElement | undefined =>
    [...root.querySelectorAll('button')].find((it) => it.textContent === name)
  const write = async (text: string): Promise<void> => {
    const field = (): HTMLInputElement | null => root.querySelector('input')
    await until(() => root.querySelector('small')?.textContent === 'Saved · live', {
      timeoutMs: 6_000,
      what: () => root.innerHTML,
    })
    ;(field() as HTMLInputElement).value = text
    button('Send')?.click()
  }
  const shown = (): string[] => [...root.querySelectorAll('article')].map((it) => it.textContent ?? '')
  await write('Book me a flight')
  await until(() => shown().length === 2 && shown()[1] === 'Booked.')
  await until(() => button('Stop') === undefined)
  await write('And a hotel')
  await until(() => shown().length === 4)
  button('Stop')?.click()
  await until(() => button('Stop') === undefined)
  expect(shown()).toEqual(['Book me a flight', 'Booked.', 'And a hotel', 'Booked.'])
})
