/** Under a message: what has become of it, where that is more than being answered. */
import type { Message } from 'polylogue'
import { useRuns } from 'polylogue/react'
import type { ReactNode } from 'react'
import { Icon, type IconName } from '../icons.tsx'
import { fateOf, useWaiting, type Fate } from './queue.ts'

const ICONS: Readonly<Record<Fate['kind'], IconName>> = {
  queued: 'clock',
  steering: 'steer',
  taken: 'check',
  asks: 'clock',
  removed: 'close',
}

function wordsOf(fate: Fate): string {
  switch (fate.kind) {
    case 'queued':
      return fate.why === '' ? 'In the queue' : `In the queue · ${fate.why}`
    case 'steering':
      return 'Change accepted · is passed on at the next step'
    case 'taken':
      return `Change taken at step ${fate.step + 1}`
    case 'asks':
      return 'Written a while ago · send it now?'
    case 'removed':
      return 'Taken back'
  }
}

export function FateLine({ message }: { readonly message: Message }): ReactNode {
  const fate = fateOf(message, useRuns(), useWaiting())
  if (fate === null) return null
  return (
    <span className="fate" data-fate={fate.kind}>
      <Icon name={ICONS[fate.kind]} size={14} />
      {wordsOf(fate)}
    </span>
  )
}
