/** Above the composer: what waits for its turn, to be changed or taken back by whoever wrote it; and queues that wait for a word. */
import { textOf, type Message } from 'polylogue'
import { useMe, useMessage, useMessageIds, usePaused, useRuns, useSession } from 'polylogue/react'
import { useState, type ReactNode } from 'react'
import { Icon } from '../icons.tsx'
import { useParticipant } from './people.tsx'
import { fateOf, isOpen, sendNow, useWaiting, type Fate } from './queue.ts'

/** So far back one looks for what still waits: a queue is short, a conversation is not. */
const RECENT = 40

export function QueueTray(): ReactNode {
  const session = useSession()
  const recent = useMessageIds().slice(-RECENT)
  const inputs = recent.filter((id) => session.message(id)?.role === 'user')
  const paused = [...usePaused().keys()]
  return (
    // Hidden by its style while it holds nothing: whether a message waits is known to its row, which is told when it changes.
    <div className="queue-tray">
      {paused.map((agent) => (
        <PausedLine key={agent} agent={agent} />
      ))}
      <ol aria-label="Waiting">
        {inputs.map((id) => (
          <QueueRow key={id} id={id} />
        ))}
      </ol>
    </div>
  )
}

/** Nothing for a message that does not wait. */
function QueueRow({ id }: { readonly id: string }): ReactNode {
  const message = useMessage(id)
  const runs = useRuns()
  const waiting = useWaiting()
  const fate = message === undefined ? null : fateOf(message, runs, waiting)
  return message !== undefined && fate !== null && isOpen(fate, message, runs) ? <Waiting message={message} fate={fate} /> : null
}

function PausedLine({ agent }: { readonly agent: string }): ReactNode {
  const session = useSession()
  const { name } = useParticipant(agent, 'agent')
  return (
    <p className="paused" data-agent={agent}>
      <Icon name="pause" size={16} />
      <span>{`What waits for ${name} is on hold.`}</span>
      <button type="button" className="button small" onClick={() => session.resume(agent)}>
        <Icon name="play" size={14} />
        Go on
      </button>
    </p>
  )
}

const LABELS: Readonly<Record<Fate['kind'], string>> = {
  queued: 'Queued',
  steering: 'Being passed on',
  asks: 'Send anyway?',
  taken: '',
  removed: '',
}

function Waiting({ message, fate }: { readonly message: Message; readonly fate: Fate }): ReactNode {
  const session = useSession()
  const me = useMe()
  const author = useParticipant(message.metadata.by, 'user')
  const [draft, setDraft] = useState<string | null>(null)
  const mine = message.metadata.by === me?.id
  const text = textOf(message)
  const [problem, setProblem] = useState('')
  const save = (): void => {
    try {
      if (draft !== null && draft.trim() !== '' && draft !== text) session.editQueued(message.id, draft)
      setDraft(null)
      setProblem('')
    } catch (error) {
      // The text stays where it is.
      setProblem(error instanceof Error ? error.message : String(error))
    }
  }
  return (
    <li className="queued" data-fate={fate.kind} data-message={message.id}>
      <span className="badge">{fate.kind === 'asks' && !mine ? 'Author is asked' : LABELS[fate.kind]}</span>
      {draft === null ? (
        <span className="what">
          {!mine && <b>{`${author.name}: `}</b>}
          {text}
        </span>
      ) : (
        <input
          className="what"
          aria-label="Change the message"
          value={draft}
          ref={(field) => field?.focus()}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={(event) => {
            if (event.nativeEvent.isComposing) return
            if (event.key === 'Enter') {
              // The focus goes on to a button of this row, which the same key would press.
              event.preventDefault()
              save()
            } else if (event.key === 'Escape') setDraft(null)
          }}
        />
      )}
      {draft !== null && problem !== '' && (
        <span className="problem" role="alert">
          {problem}
        </span>
      )}
      {mine && fate.kind === 'asks' && (
        <button type="button" className="button small" onClick={() => session.confirm(message.id)}>
          Send
        </button>
      )}
      {mine && fate.kind !== 'steering' && (
        <button
          type="button"
          className="round small ghost"
          aria-label={draft === null ? 'Edit' : 'Save'}
          title={draft === null ? 'Edit' : 'Save'}
          onClick={() => (draft === null ? setDraft(text) : save())}
        >
          <Icon name={draft === null ? 'edit' : 'check'} size={18} />
        </button>
      )}
      {mine && fate.kind === 'queued' && draft === null && (
        <button
          type="button"
          className="round small ghost"
          aria-label="Send now"
          title="Stops what is being worked on, and is answered first"
          onClick={() => sendNow(session, message)}
        >
          <Icon name="send" size={18} />
        </button>
      )}
      {mine && (
        <button
          type="button"
          className="round small ghost"
          aria-label={fate.kind === 'asks' ? 'Discard' : 'Remove'}
          title="Take it back"
          onClick={() => session.remove(message.id)}
        >
          <Icon name="close" size={18} />
        </button>
      )}
    </li>
  )
}
