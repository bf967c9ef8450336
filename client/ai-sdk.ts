/** For apps on the AI SDK 7: its `useChat` over a session. */
import { useChat, type UseChatHelpers } from '@ai-sdk/react'
import type { UIMessage } from 'ai'
import { useLayoutEffect, useMemo } from 'react'
import { SessionChat, type SessionChatOptions } from './ai-sdk-chat.ts'
import { useSession } from './react.tsx'

export { SessionChat, sessionChat, type SessionChatOptions } from './ai-sdk-chat.ts'
export { createChatTransport, type SessionTransport } from './ai-sdk-transport.ts'

export interface UseSessionChatOptions<M extends UIMessage = UIMessage> extends SessionChatOptions<M> {
  /** Shortest time between two renders for new tokens, in milliseconds. Default: each is rendered. */
  readonly throttle?: number
}

/**
 * `useChat` over the session of the nearest `SessionProvider`: the same return value, and all tabs show the same. Unmounting
 * cancels nothing; `stop` does. Tools that run in the browser are offered with `session.tools`, and called in one tab.
 */
export function useSessionChat<M extends UIMessage = UIMessage>(options: UseSessionChatOptions<M> = {}): UseChatHelpers<M> {
  const session = useSession()
  const chat = useMemo(() => new SessionChat<M>(session), [session])
  useLayoutEffect(() => chat.listen(options))
  return useChat<M>({ chat, ...(options.throttle === undefined ? {} : { throttle: options.throttle }) })
}
