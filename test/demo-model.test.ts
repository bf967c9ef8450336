/** Every conversation that the scripted model must play, one after the other; more than 400 lines, since they share one way to play them. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { generateText, isStepCount, streamText, type ModelMessage, type TextStreamPart, type ToolSet } from 'ai'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { demoModel, type DemoModelOptions } from '../demo/model/index.ts'
import { instructions } from '../demo/model/instructions.ts'
import type { ModelCall } from '../demo/model/observe.ts'
import { scriptedModel } from '../demo/model/scripted.ts'
import { streamOf } from '../demo/model/stream.ts'
import { tokensOf } from '../demo/model/tokens.ts'
import { ASKS } from '../demo/model/turn.ts'
import { budgetIn, orderIn, wantsHuman, weekdayIn, wishAfter } from '../demo/model/words.ts'
import { getProduct } from '../demo/shop/catalogue.ts'
import { openShop, type Shop } from '../demo/shop/database.ts'
import { getOrder, listEmails, listOrders } from '../demo/shop/orders.ts'
import { toolsFor } from '../demo/shop/tools.ts'
import type { ToolContext } from '../demo/shop/tool-context.ts'
import type { AgentName } from '../demo/shop/types.ts'

/** A Monday, at noon in UTC. */
const MONDAY = Date.UTC(2026, 10, 23, 12)

const tidy: (() => unknown)[] = []
afterEach(async () => {
  for (const job of tidy.splice(0).reverse()) await job()
})

/** A shop and the callbacks that an agent gives to its tools, with a record of what came. */
class Desk {
  readonly shop: Shop = openShop(':memory:', () => MONDAY)
  readonly steps: { title: string; state: string; detail?: string | undefined }[] = []
  readonly cart: [string, number][] = []
  readonly calledForHuman: string[] = []
  where: { lat: number; lon: number } | null = { lat: 52.52, lon: 13.405 }
  /** Told when a step begins. */
  onStep: (title: string) => unknown = () => {}

  constructor() {
    tidy.push(() => this.shop.close())
  }

  context(more: Partial<ToolContext> = {}): ToolContext {
    return {
      key: 'input-1',
      delayMs: 0,
      step: (title) => {
        const step: Desk['steps'][number] = { title, state: 'active' }
        this.steps.push(step)
        this.onStep(title)
        return {
          done: (detail) => void Object.assign(step, { state: 'done', detail }),
          fail: (detail) => void Object.assign(step, { state: 'failed', detail }),
        }
      },
      addToCart: (sku, quantity) => void this.cart.push([sku, quantity]),
      requestHuman: (reason) => void this.calledForHuman.push(reason),
      getLocation: () => (this.where ? Promise.resolve(this.where) : Promise.reject(new Error('the customer declined'))),
      ...more,
    }
  }
}

interface Reply {
  readonly text: string
  readonly tools: readonly string[]
  readonly parts: readonly TextStreamPart<ToolSet>[]
  /** The conversation with this reply at its end. */
  readonly history: ModelMessage[]
}

interface AskOptions extends DemoModelOptions {
  readonly history?: readonly ModelMessage[]
  readonly context?: Partial<ToolContext>
  readonly tools?: ToolSet
  readonly signal?: AbortSignal
  readonly onPart?: (part: TextStreamPart<ToolSet>) => unknown
  /** Sent to the model, as a message of the user's, at the boundary before the step of this number. */
  readonly steer?: { readonly step: number; readonly text: string }
}

/** One run of an agent: the whole `streamText` with its tools. */
async function ask(desk: Desk, agent: AgentName, text: string, options: AskOptions = {}): Promise<Reply> {
  const { history = [], context = {}, tools, signal, onPart, steer, ...model } = options
  const messages: ModelMessage[] = [...history, { role: 'user', content: text }]
  const result = streamText({
    model: demoModel(agent, { delayMs: 0, env: {}, ...model }),
    instructions: instructions(agent),
    messages,
    tools: tools ?? toolsFor(agent, desk.shop, desk.context(context)),
    stopWhen: isStepCount(12),
    providerOptions: { [ASKS]: { asked: text } },
    ...(signal && { abortSignal: signal }),
    ...(steer && {
      prepareStep: ({ stepNumber, messages: sent }) =>
        stepNumber === steer.step ? { messages: [...sent, { role: 'user', content: steer.text }] } : {},
    }),
  })
  const parts: TextStreamPart<ToolSet>[] = []
  for await (const part of result.stream) {
    parts.push(part)
    onPart?.(part)
  }
  const said = parts.map((part) => (part.type === 'text-delta' ? part.text : part.type === 'text-start' ? '\n' : '')).join('')
  const aborted = parts.some((part) => part.type === 'abort')
  return {
    text: said.trim(),
    tools: parts.flatMap((part) => (part.type === 'tool-call' ? [part.toolName] : [])),
    parts,
    history: aborted ? messages : [...messages, ...(await result.responseMessages)],
  }
}

