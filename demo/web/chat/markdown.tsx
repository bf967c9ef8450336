/**
 * Markdown that grows. A text is cut into blocks; those that are finished are neither parsed nor rendered again when a token
 * comes, and the last one is healed, so that no half `**bold` or `[link](` is ever seen.
 *
 * What a model or a stranger writes never runs: HTML in the text is shown as text, and what comes out of the parser passes a
 * sanitizer that knows a short list of tags. Images are left out: they would tell their server who reads.
 */
import DOMPurify from 'dompurify'
import { Marked } from 'marked'
import { memo, useMemo, useState, type ReactNode } from 'react'
import remend from 'remend'

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (char) => ESCAPES[char] ?? char)

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ text }) => escape(text),
  },
})

const purify = DOMPurify()
purify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName !== 'A') return
  node.setAttribute('target', '_blank')
  node.setAttribute('rel', 'noopener noreferrer nofollow')
})

const ALLOWED = {
  ALLOWED_TAGS: 'p br strong em del code pre ul ol li a h1 h2 h3 h4 h5 h6 blockquote table thead tbody tr th td hr'.split(' '),
  ALLOWED_ATTR: ['href', 'title', 'align', 'start'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
}

/** Sanitized HTML of one block. Exported for its test. */
export function toHtml(markdown: string): string {
  return purify.sanitize(marked.parse(markdown, { async: false }), ALLOWED)
}

interface Cut {
  readonly text: string
  readonly blocks: readonly string[]
}

/**
 * Cuts a text into its top-level blocks. Of a text that only grew, everything before the last block stays as it was cut:
 * what follows a finished block cannot change it any more. Exported for its test.
 */
export function cutBlocks(text: string, before: Cut | null): Cut {
  if (before?.text === text) return before
  let kept: readonly string[] = []
  if (before !== null && before.text !== '' && text.startsWith(before.text)) kept = before.blocks.slice(0, -1)
  const from = kept.reduce((sum, block) => sum + block.length, 0)
  const blocks = [...kept]
  for (const { raw, type } of marked.lexer(text.slice(from))) {
    // Blank lines belong to the block before them: a list may go on after them.
    if (type === 'space' && blocks.length > 0) blocks[blocks.length - 1] += raw
    else blocks.push(raw)
  }
  return { text, blocks }
}

/** Remembers the last cut of one text that grows. */
function newCutter(): (text: string) => readonly string[] {
  let last: Cut | null = null
  // Line ends as the parser makes them, or the lengths of the blocks would not add up.
  return (text) => (last = cutBlocks(text.replaceAll('\r\n', '\n'), last)).blocks
}

export interface MarkdownProps {
  readonly text: string
  /** More is coming: the end is healed and marked. */
  readonly growing: boolean
}

export function Markdown({ text, growing }: MarkdownProps): ReactNode {
  const [cut] = useState(newCutter)
  const blocks = cut(text)
  const last = blocks.length - 1
  return (
    <div className="md" data-growing={growing || undefined}>
      {blocks.map((block, i) => (
        // A block never changes its place, so its index is its identity.
        <Block key={i} markdown={growing && i === last ? remend(block) : block} />
      ))}
    </div>
  )
}

const Block = memo(function Block({ markdown }: { readonly markdown: string }): ReactNode {
  const html = useMemo(() => ({ __html: toHtml(markdown) }), [markdown])
  return <div className="md-block" dangerouslySetInnerHTML={html} />
})
