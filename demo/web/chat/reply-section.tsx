/** One piece of what an agent has written: a text, its thoughts, a card. Its progress is another matter: see `task-card.tsx`. */
import type { Run } from 'polylogue'
import { memo, type ReactNode } from 'react'
import { ApprovalCard } from '../cards/approval-card.tsx'
import type { Section } from '../cards/reply-parts.ts'
import { thoughtFor } from '../cards/thought.tsx'
import { ToolCard } from '../cards/tool-card.tsx'
import { Markdown } from './markdown.tsx'

export type WrittenSection = Exclude<Section, { readonly kind: 'task' }>

export interface SectionViewProps {
  readonly section: WrittenSection
  readonly run: Run | undefined
  /** It is the last one of a reply that goes on. */
  readonly growing: boolean
  /** Its reply began on this page. Default: no. */
  readonly watched?: boolean
}

export function SectionView({ section, run, growing, watched = false }: SectionViewProps): ReactNode {
  switch (section.kind) {
    case 'text':
      return <TextSection text={section.part.text} growing={growing && section.part.state === 'streaming'} watched={watched} />
    case 'reasoning':
      return (
        <details className="reasoning">
          <summary>{growing && section.part.state === 'streaming' ? 'Thinking…' : thoughtFor(section.tookMs)}</summary>
          <Markdown text={section.part.text} growing={growing} />
        </details>
      )
    case 'card':
      return <ToolCard kind={section.card} part={section.part} run={run} />
    case 'approval':
      return <ApprovalCard part={section.part} />
  }
}

const TextSection = memo(Markdown)