const typesIn = (reply: Reply): string[] => reply.parts.map((part) => part.type)

describe('orders', () => {
  test('follows an order', async () => {
    const reply = await ask(new Desk(), 'orders', 'Where is my order 1042?')
    expect(reply.tools).toEqual(['getOrder'])
    expect(reply.text).toContain('Order **1042** is **in transit** with Northline')
    expect(reply.text).toContain('**Wednesday, November 25**')
    expect(reply.text).toContain('](https://northline.example/track/NL-1042-7731)')
    const card = reply.parts.find((part) => part.type === 'tool-result')
    expect(card?.output).toMatchObject({ order: { id: 1042, lines: [{ name: 'Halden Room Speaker' }] } })
  })

  test('follows the newest order when no number is given, and says when there is none of a number', async () => {
    const desk = new Desk()
    expect((await ask(desk, 'orders', 'Where is my order?')).text).toContain('Order **1042**')
    expect((await ask(desk, 'orders', 'Where is my order 9999?')).text).toContain('could not find order **9999**')
  })

  test('shows a product with a table', async () => {
    const reply = await ask(new Desk(), 'orders', 'Show me the XM headphones')
    expect(reply.tools).toEqual(['getProduct'])
    expect(reply.text).toContain('**Sonara XM Headphones**, **$279.00**')
    expect(reply.text).toMatch(/\n\|:--\|:--\|\n\| Noise cancelling \| adaptive/)
    expect((await ask(new Desk(), 'orders', 'Show me the headphones')).text).toContain('- Sonara XM Headphones')
  })

  test('buys step by step', async () => {
    const desk = new Desk()
    const reply = await ask(desk, 'orders', 'Buy the XM headphones and cancel my existing order')
    expect(reply.tools).toEqual(['checkStock', 'reserveStock', 'takePayment', 'confirmOrder', 'sendEmail'])
    expect(desk.steps.map((step) => `${step.title}: ${step.state}`)).toEqual([
      'check stock: done',
      'reserve: done',
      'payment: done',
      'confirmation: done',
      'email: done',
    ])
    expect(reply.text).toContain('Order **1043** is confirmed')
    expect(getOrder(desk.shop, 'demo', 1043)).toMatchObject({ status: 'confirmed', totalCents: 27_900 })
    expect(getOrder(desk.shop, 'demo', 1042)?.status).toBe('in transit')
    expect(listEmails(desk.shop, 'demo').map((mail) => mail.subject)).toEqual(['Your order 1043'])
  })

  test('a second attempt at the same request buys nothing twice', async () => {
    const desk = new Desk()
    await ask(desk, 'orders', 'Buy two XM headphones')
    const again = await ask(desk, 'orders', 'Buy two XM headphones')
    expect(again.text).toContain('Order **1043** is confirmed')
    expect(listOrders(desk.shop, 'demo')).toHaveLength(4)
    expect(listEmails(desk.shop, 'demo')).toHaveLength(1)
    expect(getProduct(desk.shop, 'SON-XM')?.available).toBe(238)
    // Another request is another purchase.
    await ask(desk, 'orders', 'Buy two XM headphones', { context: { key: 'input-2' } })
    expect(getProduct(desk.shop, 'SON-XM')?.available).toBe(236)
  })

  test('goes on where another process has stopped', async () => {
    const desk = new Desk()
    const whole = await ask(desk, 'orders', 'Buy the XM headphones')
    const steps = desk.steps.length
    // Up to and including the result of the reservation.
    const cut = whole.history.slice(0, 5)
    expect(cut.at(-1)).toMatchObject({ role: 'tool', content: [{ toolName: 'reserveStock' }] })
    const result = streamText({
      model: demoModel('orders', { delayMs: 0, env: {} }),
      messages: cut,
      tools: toolsFor('orders', desk.shop, desk.context()),
      stopWhen: isStepCount(12),
    })
    expect(await result.text).toContain('Order **1043** is confirmed')
    expect(desk.steps.slice(steps).map((step) => step.title)).toEqual(['payment', 'confirmation', 'email'])
    expect(listOrders(desk.shop, 'demo')).toHaveLength(4)
  })

  test('sells nothing that is not there, and says so', async () => {
    const desk = new Desk()
    desk.shop.db.exec(`update products set stock = 1 where sku = 'SON-XM'`)
    const reply = await ask(desk, 'orders', 'Buy 2 XM headphones')
    expect(reply.tools).toEqual(['checkStock'])
    expect(reply.text).toContain('only **1** of the Sonara XM Headphones are left')
  })

  test('a tool that fails is told, its step is failed, and nothing more happens', async () => {
    const desk = new Desk()
    // Somebody else takes the last piece between the look and the reservation.
    desk.onStep = (title) => title === 'reserve' && desk.shop.db.exec(`update products set stock = 0 where sku = 'SON-XM'`)
    const reply = await ask(desk, 'orders', 'Buy the XM headphones')
    expect(reply.tools).toEqual(['checkStock', 'reserveStock'])
    expect(desk.steps.map((step) => step.state)).toEqual(['done', 'failed'])
    expect(reply.text).toContain('I could not finish this: Only 0 of Sonara XM Headphones are left.')
    expect(listOrders(desk.shop, 'demo')).toHaveLength(3)
  })

  test.each([
    ['Add the XM headphones to my cart', 1],
    ['put two XM headphones in my cart', 2],
    ['Please put 3 of the XM headphones into the basket', 3],
  ])('"%s"', async (text, quantity) => {
    const desk = new Desk()
    const reply = await ask(desk, 'orders', text)
    expect(reply.tools).toEqual(['addToCart'])
    expect(desk.cart).toEqual([['SON-XM', quantity]])
    expect(reply.text).toContain(`**${quantity} × Sonara XM Headphones**`)
  })

  test('finds the nearest store by asking where the customer is', async () => {
    const reply = await ask(new Desk(), 'orders', "Where's the nearest store?")
    expect(reply.tools).toEqual(['getLocation', 'nearestStores'])
    expect(reply.text).toContain('nearest store is **Berlin Mitte**, 1.1 km away')
  })

  test('takes a no, or a browser that cannot tell, for an answer', async () => {
    const desk = new Desk()
    desk.where = null
    const declined = await ask(desk, 'orders', "Where's the nearest store?")
    expect(declined.tools).toEqual(['getLocation'])
    expect(declined.text).toContain('Without your location')
    const { getLocation: _, ...tools } = toolsFor('orders', desk.shop, desk.context())
    const unable = await ask(desk, 'orders', "Where's the nearest store?", { tools })
    expect(unable.tools).toEqual([])
    expect(unable.text).toContain('Without your location')
  })

  test('books a delivery', async () => {
    const desk = new Desk()
    const reply = await ask(desk, 'orders', 'Book delivery for Tuesday')
    expect(reply.tools).toEqual(['findDeliverySlots', 'bookDelivery', 'sendEmail'])
    expect(desk.steps.map((step) => step.title)).toEqual(['finding a slot', 'booking the delivery', 'email'])
    expect(reply.text).toContain('order **1042** comes on **Tuesday, November 24**')
    expect((await ask(desk, 'orders', 'Book delivery for Sunday')).text).toContain('do not deliver')
    expect((await ask(desk, 'orders', 'Book a delivery')).text).toContain('Which **day of the week**')
  })

  test.each([1, 2, 3])('takes up another day that comes before step %i, marked as a change or not', async (step) => {
    for (const mark of ['', '[Ann, user]: ']) {
      const desk = new Desk()
      const reply = await ask(desk, 'orders', 'Book delivery for Tuesday', { steer: { step, text: `${mark}make it Wednesday` } })
      expect(reply.text).toContain('Your change came in time: **Wednesday** instead of Tuesday')
      expect(reply.text).not.toContain('could **not** take up')
      expect(getOrder(desk.shop, 'demo', 1042)?.delivery?.day).toBe('2026-11-25')
      // Whoever was told Tuesday is told Wednesday too.
      expect(listEmails(desk.shop, 'demo').at(-1)?.body).toContain('Wednesday')
    }
  })

  test('a change that it cannot take up leaves the purchase as it is, and is answered', async () => {
    const desk = new Desk()
    const steer = { step: 2, text: '[Ann, user]: gift-wrap it' }
    const reply = await ask(desk, 'orders', 'Buy the XM headphones', { steer })
    expect(reply.text).toContain('Order **1043** is confirmed')
    expect(reply.text).toContain('I could **not** take up “gift-wrap it” any more')
  })

  test('understands a mere day as the answer to its own question', async () => {
    const desk = new Desk()
    const { history } = await ask(desk, 'orders', 'Buy the XM headphones')
    const reply = await ask(desk, 'orders', 'Friday, please', { history, context: { key: 'input-2' } })
    expect(reply.text).toContain('Booked: order **1043** comes on **Friday, November 27**')
  })

  test('moves a delivery in a later turn', async () => {
    const desk = new Desk()
    const { history } = await ask(desk, 'orders', 'Book delivery for Tuesday')
    const reply = await ask(desk, 'orders', 'make it Wednesday', { history, context: { key: 'input-2' } })
    expect(reply.text).toContain('**Wednesday** instead of Tuesday')
    // Without a delivery in the talk, a weekday is small talk.
    expect((await ask(desk, 'orders', 'make it Wednesday')).tools).toEqual([])
  })

  test('chats in about sixty words', async () => {
    const reply = await ask(new Desk(), 'orders', 'Hello there')
    expect(reply.tools).toEqual([])
    expect(reply.text).toContain('“Hello there”')
    const words = reply.text.split(/\s+/).length
    expect(words).toBeGreaterThan(50)
    expect(words).toBeLessThan(90)
  })

  test('talks at length when asked, token by token', async () => {
    const reply = await ask(new Desk(), 'orders', 'Tell me everything about headphones')
    const tokens = reply.parts.filter((part) => part.type === 'text-delta')
    expect(tokens.length).toBeGreaterThan(350)
    expect(tokens.length).toBeLessThan(650)
    expect(reply.text).toMatch(/^## Everything about headphones\n/)
  })
})

describe('returns', () => {
  const ALL = ['lookUpOrder', 'checkEligibility', 'getReturnPolicy', 'processReturn', 'createLabel', 'confirmReturn']

  test.each(['Buy the XM headphones and cancel my existing order', 'Return order 1042'])('"%s"', async (text) => {
    const desk = new Desk()
    const reply = await ask(desk, 'returns', text)
    expect(reply.tools).toEqual(ALL)
    expect(desk.steps.map((step) => `${step.title}: ${step.state}`)).toEqual([
      'look up: done',
      'eligibility: done',
      'policy: done',
      'process return: done',
      'prepaid label: done',
      'confirmation: done',
    ])
    expect(reply.text).toContain('Order **1042** is cancelled')
    expect(reply.text).toContain('Refund: **$170.10** (10 % is kept')
    expect(reply.text).toMatch(/\[prepaid label\]\(https:\/\/northline\.example\/label\/RT-1042-0001\.pdf\)/)
    expect(getOrder(desk.shop, 'demo', 1042)?.status).toBe('return requested')
    expect(listOrders(desk.shop, 'demo')).toHaveLength(3)
  })

  test('stops where an order cannot be returned', async () => {
    const desk = new Desk()
    const reply = await ask(desk, 'returns', 'return order 1017')
    expect(reply.tools).toEqual(ALL.slice(0, 2))
    expect(reply.text).toContain('more than 30 days ago')
    expect((await ask(desk, 'returns', 'return order 7777')).text).toContain('could not find order **7777**')
  })

  test('explains the policy', async () => {
    const reply = await ask(new Desk(), 'returns', 'What is your return policy?')
    expect(reply.tools).toEqual(['getReturnPolicy'])
    expect(reply.text).toContain('- The label for sending it back is prepaid.')
  })

  test('calls a human, then knows what the human said', async () => {
    const desk = new Desk()
    const asked = await ask(desk, 'returns', 'The refund is too low, I want a human')
    expect(asked.tools).toEqual(['requestHuman'])
    expect(desk.calledForHuman).toEqual(['The refund is too low, I want a human'])
    expect(asked.text).toContain('support desk')
    const history: ModelMessage[] = [
      ...asked.history,
      { role: 'user', content: '[Ada, support]: I have waived the fee, so you get $189.00 back.' },
    ]
    const later = await ask(desk, 'returns', 'Great, anything else?', { history })
    expect(later.tools).toEqual([])
    expect(later.text).toContain('**Ada** told you: “I have waived the fee, so you get $189.00 back.”')
    // What a colleague says is no request: the customer's own last message is answered.
    const silent = await ask(desk, 'returns', '[Ada, support]: Please return order 1042', {
      history: [{ role: 'user', content: 'Thank you' }],
    })
    expect(silent.tools).toEqual([])
    expect(silent.text).toContain('“Thank you”')
  })
})

describe('what people are asked', () => {
  const asked = (reply: Reply): string[] =>
    reply.parts.flatMap((part) => (part.type === 'tool-approval-request' ? [part.toolCall.toolName] : []))

  test('much money waits for a yes, little does not, nor what was allowed for the whole conversation', async () => {
    const desk = new Desk()
    const much = await ask(desk, 'returns', 'Refund me $150 of order 1042')
    expect([much.tools, asked(much)]).toEqual([['lookUpOrder', 'refund'], ['refund']])
    const little = await ask(desk, 'returns', 'Refund me $10 of order 1042')
    expect([asked(little), little.text]).toEqual([[], expect.stringContaining('**$10.00** of order **1042** are on their way')])
    const approved = (): unknown[] => [{ amountCents: 8_000 }]
    const allowed = await ask(desk, 'returns', 'Refund me $80 of order 1042', { context: { approved, key: 'input-2' } })
    expect([asked(allowed), allowed.text]).toEqual([[], expect.stringContaining('**$80.00**')])
    const more = await ask(desk, 'returns', 'Refund me $90 of order 1042', { context: { approved, key: 'input-3' } })
    expect(asked(more)).toEqual(['refund'])
    const beyond = await ask(desk, 'returns', 'Refund me $50 of order 1017', { context: { key: 'input-4' } })
    expect(beyond.text).toContain('At most $39.00 of order 1017 can be paid back')
  })

  test('what is dear is taken back only after a yes', async () => {
    const desk = new Desk()
    await ask(desk, 'orders', 'Buy the XM headphones')
    const dear = await ask(desk, 'returns', 'Return order 1043')
    expect(asked(dear)).toEqual(['processReturn'])
    expect(getOrder(desk.shop, 'demo', 1043)?.status).toBe('confirmed')
  })
})

describe('research', () => {
  test('searches, compares, reads the reviews and sums up in a table', async () => {
    const desk = new Desk()
    const reply = await ask(desk, 'research', 'Research noise-cancelling headphones under $300')
    expect(reply.tools).toEqual(['searchCatalogue', 'compareSpecifications', 'analyseReviews'])
    expect(desk.steps).toEqual([
      { title: 'searching the catalogue', state: 'done', detail: '4 found' },
      {
        title: 'comparing specifications',
        state: 'done',
        detail: 'Sonara XM Headphones, Halden Quiet 7, Veltro Air One, Brezza 3',
      },
      { title: 'analysing reviews', state: 'done', detail: '11 reviews' },
    ])
    expect(reply.text).toContain('| Model | Price | Noise cancelling | Battery | Rating |\n|:--|--:|:--|:--|--:|\n')
    expect(reply.text).toContain('| Sonara XM Headphones | $279.00 | adaptive, 8 microphones | 38 h | 4.3 |')
    expect(reply.text).not.toContain('Keskar')
    expect(reply.text).toContain('**My pick: Sonara XM Headphones**')
  })

  test('says when nothing fits', async () => {
    const reply = await ask(new Desk(), 'research', 'Research laptops under $20')
    expect(reply.tools).toEqual(['searchCatalogue'])
    expect(reply.text).toContain('found nothing for “laptops”')
    expect((await ask(new Desk(), 'research', 'Which laptops are best?')).text).toContain('products for “laptops”')
  })
})

describe('the model', () => {
  test('answers the same to the same, and streams the input of a tool before the call', async () => {
    const [a, b] = [
      await ask(new Desk(), 'orders', 'Where is my order 1042?'),
      await ask(new Desk(), 'orders', 'Where is my order 1042?'),
    ]
    expect(a.text).toBe(b.text)
    expect(typesIn(a)).toEqual(typesIn(b))
    const types = typesIn(a)
    expect(types.indexOf('tool-input-delta')).toBeGreaterThan(types.indexOf('tool-input-start'))
    expect(types.indexOf('tool-call')).toBeGreaterThan(types.indexOf('tool-input-end'))
  })

  test('reads from the system prompt which agent it is', async () => {
    const tools = toolsFor('returns', new Desk().shop, new Desk().context())
    const prompt = 'What is your return policy?'
    const told = await generateText({
      model: scriptedModel({ delayMs: 0 }),
      instructions: instructions('returns'),
      prompt,
      tools,
    })
    expect(told.toolCalls.map((call) => call.toolName)).toEqual(['getReturnPolicy'])
    expect(told.finishReason).toBe('tool-calls')
    const untold = await generateText({ model: scriptedModel({ delayMs: 0 }), prompt, tools })
    expect([untold.finishReason, untold.toolCalls]).toEqual(['stop', []])
    expect(untold.text).toContain('orders assistant')
  })

  test('tokens make up the text and split no character', () => {
    const text = '## Größe 👩‍👩‍👧‍👦👍👍👍👍👍👍👍👍\n\n| a | b |\n  incomprehensibilities \n'
    expect(tokensOf(text).join('')).toBe(text)
    for (const token of tokensOf(text)) expect(token.isWellFormed()).toBe(true)
    expect(tokensOf('')).toEqual([])
  })

  test('reads what customers write', () => {
    expect(wishAfter(/\bbuy\b/i, 'I want to buy two pairs of the XM headphones, please')).toEqual({
      product: 'XM headphones',
      quantity: 2,
    })
    expect(wishAfter(/\bbuy\b/i, 'buy me an Orbis Phone 9 for my son')).toEqual({ product: 'Orbis Phone 9', quantity: 1 })
    expect(wishAfter(/\bbuy\b/i, 'I would buy')).toBeNull()
    expect([orderIn('order #1042'), orderIn('#17'), orderIn('1042'), orderIn('in 2026'), orderIn('return 1042')]).toEqual([
      1042,
      17,
      1042,
      null,
      1042,
    ])
    expect([budgetIn('under $1,200'), budgetIn('up to 80 dollars'), budgetIn('cheap')]).toEqual([1200, 80, null])
    expect([weekdayIn('not tuesday but WEDNESDAY'), weekdayIn('soon')]).toEqual(['Wednesday', null])
    expect([wantsHuman('I want to talk to someone'), wantsHuman('The refund is too low')]).toEqual([true, false])
  })
})

describe('aborting', () => {
  test('a model call that is aborted stops, says so once, and the stream ends as aborted whatever the reason', async () => {
    const stop = new AbortController()
    const aborts: ModelCall[] = []
    let deltas = 0
    const reply = await ask(new Desk(), 'orders', 'Tell me everything about headphones', {
      delayMs: 2,
      signal: stop.signal,
      onAbort: (call) => void aborts.push(call),
      onPart: (part) => {
        if (part.type === 'text-delta' && ++deltas === 10) stop.abort({ kind: 'cancelled', by: 'Bea' })
      },
    })
    expect(typesIn(reply).at(-1)).toBe('abort')
    expect(typesIn(reply)).not.toContain('error')
    expect(aborts).toHaveLength(1)
    expect(aborts[0]).toMatchObject({ provider: 'polyshop', modelId: 'scripted' })
    // One or two more may have been on their way, but not the other four hundred.
    expect(aborts[0]?.textDeltas).toBeGreaterThanOrEqual(10)
    expect(aborts[0]?.textDeltas).toBeLessThan(15)
  })

  test('is noticed though nobody reads, within one token, and tells an abort from a fault', async () => {
    const stop = new AbortController()
    const aborts: ModelCall[] = []
    const model = demoModel('orders', { delayMs: 60_000, env: {}, onAbort: (call) => void aborts.push(call) })
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Hello' }] }]
    const { stream } = await model.doStream({ prompt, abortSignal: stop.signal })
    const reader = stream.getReader()
    expect((await reader.read()).value?.type).toBe('stream-start')
    expect((await reader.read()).value?.type).toBe('text-start')
    stop.abort('enough')
    await vi.waitFor(() => expect(aborts).toHaveLength(1))
    await expect(reader.read()).rejects.toMatchObject({ name: 'AbortError', cause: 'enough' })
    expect(aborts[0]?.elapsedMs).toBeLessThan(10_000)
  })

  test('a reader that goes away stops the call too', async () => {
    const aborts: ModelCall[] = []
    const model = demoModel('orders', { delayMs: 60_000, env: {}, onAbort: (call) => void aborts.push(call) })
    const { stream } = await model.doStream({ prompt: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }] })
    await stream.cancel()
    expect(aborts).toHaveLength(1)
    let maker: AbortSignal | undefined
    const made = streamOf(async function* (signal) {
      maker = signal
      yield { type: 'ping' }
      yield { type: 'ping' }
    }, undefined)
    await vi.waitFor(() => expect(maker?.aborted).toBe(false))
    await made.cancel()
    expect(maker?.aborted).toBe(true)
  })

  test('a model that fails is a fault, not an abort', async () => {
    const failing = streamOf(async function* () {
      yield { type: 'ping' }
      throw new Error('out of memory')
    }, new AbortController().signal)
    const reader = failing.getReader()
    expect((await reader.read()).value).toEqual({ type: 'ping' })
    await expect(reader.read()).rejects.toThrow('out of memory')
  })

  test('an aborted run never calls the model', async () => {
    const started = vi.fn<() => void>()
    const aborted = vi.fn<() => void>()
    const model = demoModel('orders', { delayMs: 0, env: {}, onStart: started, onAbort: aborted })
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Hello' }] }]
    await expect(model.doStream({ prompt, abortSignal: AbortSignal.abort(new Error('cancelled')) })).rejects.toThrow('cancelled')
    await expect(model.doGenerate({ prompt, abortSignal: AbortSignal.abort(new Error('cancelled')) })).rejects.toThrow(
      'cancelled',
    )
    expect([started.mock.calls.length, aborted.mock.calls.length]).toEqual([0, 0])
    await model.doGenerate({ prompt })
    const { stream } = await model.doStream({ prompt })
    for await (const _ of stream) void _
    expect([started.mock.calls.length, aborted.mock.calls.length]).toEqual([2, 0])
  })

  test('a call that is aborted while it generates says so', async () => {
    const stop = new AbortController()
    const aborts: ModelCall[] = []
    const model = demoModel('orders', {
      delayMs: 60_000,
      env: {},
      onStart: () => setImmediate(() => stop.abort()),
      onAbort: (call) => void aborts.push(call),
    })
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Hello' }] }]
    await expect(model.doGenerate({ prompt, abortSignal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' })
    expect(aborts).toHaveLength(1)
  })

  test.each([
    ['orders', 'Buy the XM headphones', 'confirmation', ['done', 'done', 'done', 'active']],
    ['research', 'Research noise-cancelling headphones under $300', 'comparing specifications', ['done', 'active']],
    ['returns', 'Return order 1042', 'process return', ['done', 'done', 'done', 'active']],
  ] as const)(
    'a tool of %s that is aborted ends at once, leaves its step open and writes nothing',
    async (agent, text, at, states) => {
      const desk = new Desk()
      const stop = new AbortController()
      const context = desk.context()
      // This one tool would take a minute.
      Object.defineProperty(context, 'delayMs', { get: () => (desk.steps.at(-1)?.title === at ? 60_000 : 0) })
      desk.onStep = (title) => title === at && setImmediate(() => stop.abort('cancelled'))
      const onAbort = vi.fn<(call: ModelCall) => void>()
      const startedAt = performance.now()
      const reply = await ask(desk, agent, text, { signal: stop.signal, tools: toolsFor(agent, desk.shop, context), onAbort })
      expect(performance.now() - startedAt).toBeLessThan(10_000)
      expect(typesIn(reply).at(-1)).toBe('abort')
      expect(desk.steps.map((step) => step.state)).toEqual(states)
      expect(listOrders(desk.shop, 'demo').map((order) => order.status)).toEqual(['in transit', 'delivered', 'delivered'])
      expect(desk.shop.db.prepare(`select * from payments where status = 'captured'`).all()).toEqual([])
      // No model call was under way, so none was aborted.
      expect(onAbort).not.toHaveBeenCalled()
    },
  )
})

/** An API as OpenAI's chat completions: it streams what it is told to. */
async function chatServer(
  answer: (response: ServerResponse) => void,
): Promise<{ url: string; requests: { auth: string; body: string }[] }> {
  const requests: { auth: string; body: string }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (data: Buffer) => (body += data.toString()))
    request.on('end', () => {
      requests.push({ auth: request.headers.authorization ?? '', body })
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      answer(response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  tidy.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, requests }
}

function chunk(delta: object, finish: string | null = null): string {
  return `data: ${JSON.stringify({ id: 'c', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
}

describe('a real provider in its place', () => {
  test('is asked with the tools, the name and the key from the environment', async () => {
    const { url, requests } = await chatServer((response) => {
      if (requests.length === 1) {
        const call = { index: 0, id: 'call-1', type: 'function', function: { name: 'getOrder', arguments: '{"orderId":1042}' } }
        response.write(chunk({ role: 'assistant', tool_calls: [call] }) + chunk({}, 'tool_calls'))
      } else {
        response.write(chunk({ role: 'assistant', content: 'It is on its way.' }) + chunk({}, 'stop'))
      }
      response.end('data: [DONE]\n\n')
    })
    const env = { DEMO_MODEL: 'openai-compatible', DEMO_MODEL_URL: url, DEMO_MODEL_NAME: 'm-1', DEMO_MODEL_KEY: 'k-1' }
    const onStart = vi.fn<(call: object) => void>()
    const reply = await ask(new Desk(), 'orders', 'Where is my order 1042?', { env, onStart })
    expect([reply.tools, reply.text]).toEqual([['getOrder'], 'It is on its way.'])
    expect(onStart).toHaveBeenCalledTimes(2)
    expect(requests.map((it) => it.auth)).toEqual(['Bearer k-1', 'Bearer k-1'])
    expect(JSON.parse(requests[1]?.body ?? '')).toMatchObject({
      model: 'm-1',
      messages: expect.arrayContaining([expect.objectContaining({ role: 'tool' })]),
    })
  })

  test('is really aborted: its connection is closed, and the log is told', async () => {
    const closed = vi.fn<() => void>()
    const { url } = await chatServer((response) => {
      response.on('close', closed)
      response.write(chunk({ role: 'assistant', content: 'Well, ' }))
    })
    const stop = new AbortController()
    const aborts: ModelCall[] = []
    const reply = await ask(new Desk(), 'orders', 'Hello', {
      env: { DEMO_MODEL: 'openai-compatible', DEMO_MODEL_URL: url, DEMO_MODEL_NAME: 'm-1' },
      signal: stop.signal,
      onAbort: (call) => void aborts.push(call),
      onPart: (part) => part.type === 'text-delta' && stop.abort(),
    })
    expect(typesIn(reply).at(-1)).toBe('abort')
    await vi.waitFor(() => expect(closed).toHaveBeenCalled())
    expect(aborts).toMatchObject([{ modelId: 'm-1', textDeltas: 1 }])
  })

  test('settings that are wrong or incomplete are refused at once', () => {
    expect(() => demoModel('orders', { env: { DEMO_MODEL: 'magic' } })).toThrow('not "magic"')
    expect(() => demoModel('orders', { env: { DEMO_MODEL: 'openai-compatible' } })).toThrow(
      'needs DEMO_MODEL_URL and DEMO_MODEL_NAME',
    )
    expect(demoModel('orders', { env: { DEMO_MODEL: 'scripted' } }).modelId).toBe('scripted')
  })
})
