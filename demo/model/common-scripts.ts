/** What every agent can do: call a person, chat, and talk at length. */
import type { AgentName } from '../shop/types.ts'
import { use, type Call } from './script.ts'
import type { Turn } from './turn.ts'
import { shorten } from './words.ts'

export function* askHuman({ text }: Turn): Generator<Call, string, unknown> {
  yield* use('requestHuman', { reason: text })
  return 'I have asked a colleague from our **support desk** to join. They see the whole conversation, so you need not repeat anything. I stay silent until they hand back to me.'
}

const CAN: Readonly<Record<AgentName, string>> = {
  orders: 'find products, follow orders, fill your **cart**, place an order, find the nearest store and book a **delivery**',
  returns: 'cancel an order, explain our **return policy**, open a return and make the prepaid **label** for it',
  research: 'search the catalogue, **compare** specifications, read the reviews and suggest what fits your **budget**',
}

/** A friendly answer of about 60 words that says which message it answers, and what a human colleague has said before. */
export function chat(agent: AgentName, { text, support }: Turn): string {
  const about = text === '' ? 'Hello!' : `You wrote: “${shorten(text, 80)}”.`
  if (support) {
    return [
      `${about} Before that, my colleague **${support.name}** told you: “${shorten(support.text, 160)}”.`,
      'That still holds, and I take it from here. Is there anything that you would like me to add to it?',
      `I can ${CAN[agent]}. And if you would rather go on with ${support.name}, say that you want a human.`,
    ].join(' ')
  }
  return [
    `${about} Thanks for asking! I am the ${agent} assistant of Polyshop, and I am glad to help.`,
    `I can ${CAN[agent]}.`,
    'Everybody in this conversation sees what I do, on every device, and can stop me at any time.',
    'Just tell me what you need, or say that you want a human, and a colleague will join us here.',
  ].join(' ')
}

/** About 400 tokens, with a heading, lists, a table and links: long enough to be interrupted, joined and scrolled. */
export function longAnswer(subject: string): string {
  return `## Everything about ${subject}

Let us start with the question that matters most: **where will you use them?** A quiet room, a crowded train and a windy street ask for very different things, and no single product wins in all three places.

### What to look at

1. **Noise cancelling.** Microphones listen to the outside, and the electronics play its mirror image. It works best on steady sounds, such as an engine or a fan, and least on voices.
2. **Comfort.** Weight and the pressure of the pads decide whether you keep them on after an hour. Below 250 grams most people forget that they wear something.
3. **Battery.** Thirty hours is a week of commuting. More is pleasant, but a quick charge of ten minutes helps just as much.
4. **Repair.** Pads, cable and battery wear out first. Ask whether they can be changed, and what they cost.

### A short guide

| Where | Look for | Do not pay for |
|:--|:--|:--|
| Train and plane | adaptive noise cancelling, long battery | water protection |
| Office | good microphones, two connections at once | lossless sound |
| Sport | firm fit, protection against rain | noise cancelling |
| Home studio | a cable, flat sound | a long battery |

### Common mistakes

- Buying by the number of microphones. *How* they are used matters more than how many there are.
- Trusting the first five minutes. Wear them for an evening; our [return policy](https://shop.example/returns) gives you thirty days.
- Forgetting the old phone. A modern codec needs support on **both** sides, and otherwise falls back to the plain one.
- Turning it up. If you can hear everything without noise cancelling, you will listen more quietly with it, and your ears will thank you.

### How to go on

Tell me your budget and the place where you spend the most time, and I will suggest two or three that fit. You can also browse the [whole catalogue](https://shop.example/catalogue), or try everything at one of our stores. And whatever you choose: it is **yours to change your mind** about, and I am here to help with that as well.`
}
