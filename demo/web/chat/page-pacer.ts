/** The pacer of this page, which knows its frames and its keys. */
import { Pacer } from './pace.ts'

/** Tabs that nobody sees have no frames. */
const NO_FRAME_MS = 250

export const pacer: Pacer = new Pacer({
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
