/**
 * Says to those who hear the page what those who see it see: that a reply is coming and how it ended, what others write, that
 * somebody must decide, that the connection is away. Tokens are not read out: a reply is, once, when it is finished, unless its
 * reader has turned that off. The regions are there and empty from the start, or their first words would go unheard; what was
 * said before the page was opened is not said again.
 */
import { hasEnded, textOf, type Message, type Run } from 'polylogue'
import { useHolder, useMe, useMessageIds, useParticipants, useRuns, useSession } from 'polylogue/react'
import { useEffect, useRef, useState, useSyncExternalStore, type ReactNode } from 'react'
import { approvalOf } from '../cards/approval.ts'
import { useConnectionNotice } from './connection.tsx'
import { readsReplies, watchReadsReplies } from './reads-replies.ts'
import { refusalWords, verdictWords } from './verdict-words.ts'

/** More of a reply is for its reader to go to: a voice that has begun cannot be skimmed. */
const MAX_READ_CHARS = 600

/** So many of the last messages are looked at for news. */
const RECENT = 20

interface Said {
  /** Polite: waits for the end of a sentence. */
  readonly news: readonly string[]
  /** Interrupts. */
  readonly alerts: readonly string[]
}

export function Announcer(): ReactNode {
  const { news, alerts } = useNews()
  return (
    <>
      <p className="hidden" role="status">
        {news}
      </p>
      <p className="hidden" role="alert">
        {alerts}
      </p>
    </>
  )
}

function useNews(): { readonly news: string; readonly alerts: string } {
  const facts = useFacts()
  const before = useRef<ReadonlyMap<string, string> | null>(null)
  const [said, setSaid] = useState({ news: '', alerts: '' })
  useEffect(() => {
    const known = before.current
    before.current = new Map([...(known ?? []), ...[...facts].map(([key, fact]) => [key, fact.state] as const)])
    if (known === null) return
    const fresh = [...facts].filter(([key, fact]) => known.get(key) !== fact.state && fact.words !== '').map(([, fact]) => fact)
    const next: Said = {
      news: fresh.filter((fact) => !fact.alert).map((fact) => fact.words),
      alerts: fresh.filter((fact) => fact.alert).map((fact) => fact.words),
    }
    // Texts that are there already are left alone: a region is read out when it changes.
    if (next.news.length > 0) setSaid((now) => ({ ...now, news: next.news.join('. ') }))
    if (next.alerts.length > 0) setSaid((now) => ({ ...now, alerts: next.alerts.join('. ') }))
  }, [facts])
  return said
}

/** Something that may be worth a word when its state changes. */
interface Fact {
  readonly state: string
  /** Empty: the change goes without saying. */
  readonly words: string
  readonly alert: boolean
}

function useFacts(): ReadonlyMap<string, Fact> {
  const session = useSession()
  const me = useMe()
  const runs = useRuns()
  const ids = useMessageIds()
  const holder = useHolder()
  const participants = useParticipants()
  const notice = useConnectionNotice()
  const reads = useSyncExternalStore(watchReadsReplies, readsReplies)
  const nameOf = (id: string): string => participants.get(id)?.name ?? id
  const facts = new Map<string, Fact>()
  const put = (key: string, state: string, words: string, alert = false): void => void facts.set(key, { state, words, alert })

  put('connection', notice?.text ?? '', notice?.text ?? 'Connected', notice?.tone === 'bad')
  put(
    'holder',
    holder.state,
    { agents: 'The assistant is answering', waiting: 'A colleague has been asked to join', human: 'A person is answering' }[
      holder.state
    ],
  )
  const recent = ids.slice(-RECENT).flatMap((id) => session.message(id) ?? [])
  for (const message of recent) {
    const { by, run, verdict } = message.metadata
    if (run === undefined && by !== me?.id && textOf(message) !== '')
      put(message.id, 'there', `${nameOf(by)}: ${shortened(textOf(message))}`)
    if (by === me?.id && verdict !== undefined) put(`verdict ${message.id}`, JSON.stringify(verdict), verdictWords(verdict))
    for (const part of message.parts) {
      const approval = approvalOf(part)
      if (approval?.state === 'requested') put(approval.id, 'requested', `Approval needed: ${approval.title}`)
    }
  }
  for (const run of runs) {
    put(run.id, stateOf(run), ...wordsFor(run, nameOf(run.agent), reads ? replyOf(run, recent) : ''))
    const { verdict } = run
    if (verdict?.by === me?.id && verdict !== undefined) put(`verdict ${run.id}`, String(verdict.at), refusalWords(verdict), true)
  }
  return facts
}

/** That it is under way is one state to hear, however often it goes on. */
function stateOf({ status }: Run): string {
  return hasEnded(status) ? status : status === 'pending' ? 'pending' : 'active'
}

function wordsFor({ status, parent, error }: Run, name: string, reply: string): [words: string, alert: boolean] {
  // What one agent does for another is a part of that one's reply.
  if (parent !== undefined || status === 'pending') return ['', false]
  if (!hasEnded(status)) return [`${name} is replying`, false]
  if (status === 'complete') return [`Reply finished${reply === '' ? '' : `. ${reply}`}`, false]
  if (status === 'cancelled') return ['Reply cancelled', false]
  if (status === 'interrupted') return ['Reply interrupted', true]
  return [`Reply failed: ${error?.message ?? 'unknown error'}`, true]
}

function replyOf({ id }: Run, recent: readonly Message[]): string {
  const reply = recent.find(({ metadata }) => metadata.run === id)
  return reply === undefined ? '' : shortened(textOf(reply))
}

/** As a voice would read it: without the marks of Markdown. */
function shortened(text: string): string {
  const plain = text
    .slice(0, 2 * MAX_READ_CHARS)
    .replaceAll(/\]\([^)\s]*\)|[*_~`#>|[\]]/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim()
  return plain.length <= MAX_READ_CHARS ? plain : `${plain.slice(0, MAX_READ_CHARS)}…`
}
