/** A message that may be growing, at the pace at which this page can show it. */
import type { Message } from 'polylogue'
import { useSession } from 'polylogue/react'
import { useCallback, useSyncExternalStore } from 'react'
import { Pacer } from './pace.ts'

/** Tabs that nobody sees have no frames. */
const NO_FRAME_MS = 250

const pacer = new Pacer({
  now: () => performance.now(),
  after: (ms, done) => void setTimeout(done, ms),
  afterFrame(done) {
    let isDone = false
    const once = (): void => {
      if (isDone) return
      isDone = true
      done()
    }
    // The task after the frame's callbacks: by then it is laid out and painted.
    requestAnimationFrame(() => setTimeout(once))
    setTimeout(once, NO_FRAME_MS)
  },
})
for (const type of ['keydown', 'input']) window.addEventListener(type, () => pacer.key(), { capture: true, passive: true })

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
