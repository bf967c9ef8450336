/**
 * What the first answer on a page would have to do for the first time, done before it comes: the first time takes ten times as
 * long as any later one, and all of it would fall into the answer's beginning. Samples are shown where nobody sees them, one by
 * one in moments that the page has to spare, and never while somebody types.
 */
import type { Message, Run } from 'polylogue'
import { startTransition, useEffect, useState, type ReactNode } from 'react'
import { createPortal } from 'react-dom'
import { TaskCard } from '../cards/task-card.tsx'
import { whenIdle } from '../late.ts'
import { newCutter } from './blocks.ts'
import { newHealer } from './healed.ts'
import { Markdown } from './markdown.tsx'
import { PersonsMessage } from './message-row.tsx'
import { pacer } from './page-pacer.ts'
import { ReplyRow } from './reply-row.tsx'
import { blockHtml, sanitized } from './safe-html.ts'

/** No message and no run has it. */
const ID = 'warm-up'

const WORDS = '# Some\n\nwords **and** *more*, `code` and [a link](https://example.com/)\n\n> quote\n\n'
const PIECES = `${WORDS}- one\n- two\n- three\n\n|a|b|\n|-|-|\n|1|2|\n|3|4|\n\n\`\`\`ts\ncode\n\`\`\`\n\nand **half`

const MESSAGE: Message = {
  id: ID,
  role: 'user',
  metadata: { by: ID, kind: 'user', at: 0 },
  parts: [{ type: 'text', text: 'Words' }],
}

const RUN: Run = {
  id: ID,
  agent: ID,
  input: ID,
  attempt: 1,
  status: 'active',
  steps: [{ title: 'step', status: 'running' }],
  at: 0,
}

/** Each takes the place of the one before it: what is alike is changed, as it is when a text grows and a reply ends. */
const SAMPLES: readonly (() => ReactNode)[] = [
  () => void newCutter()(PIECES),
  () => void newHealer()('- one\n- **two', true),
  () => void sanitized(blockHtml(WORDS)),
  () => <Markdown text={WORDS} growing watched />,
  () => <Markdown text={PIECES} growing watched />,
  () => <Markdown text={PIECES} growing={false} watched />,
  () => <PersonsMessage message={MESSAGE} before={null} />,
  () => <ReplyRow message="" run={ID} />,
  () => <TaskCard run={RUN} calls={[]} took={new Map()} />,
  () => <TaskCard run={{ ...RUN, status: 'complete' }} calls={[]} took={new Map()} />,
]

/** The page is warm. */
let isDone = false

/** To be rendered when the first screen is there, by one or more; done once. Nothing of it is in the page. */
export function WarmUp(): ReactNode {
  const [place] = useState(() => document.createElement('div'))
  const [shown, setShown] = useState<{ readonly count: number; readonly sample: ReactNode }>({ count: 0, sample: null })
  useEffect(() => {
    if (shown.count > SAMPLES.length) isDone = true
    if (isDone) return
    return whenCalm(() => {
      const sample = SAMPLES[shown.count]?.() ?? null
      startTransition(() => setShown({ count: shown.count + 1, sample }))
    })
  }, [shown])
  return shown.sample === null ? null : createPortal(shown.sample, place)
}

/** As `whenIdle`, but not while somebody types. */
function whenCalm(use: () => void): () => void {
  let cancel = (): void => {}
  const look = (): void => {
    if (pacer.isTyping) cancel = whenIdle(look)
    else use()
  }
  cancel = whenIdle(look)
  return () => cancel()
}
