/** A component that uses a chat of the AI SDK, in StrictMode, in a DOM. */
import type { UseChatHelpers } from '@ai-sdk/react'
import { getToolName, isToolUIPart, type UIMessage } from 'ai'
import { StrictMode, useEffect, type ReactNode } from 'react'
import { createRoot } from 'react-dom/client'
import { onTestFinished } from 'vitest'
import type { OpenSession } from '../../client/index.ts'
import { openLive } from './clients.ts'
import { serveHere } from './in-process.ts'
import { until } from './wait.ts'

/** A mounted component that uses a chat, and what it shows. */
export interface Tab {
  /** What was rendered last. */
  readonly chat: UseChatHelpers<UIMessage>
  /** `role: text` of each message. */
  readonly lines: readonly string[]
  /** Each status that was rendered, without repetitions. */
  readonly statuses: readonly string[]
  /** Whether any render showed two messages of one id. */
  readonly doubled: boolean
  unmount(): void
}

/** Mounts, in StrictMode, a component that uses what `use` gives; resolves when its effects have run, ended and run again. */
export async function mount(
  use: () => UseChatHelpers<UIMessage>,
  around = (children: ReactNode): ReactNode => children,
): Promise<Tab> {
  const statuses: string[] = []
  let doubled = false
  let mounts = 0
  let last: UseChatHelpers<UIMessage> | undefined
  function App(): ReactNode {
    const chat = use()
    useEffect(() => void mounts++, [])
    last = chat
    if (statuses.at(-1) !== chat.status) statuses.push(chat.status)
    doubled ||= new Set(chat.messages.map(({ id }) => id)).size < chat.messages.length
    return chat.messages.map(lineOf).join('\n')
  }
  const html = document.createElement('div')
  const root = createRoot(html)
  root.render(<StrictMode>{around(<App />)}</StrictMode>)
  onTestFinished(() => root.unmount())
  await until(() => mounts === 2)
  return {
    get chat() {
      if (last === undefined) throw new Error('Nothing is rendered yet.')
      return last
    },
    get lines() {
      return (html.textContent ?? '').split('\n').filter((line) => line !== '')
    },
    get doubled() {
      return doubled
    },
    statuses,
    unmount: () => root.unmount(),
  }
}

function lineOf({ role, parts }: UIMessage): string {
  const words = parts.map((part) => {
    if (part.type === 'text') return part.text
    return isToolUIPart(part) ? `[${getToolName(part)} ${part.state}]` : ''
  })
  return `${role}: ${words.join('')}`
}

/** Waits until a tab shows these messages and this status. */
export const expectSoon = (tab: Tab, lines: readonly string[], status = 'ready'): Promise<unknown> =>
  until(() => JSON.stringify(tab.lines) === JSON.stringify(lines) && tab.chat.status === status, {
    what: () => `${status}: ${JSON.stringify(lines)}; it is ${tab.chat.status}: ${JSON.stringify(tab.lines)}`,
  })

/** Status of the last run. */
export const statusOf = (session: OpenSession): string | undefined => session.view.runs.at(-1)?.status

/** A server, and one session that is open twice. */
export async function twoTabs(): Promise<{ url: string; a: OpenSession; b: OpenSession }> {
  const { url } = await serveHere()
  const [a, b] = await Promise.all([openLive({ url, id: 's' }), openLive({ url, id: 's' })])
  return { url, a, b }
}
