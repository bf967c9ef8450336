/** The conversations of this device, for a component. */
import { useEffect, useState, useSyncExternalStore } from 'react'
import type { Who } from '../who.ts'
import { Conversations } from './conversations.ts'
import type { Summary } from './summary.ts'

export interface UsedConversations {
  /** Latest first. */
  readonly list: readonly Summary[]
  /** False until the device was read. */
  readonly known: boolean
  readonly remove: (id: string) => Promise<void>
}

const NONE: readonly Summary[] = []

/** @param live how many of the latest are followed. @param except the one that the page has open itself. */
export function useConversations(who: Who, live: number, except?: string): UsedConversations {
  const [conversations, setConversations] = useState<Conversations | null>(null)
  useEffect(() => {
    const opened = new Conversations({ who, live, ...(except === undefined ? {} : { except }) })
    setConversations(opened)
    return () => opened.close()
  }, [who, live, except])
  const subscribe = (listener: () => void): (() => void) => conversations?.subscribe(listener) ?? (() => {})
  const list = useSyncExternalStore(subscribe, () => conversations?.list ?? NONE)
  const known = useSyncExternalStore(subscribe, () => conversations?.known ?? false)
  return { list, known, remove: async (id) => await conversations?.remove(id) }
}
