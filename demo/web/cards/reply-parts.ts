/** Sorts the parts of a reply into what is shown: texts, cards, and one progress card for all tools that have no card. */
import type { MessagePart, Run, TextPart, ToolPart } from 'polylogue'
import { approvalOf, type Approval } from './approval.ts'
import { cardFor, type CardKind } from './card-kinds.ts'

export type Section =
  | { readonly kind: 'text'; readonly key: string; readonly part: TextPart }
  | { readonly kind: 'reasoning'; readonly key: string; readonly part: TextPart; readonly tookMs?: number }
  | { readonly kind: 'card'; readonly key: string; readonly card: CardKind; readonly part: ToolPart }
  | { readonly kind: 'approval'; readonly key: string; readonly part: Approval }
  | {
      readonly kind: 'task'
      readonly key: 'task'
      readonly calls: readonly ToolPart[]
      readonly took: ReadonlyMap<string, number>
    }

/** A part that says how long something took. */
interface Took {
  readonly data?: { readonly of?: unknown; readonly ms?: unknown }
}

/** @param asksOthers other agents do something for it: they are shown with its progress. */
export function sectionsOf(parts: readonly MessagePart[], run: Run | undefined, asksOthers = false): Section[] {
  const sections: Section[] = []
  const calls: ToolPart[] = []
  const took = new Map<string, number>()
  const task: Section = { kind: 'task', key: 'task', calls, took }
  parts.forEach((part, i) => {
    if (part.type === 'text' || part.type === 'reasoning') {
      if ((part as TextPart).text !== '') sections.push({ kind: part.type as 'text', key: String(i), part: part as TextPart })
    } else if (part.type === 'data-took') {
      const { of, ms } = (part as Took).data ?? {}
      if (typeof of !== 'string' || typeof ms !== 'number') return
      took.set(of, ms)
      const last = sections.findLastIndex(({ kind }) => kind === 'reasoning')
      const thought = of === 'thought' ? sections[last] : undefined
      if (thought?.kind === 'reasoning') sections[last] = { ...thought, tookMs: ms }
    } else if (part.type === 'data-approval') {
      const approval = approvalOf(part)
      if (approval !== null) sections.push({ kind: 'approval', key: approval.id, part: approval })
    } else if (isTool(part)) {
      const approval = approvalOf(part)
      if (approval !== null) sections.push({ kind: 'approval', key: approval.id, part: approval })
      const card = cardFor(part)
      if (card?.alone !== true) {
        if (calls.length === 0) sections.push(task)
        calls.push(part)
      }
      if (card !== null) sections.push({ kind: 'card', key: part.toolCallId, card: card.kind, part })
    }
  })
  // Steps that no tool stands for: of an agent that reports them by itself.
  if (calls.length === 0 && (asksOthers || (run?.steps.length ?? 0) > 0)) sections.unshift(task)
  return sections
}

/** How long the whole reply took, in milliseconds, where its agent says. */
export function tookInAll(parts: readonly MessagePart[]): number | undefined {
  const part = parts.findLast(({ type, ...rest }) => type === 'data-took' && (rest as Took).data?.of === 'run')
  const ms = (part as Took | undefined)?.data?.ms
  return typeof ms === 'number' ? ms : undefined
}

function isTool(part: MessagePart): part is ToolPart {
  return part.type === 'dynamic-tool' || part.type.startsWith('tool-')
}
