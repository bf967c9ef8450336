/** A question that only people may answer: anybody in the conversation sees it, and the first answer counts. */
import { useMe, useSession } from 'polylogue/react'
import { useEffect, useState, type ReactNode } from 'react'
import { FOR_SESSION } from '../../shop/asked.ts'
import { useParticipant } from '../chat/people.tsx'
import { timeOf } from '../chat/time.tsx'
import { Icon, type IconName } from '../icons.tsx'
import type { Approval } from './approval.ts'

const ENDS: Readonly<Record<Exclude<Approval['state'], 'requested'>, { icon: IconName; text: string }>> = {
  approved: { icon: 'check', text: 'Approved' },
  denied: { icon: 'close', text: 'Denied' },
  expired: { icon: 'clock', text: 'Nobody answered in time' },
  cancelled: { icon: 'stop', text: 'Cancelled' },
}

/** In its place in the reply. While it waits, the buttons are where they cannot scroll away: above the composer. */
export function ApprovalCard({ part }: { readonly part: Approval }): ReactNode {
  const { title, state, reason, call } = part
  const me = useMe()
  const by = useParticipant(call?.by ?? '', 'user')
  const end = state === 'requested' ? null : ENDS[state]
  const whose = call?.by === undefined ? '' : call.by === me?.id ? ' by you' : ` by ${by.name}`
  return (
    <section className="card approval" data-state={state} aria-label={`Approval: ${title}`}>
      <p className="title">{title}</p>
      {end !== null && <What part={part} />}
      {end === null ? (
        <p className="outcome">
          <Icon name="pause" size={16} />
          Needs approval · answer below
        </p>
      ) : (
        <p className="outcome">
          <Icon name={end.icon} size={16} />
          {end.text}
          {whose}
          {reason !== '' && ` · ${reason}`}
        </p>
      )}
    </section>
  )
}

/** The same question with its buttons; `more`: how many others wait behind it. */
export function ApprovalQuestion({ part, more }: { readonly part: Approval; readonly more: number }): ReactNode {
  const { id, title, forSession, call } = part
  const session = useSession()
  const me = useMe()
  // An answer is on its way until the server has judged it; one that it refused may be given again.
  const [answered, setAnswered] = useState<number | null>(null)
  const refusedAt = call?.refused?.at ?? 0
  const isSent = answered !== null && answered === refusedAt
  const answer = (yes: boolean, reason?: string): void => {
    setAnswered(refusedAt)
    try {
      session.approve(id, yes, reason)
    } catch {
      // Somebody else was faster: the card says who.
    }
  }
  return (
    <section className="approval pinned" aria-label={`Approval needed: ${title}`}>
      <p className="title">
        {title}
        {more > 0 && <span className="badge">{`${more} more`}</span>}
      </p>
      <What part={part} />
      <p className="choices">
        <button type="button" className="button small primary" disabled={isSent} onClick={() => answer(true)}>
          Approve
        </button>
        <button type="button" className="button small" disabled={isSent} onClick={() => answer(false)}>
          Deny
        </button>
        {forSession && (
          <button
            type="button"
            className="button small"
            title="Also later ones up to this amount, in this conversation"
            disabled={isSent}
            onClick={() => answer(true, FOR_SESSION)}
          >
            Approve for this conversation
          </button>
        )}
        {isSent ? <span className="muted">Answered…</span> : call?.expiresAt !== undefined && <Deadline at={call.expiresAt} />}
      </p>
      {call?.refused !== undefined && call.refused.by === me?.id && (
        <p className="refused" role="alert">
          <Icon name="alert" size={16} />
          {`That answer did not count${call.refused.reason === undefined ? '' : `: ${call.refused.reason}`}`}
        </p>
      )}
    </section>
  )
}

function What({ part: { detail, inputs } }: { readonly part: Approval }): ReactNode {
  return (
    <>
      {detail !== '' && <p className="muted">{detail}</p>}
      {inputs.length > 0 && (
        <dl className="inputs">
          {inputs.map(({ name, what, value }) => (
            <div key={name}>
              <dt>
                {name}
                {what !== '' && <span className="muted">{what}</span>}
              </dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
    </>
  )
}

/** The time of day, and in the last two minutes the seconds that are left. */
function Deadline({ at }: { readonly at: number }): ReactNode {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  const leftS = Math.max(0, Math.ceil((at - now) / 1_000))
  return <span className="muted">{leftS > 120 ? `until ${timeOf(at)}` : `${leftS} s left`}</span>
}
