/** The end of the picture of the last screen: the real thing is there, or there is none. */
import { PICTURE_CLASS } from './draw.ts'

/** Says on the page that a picture was looked for: there is one by now, or there will be none. */
export function sayLookedFor(): void {
  document.documentElement.dataset['screen'] ??= 'looked'
}

/** Takes the picture away, and keeps one from coming after this. */
export function leavePicture(): void {
  document.documentElement.dataset['screen'] = 'real'
  document.querySelector(`.${PICTURE_CLASS}`)?.remove()
}

/** Whether there is nothing left to bridge. */
export function isRealShown(): boolean {
  return document.documentElement.dataset['screen'] === 'real'
}

function isPictureShown(): boolean {
  return document.querySelector(`.${PICTURE_CLASS}`) !== null
}

/** Takes the picture away as soon as what `isShown` looks for is laid out; gives what calls that off. */
export function leavePictureWhen(isShown: () => boolean): () => void {
  let frame = 0
  // At the beginning of a frame: what is laid out now was painted, under the picture, with the last one.
  const look = (): void => {
    // Its script was first: where there is none, none comes.
    if (!isPictureShown() || isShown()) leavePicture()
    else frame = requestAnimationFrame(look)
  }
  frame = requestAnimationFrame(look)
  return () => cancelAnimationFrame(frame)
}

/** Whether the rows of a conversation stand: those in sight are measured, and fill it. */
export function doRowsStand(viewport: HTMLElement): boolean {
  const sight = viewport.getBoundingClientRect()
  // Not in sight at all: on a phone the shop may be.
  if (sight.height === 0) return true
  const list = viewport.querySelector('[role=list]')
  // A conversation in which nothing was said.
  if (list === null) return true
  const rects = [...list.children].flatMap((row) => {
    const rect = row.getBoundingClientRect()
    return rect.bottom > sight.top && rect.top < sight.bottom ? [{ rect, isMeasured: isMeasured(row) }] : []
  })
  const upper = Math.min(...rects.map(({ rect }) => rect.top))
  // Down from the upper edge, or all of it.
  const reachesUp = upper <= sight.top || upper <= list.getBoundingClientRect().top + 1
  return rects.length > 0 && reachesUp && rects.every((row) => row.isMeasured)
}

/** The list hides a row until it knows how high that is. */
function isMeasured(row: Element): boolean {
  return (row as HTMLElement).style.visibility !== 'hidden'
}
