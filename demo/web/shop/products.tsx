/** The shop window. */
import { useState, type ReactNode } from 'react'
import { PRODUCTS } from '../../shop/catalogue-data.ts'
import { formatPrice } from '../../shop/format.ts'
import type { Category } from '../../shop/types.ts'
import { useCartEdits } from './cart-edits.tsx'
import { ProductArt } from './product-art.tsx'

const CATEGORIES = [...new Set(PRODUCTS.map((product) => product.category))]

/** One of each kind in turn: a shop window, not a stock list. */
const WINDOW = Object.values(Object.groupBy(PRODUCTS, (product) => product.category))
  .flatMap((products) => products.map((product, place) => ({ product, place })))
  .sort((a, b) => a.place - b.place)
  .map(({ product }) => product)

export interface ProductsProps {
  /** Asks the assistant about a product. */
  readonly onAsk: (name: string) => void
}

export function Products({ onAsk }: ProductsProps): ReactNode {
  const [category, setCategory] = useState<Category | null>(null)
  const { add } = useCartEdits()
  const shown = category === null ? WINDOW : PRODUCTS.filter((product) => product.category === category)
  return (
    <section className="products" aria-label="Products">
      <div className="filters" role="group" aria-label="Kind of product">
        <Filter name="All" on={category === null} onPick={() => setCategory(null)} />
        {CATEGORIES.map((name) => (
          <Filter key={name} name={name} on={category === name} onPick={() => setCategory(name)} />
        ))}
      </div>
      <ul className="grid">
        {shown.map(({ sku, name, brand, priceCents, summary }) => (
          <li key={sku} className="tile">
            <ProductArt sku={sku} />
            <div className="about">
              <p className="brand">{brand}</p>
              <h3>{name.startsWith(`${brand} `) ? name.slice(brand.length + 1) : name}</h3>
              <p className="muted">{summary}</p>
            </div>
            <p className="price">{formatPrice(priceCents)}</p>
            <div className="actions">
              <button
                type="button"
                className="button small primary"
                aria-label={`Add to cart: ${name}`}
                onClick={() => add(sku, 1)}
              >
                Add to cart
              </button>
              <button type="button" className="button small ghost" aria-label={`Ask about ${name}`} onClick={() => onAsk(name)}>
                Ask
              </button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  )
}

function Filter({ name, on, onPick }: { readonly name: string; readonly on: boolean; readonly onPick: () => void }): ReactNode {
  return (
    <button type="button" className="chip" aria-pressed={on} onClick={onPick}>
      {name.charAt(0).toUpperCase() + name.slice(1)}
    </button>
  )
}
