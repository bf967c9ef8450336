/**
 * Where the reader is in a list that grows and of which only a window is in the page.
 *
 * The list stays at its end while the reader is there, and leaves them alone once they have scrolled up by as little as a
 * pixel; it follows again when they return to the end or ask for it. What one has just sent goes to the top, and room for
 * the answer is kept under it: an answer then grows downwards into that room and moves nothing, until it is longer.
 */
import { hasEnded } from 'polylogue'
import { useSession } from 'polylogue/react'
import { useCallback, useEffect, useMemo, useRef, useState, type RefObject } from 'react'
import type { VirtualizerHandle } from 'virtua'
import { keepPlace, placeIn } from './place-in-session.ts'

/** How far from the end still counts as the end: fractions of pixels on zoomed screens. */
const EDGE_PX = 3

/** What is above the list within what scrolls, as the styles have it, in pixels. */
export const START_PX = 20

/** What is shown above a row that one goes to. */
const ABOVE_PX = 12

/** For so long after a wheel, a finger or a key, what moves up is moved by the reader. */
const TOUCH_MS = 500

/** No correction is as long as this. */
const FAR_PX = 100

/** How often the place is written down while one scrolls. */
const KEEP_MS = 200

/** Further down than any list is long; browsers take it for the end. */
const END = 1e9

export interface Follow {
  /** What scrolls. */
  readonly viewport: RefObject<HTMLDivElement | null>
  readonly list: RefObject<VirtualizerHandle | null>
  /** The room that is kept at the end. */
  readonly room: RefObject<HTMLDivElement | null>
  readonly following: boolean
  /** Goes to the end and stays there. */
  readonly toEnd: () => void
  /** To be called when something was sent from here: goes to it, and keeps room for the answer. */
  readonly sent: () => void
  /** Shows a message and lights it up for a moment; false where there is no such message. */
  readonly show: (message: string) => boolean
  /** The row that is lit up. */
  readonly lit: string | null
  /** To be called when rows have come or gone. @param keys of all rows @param begin the first row that is new to one who comes back */
  readonly arranged: (keys: readonly string[], begin: string | null) => void
  /** To be called when rows have been measured. */
  readonly measured: () => void
  /** How many times something was sent. */
  readonly sends: number
}

const LIT_MS = 2_400

