/** The tool that runs in the customer's browser: it says where it is, if its owner lets it. */
import { useSession } from 'polylogue/react'
import { useEffect } from 'react'

/** How long the browser may look, once it was allowed to. */
const LOOK_MS = 20_000

/** Offers the browser's location to the agents of the session, for as long as the page is open. */
export function useLocationTool(): void {
  const session = useSession()
  useEffect(() => session.tools({ getLocation: (_input, { signal }) => locate(signal) }), [session])
}

function locate(signal: AbortSignal): Promise<{ lat: number; lon: number }> {
  return new Promise((resolve, reject) => {
    if (!('geolocation' in navigator)) throw new Error('This browser does not know where it is.')
    signal.addEventListener('abort', () => reject(new Error('Another window does it.')), { once: true })
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve({ lat: coords.latitude, lon: coords.longitude }),
      // Its own messages are in English at best, and empty at worst.
      ({ code, PERMISSION_DENIED }) =>
        reject(new Error(code === PERMISSION_DENIED ? 'The location was not shared.' : 'The browser could not find out.')),
      { timeout: LOOK_MS, maximumAge: 600_000 },
    )
  })
}
