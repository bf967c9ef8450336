/** What the research agent does. */
import { formatPrice } from '../shop/format.ts'
import { partFor } from '../shop/routing.ts'
import type { Comparison, Product, ReviewSummary } from '../shop/types.ts'
import { askHuman, chat } from './common-scripts.ts'
import { use, type Call } from './script.ts'
import type { Turn } from './turn.ts'
import { budgetIn, shorten, wantsHuman } from './words.ts'

type Steps = Generator<Call, string, unknown>

/** What is no part of what is sought. */
const FILLERS = /\b(?:is|are|the|a|an|me|best|better|please)\b/gi
const STOCK = /\b(?:in stock|availab(?:le|ility)|can be had)\b/i
const VERB = /\b(?:research|compare|recommend(?: me)?|(?:which|what)(?: are| is)?|(?:a )?comparison of)\b/i

export function* researchScript(turn: Turn): Steps {
  if (wantsHuman(turn.text)) return yield* askHuman(turn)
  const text = partFor('research', turn.text)
  if (!VERB.test(text) && !/\bbest\b/i.test(text)) return chat('research', turn)
  const sought = text.replace(VERB, '').replace(/\b(?:under|below|up to|less than|at most|max(?:imum)?)\b.*$/i, '')
  const query = shorten(sought.replaceAll(FILLERS, ''), 100)
  const budget = budgetIn(text)
  const { products } = yield* use<{ products: Product[] }>(
    'searchCatalogue',
    { query, ...(budget === null ? {} : { maxPrice: budget }) },
    `I will look into **${query}**${budget === null ? '' : ` under **$${budget}**`}.`,
    `They look for ${query}. I search the catalogue, compare what fits, and read what buyers say before I pick one.`,
  )
  if (products.length === 0) return `I found nothing for “${query}”. Perhaps at a higher price?`
  const skus = products.map((product) => product.sku)
  const comparison = yield* use<Comparison>('compareSpecifications', { skus })
  const { reviews } = yield* use<{ reviews: ReviewSummary[] }>('analyseReviews', { skus })
  const answer = summary(query, products, comparison, reviews)
  if (!STOCK.test(turn.text)) return answer
  const pick = bestOf(products, reviews)
  yield* use('askColleague', { request: `Show me the ${pick.name}` })
  return `${answer}\n\nThe orders agent has looked at the stock of the ${pick.name}; its answer stands above.`
}

function bestOf(products: readonly Product[], reviews: readonly ReviewSummary[]): Product {
  const rating = (sku: string): number => reviews.find((it) => it.sku === sku)?.average ?? 0
  return products.reduce((a, b) => (rating(b.sku) > rating(a.sku) ? b : a))
}

/** At most so many specifications beside name, price and rating, so that the table fits on a phone. */
const COLUMNS = 2

function summary(query: string, products: readonly Product[], comparison: Comparison, reviews: readonly ReviewSummary[]): string {
  const columns = comparison.specs.slice(0, COLUMNS)
  const rating = (sku: string): number => reviews.find((it) => it.sku === sku)?.average ?? 0
  const best = bestOf(products, reviews)
  const opinion = reviews.find((it) => it.sku === best.sku)
  return [
    `## ${products.length} ${products.length === 1 ? 'product' : 'products'} for “${query}”`,
    '',
    `| Model | Price | ${columns.map((name) => `${name} | `).join('')}Rating |`,
    `|:--|--:|${':--|'.repeat(columns.length)}--:|`,
    ...comparison.products.map(
      (it) =>
        `| ${it.name} | ${formatPrice(it.priceCents)} | ${it.values
          .slice(0, COLUMNS)
          .map((value) => `${value} | `)
          .join('')}${rating(it.sku).toFixed(1)} |`,
    ),
    '',
    `**My pick: ${best.name}**, for ${formatPrice(best.priceCents)}.`,
    '',
    ...(opinion?.praise ?? []).map((text) => `- Buyers like: *${text}*`),
    ...(opinion?.complaints ?? []).map((text) => `- To consider: *${text}*`),
    '',
    `Write “buy the ${best.name}”, or read more on its [product page](https://shop.example/products/${best.sku}).`,
  ].join('\n')
}
