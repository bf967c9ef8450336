/** Which tools show their result as a card of their own. */
import type { ToolPart } from 'polylogue'

export type CardKind = 'location' | 'order' | 'product' | 'cart-line' | 'stores' | 'label' | 'human'

interface CardRule {
  readonly kind: CardKind
  /** The card shows the whole life of the call; otherwise the call counts among the steps, and only its result has a card. */
  readonly alone: boolean
}

const RULES: Readonly<Record<string, CardRule>> = {
  getOrder: { kind: 'order', alone: true },
  getLocation: { kind: 'location', alone: true },
  getProduct: { kind: 'product', alone: true },
  addToCart: { kind: 'cart-line', alone: true },
  nearestStores: { kind: 'stores', alone: true },
  requestHuman: { kind: 'human', alone: true },
  confirmOrder: { kind: 'order', alone: false },
  createLabel: { kind: 'label', alone: false },
}

export function toolName(part: ToolPart): string {
  return part.type === 'dynamic-tool' ? (part.toolName ?? 'tool') : part.type.slice('tool-'.length)
}

/** The card of a call; null when it has none, or none yet. */
export function cardFor(part: ToolPart): CardRule | null {
  const rule = RULES[toolName(part)]
  if (rule === undefined || (!rule.alone && part.state !== 'output-available')) return null
  return rule
}
