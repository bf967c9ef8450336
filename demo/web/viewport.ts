/**
 * How much of the page is not under an on-screen keyboard. Chromium and Firefox make the page as small as what is left, as
 * `interactive-widget` asks them to; Safari lays the keyboard over it, so the height is taken from the visual viewport there.
 */

/** Less than this is a bar of the browser's that comes and goes, which `dvh` knows of. */
const KEYBOARD_PX = 120

/** The page's height in CSS pixels while a keyboard lies over it; null: as high as the window. */
export function heightAbove(windowHeight: number, visible: { readonly height: number; readonly scale: number }): number | null {
  // A page that was zoomed into is as high as it was.
  if (Math.abs(visible.scale - 1) > 0.01) return null
  return windowHeight - visible.height < KEYBOARD_PX ? null : Math.round(visible.height)
}

export function watchViewport(): void {
  const visible = window.visualViewport
  if (visible === null) return
  const { style, dataset } = document.documentElement
  const fit = (): void => {
    const height = heightAbove(window.innerHeight, visible)
    if (height === null) {
      style.removeProperty('--app-height')
      delete dataset['keyboard']
      return
    }
    style.setProperty('--app-height', `${height}px`)
    dataset['keyboard'] = ''
    // Safari has pushed the page up, to bring the field into view: it is in view by itself now.
    window.scrollTo(0, 0)
  }
  visible.addEventListener('resize', fit)
  visible.addEventListener('scroll', fit)
}
