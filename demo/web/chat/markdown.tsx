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
import { newCutter } from './blocks.ts'
import { mayParse } from './tame.ts'

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (char) => ESCAPES[char] ?? char)

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ text }) => escape(text),
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
  },
})

const purify = DOMPurify()
purify.addHook('afterSanitizeAttributes', (node) => {
  // They scroll on their own: by keyboard as well.
  if (node.tagName === 'TABLE' || node.tagName === 'PRE') node.setAttribute('tabindex', '0')
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

/** Sanitized HTML of one block; null for one that the parser cannot take, which is shown as it was written. */
function toHtml(markdown: string): string | null {
  if (!mayParse(markdown)) return null
  try {
    return purify.sanitize(marked.parse(markdown, { async: false }), ALLOWED)
  } catch {
    return null
  }
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
  const html = useMemo(() => toHtml(markdown), [markdown])
  if (html === null) return <p className="md-block plain">{markdown}</p>
  return <div className="md-block" dangerouslySetInnerHTML={{ __html: html }} />
})
