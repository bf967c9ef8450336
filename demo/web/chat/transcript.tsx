/**
 * The conversation itself. Of a long one only a window of rows is in the page: a session of thousands of messages opens, and
 * grows, like one of a few. That has a price: the browser's own search finds only what is in the page. So a session of up to
 * `WHOLE` rows is in it whole, and a longer one with a good part around what is seen. The row with the focus stays, and so do
 * those that a selection reaches.
 */
import { hasEnded } from 'polylogue'
import { useHolder, useMe, useMessageIds, useRuns, useSession, useStatus } from 'polylogue/react'
import {
  createContext,
  memo,
  use,
  useEffect,
  useLayoutEffect,
  useMemo,
  useState,
  type CSSProperties,
  type ReactElement,
  type ReactNode,
  type Ref,
  type RefObject,
} from 'react'
import { Virtualizer } from 'virtua'
import { Contained } from '../contained.tsx'
import { Icon } from '../icons.tsx'
import { useIdle } from '../late.ts'
import { lastSeen } from '../seen.ts'
import { START_PX, type Follow } from './follow.ts'
import { IdleLine } from './handover.tsx'
import { MessageRow } from './message-row.tsx'
import { ReplyRow } from './reply-row.tsx'
import { useWaiting } from './queue.ts'
import { rowsOf, type Row } from './rows.ts'
import { DayLine, dayOf, useToday } from './time.tsx'
import { WarmUp } from './warm-up.tsx'

/** Up to so many rows all are in the page. */
const WHOLE = 100

/** Beyond that, those within so many pixels of the view: about two screens each way. */
const BUFFER_PX = 1_600

/** A selection keeps at most so many rows in the page. */
const SELECTED = 300

export interface TranscriptProps {
  readonly follow: Follow
  /** Shown while there is nothing to show. */
  readonly empty: ReactNode
}

export function Transcript({ follow, empty }: TranscriptProps): ReactNode {
  const { viewport, list, room, following, toEnd, lit, arranged, measured } = follow
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
  const unread = useFirstUnread(rows, follow.sends)
  const views = useRowViews(rows, unread, lit)
  const keys = useMemo(() => views.map((view) => String(view.key)), [views])
  const shift = useShift(keys)
  const idle = useIdle()
  const kept = useKept(viewport, keys.length <= WHOLE ? keys.length : null)
  const unseen = useUnseen(keys, following)
  const busy = runs.some((run) => !hasEnded(run.status))
  useLayoutEffect(() => arranged(keys, unread), [arranged, keys, unread])
  const frame = useMemo(() => ({ count: keys.length, measured }), [keys.length, measured])
  return (
    <div className="transcript">
      {/* `off`: rows that come into the page by scrolling are no news. What is news the announcer says. */}
      <div
        className="viewport"
        ref={viewport}
        tabIndex={0}
        aria-label="Conversation"
        role="log"
        aria-live="off"
        aria-busy={busy}
        data-following={following || undefined}
      >
        <div className="rows">
          {keys.length === 0 ? (
            empty
          ) : (
            <FrameContext value={frame}>
              <Virtualizer
                ref={list}
                scrollRef={viewport}
                startMargin={START_PX}
                bufferSize={BUFFER_PX}
                shift={shift}
                keepMounted={kept}
                as={RowList}
                item={RowItem}
              >
                {views}
              </Virtualizer>
            </FrameContext>
          )}
          <div className="room" ref={room} aria-hidden="true" />
        </div>
      </div>
      {idle && <WarmUp />}
      {!following && (
        <button type="button" className="jump" onClick={toEnd}>
          <Icon name="down" size={18} />
          {unseen > 0 ? `Jump to latest (${unseen} new)` : 'Jump to latest'}
        </button>
      )}
    </div>
  )
}

interface Frame {
  readonly count: number
  readonly measured: () => void
}

const FrameContext = createContext<Frame>({ count: 0, measured: () => {} })

interface PartProps {
  readonly style: CSSProperties
  readonly children: ReactNode
  readonly ref?: Ref<HTMLDivElement>
}

