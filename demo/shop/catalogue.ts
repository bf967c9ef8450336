/** Products and what is said of them. Reads only. */
import { all, one, ShopError, type Shop } from './database.ts'
import type { Category, Comparison, Product, ProductLookup, Review, ReviewSummary } from './types.ts'

interface ProductRow {
  sku: string
  name: string
  brand: string
  category: Category
  price_cents: number
  icon: string
  summary: string
  specs: string
  available: number
}

/** A reservation holds its pieces until it expires, whether or not anybody tidies it away. */
const SELECT = `select p.*, p.stock - coalesce((select sum(r.quantity) from reservations r
  where r.sku = p.sku and r.status = 'held' and r.expires_at > ?), 0) as available from products p`

function toProduct(row: ProductRow): Product {
  const { sku, name, brand, category, icon, summary, available } = row
  const specs = JSON.parse(row.specs) as Record<string, string>
  return { sku, name, brand, category, priceCents: row.price_cents, icon, summary, specs, available }
}

/** The product of an exact SKU, null when there is none. */
export function getProduct(shop: Shop, sku: string): Product | null {
  const row = one<ProductRow>(shop, `${SELECT} where p.sku = ?`, shop.now(), sku)
  return row ? toProduct(row) : null
}

function allProducts(shop: Shop): Product[] {
  return all<ProductRow>(shop, `${SELECT} order by p.rowid`, shop.now()).map(toProduct)
}

export interface ProductQuery {
  /** Free text; every word must occur, unless no product has them all. Empty: everything. */
  readonly text?: string
  readonly maxPriceCents?: number
  readonly category?: Category
  /** At most so many; 6 by default. */
  readonly limit?: number
}

/** Products that fit, best first. */
export function searchProducts(shop: Shop, query: ProductQuery): Product[] {
  const wanted = words(query.text ?? '')
  const found = allProducts(shop)
    .filter((it) => it.priceCents <= (query.maxPriceCents ?? Infinity) && it.category === (query.category ?? it.category))
    .map((product) => ({ product, hits: hits(product, wanted) }))
  const full = found.filter((it) => it.hits === wanted.length)
  const kept = full.length > 0 ? full : found.filter((it) => it.hits > 0)
  // Sorting is stable: equals stay in the catalogue's own order.
  kept.sort((a, b) => b.hits - a.hits)
  return kept.slice(0, query.limit ?? 6).map((it) => it.product)
}

/**
 * The product that a customer means by a name such as "the XM headphones". A mere kind of product ("headphones") names
 * none; then and when nothing fits, the suggestions say what comes near.
 */
export function findProduct(shop: Shop, name: string): ProductLookup {
  const exact = getProduct(shop, name.trim().toUpperCase())
  if (exact) return { product: exact, suggestions: [] }
  const wanted = words(name)
  let best: { product: Product; own: number; score: number } | undefined
  for (const product of allProducts(shop)) {
    const named = new Set(words(`${product.name} ${product.brand}`))
    const kind = new Set(words(product.category))
    const own = wanted.filter((word) => named.has(word) && !kind.has(word)).length
    const score = own * 10 + wanted.filter((word) => kind.has(word)).length * 5 - named.size
    if (own > 0 && (!best || score > best.score)) best = { product, own, score }
  }
  if (best) return { product: best.product, suggestions: [] }
  return { product: null, suggestions: searchProducts(shop, { text: name, limit: 4 }) }
}

/** Side by side. Throws `not-found` for an unknown SKU. */
export function compareSpecs(shop: Shop, skus: readonly string[]): Comparison {
  const products = skus.map((sku) => need(shop, sku))
  const specs = [...new Set(products.flatMap((product) => Object.keys(product.specs)))]
  return {
    specs,
    products: products.map(({ sku, name, priceCents, specs: own }) => ({
      sku,
      name,
      priceCents,
      values: specs.map((spec) => own[spec] ?? '–'),
    })),
  }
}

/** What buyers say. Throws `not-found` for an unknown SKU. */
export function getReviews(shop: Shop, sku: string): ReviewSummary {
  const { name } = need(shop, sku)
  const reviews = all<Review>(shop, 'select stars, author, text from reviews where sku = ? order by rowid', sku)
  const sum = reviews.reduce((total, review) => total + review.stars, 0)
  return {
    sku,
    name,
    count: reviews.length,
    average: reviews.length === 0 ? 0 : Math.round((sum / reviews.length) * 10) / 10,
    praise: reviews.filter((review) => review.stars >= 4).map((review) => review.text),
    complaints: reviews.filter((review) => review.stars <= 3).map((review) => review.text),
  }
}

function need(shop: Shop, sku: string): Product {
  const product = getProduct(shop, sku)
  if (!product) throw new ShopError('not-found', `There is no product ${sku}.`)
  return product
}

const FILLERS = new Set('a an and any best for good great in is me my of one please pair some the to under up with'.split(' '))

/** Words that count, in a form in which "headphones" and "headphone", "cancelling" and "cancelation" are the same. */
function words(text: string): string[] {
  const found = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  return [...new Set(found.filter((word) => !FILLERS.has(word)).map(stem))]
}

function stem(word: string): string {
  if (word.startsWith('cancel')) return 'cancel'
  return word.length > 3 && word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word
}

function hits(product: Product, wanted: readonly string[]): number {
  // A property that is "none" is one that the product lacks.
  const specs = Object.entries(product.specs).filter(([, value]) => value !== 'none')
  const own = new Set(words([product.name, product.brand, product.category, product.summary, ...specs.flat()].join(' ')))
  return wanted.filter((word) => own.has(word)).length
}
