/** What somebody with a keyboard meets first: the way to where one writes, and whether replies are read out. */
import { useSyncExternalStore, type ReactNode } from 'react'
import { readsReplies, setReadsReplies, watchReadsReplies } from './chat/reads-replies.ts'
import { composerField } from './focus.ts'

export function SkipLinks(): ReactNode {
  const reads = useSyncExternalStore(watchReadsReplies, readsReplies)
  return (
    <nav className="skip-links" aria-label="Shortcuts">
      <button type="button" className="button" onClick={() => composerField()?.focus()}>
        Go to the message field
      </button>
      <button type="button" className="button" aria-pressed={reads} onClick={() => setReadsReplies(!reads)}>
        Read finished replies aloud
      </button>
    </nav>
  )
}