function RowList({ style, children, ref }: PartProps): ReactNode {
  const { measured } = use(FrameContext)
  // After each change of a size, and after the virtualizer has moved the view for it, but before anything is painted.
  useLayoutEffect(() => queueMicrotask(measured), [measured, style.height])
  return (
    // What is scrolled takes clicks all the same: while an answer is followed it is scrolled all the time.
    <div role="list" ref={ref} style={{ ...style, pointerEvents: undefined }}>
      {children}
    </div>
  )
}

/** Says which of how many it is: who hears the page cannot know it from rows that are not there. */
function RowItem({ style, children, ref, index }: PartProps & { readonly index: number }): ReactNode {
  const { count } = use(FrameContext)
  return (
    <div role="listitem" aria-posinset={index + 1} aria-setsize={count} data-index={index} ref={ref} style={style}>
      {children}
    </div>
  )
}

interface RowViewProps {
  readonly message: string | null
  readonly run: string | null
  /** The message above it. */
  readonly before: string | null
  /** The day that begins with it. */
  readonly day: number | null
  readonly today: number
  readonly idle: boolean
  readonly unread: boolean
  readonly lit: boolean
}

const RowView = memo(function RowView({ message, run, before, day, today, idle, unread, lit }: RowViewProps): ReactNode {
  return (
    <div className="row" data-lit={lit || undefined}>
      {idle && <IdleLine />}
      {day !== null && <DayLine at={day} today={today} />}
      {unread && (
        <p className="unread">
          <span>New</span>
        </p>
      )}
      <Contained of={message}>
        {run === null && message !== null && <MessageRow id={message} before={before} />}
        {run !== null && <ReplyRow message={message ?? ''} run={run} />}
      </Contained>
    </div>
  )
})

interface Head {
  /** The day that begins here. */
  readonly day: number | null
  /** Before it the agents were given the session back. */
  readonly idle: boolean
}

/** What stands above each row, by when the rows were written. Above a conversation of today alone nothing does. */
function headsOf(ats: readonly (number | null)[], today: number, idleAt: number | null): Head[] {
  let idleSaid = idleAt === null
  let last: number | null = null
  const heads: Head[] = []
  for (const at of ats) {
    const begins = at !== null && dayOf(at) !== dayOf(last ?? today) && (last === null || at > last)
    const idle = !idleSaid && at !== null && at > (idleAt ?? 0)
    if (idle) idleSaid = true
    if (at !== null) last = Math.max(at, last ?? at)
    heads.push({ day: begins ? dayOf(at) : null, idle })
  }
  return heads
}

/** The rows as elements, which stay the same until one comes or goes: a token must not cost the number of rows. */
function useRowViews(rows: readonly Row[], unread: string | null, lit: string | null): readonly ReactElement[] {
  const session = useSession()
  const today = useToday()
  const holder = useHolder()
  const idleAt = holder.state === 'agents' && holder.reason === 'idle' ? (holder.at ?? null) : null
  return useMemo(() => {
    const atOf = ({ message }: Row): number | null => (message === null ? null : (session.message(message)?.metadata.at ?? null))
    const heads = headsOf(rows.map(atOf), today, idleAt)
    const views = rows.map((row, i) => {
      const { day, idle } = heads[i] ?? { day: null, idle: false }
      return (
        <RowView
          key={row.key}
          message={row.message}
          run={row.run}
          before={rows[i - 1]?.message ?? null}
          day={day}
          today={today}
          idle={idle}
          unread={row.key === unread}
          lit={row.key === lit}
        />
      )
    })
    if (idleAt !== null && !heads.some(({ idle }) => idle)) {
      views.push(
        <RowView key=" idle" message={null} run={null} before={null} day={null} today={today} idle unread={false} lit={false} />,
      )
    }
    return views
  }, [session, rows, unread, lit, today, idleAt])
}

/**
 * Key of the first row that came while the reader was away, by when they came back; null where there is none, and once they
 * have answered. What comes before their eyes is not new in this sense, so it is settled as soon as this device has caught up.
 */
