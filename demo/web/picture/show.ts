/**
 * A small script of its own that comes before the page's program: shows the picture of the last screen, if there is one for this
 * conversation, reader and window, until the real thing stands under it. See `picture.ts`.
 */
import { placeIn } from '../chat/place-in-session.ts'
import { sessionHere } from '../place.ts'
import { knownCustomer } from '../who.ts'
import { drawPicture } from './draw.ts'
import { keptPicture } from './kept.ts'
import { isRealShown, sayLookedFor } from './leave.ts'
import { readPicture } from './picture.ts'

/** A program that has not come by then will not come soon. */
const LONGEST_MS = 8_000

function show(): void {
  const session = sessionHere()
  const reader = knownCustomer()
  // A link to one message, and a tab that was scrolled, begin elsewhere than at the end. The program may even have been faster.
  if (session === null || reader === null || isRealShown() || window.location.hash !== '' || placeIn(session) !== null) return
  const picture = readPicture(keptPicture(reader.id, session))
  if (picture === null || picture.window[0] !== window.innerWidth || picture.window[1] !== window.innerHeight) return
  const element = drawPicture(picture)
  document.body.append(element)
  const end = (): void => element.remove()
  setTimeout(end, LONGEST_MS)
  window.addEventListener('resize', end, { once: true })
  const onError = ({ target }: Event): void => {
    if (target === window || target instanceof HTMLScriptElement) end()
  }
  // `true`: that a script cannot be had is told to its element alone.
  window.addEventListener('error', onError, true)
}

function tryToShow(): void {
  try {
    show()
  } catch {
    // A start without a picture is a start.
  }
  sayLookedFor()
}

// It comes from the head, and may be faster than the rest of the page.
if (document.body !== null) tryToShow()
else {
  const observer = new MutationObserver(() => {
    if (document.body === null) return
    observer.disconnect()
    tryToShow()
  })
  observer.observe(document.documentElement, { childList: true })
}
