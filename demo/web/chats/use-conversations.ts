/** The conversations of this device, for a component. */
import { useMemo, useSyncExternalStore } from 'react'
import { Conversations, UNKNOWN, type ConversationsOptions, type ConversationsState } from './conversations.ts'
import type { Who } from '../who.ts'

interface Opened {
  readonly subscribe: (listener: () => void) => () => void
  readonly state: () => ConversationsState
  readonly remove: (id: string) => Promise<void>
}

/** @param live how many of the latest are followed. @param except the one that the page has open itself. */
export function useConversations(
  who: Who,
  live: number,
  except?: string,
): ConversationsState & { readonly remove: (id: string) => Promise<void> } {
  const opened = useMemo(() => openedWhileUsed({ who, live, ...(except === undefined ? {} : { except }) }), [who, live, except])
  const state = useSyncExternalStore(opened.subscribe, opened.state)
  return { ...state, remove: opened.remove }
}

function openedWhileUsed(options: ConversationsOptions): Opened {
  let conversations: Conversations | null = null
  return {
    subscribe(listener) {
      const mine = new Conversations(options)
      conversations = mine
      mine.subscribe(listener)
      return () => {
        mine.close()
        if (conversations === mine) conversations = null
      }
    },
    state: () => conversations?.state ?? UNKNOWN,
    remove: async (id) => await conversations?.remove(id),
  }
}
