/** Tools of the research agent. Each reports the step that D5 names. */
import { tool, type ToolSet } from 'ai'
import { z } from 'zod'
import { compareSpecs, getReviews, searchProducts } from './catalogue.ts'
import type { Shop } from './database.ts'
import { asStep, type ToolContext } from './tool-context.ts'

const skus = z.array(z.string()).min(1).max(8).describe('SKUs of products from searchCatalogue')

export function researchTools(shop: Shop, context: ToolContext): ToolSet {
  const { ask } = context
  return {
    ...(ask && {
      askColleague: tool({
        description: 'Has the orders agent look something up, such as whether a product is in stock.',
        inputSchema: z.object({ request: z.string().describe('for instance "Show me the Halden Quiet 7"') }),
        execute: async ({ request }) => {
          const step = context.step('asking the orders agent')
          const answer = await ask('orders', request, 'Looking at the stock')
          step.done()
          return { answer }
        },
      }),
    }),
    searchCatalogue: tool({
      description: 'Finds products by words and highest price, best first.',
      inputSchema: z.object({
        query: z.string().describe('what is sought, for instance "noise-cancelling headphones"'),
        maxPrice: z.number().positive().optional().describe('highest price in dollars'),
      }),
      execute: ({ query, maxPrice }, { abortSignal }) =>
        asStep(
          context,
          'searching the catalogue',
          abortSignal,
          () => {
            const limit = maxPrice === undefined ? {} : { maxPriceCents: Math.round(maxPrice * 100) }
            return { products: searchProducts(shop, { text: query, ...limit }) }
          },
          ({ products }) => `${products.length} found`,
        ),
    }),
    compareSpecifications: tool({
      description: 'Puts the specifications of products side by side.',
      inputSchema: z.object({ skus }),
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'comparing specifications',
          abortSignal,
          () => compareSpecs(shop, input.skus),
          ({ products }) => products.map((product) => product.name).join(', '),
        ),
    }),
    analyseReviews: tool({
      description: 'Sums up what buyers say of products.',
      inputSchema: z.object({ skus }),
      execute: (input, { abortSignal }) =>
        asStep(
          context,
          'analysing reviews',
          abortSignal,
          () => ({ reviews: input.skus.map((sku) => getReviews(shop, sku)) }),
          ({ reviews }) => `${reviews.reduce((sum, it) => sum + it.count, 0)} reviews`,
        ),
    }),
  }
}
