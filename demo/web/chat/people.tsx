/** Who wrote, who is here, who types. */
import type { Participant, ParticipantKind } from 'polylogue'
import { useMe, useParticipants, usePresence } from 'polylogue/react'
import type { ReactNode } from 'react'

const ROLES: Readonly<Record<ParticipantKind, string>> = {
  user: 'Customer',
  agent: 'Assistant',
  support: 'Support',
  viewer: 'Viewer',
  server: 'System',
}

/** A participant by id, known or not: an agent that has not written yet is known by its id alone. */
export function useParticipant(id: string, kind: ParticipantKind): Participant {
  const participants = useParticipants()
  const me = useMe()
  if (me?.id === id) return me
  return participants.get(id) ?? { id, kind, name: id.charAt(0).toUpperCase() + id.slice(1) }
}

export function RoleBadge({ kind }: { readonly kind: ParticipantKind }): ReactNode {
  return (
    <span className="role" data-kind={kind}>
      {ROLES[kind]}
    </span>
  )
}

/** The initial on a colour that follows from the id, the same in every window. */
export function Avatar({ participant, size = 32 }: { readonly participant: Participant; readonly size?: number }): ReactNode {
  return (
    <span
      className="avatar"
      data-kind={participant.kind}
      style={{ width: size, height: size, '--hue': hueOf(participant.id) } as React.CSSProperties}
      aria-hidden="true"
    >
      {Array.from(participant.name.trim())[0]?.toUpperCase() ?? '?'}
    </span>
  )
}

/** Hues that stay apart for the three agents; people get any. */
const AGENT_HUES: Readonly<Record<string, number>> = { orders: 168, returns: 262, research: 210 }

function hueOf(id: string): number {
  const known = AGENT_HUES[id]
  if (known !== undefined) return known
  let sum = 0
  for (const char of id) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 360
  return sum
}

/** The other people who are here. Agents are left out: they are here when they work, and that shows as their runs. */
export function PresentPeople(): ReactNode {
  const people = usePresence().filter(({ participant }) => participant.kind !== 'agent')
  if (people.length === 0) return null
  return (
    <ul className="present" aria-label="Also here">
      {people.map(({ participant }) => (
        <li key={participant.id} title={`${participant.name} (${ROLES[participant.kind]}) is here`}>
          <Avatar participant={participant} size={28} />
          <span className="hidden">{`${participant.name}, ${ROLES[participant.kind]}`}</span>
        </li>
      ))}
    </ul>
  )
}

/** Keeps its height while nobody types, so that nothing jumps. */
export function TypingLine(): ReactNode {
  const typing = usePresence().filter((it) => it.typing && it.participant.kind !== 'agent')
  const names = typing.map(({ participant }) =>
    participant.kind === 'support' ? `${participant.name} (support)` : participant.name,
  )
  return (
    <p className="typing" data-shown={names.length > 0 || undefined}>
      {names.length > 0 && (
        <>
          <span className="dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          {`${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} typing`}
        </>
      )}
    </p>
  )
}
