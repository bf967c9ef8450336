/**
 * Where the focus goes when the thing that had it is gone: a question that was answered, a message that was taken back; and that
 * it stays where the thing was only moved, as in a list that is sorted anew. The browser would drop it at the top of the page.
 */

/** Where one writes within `around`, if it is to be seen; the first of them where several conversations are open. */
export function composerField(around: ParentNode = document): HTMLElement | null {
  const fields = around.querySelectorAll<HTMLElement>('.composer textarea')
  return [...fields].find((field) => field.checkVisibility()) ?? null
}

/** Keeps the focus of those who work by keyboard; a finger's is left alone, or its keyboard would come up. */
export function keepFocus(root: Element): void {
  /** What had the focus, and all that it is in, from the inside out. */
  let path: Element[] = []
  document.addEventListener('focusin', ({ target }) => {
    path = []
    if (!(target instanceof Element) || !target.matches(':focus-visible')) return
    for (let element: Element | null = target; element !== null; element = element.parentElement) path.push(element)
  })
  // Whoever clicks beside everything has let go.
  document.addEventListener('pointerdown', () => (path = []))
  const observer = new MutationObserver((changes) => {
    const [last] = path
    if (last === undefined || document.activeElement !== document.body) return
    if (last.isConnected) {
      const isMoved = changes.some(({ addedNodes }) => [...addedNodes].some((node) => node.contains(last)))
      if (isMoved && last instanceof HTMLElement) last.focus({ preventScroll: true })
      return
    }
    const around = path.filter((element) => element.isConnected)
    path = []
    placeFor(around)?.focus()
  })
  observer.observe(root, { childList: true, subtree: true })
}

/** The card that it was in, what else is there to do in its list, or the message field. */
function placeFor(around: readonly Element[]): HTMLElement | null {
  for (const element of around) {
    if (!(element instanceof HTMLElement)) continue
    if (element.matches('.card')) {
      element.tabIndex = -1
      return element
    }
    const next = element.matches('.queue-tray, .queued, .holder-bar') ? element.querySelector<HTMLElement>('button, input') : null
    if (next !== null) return next
  }
  return composerField(around.find((element) => element.matches('.chat')))
}
