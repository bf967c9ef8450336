/** Offers to put the shop on the home screen: by the browser's own prompt, or in words where there is none. Once. */
import { useState, useSyncExternalStore, type ReactNode } from 'react'
import { Icon } from '../icons.tsx'

/** Chromium's event, which no library of types has. */
interface InstallPrompt extends Event {
  prompt(): Promise<unknown>
}

const DISMISSED = 'polyshop:no-install'
const listeners = new Set<() => void>()
let prompt: InstallPrompt | null = null

/** Listens from the start: the browser says it once, and may say it before anything is shown. */
export function watchInstall(): void {
  const become = (next: InstallPrompt | null): void => {
    prompt = next
    for (const listener of listeners) listener()
  }
  window.addEventListener('beforeinstallprompt', (event) => {
    event.preventDefault()
    become(event as InstallPrompt)
  })
  window.addEventListener('appinstalled', () => become(null))
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

/** iPhones and iPads, which say that they are Macs, have no prompt: only their own menu. */
export function needsWords(userAgent: string, touchPoints: number, isStandalone: boolean): boolean {
  return !isStandalone && (/iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && touchPoints > 1))
}

function isStandalone(): boolean {
  return window.matchMedia('(display-mode: standalone)').matches || (navigator as { standalone?: boolean }).standalone === true
}

function wasDismissed(): boolean {
  try {
    return localStorage.getItem(DISMISSED) !== null
  } catch {
    return true
  }
}

export function InstallHint(): ReactNode {
  const [hidden, setHidden] = useState(wasDismissed)
  const ready = useSyncExternalStore(subscribe, () => prompt)
  const inWords = needsWords(navigator.userAgent, navigator.maxTouchPoints, isStandalone())
  if (hidden || (ready === null && !inWords)) return null
  const dismiss = (): void => {
    setHidden(true)
    try {
      localStorage.setItem(DISMISSED, '1')
    } catch {
      // Then it is asked again.
    }
  }
  return (
    <aside className="install-hint">
      <Icon name="device" />
      <p>
        {ready === null
          ? 'Keep it at hand: tap Share, then “Add to Home Screen”. It opens without a network, too.'
          : 'Keep it at hand: as an app it opens from your home screen, without a network, too.'}
      </p>
      {ready !== null && (
        <button
          type="button"
          className="button"
          onClick={() => {
            dismiss()
            void ready.prompt().catch(() => {})
          }}
        >
          Install
        </button>
      )}
      <button type="button" className="round ghost" aria-label="Not now" onClick={dismiss}>
        <Icon name="close" size={18} />
      </button>
    </aside>
  )
}
