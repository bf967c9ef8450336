/** Above the composer, where it cannot scroll away: what agents wait for people to approve, the oldest first. */
import type { OpenSession } from 'polylogue'
import { hasEnded } from 'polylogue'
import { useSession } from 'polylogue/react'
import { useCallback, useMemo, useSyncExternalStore, type ReactNode } from 'react'
import { ApprovalQuestion } from '../cards/approval-card.tsx'
import { approvalOf, type Approval } from '../cards/approval.ts'

export function PinnedApprovals(): ReactNode {
  const [first, ...others] = useOpenApprovals()
  // One at a time: several would leave a phone no room for the conversation.
  return first === undefined ? null : <ApprovalQuestion key={first.id} part={first} more={others.length} />
}

/** Changes when a run begins or ceases to wait, and when something is answered; never for a token. */
function useOpenApprovals(): readonly Approval[] {
  const session = useSession()
  const read = useMemo(() => openApprovals(session), [session])
  const subscribe = useCallback(
    (onChange: () => void) => {
      const ends = (['runs', 'calls', 'messages'] as const).map((topic) => session.subscribe(onChange, topic))
      return () => ends.forEach((end) => end())
    },
    [session],
  )
  return useSyncExternalStore(subscribe, read)
}

const NONE: readonly Approval[] = []

/** Reads what waits; gives the same list until that is something else. */
function openApprovals(session: OpenSession): () => readonly Approval[] {
  let last = NONE
  return () => {
    const waiting = new Set(
      session.view.runs.filter((run) => !hasEnded(run.status) && run.status !== 'active').map(({ id }) => id),
    )
    if (waiting.size === 0) return (last = NONE)
    const open = session.messageIds.flatMap((id) => {
      const message = session.message(id)
      if (message === undefined || !waiting.has(message.metadata.run ?? '')) return []
      return message.parts.flatMap((part) => {
        const approval = approvalOf(part)
        return approval?.state === 'requested' && approval.call !== undefined ? [approval] : []
      })
    })
    const key = JSON.stringify(open)
    if (key !== JSON.stringify(last)) last = open
    return last
  }
}
