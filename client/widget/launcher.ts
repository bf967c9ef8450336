/** What the loader draws: the button with its count, and the panel that the frame is in. Knows nothing of conversations. */
import { make, shadowOf } from './element-tools.ts'
import { LAUNCHER_CSS, SHEET_QUERY } from './launcher-styles.ts'
import { textsFor } from './texts.ts'
import type { WidgetLooks } from '../../shared/widget.ts'

export interface LauncherOptions {
  readonly looks: WidgetLooks
  readonly position: 'right' | 'left'
  /** Any CSS colour; null: the usual one. */
  readonly color: string | null
  readonly onToggle: () => void
  readonly onClose: () => void
  readonly onRetry: () => void
}

/**
 * Styles of an element that stands in somebody's page: no rule of that page counts against them, since the importance of an
 * element's own styles goes before that of any sheet.
 */
const HOST_STYLE = 'all:initial!important;position:fixed!important;z-index:2147483647!important;inset:auto 0 0 auto!important'

export class Launcher {
  readonly #host = make('div')
  readonly #button: HTMLButtonElement
  readonly #count = make('span', { class: 'count', hidden: '' })
  readonly #panel: HTMLElement
  readonly #cover = make('div', { class: 'cover', role: 'status' })
  /** Says to those who do not see the count that it has grown. */
  readonly #said = make('div', { class: 'said', role: 'status' })
  readonly #options: LauncherOptions
  readonly #texts: ReturnType<typeof textsFor>
  readonly #sheet = matchMedia(SHEET_QUERY)
  #shown = false
  #unread = 0
  /** Gives back what the page had before the sheet covered it; null: it does not. */
  #release: (() => void) | null = null

  constructor(options: LauncherOptions) {
    const { looks, position, color, onToggle, onClose } = options
    this.#options = options
    this.#texts = textsFor(looks.locale)
    // Of no size and above all: what shows is placed by the styles within.
    this.#host.style.cssText = HOST_STYLE
    if (color !== null) this.#host.style.setProperty('--polylogue-color', color)
    this.#host.setAttribute('position', position)
    this.#host.setAttribute('theme', looks.theme)
    this.#host.lang = looks.locale
    this.#panel = make('div', { id: 'panel', class: 'panel', role: 'dialog', 'aria-label': looks.title, hidden: '' }, this.#cover)
    this.#button = make('button', { class: 'launcher', type: 'button', 'aria-haspopup': 'dialog', 'aria-controls': 'panel' })
    this.#button.append(icon('M21 12a8.5 8.5 0 0 1-12.3 7.6L3 21l1.4-5.2A8.5 8.5 0 1 1 21 12Z'), this.#count)
    this.#button.addEventListener('click', onToggle)
    const shadow = shadowOf(this.#host, LAUNCHER_CSS)
    shadow.append(this.#panel, this.#button, this.#said)
    shadow.addEventListener('keydown', (event) => {
      if ((event as KeyboardEvent).key === 'Escape' && this.#shown) onClose()
    })
    this.#say()
    document.body.append(this.#host)
  }

  set unread(count: number) {
    this.#unread = count
    this.#said.textContent = this.#say()
  }

  /** Puts a frame in the panel, under a cover until it can be read. */
  hold(frame: HTMLIFrameElement): void {
    this.#panel.prepend(frame)
    this.#put(this.#texts.opening)
  }

  uncover(): void {
    this.#cover.hidden = true
  }

  /** In the place of a frame that does not answer. */
  fail(): void {
    const { failed, again } = this.#texts
    this.#put(failed, this.#action(again, this.#options.onRetry))
  }

  #put(...content: readonly (Node | string)[]): void {
    this.#cover.hidden = false
    this.#cover.replaceChildren(...content, this.#action(this.#texts.close, this.#options.onClose))
  }

  show(shown: boolean, focus: () => void): void {
    if (shown === this.#shown) return
    this.#shown = shown
    const hadFocus = document.activeElement === this.#host
    this.#panel.hidden = !shown
    this.#say()
    if (shown) {
      this.#panel.ariaModal = String(this.#sheet.matches)
      if (this.#sheet.matches) this.#release = coverPage(this.#host, this.#panel, this.#options.onClose)
      focus()
    } else {
      this.#release?.()
      this.#release = null
      if (hadFocus) this.#button.focus()
    }
  }

  /** Nothing can be used any more; a frame that is to sign somebody out still has a place. */
  retire(): void {
    this.#button.remove()
  }

  /** Gives what is new, as those hear it who do not see the count. */
  #say(): string {
    const { title } = this.#options.looks
    const { open, close, unread } = this.#texts
    const news = this.#unread > 0 ? `${title}: ${this.#unread} ${unread}` : ''
    this.#button.ariaExpanded = String(this.#shown)
    this.#button.ariaLabel = `${this.#shown ? close : open}: ${news || title}`
    this.#count.hidden = this.#unread === 0 || this.#shown
    this.#count.textContent = this.#unread > 99 ? '99+' : String(this.#unread)
    return news
  }

  #action(text: string, onClick: () => void): HTMLButtonElement {
    const button = make('button', { type: 'button' }, text)
    button.addEventListener('click', onClick)
    return button
  }
}

function icon(path: string): SVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  const shape = document.createElementNS('http://www.w3.org/2000/svg', 'path')
  svg.setAttribute('viewBox', '0 0 24 24')
  shape.setAttribute('d', path)
  svg.append(shape)
  return svg
}

/** Marks the entry of the browser's history that stands for the open sheet. */
const ENTRY = 'polylogue-sheet'

/**
 * Over the whole page: that neither scrolls behind nor takes the focus, the panel stays above an on-screen keyboard, and the way
 * back closes it. Gives what ends that, and leaves page and history as they were.
 */
function coverPage(host: HTMLElement, panel: HTMLElement, onClose: () => void): () => void {
  const root = document.documentElement
  const { style } = root
  const [value, priority] = [style.getPropertyValue('overflow'), style.getPropertyPriority('overflow')]
  style.setProperty('overflow', 'hidden', 'important')
  const behind = [...document.body.children].filter((it) => it !== host && !(it as HTMLElement).inert)
  for (const it of behind) (it as HTMLElement).inert = true
  const stop = new AbortController()
  const { signal } = stop
  const view = window.visualViewport
  const fit = (): void => {
    if (view === null || view.scale > 1) return
    panel.style.top = `${view.offsetTop}px`
    panel.style.height = `${view.height}px`
  }
  fit()
  for (const type of ['resize', 'scroll']) view?.addEventListener(type, fit, { signal })
  history.pushState({ ...(history.state as object | null), [ENTRY]: true }, '')
  const isOurs = (): boolean => (history.state as Record<string, unknown> | null)?.[ENTRY] === true
  const onPop = (): void => {
    if (!isOurs()) onClose()
  }
  addEventListener('popstate', onPop, { signal })
  return () => {
    stop.abort()
    for (const it of behind) (it as HTMLElement).inert = false
    if (isOurs()) history.back()
    panel.removeAttribute('style')
    if (value === '') style.removeProperty('overflow')
    else style.setProperty('overflow', value, priority)
    // An attribute that was not there must not stay behind, empty. Read first: Chromium writes it late.
    if (root.getAttribute('style') === '') root.removeAttribute('style')
  }
}
