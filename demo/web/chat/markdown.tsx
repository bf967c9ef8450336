/**
 * Markdown that grows. A text is cut into blocks, and lists, tables and code into their pieces; what is finished is neither
 * parsed nor rendered again when a token comes, of the rest only what differs is touched, and the end is healed, so that no
 * half `**bold` or `[link](` is ever seen. What may be shown of it `safe-html.ts` says.
 */
import { memo, useDeferredValue, useMemo, useState, type ReactNode } from 'react'
import { newCutter } from './blocks.ts'
import { endHealed, newHealer } from './healed.ts'
import { isSplit, List } from './list-view.tsx'
import { useMorphed } from './morphed.ts'
import { useRevealed } from './revealed.ts'
import { inlineHtml } from './safe-html.ts'
import { Table } from './table-view.tsx'

export interface MarkdownProps {
  readonly text: string
  /** More is coming: the end is healed and marked. */
  readonly growing: boolean
  /** It began to grow on this page. Default: no, and what is there at first is shown at once. */
  readonly watched?: boolean
}

export function Markdown({ text, growing, watched = false }: MarkdownProps): ReactNode {
  const [cut] = useState(newCutter)
  // Not before what a person does: a key that is pressed meanwhile shows at once.
  const shown = useRevealed(useDeferredValue(text), growing, watched)
  const goesOn = growing || shown.length < text.length
  const blocks = cut(shown)
  const last = blocks.length - 1
  return (
    <div className="md" data-growing={goesOn || undefined} data-watched={watched || undefined}>
      {blocks.map((block, i) => (
        // A block never changes its place, so its index is its identity.
        <Block key={i} markdown={block} growing={goesOn && i === last} watched={watched} />
      ))}
    </div>
  )
}

interface BlockProps {
  readonly markdown: string
  readonly growing: boolean
}

const Block = memo(function Block({ markdown, growing, watched }: BlockProps & { readonly watched: boolean }): ReactNode {
  const [heal] = useState(newHealer)
  const shown = useMemo(() => heal(markdown, growing), [heal, markdown, growing])
  if (shown === null) return <p className="md-block plain">{markdown}</p>
  if (shown.kind === 'html') return <Html html={shown.html} tail={growing} />
  if (shown.kind === 'paragraph') return <LongParagraph parts={shown.parts} growing={growing} />
  return (
    <div className="md-block" role={shown.kind === 'list' && isSplit(shown) ? 'list' : undefined}>
      {shown.kind === 'list' && <List list={shown} growing={growing} />}
      {shown.kind === 'table' && <Table table={shown} growing={growing && watched} />}
      {shown.kind === 'code' && (
        <pre tabIndex={0}>
          <code>
            {shown.parts.map((part, i) => (
              <span key={i}>{part}</span>
            ))}
          </code>
        </pre>
      )}
    </div>
  )
})

function Html({ html, tail }: { readonly html: string; readonly tail: boolean }): ReactNode {
  return <div className="md-block" data-tail={tail || undefined} ref={useMorphed<HTMLDivElement>(html, (fragment) => fragment)} />
}

function LongParagraph({ parts, growing }: { readonly parts: readonly string[]; readonly growing: boolean }): ReactNode {
  const last = parts.length - 1
  return (
    <div className="md-block" data-tail={growing || undefined}>
      <p>
        {parts.map((part, i) => (
          <Part key={i} markdown={part} growing={growing && i === last} />
        ))}
      </p>
    </div>
  )
}

const Part = memo(function Part({ markdown, growing }: BlockProps): ReactNode {
  const html = useMemo(() => inlineHtml(growing ? endHealed(markdown) : markdown), [markdown, growing])
  return <span ref={useMorphed<HTMLSpanElement>(html, (fragment) => fragment)} />
})
