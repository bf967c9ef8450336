/** What the shared object `cart` means: a field per SKU with the number of pieces. */
import type { SharedObject } from 'polylogue'
import { PRODUCTS } from '../../shop/catalogue-data.ts'

type CartValue = SharedObject['value']

export interface CartLine {
  readonly sku: string
  readonly name: string
  readonly count: number
  readonly unitCents: number
}

export const MAX_COUNT = 20

const BY_SKU = new Map(PRODUCTS.map((product) => [product.sku, product]))

/** Pieces of a product; 0 for whatever is no number, since anybody in the session may write there. */
export function countIn(cart: CartValue, sku: string): number {
  const value = cart[sku]
  return typeof value === 'number' && Number.isFinite(value) ? Math.min(Math.max(0, Math.round(value)), MAX_COUNT) : 0
}

/** The lines in the catalogue's order, so that no edit makes them change places. */
export function linesOf(cart: CartValue): CartLine[] {
  const known = PRODUCTS.filter(({ sku }) => sku in cart).map(({ sku }) => sku)
  const others = Object.keys(cart)
    .filter((sku) => !BY_SKU.has(sku))
    .sort()
  return [...known, ...others]
    .map((sku) => {
      const product = BY_SKU.get(sku)
      return { sku, name: product?.name ?? sku, count: countIn(cart, sku), unitCents: product?.priceCents ?? 0 }
    })
    .filter((line) => line.count > 0)
}
