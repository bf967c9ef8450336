/** Offers the new version once it is there. Never by itself: somebody may be in the middle of a sentence, or of reading. */
import { useSyncExternalStore, type ReactNode } from 'react'
import { isOutdated, watchOutdated } from './app-version.ts'
import { Icon } from './icons.tsx'

/** Drafts, what is not sent, and the place in the conversation are on the device: loading again loses nothing. */
export function UpdatePill(): ReactNode {
  const shown = useSyncExternalStore(watchOutdated, isOutdated)
  if (!shown) return null
  return (
    <p className="pill" data-update role="status">
      <Icon name="again" size={16} />
      There is a new version.
      <button type="button" onClick={() => window.location.reload()}>
        Update
      </button>
    </p>
  )
}
