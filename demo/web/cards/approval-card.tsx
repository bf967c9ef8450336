/** A question that only people may answer: anybody in the conversation sees it, and the first answer counts. */
import { useMe, useSession } from 'polylogue/react'
import type { ReactNode } from 'react'
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

export function ApprovalCard({ part }: { readonly part: Approval }): ReactNode {
  const { id, title, detail, state, reason, call } = part
  const session = useSession()
  const me = useMe()
  const by = useParticipant(call?.by ?? '', 'user')
  const open = state === 'requested' && call !== undefined
  const end = state === 'requested' ? null : ENDS[state]
  const whose = call?.by === undefined ? '' : call.by === me?.id ? ' by you' : ` by ${by.name}`
  return (
    <section className="card approval" data-state={state} aria-label={`Approval: ${title}`}>
      <p className="title">{title}</p>
      {detail !== '' && <p className="muted">{detail}</p>}
      {open && (
        <p className="choices">
          <button type="button" className="button small primary" onClick={() => session.approve(id, true)}>
            Approve
          </button>
          <button type="button" className="button small" onClick={() => session.approve(id, false)}>
            Deny
          </button>
          {call.expiresAt !== undefined && <span className="muted">{`until ${timeOf(call.expiresAt)}`}</span>}
        </p>
      )}
      {open && call.refused !== undefined && (
        <p className="refused">
          <Icon name="alert" size={16} />
          {`That answer did not count${call.refused.reason === undefined ? '' : `: ${call.refused.reason}`}`}
        </p>
      )}
      {end !== null && (
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
