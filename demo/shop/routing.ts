/** Which agents a message is for. Pure and by pattern, like the scripted model: the demo needs no key for it. */
import type { AgentName } from './types.ts'

export const AGENTS: readonly AgentName[] = ['orders', 'returns', 'research']

/** The first that fits decides, so "show me your return policy" is not for the orders agent. */
const PATTERNS: readonly (readonly [AgentName, RegExp])[] = [
  [
    'returns',
    /\b(?:returns?|returning|refund(?:s|ed)?|money back|send (?:it|them|this) back)\b|\bcancel\b(?!.*\b(?:delivery|research)\b)/i,
  ],
  ['research', /\b(?:research|compare|comparison|recommend|which\b.*\b(?:best|better)|best\b.*\bunder)\b/i],
  [
    'orders',
    new RegExp(
      [
        String.raw`\b(?:buy|purchase|cart|basket|track|show me|deliver(?:y|ed)?|(?:nearest|closest) (?:store|shop))\b`,
        String.raw`\border (?:me|the|a|an|one|two|three|\d{1,2})\b`,
        String.raw`\bwhere(?:'s|’s| is| are)\b.*\b(?:order|package|parcel|stores?|shops?)\b`,
      ].join('|'),
      'i',
    ),
  ],
]

/** Agent that a clause is for; null when it says nothing of the kind. */
function agentOf(clause: string): AgentName | null {
  return PATTERNS.find(([, pattern]) => pattern.test(clause))?.[0] ?? null
}

/** "Buy this and cancel that." → its parts. A dot or comma inside a number does not divide. */
function clausesOf(text: string): string[] {
  return text.split(/\band\b|\bthen\b|[;!?\n]|[.,](?=\s|$)/i).filter((clause) => clause.trim() !== '')
}

/** The agents that a message is for, each once, in the order orders, returns, research; `orders` when nothing tells. */
export function route(text: string): AgentName[] {
  const asked = new Set(clausesOf(text).map(agentOf))
  const found = AGENTS.filter((agent) => asked.has(agent))
  return found.length > 0 ? found : ['orders']
}

/** The agents that a change to what is under way is for: of those at work the ones that it names, else all of them. */
export function routeChange(text: string, active: readonly string[]): AgentName[] {
  const working = AGENTS.filter((agent) => active.includes(agent))
  const named = clausesOf(text).map(agentOf)
  const found = working.filter((agent) => named.includes(agent))
  return found.length > 0 ? found : working.length > 0 ? working : route(text)
}

/** The part of a message that is for one agent; the whole text when no part is. */
export function partFor(agent: AgentName, text: string): string {
  return (clausesOf(text).find((clause) => agentOf(clause) === agent) ?? text).trim()
}
