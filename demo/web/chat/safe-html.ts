/**
 * What may be shown of a Markdown text, as HTML. What a model or a stranger writes never runs: HTML in the text is shown as text,
 * and what comes out of the parser passes a sanitizer that knows a short list of tags. Images are left out: they would tell their
 * server who reads.
 */
import DOMPurify from 'dompurify'
import { Marked, type Tokens } from 'marked'
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

const FRAGMENT = { RETURN_DOM_FRAGMENT: true } as const

// Read once, and not with every token.
purify.setConfig({
  ALLOWED_TAGS: 'p br strong em del code pre ul ol li a h1 h2 h3 h4 h5 h6 blockquote table thead tbody tr th td hr'.split(' '),
  ALLOWED_ATTR: ['href', 'title', 'align', 'start', 'width'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  // Every other attribute is held against that as well.
  ADD_URI_SAFE_ATTR: ['align', 'start', 'width'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ...FRAGMENT,
})

/** Of what comes out of the parser, what may be shown. */
export function sanitized(html: string): DocumentFragment {
  return purify.sanitize(html, FRAGMENT)
}

/** HTML of a block that the parser can take. */
export function blockHtml(markdown: string): string {
  return marked.parse(markdown, { async: false })
}

/** HTML of what stands within a line. */
export function inlineHtml(markdown: string): string {
  return parsed(markdown, () => marked.parseInline(markdown, { async: false }))
}

/** HTML of one entry of a list, which is a list of its own. @param loose whether the entries of its list are paragraphs */
export function itemHtml(markdown: string, loose: boolean): string {
  return parsed(markdown, () => {
    const tokens = marked.lexer(markdown)
    // Whether entries are paragraphs is the whole list's to say, and one entry alone does not know it.
    for (const token of tokens) if (token.type === 'list') for (const item of (token as Tokens.List).items) setLoose(item, loose)
    return marked.parser(tokens)
  })
}

function setLoose(item: Tokens.ListItem, loose: boolean): void {
  item.loose = loose
  for (const token of item.tokens) {
    if (loose && token.type === 'text') token.type = 'paragraph'
    else if (!loose && token.type === 'paragraph') token.type = 'text'
  }
}

/** HTML of a piece; as it was written, where the parser cannot take it. */
function parsed(markdown: string, parse: () => string): string {
  try {
    if (mayParse(markdown)) return parse()
  } catch {
    // As below.
  }
  return escape(markdown)
}
