/** What is in a rendered Markdown text and is not what Markdown is made of. Runs in the page; a list of its own, on purpose. */
const TAGS = new Set(
  'DIV SPAN P BR STRONG EM DEL CODE PRE UL OL LI A H1 H2 H3 H4 H5 H6 BLOCKQUOTE TABLE THEAD TBODY TR TH TD HR'.split(' '),
)
const ATTRIBUTES: Readonly<Record<string, RegExp>> = {
  class: /^(?:md|md-block|md-block plain)$/,
  'data-growing': /^true$/,
  'data-tail': /^true$/,
  align: /^(?:left|right|center)$/,
  start: /^\d+$/,
  role: /^(?:list|listitem|presentation)$/,
  title: /^/,
  href: /^(?:https?:\/\/|mailto:)/i,
  tabindex: /^0$/,
  target: /^_blank$/,
  rel: /\bnoopener\b/,
}

/** Names of what does not belong below `root`; empty for a good text. */
export function foreignIn(root: Element): string[] {
  const found: string[] = []
  for (const element of root.querySelectorAll('*')) {
    if (!TAGS.has(element.tagName)) found.push(`<${element.tagName}>`)
    for (const { name, value } of element.attributes) {
      if (ATTRIBUTES[name]?.test(value) !== true) found.push(`${element.tagName} ${name}="${value}"`)
    }
    if (element instanceof HTMLAnchorElement && element.hasAttribute('href')) {
      // `:` is what one has that is no address at all.
      if (!['http:', 'https:', 'mailto:', ':'].includes(element.protocol)) found.push(`a link to ${element.protocol}`)
      if (!element.relList.contains('noopener') || element.target !== '_blank') found.push('a link that opens here')
    }
  }
  return found
}
