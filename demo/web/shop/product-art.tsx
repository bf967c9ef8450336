/** A picture of a product: a drawing of its kind on a tile in its own tint. The shop has no photographs. */
import type { ReactNode } from 'react'
import { PRODUCTS } from '../../shop/catalogue-data.ts'
import type { Category } from '../../shop/types.ts'

/** Drawn on a grid of 64: `body` is filled, `shade` lies over it, `line` is drawn with a round pen. */
interface Drawing {
  readonly body: string
  readonly shade?: string
  readonly line?: string
}

const DRAWINGS: Readonly<Record<Category, Drawing>> = {
  headphones: {
    line: 'M14 40V34a18 18 0 0 1 36 0v6',
    body: 'M12 36h5a3 3 0 0 1 3 3v10a3 3 0 0 1-3 3h-3a5 5 0 0 1-5-5v-7a4 4 0 0 1 3-4zM52 36h-5a3 3 0 0 0-3 3v10a3 3 0 0 0 3 3h3a5 5 0 0 0 5-5v-7a4 4 0 0 0-3-4z',
    shade: 'M20 40v8a3 3 0 0 1-3 3h-1V37h1a3 3 0 0 1 3 3zM44 40v8a3 3 0 0 0 3 3h1V37h-1a3 3 0 0 0-3 3z',
  },
  earbuds: {
    body: 'M17 14a8 8 0 0 1 8 8v2a6 6 0 0 1-4 6v14a4 4 0 0 1-8 0V28a8 8 0 0 1-4-6 8 8 0 0 1 8-8zM47 14a8 8 0 0 0-8 8v2a6 6 0 0 0 4 6v14a4 4 0 0 0 8 0V28a8 8 0 0 0 4-6 8 8 0 0 0-8-8z',
    shade: 'M17 18a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM47 18a4 4 0 1 1 0 8 4 4 0 0 1 0-8z',
  },
  speakers: {
    body: 'M21 10h22a5 5 0 0 1 5 5v34a5 5 0 0 1-5 5H21a5 5 0 0 1-5-5V15a5 5 0 0 1 5-5z',
    shade: 'M32 28a10 10 0 1 1 0 20 10 10 0 0 1 0-20zM32 15a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9z',
  },
  phones: {
    body: 'M23 8h18a5 5 0 0 1 5 5v38a5 5 0 0 1-5 5H23a5 5 0 0 1-5-5V13a5 5 0 0 1 5-5z',
    shade: 'M23 12h18a1.5 1.5 0 0 1 1.5 1.5v37A1.5 1.5 0 0 1 41 52H23a1.5 1.5 0 0 1-1.5-1.5v-37A1.5 1.5 0 0 1 23 12z',
  },
  tablets: {
    body: 'M16 9h32a5 5 0 0 1 5 5v36a5 5 0 0 1-5 5H16a5 5 0 0 1-5-5V14a5 5 0 0 1 5-5z',
    shade: 'M17 14h30a1 1 0 0 1 1 1v34a1 1 0 0 1-1 1H17a1 1 0 0 1-1-1V15a1 1 0 0 1 1-1z',
  },
  laptops: {
    body: 'M16 13h32a4 4 0 0 1 4 4v24H12V17a4 4 0 0 1 4-4zM6 44h52l-2 5a3 3 0 0 1-3 2H11a3 3 0 0 1-3-2z',
    shade: 'M17 18h30v19H17z',
  },
  watches: {
    body: 'M24 6h16l2 10a8 8 0 0 1 5 7v18a8 8 0 0 1-5 7l-2 10H24l-2-10a8 8 0 0 1-5-7V23a8 8 0 0 1 5-7z',
    shade: 'M26 21h12a4 4 0 0 1 4 4v14a4 4 0 0 1-4 4H26a4 4 0 0 1-4-4V25a4 4 0 0 1 4-4z',
  },
  displays: {
    body: 'M10 11h44a4 4 0 0 1 4 4v26a4 4 0 0 1-4 4H37l1 6h5v4H21v-4h5l1-6H10a4 4 0 0 1-4-4V15a4 4 0 0 1 4-4z',
    shade: 'M11 16h42v24H11z',
  },
  accessories: {
    body: 'M22 22h20a6 6 0 0 1 6 6v10a14 14 0 0 1-12 13.8V58h-8v-6.2A14 14 0 0 1 16 38V28a6 6 0 0 1 6-6z',
    line: 'M25 21V10M39 21V10',
    shade: 'M34 28l-8 10h5l-1 8 8-10h-5z',
  },
}

const BY_SKU = new Map(PRODUCTS.map((product, i) => [product.sku, { category: product.category, hue: (i * 47 + 150) % 360 }]))

export function ProductArt({ sku, size }: { readonly sku: string; readonly size?: number }): ReactNode {
  const { category, hue } = BY_SKU.get(sku) ?? { category: 'accessories' as const, hue: 160 }
  const { body, shade, line } = DRAWINGS[category]
  return (
    <span
      className="art"
      style={{ '--hue': hue, ...(size === undefined ? {} : { width: size, height: size }) } as React.CSSProperties}
    >
      <svg viewBox="0 0 64 64" aria-hidden="true" focusable="false">
        {line !== undefined && <path className="art-line" d={line} />}
        <path className="art-body" d={body} />
        {shade !== undefined && <path className="art-shade" d={shade} />}
      </svg>
    </span>
  )
}
