/** What one can do with a message: step through its alternatives, copy it, edit it, ask for another answer. */
import { hasEnded, textOf, type Message, type Run } from 'polylogue'
import { useMe, useSession, useSiblings } from 'polylogue/react'
import { useEffect, useRef, useState, type ReactNode } from 'react'
import { durationOf } from '../cards/duration.ts'
import { Icon, type IconName } from '../icons.tsx'
import { edit } from './editing.ts'

/** So long it is said that something was copied. */
const COPIED_MS = 2_000

export interface MessageActionsProps {
  readonly message: Message | undefined
  /** Of a reply its run. */
  readonly run?: Run | undefined
  /** How long it took, in milliseconds. */
  readonly tookMs?: number | undefined
}

/** Shown while the pointer is over the message or the focus is in it; the pager always. */
export function MessageActions({ message, run, tookMs }: MessageActionsProps): ReactNode {
  const me = useMe()
  const mayEdit = message !== undefined && message.role === 'user' && me?.kind === 'user' && message.metadata.by === me.id
  const text = message === undefined ? '' : textOf(message)
  return (
    <div className="message-actions" role="group" aria-label="Message actions">
      {tookMs !== undefined && (
        <span className="took" title="How long it took">
          <span className="hidden">Took </span>
          {durationOf(tookMs)}
        </span>
      )}
      <Pager id={run?.id ?? message?.id ?? ''} />
      {text !== '' && <CopyButton text={text} />}
      {mayEdit && text !== '' && <Action icon="edit" label="Edit" onPress={() => edit({ id: message.id, text })} />}
      {run !== undefined && run.status === 'complete' && <RegenerateButton run={run} />}
    </div>
  )
}

function Pager({ id }: { readonly id: string }): ReactNode {
  const session = useSession()
  const siblings = useSiblings(id)
  if (siblings === undefined) return null
  const { ids, index } = siblings
  const show = (at: number): void => {
    const other = ids[at]
    if (other !== undefined) session.choose(other)
  }
  const position = `${index + 1}/${ids.length}`
  return (
    <div className="pager" role="group" aria-label={`Version ${index + 1} of ${ids.length}`}>
      <Action icon="chevronLeft" label="Previous version" disabled={index === 0} onPress={() => show(index - 1)} />
      <span aria-live="polite">{position}</span>
      <Action icon="chevron" label="Next version" disabled={index === ids.length - 1} onPress={() => show(index + 1)} />
    </div>
  )
}

function CopyButton({ text }: { readonly text: string }): ReactNode {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setCopied(false), COPIED_MS)
    return () => clearTimeout(timer)
  }, [copied])
  const copy = async (): Promise<void> => {
    // As it was written: Markdown stays Markdown. A page that may not write to the clipboard says nothing.
    await navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => {},
    )
  }
  return <Action icon={copied ? 'check' : 'copy'} label={copied ? 'Copied' : 'Copy'} onPress={() => void copy()} />
}

/** Whether this viewer may ask for another answer: whoever has asked, and support. */
function useMayRegenerate(run: Run): boolean {
  const session = useSession()
  const me = useMe()
  if (run.parent !== undefined || !hasEnded(run.status)) return false
  return me?.kind === 'support' || (me?.kind === 'user' && session.message(run.input)?.metadata.by === me.id)
}

function RegenerateButton({ run }: { readonly run: Run }): ReactNode {
  const session = useSession()
  if (!useMayRegenerate(run)) return null
  const label = run.asked === true ? 'Asked for another answer' : 'Regenerate'
  return <Action icon="again" label={label} disabled={run.asked === true} onPress={() => session.regenerate(run.id)} />
}

/** The next step that is offered where a reply did not come to its end. */
export function AskAgain({ run }: { readonly run: Run }): ReactNode {
  const session = useSession()
  if (!useMayRegenerate(run)) return null
  return (
    <button type="button" className="button small" disabled={run.asked === true} onClick={() => session.regenerate(run.id)}>
      <Icon name="again" size={16} />
      {run.asked === true ? 'Asked again' : 'Ask again'}
    </button>
  )
}

interface ActionProps {
  readonly icon: IconName
  readonly label: string
  readonly disabled?: boolean
  readonly onPress: () => void
}

function Action({ icon, label, disabled = false, onPress }: ActionProps): ReactNode {
  return (
    // Not `disabled`: the focus would be lost at the first and the last version.
    <button
      type="button"
      className="action"
      aria-label={label}
      title={label}
      aria-disabled={disabled || undefined}
      onClick={() => {
        if (!disabled) onPress()
      }}
    >
      <Icon name={icon} size={18} />
    </button>
  )
}

/** In the place of a message's text while its author edits it. */
export function MessageEditor({ message, text }: { readonly message: Message; readonly text: string }): ReactNode {
  const session = useSession()
  const field = useRef<HTMLTextAreaElement>(null)
  const [problem, setProblem] = useState('')
  useEffect(() => {
    field.current?.focus()
    field.current?.setSelectionRange(-1, -1)
  }, [])
  const close = (): void => {
    edit(null)
    document.querySelector<HTMLElement>('.composer textarea')?.focus({ preventScroll: true })
  }
  const save = (): void => {
    if (text.trim() === '') return
    try {
      if (text !== textOf(message)) session.edit(message.id, text)
      close()
    } catch (error) {
      // The text stays where it is.
      setProblem(error instanceof Error ? error.message : String(error))
    }
  }
  return (
    <form
      className="editor"
      onSubmit={(event) => {
        event.preventDefault()
        save()
      }}
    >
      <textarea
        ref={field}
        aria-label="Edit the message"
        dir="auto"
        value={text}
        rows={2}
        onChange={(event) => edit({ id: message.id, text: event.target.value })}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing || event.keyCode === 229) return
          if (event.key === 'Enter' && !event.shiftKey) {
            event.preventDefault()
            save()
          } else if (event.key === 'Escape') {
            event.stopPropagation()
            close()
          }
        }}
      />
      {problem !== '' && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <p className="editor-buttons">
        <button type="button" className="button small" onClick={close}>
          Cancel
        </button>
        <button type="submit" className="button small primary" disabled={text.trim() === ''}>
          Send
        </button>
      </p>
    </form>
  )
}
