/** A message that may be growing, at the pace at which this page can show it. */
import type { Message } from 'polylogue'
import { useSession } from 'polylogue/react'
import { useCallback, useSyncExternalStore } from 'react'
import { pacer } from './page-pacer.ts'

/** As `useMessage`, but of what comes faster than it can be shown not each token is rendered. What is shown last is all of it. */
export function useGrowingMessage(id: string): Message | undefined {
  const session = useSession()
  const subscribe = useCallback(
    (onChange: () => void) => {
      const show = (): void => onChange()
      const off = session.subscribe(() => pacer.request(show), `message:${id}`)
      return () => {
        off()
        pacer.forget(show)
      }
    },
    [session, id],
  )
  return useSyncExternalStore(subscribe, () => session.message(id))
}
