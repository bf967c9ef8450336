/**
 * React hooks over a session: each is one `useSyncExternalStore` on one topic, so that a token re-renders the one message it
 * belongs to and nothing else.
 */
import { createContext, use, useCallback, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from 'react'
import type { Run } from '../shared/entries.ts'
import { SessionError } from '../shared/errors.ts'
import type { Holder, Pause } from '../shared/control.ts'
import type { Json, Message } from '../shared/message.ts'
import type { Participant } from '../shared/participant.ts'
import type { Siblings, Topic } from '../shared/view.ts'
import { openSession } from './open.ts'
import type { OpenOptions, OpenSession } from './open-session.ts'
import type { PresentParticipant } from './presence.ts'
import type { SessionStatus } from './session.ts'

const SessionContext = createContext<OpenSession | null>(null)

export interface SessionProviderProps {
  readonly session: OpenSession
  readonly children: ReactNode
}

/** Makes a session known to the hooks below it. Whoever opened the session closes it. */
export function SessionProvider({ session, children }: SessionProviderProps): ReactNode {
  return <SessionContext value={session}>{children}</SessionContext>
}

/**
 * Opens a session for as long as the component is mounted, and another one when `url` or `id` change; null before the first
 * effect. Unmounting closes the session and never cancels a run. Safe in StrictMode.
 */
export function useOpenSession(options: OpenOptions): OpenSession | null {
  const [session, setSession] = useState<OpenSession | null>(null)
  const { url, id } = options
  useEffect(() => {
    const opened = openSession(options)
    setSession(opened)
    return () => void opened.close()
    // The other options are read when a session is opened: a new function for `token` is not another session.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [url, id])
  return session
}

/** The session of the nearest `SessionProvider`. */
export function useSession(): OpenSession {
  const session = use(SessionContext)
  if (session === null) throw new SessionError('bad-argument', 'This hook needs a <SessionProvider> above it.')
  return session
}

function useTopic<T>(topic: Topic | 'status', read: (session: OpenSession) => T): T {
  const session = useSession()
  const subscribe = useCallback((onChange: () => void) => session.subscribe(onChange, topic), [session, topic])
  return useSyncExternalStore(
    subscribe,
    () => read(session),
    () => read(session),
  )
}

/** Ids of all messages in order; re-renders when one comes, goes or is placed, never for a token. */
export function useMessageIds(): readonly string[] {
  return useTopic('messages', (session) => session.messageIds)
}

/** One message; re-renders when it changes. */
export function useMessage(id: string): Message | undefined {
  return useTopic(`message:${id}`, (session) => session.message(id))
}

/**
 * The alternatives to a message or a reply (by its id or that of its run), and which of them is shown; undefined where there are
 * none. `useSession().choose` shows another one.
 */
export function useSiblings(id: string): Siblings | undefined {
  return useTopic('messages', (session) => session.siblings(id))
}

/** All runs; re-renders when one changes its status or a step, never for a token. */
export function useRuns(): readonly Run[] {
  return useTopic('runs', (session) => session.view.runs)
}

export function useRun(id: string): Run | undefined {
  return useTopic(`run:${id}`, (session) => session.run(id))
}

export function useStatus(): SessionStatus {
  return useTopic('status', (session) => session.status)
}

/** Who this client is; null until the session is ready. */
export function useMe(): Participant | null {
  return useTopic('status', (session) => session.me)
}

/** Who answers: the agents, nobody yet, or a supporter. */
export function useHolder(): Holder {
  return useTopic('ledger', (session) => session.view.holder)
}

/** Agents whose queues wait for somebody to go on, by name. */
export function usePaused(): ReadonlyMap<string, Pause> {
  return useTopic('ledger', (session) => session.view.paused)
}

export function useParticipants(): ReadonlyMap<string, Participant> {
  return useTopic('ledger', (session) => session.view.participants)
}

/** Everybody else who is present. */
export function usePresence(): readonly PresentParticipant[] {
  const { presence } = useSession()
  const subscribe = useCallback((onChange: () => void) => presence.subscribe(onChange), [presence])
  return useSyncExternalStore(
    subscribe,
    () => presence.others,
    () => presence.others,
  )
}

/** A shared object's fields, and the function that changes them (`undefined` deletes a field). */
export function useObject(
  name: string,
): [value: Readonly<Record<string, Json>>, update: (fields: Readonly<Record<string, Json | undefined>>) => void] {
  const session = useSession()
  const object = useMemo(() => session.object(name), [session, name])
  const subscribe = useCallback((onChange: () => void) => object.subscribe(onChange), [object])
  const value = useSyncExternalStore(
    subscribe,
    () => object.value,
    () => object.value,
  )
  const update = useCallback((fields: Readonly<Record<string, Json | undefined>>) => object.update(fields), [object])
  return [value, update]
}
