/**
 * Says to those who hear the page what those who see it see: that a reply is coming and how it ended. Tokens are not read
 * out; the region is there from the start, or its first words would go unheard.
 */
import { hasEnded, type Run, type RunStatus } from 'polylogue'
import { useHolder, useRuns } from 'polylogue/react'
import type { ReactNode } from 'react'
import { useConnectionNotice } from './connection.tsx'

export function Announcer(): ReactNode {
  const runs = useRuns()
  const holder = useHolder()
  const notice = useConnectionNotice()
  const text = notice?.text ?? (holder.state === 'human' ? 'A person is answering' : wordsFor(runs))
  return (
    <p className="hidden" role="status">
      {text}
    </p>
  )
}

const ENDINGS: Readonly<Partial<Record<RunStatus, string>>> = {
  complete: 'Reply finished',
  cancelled: 'Reply cancelled',
  error: 'Reply failed',
  interrupted: 'Reply interrupted',
}

function wordsFor(runs: readonly Run[]): string {
  const running = runs.filter((run) => !hasEnded(run.status))
  if (running.length > 0) return `${running.map((run) => run.agent).join(' and ')}: replying`
  return ENDINGS[runs.at(-1)?.status ?? 'pending'] ?? ''
}