function useFirstUnread(rows: readonly Row[], sends: number): string | null {
  const session = useSession()
  const me = useMe()
  const { connection } = useStatus()
  const [mark, setMark] = useState<Mark>(() => ({ seen: lastSeen(session.id), sends, key: undefined }))
  useEffect(() => {
    const onBack = (): void => {
      if (document.visibilityState !== 'visible') return
      setMark((before) => ({ seen: lastSeen(session.id), sends: before.sends, key: undefined }))
    }
    document.addEventListener('visibilitychange', onBack)
    return () => document.removeEventListener('visibilitychange', onBack)
  }, [session])
  const found = useMemo(() => {
    const at = mark.seen === null ? -1 : rows.findIndex((row) => row.message === mark.seen)
    if (at === -1) return null
    const isNew = ({ message }: Row): boolean => message !== null && session.message(message)?.metadata.by !== me?.id
    return rows.slice(at + 1).find(isNew)?.key ?? null
  }, [session, rows, me, mark.seen])
  if (mark.key === undefined && connection === 'live') setMark({ ...mark, key: found })
  return mark.sends === sends ? (mark.key === undefined ? found : mark.key) : null
}

interface Mark {
  readonly seen: string | null
  /** How often something had been sent. */
  readonly sends: number
  readonly key: string | null | undefined
}

/** How many rows came since the reader left the end. */
function useUnseen(keys: readonly string[], following: boolean): number {
  const last = keys.at(-1) ?? null
  const [seen, setSeen] = useState(last)
  if (following && seen !== last) setSeen(last)
  const at = seen === null ? -1 : keys.lastIndexOf(seen)
  return at === -1 ? 0 : keys.length - 1 - at
}

/** True for the render in which rows were put before all others: what is read stays in place then. */
function useShift(keys: readonly string[]): boolean {
  const [before, setBefore] = useState({ keys, shift: false })
  if (before.keys === keys) return before.shift
  const first = before.keys[0]
  const shift = first !== undefined && keys[0] !== first && keys.lastIndexOf(first) > 0
  setBefore({ keys, shift })
  return shift
}

/** Rows that stay in the page wherever the view is. @param whole how many there are, if all are to stay */
function useKept(viewport: RefObject<HTMLElement | null>, whole: number | null): readonly number[] {
  const [held, setHeld] = useState<readonly number[]>([])
  useEffect(() => {
    const element = viewport.current
    if (element === null) return
    const look = ({ type }: Event): void => {
      // Each key that is pressed where one writes changes the selection there, which is none of ours. The focus alone does not
      // say where a selection is: under a finger it may stay in the field.
      const isElsewhere = !element.contains(document.getSelection()?.anchorNode ?? null)
      if (type === 'selectionchange' && isElsewhere && document.activeElement instanceof HTMLTextAreaElement) return
      const next = heldIn(element)
      setHeld((before) => (before.join() === next.join() ? before : next))
    }
    element.addEventListener('focusin', look)
    element.addEventListener('focusout', look)
    document.addEventListener('selectionchange', look)
    return () => {
      element.removeEventListener('focusin', look)
      element.removeEventListener('focusout', look)
      document.removeEventListener('selectionchange', look)
    }
  }, [viewport])
  return useMemo(() => (whole === null ? held : range(0, whole - 1)), [whole, held])
}

function heldIn(viewport: HTMLElement): number[] {
  const indexOf = (node: Node | null): number | null => {
    const element = node instanceof Element ? node : node?.parentElement
    const row = element?.closest<HTMLElement>('[data-index]')
    return row === null || row === undefined || !viewport.contains(row) ? null : Number(row.dataset['index'])
  }
  const focused = indexOf(document.activeElement)
  const kept = focused === null ? [] : [focused]
  const selection = document.getSelection()
  if (selection === null || selection.isCollapsed) return kept
  const ends = [indexOf(selection.anchorNode), indexOf(selection.focusNode)].filter((it) => it !== null)
  if (ends.length === 0) return kept
  const [from, to] = [Math.min(...ends), Math.max(...ends)]
  return [...kept, ...range(from, Math.min(to, from + SELECTED))]
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}
