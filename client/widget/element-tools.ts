/** Making elements in pages whose policy allows no inline style and no markup from text. */

/** An element with attributes; what is null is left out. */
export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  element.append(...children)
  return element
}

/** A closed shadow root with its styles: constructed, since a page's policy may forbid all others. */
export function shadowOf(host: HTMLElement, css: string): ShadowRoot {
  const shadow = host.attachShadow({ mode: 'closed' })
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(css)
  shadow.adoptedStyleSheets = [sheet]
  return shadow
}

/** The text of an attribute if it is one of these, else the first. */
export function oneOf<T extends string>(text: string | null | undefined, first: T, ...others: readonly T[]): T {
  return [first, ...others].find((it) => it === text) ?? first
}
