/** The service worker: registered, and asked for a new version when the page is looked at again after a while. */

/** A tab may be open for days; the browser itself looks at each start only. */
const LOOK_AGAIN_MS = 3_600_000

export function watchVersion(): void {
  if (!('serviceWorker' in navigator) || !window.isSecureContext) return
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
