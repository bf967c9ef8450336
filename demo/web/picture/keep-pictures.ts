/** Keeps the picture of a conversation up to date while it is looked at: when it has come to rest, and when the page is left. */
import type { OpenSession } from 'polylogue'
import { whenIdle } from '../late.ts'
import { beginPictures, emptyPicture, keepPicture, pictureKey } from './kept.ts'
import { takePicture } from './take.ts'

/** Nothing has changed for so long: a text that grows costs nothing. */
const REST_MS = 1_500

/** Keeps pictures of what a reader sees of a session; gives what ends that. */
export function keepPictures(session: OpenSession, reader: string, viewport: HTMLElement): () => void {
  let isStale = true
  let changedAt = performance.now()
  let isRemoved = false
  let timer: ReturnType<typeof setTimeout> | undefined
  let callOff = (): void => {}
  // The last message of the last picture.
  let last = session.messageIds.at(-1)

  const take = (): void => {
    if (!isStale || isRemoved) return
    const picture = takePicture(viewport)
    if (picture === null) {
      // Scrolled up, or the shop is in its place: what there is stays, unless more was said since.
      const newest = session.messageIds.at(-1)
      if (newest !== last) emptyPicture(reader, session.id)
      last = newest
      return
    }
    isStale = false
    last = session.messageIds.at(-1)
    keepPicture(reader, session.id, JSON.stringify(picture))
  }

  const rest = (): void => {
    timer = undefined
    const left = changedAt + REST_MS - performance.now()
    if (left > 0) timer = setTimeout(rest, left)
    else callOff = whenIdle(take)
  }
  const changed = (): void => {
    isStale = true
    changedAt = performance.now()
    timer ??= setTimeout(rest, REST_MS)
  }
  const onHide = (): void => {
    if (document.visibilityState === 'hidden') take()
  }
  // Another tab has removed the conversation from this device, and its picture with it: none comes after that. That it may have
  // been the oldest of too many cannot be told apart, and costs the pictures of this tab.
  const onStorage = ({ key, newValue }: StorageEvent): void => {
    if (key === null || (key === pictureKey(reader, session.id) && newValue === null)) isRemoved = true
  }
  beginPictures(reader, session.id)
  const off = session.subscribe(changed)
  viewport.addEventListener('scroll', changed, { passive: true })
  window.addEventListener('resize', changed)
  window.addEventListener('pagehide', take)
  window.addEventListener('storage', onStorage)
  document.addEventListener('visibilitychange', onHide)
  changed()
  return () => {
    clearTimeout(timer)
    callOff()
    off()
    viewport.removeEventListener('scroll', changed)
    window.removeEventListener('resize', changed)
    window.removeEventListener('pagehide', take)
    window.removeEventListener('storage', onStorage)
    document.removeEventListener('visibilitychange', onHide)
  }
}
