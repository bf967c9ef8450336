/** The conversation itself. */
import { hasEnded } from 'polylogue'
import { useHolder, useMessageIds, useRuns, useSession } from 'polylogue/react'
import { useMemo, useState, type ReactNode } from 'react'
import { Icon } from '../icons.tsx'
import type { Follow } from './follow.ts'
import { IdleLine } from './handover.tsx'
import { MessageRow } from './message-row.tsx'
import { ReplyRow } from './reply-row.tsx'
import { useWaiting } from './queue.ts'
import { rowsOf, type Row } from './rows.ts'
import { DayLine } from './time.tsx'

export interface TranscriptProps {
  readonly follow: Follow
  /** Shown while there is nothing to show. */
  readonly empty: ReactNode
}

export function Transcript({ follow: { viewport, content, following, toEnd }, empty }: TranscriptProps): ReactNode {
  const session = useSession()
  const ids = useMessageIds()
  const runs = useRuns()
  const waiting = useWaiting()
  const rows = useMemo(
    () =>
      rowsOf(
        ids,
        (id) => session.message(id),
        runs,
        waiting,
        (run) => session.isShown(run),
      ),
    [session, ids, runs, waiting],
  )
  const busy = runs.some((run) => !hasEnded(run.status))
  const holder = useHolder()
  const idleAt = holder.state === 'agents' && holder.reason === 'idle' ? (holder.at ?? null) : null
  const atOf = (row: Row | undefined): number =>
    (row?.message == null ? undefined : session.message(row.message)?.metadata.at) ?? Number.POSITIVE_INFINITY
  // Before the first row that came after it; behind all where there is none.
  const idleBefore = idleAt === null ? -1 : rows.findIndex((row) => row.message !== null && atOf(row) > idleAt)
  const unseen = useUnseen(rows.length, following)
  return (
    <div className="transcript">
      <div className="viewport" ref={viewport} tabIndex={0} aria-label="Conversation" role="log" aria-live="off" aria-busy={busy}>
        <div className="rows" ref={content}>
          {rows.length === 0 && empty}
          {rows.map((row, i) => {
            const at = row.message === null ? undefined : session.message(row.message)?.metadata.at
            const before = rows[i - 1]?.message ?? null
            const beforeAt = before === null ? null : (session.message(before)?.metadata.at ?? null)
            return (
              <div className="row" key={row.key}>
                {i === idleBefore && <IdleLine />}
                {at !== undefined && (i === 0 || beforeAt !== null) && <DayLine at={at} before={beforeAt} />}
                {row.run === null && row.message !== null ? (
                  <MessageRow id={row.message} before={before} />
                ) : (
                  <ReplyRow message={row.message ?? ''} run={row.run ?? ''} />
                )}
              </div>
            )
          })}
          {idleAt !== null && idleBefore === -1 && <IdleLine />}
        </div>
      </div>
      {!following && (
        <button type="button" className="jump" onClick={toEnd}>
          <Icon name="down" size={18} />
          {unseen > 0 ? `Jump to latest (${unseen} new)` : 'Jump to latest'}
        </button>
      )}
    </div>
  )
}

/** How many rows came since the reader left the end. */
function useUnseen(count: number, following: boolean): number {
  const [seen, setSeen] = useState(count)
  if (following && seen !== count) setSeen(count)
  return Math.max(0, count - seen)
}
