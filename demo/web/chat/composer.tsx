/**
 * Where one writes. It never locks: not while an agent works, not while there is no network, not while the connection comes
 * back. Enter sends, Shift+Enter breaks the line, Escape stops what was asked from here, and where
 * nothing of that runs it takes back what waits. While an agent works, what is sent
 * waits for its turn, or (Ctrl+Enter) changes what the agent is at.
 */
import { hasEnded, SessionError, type Lane, type OpenSession, type Run } from 'polylogue'
import { useHolder, useMe, useRuns, useSession } from 'polylogue/react'
import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from 'react'
import { Icon } from '../icons.tsx'
import { draftKey } from '../place.ts'
import { editLast } from './editing.ts'
import { handOver } from './handover.tsx'
import { takeBack, useWaiting } from './queue.ts'

/** Without a key press for this long, one is not typing any more. */
const TYPING_MS = 4_000

export interface ComposerProps {
  readonly placeholder: string
  readonly onSent: () => void
}

export function Composer({ placeholder, onSent }: ComposerProps): ReactNode {
  const session = useSession()
  const me = useMe()
  const holder = useHolder()
  const [text, setText] = useDraft(session.id)
  const [problem, setProblem] = useState<string | null>(null)
  const field = useRef<HTMLTextAreaElement>(null)
  const typed = useTyping()
  const waiting = useWaiting()
  const running = useRunning()

  const maySteer = me?.kind === 'user' && holder.state === 'agents' && running.all.length > 0

  const send = (lane: Lane = 'queue'): void => {
    if (text.trim() === '') return
    try {
      // Who answers from the desk holds the session: agent and person must not talk at once.
      if (me?.kind === 'support' && !(holder.state === 'human' && holder.by === me.id)) handOver(session, 'take')
      session.send(text, lane === 'queue' ? {} : { lane })
    } catch (error) {
      // The text stays where it is.
      setProblem(error instanceof SessionError ? error.message : String(error))
      return
    }
    setProblem(null)
    setText('')
    typed(false)
    field.current?.focus()
    onSent()
  }

  const onKeyDown = (event: KeyboardEvent): void => {
    // 229: the key belongs to an input method, in browsers that do not say `isComposing` for its last one.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault()
      send(maySteer && (event.ctrlKey || event.metaKey) ? 'steer' : 'queue')
    } else if (event.key === 'Escape') {
      if (running.mine.length > 0) stop(session, running.mine)
      // Only into an empty field: what is being written is not to be mixed with what was.
      else if (text === '') setText(takeBack(session, waiting) ?? '')
    } else if (event.key === 'ArrowUp' && text === '' && editLast(session)) event.preventDefault()
  }

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {(maySteer || isMixed(running)) && (
        <p className="choices">
          {maySteer && (
            <button
              type="button"
              className="button small steer"
              title="Changes what is being worked on, at its next step (Ctrl+Enter)"
              disabled={text.trim() === ''}
              onClick={() => send('steer')}
            >
              <Icon name="steer" size={16} />
              Steer
            </button>
          )}
          {maySteer && <span className="muted">Send waits for its turn. Steer changes what is under way.</span>}
          {isMixed(running) && (
            <button type="button" className="button small stop-all" onClick={() => stop(session, running.all)}>
              Stop all
            </button>
          )}
        </p>
      )}
      <div className="field">
        <textarea
          ref={field}
          aria-label="Message"
          dir="auto"
          placeholder={placeholder}
          rows={1}
          enterKeyHint="send"
          value={text}
          onChange={(event) => {
            setText(event.target.value)
            typed(event.target.value !== '')
          }}
          onKeyDown={onKeyDown}
          onBlur={() => typed(false)}
        />
        <StopButton running={running} />
        <button
          type="submit"
          className="round primary"
          aria-label={maySteer ? 'Add to the queue' : 'Send'}
          title={maySteer ? 'Is answered after what is being worked on' : undefined}
          disabled={text.trim() === ''}
        >
          <Icon name="send" />
        </button>
      </div>
    </form>
  )
}

interface Running {
  /** Under way, or about to be. */
  readonly all: readonly Run[]
  /** Those that I asked for. */
  readonly mine: readonly Run[]
}

function useRunning(): Running {
  const session = useSession()
  const me = useMe()
  const runs = useRuns()
  const waiting = useWaiting()
  // What waits its turn is on hold when what is before it is stopped; what others do for a run ends with it.
  const all = runs.filter((run) => !hasEnded(run.status) && run.parent === undefined && !waiting.has(run.id))
  return { all, mine: all.filter((run) => session.message(run.input)?.metadata.by === me?.id) }
}

/** Run by run, not by `mine` or `all`: those would take back what is written here and still on its way as well. */
function stop(session: OpenSession, runs: readonly Run[]): void {
  for (const run of runs) session.cancel({ run: run.id })
}

/** Some of what runs is mine, and some is not. */
function isMixed({ all, mine }: Running): boolean {
  return mine.length > 0 && mine.length < all.length
}

/** Stops mine, or everything when nothing that runs is mine. */
function StopButton({ running }: { readonly running: Running }): ReactNode {
  const session = useSession()
  const { all, mine } = running
  if (all.length === 0) return null
  const some = isMixed(running)
  return (
    <button
      type="button"
      className="round stop"
      aria-label={some ? 'Stop mine' : 'Stop'}
      title={some ? 'Stop what I asked for' : 'Stop'}
      onClick={() => stop(session, some ? mine : all)}
    >
      <Icon name="stop" />
    </button>
  )
}

/** Text that is not sent yet, kept on this device for each session. */
function useDraft(session: string): [text: string, setText: (text: string) => void] {
  const key = draftKey(session)
  const [text, setText] = useState(() => {
    try {
      return localStorage.getItem(key) ?? ''
    } catch {
      return ''
    }
  })
  const keep = (next: string): void => {
    setText(next)
    try {
      if (next === '') localStorage.removeItem(key)
      else localStorage.setItem(key, next)
    } catch {
      // Then the draft lives as long as the page.
    }
  }
  return [text, keep]
}

/** Tells the others that one is typing, for as long as one is. */
function useTyping(): (typing: boolean) => void {
  const { presence } = useSession()
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => {
    return () => {
      clearTimeout(timer.current)
      if (timer.current !== undefined) presence.set({ typing: false })
    }
  }, [presence])
  return (typing) => {
    clearTimeout(timer.current)
    presence.set({ typing })
    if (typing) timer.current = setTimeout(() => presence.set({ typing: false }), TYPING_MS)
  }
}
