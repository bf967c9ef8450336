/** The cart that everybody in the session shares: people and agents change it at once, and both changes stay. */
import { useObject } from 'polylogue/react'
import type { ReactNode } from 'react'
import { formatPrice } from '../../shop/format.ts'
import { Icon } from '../icons.tsx'
import { useCartEdits } from './cart-edits.tsx'
import { linesOf, MAX_COUNT, type CartLine } from './cart-lines.ts'
import { ProductArt } from './product-art.tsx'

/** Number of pieces in the cart. */
export function useCartCount(): number {
  const [cart] = useObject('cart')
  return linesOf(cart).reduce((sum, line) => sum + line.count, 0)
}

export function Cart(): ReactNode {
  const [cart] = useObject('cart')
  const edits = useCartEdits()
  const lines = linesOf(cart)
  const total = lines.reduce((sum, line) => sum + line.count * line.unitCents, 0)
  return (
    <section className="cart" aria-label="Shared cart">
      <header>
        <h2>Cart</h2>
        <span className="muted">shared by everybody in this conversation</span>
        {edits.undo !== null && (
          <button type="button" className="button small ghost" onClick={edits.undo}>
            <Icon name="undo" size={18} />
            Undo
          </button>
        )}
      </header>
      {lines.length === 0 ? (
        <p className="muted nothing">Nothing in it yet. Add something here, or ask the assistant to.</p>
      ) : (
        <ul>
          {lines.map((line) => (
            <Line key={line.sku} line={line} onAdd={(pieces) => edits.add(line.sku, pieces)} />
          ))}
        </ul>
      )}
      {lines.length > 0 && (
        <p className="total">
          <span>Total</span>
          <span className="price">{formatPrice(total)}</span>
        </p>
      )}
    </section>
  )
}

function Line({ line, onAdd }: { readonly line: CartLine; readonly onAdd: (pieces: number) => void }): ReactNode {
  const { sku, name, count, unitCents } = line
  return (
    <li data-sku={sku}>
      <ProductArt sku={sku} size={40} />
      <span className="name">{name}</span>
      <span className="stepper">
        <button type="button" aria-label={count === 1 ? `Remove ${name}` : `One ${name} less`} onClick={() => onAdd(-1)}>
          <Icon name={count === 1 ? 'close' : 'minus'} size={16} />
        </button>
        {/* A new element for a new number: it lights up, whoever changed it. */}
        <output key={count} aria-label={`Number of ${name}`}>
          {count}
        </output>
        <button type="button" aria-label={`One ${name} more`} disabled={count >= MAX_COUNT} onClick={() => onAdd(1)}>
          <Icon name="plus" size={16} />
        </button>
      </span>
      <span className="price">{formatPrice(count * unitCents)}</span>
    </li>
  )
}
