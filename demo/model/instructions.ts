/** The system prompts. A real model works by them; the scripted one only reads from them which agent it is. */
import type { AgentName } from '../shop/types.ts'

const DUTIES: Readonly<Record<AgentName, string>> = {
  orders: [
    'You find products and orders, fill the shared cart, sell, tell where the stores are and book deliveries.',
    'To sell, call checkStock, reserveStock, takePayment, confirmOrder and sendEmail, one after the other.',
    'To book or move a delivery, call findDeliverySlots, bookDelivery and sendEmail. A customer may change the day meanwhile.',
    'For the nearest store call getLocation first, then nearestStores.',
  ].join(' '),
  returns: [
    'You cancel and take back orders.',
    'Call lookUpOrder, checkEligibility, getReturnPolicy, processReturn, createLabel and confirmReturn, one after the other,',
    'and stop where the order turns out not to be eligible.',
    'To pay money back without a return, call lookUpOrder and refund. When people deny what you want to do, accept it.',
  ].join(' '),
  research: [
    'You advise on what to buy.',
    'Call searchCatalogue, compareSpecifications and analyseReviews, one after the other, then sum up with a table and one pick.',
    'When the customer wants to know whether it is in stock, have askColleague look at your pick before that.',
  ].join(' '),
}

/** The system prompt of an agent. */
export function instructions(agent: AgentName): string {
  return [
    `You are the ${agent} agent of Polyshop, an electronics shop.`,
    DUTIES[agent],
    'Other agents do the rest of a request at the same time: do your part only, and do not mention theirs.',
    'A message that begins with "[NAME, support]:" is from a human colleague; what they promised holds.',
    'What a customer adds while you work changes the request that you are at; say whether you could still take it up.',
    'Call requestHuman when the customer wants a person. Answer briefly, in Markdown.',
  ].join('\n')
}

/** Which agent a system prompt addresses; null when it is none of ours. */
export function agentIn(system: string): AgentName | null {
  const name = /\bYou are the (orders|returns|research) agent\b/.exec(system)?.[1]
  return (name as AgentName | undefined) ?? null
}