export function useFollow(): Follow {
  const session = useSession()
  const viewport = useRef<HTMLDivElement>(null)
  const list = useRef<VirtualizerHandle>(null)
  const room = useRef<HTMLDivElement>(null)
  const [following, setFollowing] = useState(true)
  const [lit, setLit] = useState<string | null>(null)
  const [sends, setSends] = useState(0)
  // What the listeners need at once, without a render in between.
  const now = useRef({
    pinned: true,
    top: 0,
    keys: [] as readonly string[],
    turn: null as string | null,
    begun: false,
    line: null as string | null,
    frame: 0,
    /** It will be settled before the next frame is painted. */
    awaited: false,
    end: 0,
    /** Of what scrolls, as it was last observed: to ask for it would have all laid out. */
    height: null as number | null,
  })

  const pin = useCallback((next: boolean) => {
    now.current.pinned = next
    setFollowing(next)
  }, [])

  const settle = useCallback(() => {
    const { keys, turn, pinned } = now.current
    const element = viewport.current
    if (element === null) return
    const at = turn === null ? -1 : keys.indexOf(turn)
    if (room.current !== null)
      keepRoom(room.current, (now.current.height ??= element.clientHeight), list.current, at, keys.length)
    if (!pinned) return
    element.scrollTop = END
    now.current.top = element.scrollTop
  }, [])

  const settleInFrame = useCallback(() => {
    cancelAnimationFrame(now.current.frame)
    now.current.frame = requestAnimationFrame(() => {
      now.current.awaited = false
      settle()
      const element = viewport.current
      if (element !== null) now.current.end = element.scrollHeight - element.clientHeight
    })
  }, [settle])

  const measured = useCallback(() => {
    if (now.current.awaited) return
    settle()
    // Once more when all is laid out: while sizes are being observed a browser may still have the old end.
    settleInFrame()
  }, [settle, settleInFrame])

  /** For what happens in no frame: all is laid out once, in the next one, and not in the task that has changed it as well. */
  const changed = useCallback(() => {
    now.current.awaited = true
    settleInFrame()
  }, [settleInFrame])

  /** At once, and once more: which rows are at the end, and how high they are, is found out on the way there. */
  const toEnd = useCallback(() => {
    pin(true)
    settle()
    settleInFrame()
  }, [pin, settle, settleInFrame])

  const goTo = useCallback(
    (index: number, offset: number, align: 'start' | 'center' = 'start') => {
      pin(false)
      list.current?.scrollToIndex(index, { align, offset })
    },
    [pin],
  )

  const sent = useCallback(() => {
    const mine = session.messageIds.findLast((id) => session.message(id)?.metadata.by === session.me?.id)
    // What waits behind an answer that is being written must not push that out of sight.
    const busy = session.view.runs.some((run) => !hasEnded(run.status) && run.input !== mine)
    now.current.turn = busy ? null : (mine ?? null)
    setSends((before) => before + 1)
    pin(true)
    changed()
  }, [session, pin, changed])

  const show = useCallback(
    (message: string) => {
      const run = session.message(message)?.metadata.run
      const key = [message, run].find((it) => it !== undefined && now.current.keys.includes(it))
      if (key === undefined || list.current === null) return false
      goTo(now.current.keys.indexOf(key), 0, 'center')
      setLit(key)
      return true
    },
    [session, goTo],
  )

  useEffect(() => {
    if (lit === null) return
    const timer = setTimeout(() => setLit(null), LIT_MS)
    return () => clearTimeout(timer)
  }, [lit])

  const arranged = useCallback(
    (keys: readonly string[], begin: string | null) => {
      now.current.keys = keys
      const { begun } = now.current
      if (!begun && keys.length > 0) {
        now.current.begun = true
        const place = placeIn(session.id)
        const at = place === null ? -1 : keys.indexOf(place.key)
        if (place !== null && at >= 0) goTo(at, place.above)
      }
      if (begin !== now.current.line) {
        now.current.line = begin
        if (begin !== null && now.current.pinned) goTo(keys.indexOf(begin), -ABOVE_PX)
      }
      // The first time at once: which rows are in the page is said by where it is scrolled to.
      if (begun) changed()
      else measured()
    },
    [session, goTo, measured, changed],
  )

  useEffect(() => {
    const element = viewport.current
    if (element === null) return
    let timer: ReturnType<typeof setTimeout> | undefined
    const keep = (): void => {
      clearTimeout(timer)
      timer = undefined
      // As it was last read: to read it now might cost a layout.
      const { pinned, keys, top } = now.current
      if (list.current === null) return
      // The virtualizer makes up for some changes only when scrolling has come to rest.
      if (pinned) measured()
      const first = list.current.findItemIndex(top)
      const key = keys[first]
      if (pinned || key === undefined) keepPlace(session.id, null)
      else keepPlace(session.id, { key, above: Math.round(top - START_PX - list.current.getItemOffset(first)) })
    }
    const look = (): void => {
      const gap = element.scrollHeight - element.scrollTop - element.clientHeight
      // The virtualizer corrects the view, and content shrinks: that is not the reader, unless they have just touched something,
      // or the view has gone a long way with nothing else changed (a scroll bar, an assistive program).
      const end = element.scrollHeight - element.clientHeight
      const far = end === now.current.end && element.scrollTop < now.current.top - FAR_PX
      const isReader = far || performance.now() - touched < TOUCH_MS
      now.current.end = end
      // One pixel up is enough to be let go, and the end itself, wherever it has moved, is enough to be held.
      if (gap < 1) pin(true)
      else if (element.scrollTop < now.current.top - 0.5 && isReader) pin(false)
      else if (now.current.pinned) measured()
      else if (gap <= EDGE_PX) pin(true)
      now.current.top = element.scrollTop
      timer ??= setTimeout(keep, KEEP_MS)
    }
    const onKey = (event: KeyboardEvent): void => {
      // The end as the browser knows it is a guess until the rows there have been measured.
      if (event.key !== 'End' || event.target !== element) return
      event.preventDefault()
      toEnd()
    }
    let touched = Number.NEGATIVE_INFINITY
    const onTouch = (): void => void (touched = performance.now())
    const touches = ['wheel', 'touchmove', 'pointerdown', 'keydown'] as const
    for (const type of touches) element.addEventListener(type, onTouch, { passive: true })
    const onHide = (): void => {
      if (timer !== undefined) keep()
    }
    const observer = new ResizeObserver(() => {
      now.current.height = element.clientHeight
      measured()
    })
    observer.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    element.addEventListener('keydown', onKey)
    window.addEventListener('pagehide', onHide)
    return () => {
      clearTimeout(timer)
      observer.disconnect()
      element.removeEventListener('scroll', look)
      for (const type of touches) element.removeEventListener(type, onTouch)
      element.removeEventListener('keydown', onKey)
      window.removeEventListener('pagehide', onHide)
    }
  }, [session, pin, measured, toEnd])

  return useMemo(
    () => ({ viewport, list, room, following, toEnd, sent, show, lit, arranged, measured, sends }),
    [following, toEnd, sent, show, lit, arranged, measured, sends],
  )
}

/** As much room at the end as it takes to have the turn at the top of the view. */
function keepRoom(room: HTMLElement, inView: number, list: VirtualizerHandle | null, turn: number, count: number): void {
  let height = 0
  if (list !== null && turn >= 0) {
    const below = list.getItemOffset(count - 1) + list.getItemSize(count - 1) - list.getItemOffset(turn)
    height = Math.max(0, Math.floor(inView - ABOVE_PX * 2 - below))
  }
  const style = `${height}px`
  if (room.style.height !== style) room.style.height = style
}
