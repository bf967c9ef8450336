/**
 * The service worker: registered, asked for a new version when the page is looked at again after a while, and heard when a new
 * one is in charge: this page then shows an older program, until it is loaded again.
 */

/** A tab may be open for days; the browser itself looks at each start only. */
const LOOK_AGAIN_MS = 3_600_000

const listeners = new Set<() => void>()
let outdated = false

export function watchVersion(): void {
  if (!('serviceWorker' in navigator) || !window.isSecureContext) return
  // The first worker of all takes over the page that has brought it: that one is of the same version.
  let isFirst = navigator.serviceWorker.controller === null
  navigator.serviceWorker.addEventListener('controllerchange', () => {
    if (!isFirst) become()
    isFirst = false
  })
  navigator.serviceWorker.register('/sw.js').then(
    (registration) => {
      let lookedAt = Date.now()
      document.addEventListener('visibilitychange', () => {
        if (document.visibilityState !== 'visible' || Date.now() - lookedAt < LOOK_AGAIN_MS) return
        lookedAt = Date.now()
        // Without a network there is nothing new.
        registration.update().catch(() => {})
      })
    },
    (error: unknown) => console.warn('No offline start:', error),
  )
}

function become(): void {
  outdated = true
  for (const listener of listeners) listener()
}

/** Whether a newer version than this page's waits for it to be loaded again. */
export function isOutdated(): boolean {
  return outdated
}

/** Calls `listener` once this page is outdated; gives the function that ends that. */
export function watchOutdated(listener: () => void): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}
