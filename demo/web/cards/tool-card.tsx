/** The cards of tools whose result people want to see: an order, a product, stores, a label. */
import type { Run, ToolPart } from 'polylogue'
import type { ReactNode } from 'react'
import { formatDay, formatPrice } from '../../shop/format.ts'
import type { Order, Product, ProductLookup, ReturnLabel, StoreDistance } from '../../shop/types.ts'
import { Contained } from '../contained.tsx'
import { Icon } from '../icons.tsx'
import { useCartEdits } from '../shop/cart-edits.tsx'
import { ProductArt } from '../shop/product-art.tsx'
import type { CardKind } from './card-kinds.ts'
import { callState } from './call-state.ts'

export interface ToolCardProps {
  readonly kind: CardKind
  readonly part: ToolPart
  readonly run: Run | undefined
}

const BUSY: Readonly<Record<CardKind, string>> = {
  location: 'Asking your browser where you are',
  order: 'Looking up the order',
  product: 'Looking up the product',
  'cart-line': 'Putting it into the cart',
  stores: 'Looking for stores',
  label: 'Making the label',
  human: 'Asking a colleague',
}

export function ToolCard({ kind, part, run }: ToolCardProps): ReactNode {
  if (part.state === 'output-available') {
    return (
      <Contained of={part.output}>
        <Result kind={kind} output={part.output} />
      </Contained>
    )
  }
  const state = callState(part, run)
  return (
    <section className="card call-line" data-tone={state.tone}>
      {state.tone === 'busy' ? <span className="spinner" /> : <Icon name="alert" size={16} />}
      <span>{state.tone === 'busy' ? `${BUSY[kind]}…` : BUSY[kind]}</span>
      {state.tone !== 'busy' && (
        <span className="state">{part.state === 'output-error' && state.tone === 'bad' ? part.errorText : state.text}</span>
      )}
    </section>
  )
}

/** Outputs come from an agent's process: what is not of the expected shape at all shows as nothing. */
function Result({ kind, output }: { readonly kind: CardKind; readonly output: unknown }): ReactNode {
  if (typeof output !== 'object' || output === null) return null
  switch (kind) {
    case 'location':
      return (
        <section className="card call-line" data-tone="good" data-card="location">
          <Icon name="pin" />
          <span>The browser said where it is</span>
          <span className="state">done</span>
        </section>
      )
    case 'order': {
      const { order } = output as { order?: Order | null }
      return order ? <OrderCard order={order} /> : null
    }
    case 'product': {
      const { product } = output as Partial<ProductLookup>
      return product ? <ProductCard product={product} /> : null
    }
    case 'cart-line': {
      const { product, quantity } = output as { product?: Product | null; quantity?: number }
      return product ? <CartLine product={product} quantity={quantity ?? 1} /> : null
    }
    case 'stores':
      return <Stores stores={(output as { stores?: StoreDistance[] }).stores ?? []} />
    case 'label':
      return <LabelCard label={output as ReturnLabel} />
    case 'human':
      return (
        <p className="system-line inline" data-handover="request">
          A human was asked to join · the assistant is paused
        </p>
      )
  }
}

function OrderCard({ order }: { readonly order: Order }): ReactNode {
  const { id, status, lines, totalCents, tracking, delivery, placedAt } = order
  const last = tracking?.events.at(-1)
  const when = delivery ? `${formatDay(delivery.day)}, ${delivery.window}` : tracking && formatDay(tracking.expectedDay)
  return (
    <section className="card order" aria-label={`Order ${id}`}>
      <header>
        <span className="title">{`Order ${id}`}</span>
        <span className="badge" data-order={status}>
          {status}
        </span>
      </header>
      <ul className="lines">
        {lines.map((line) => (
          <li key={line.sku}>
            <ProductArt sku={line.sku} size={40} />
            <span>
              {line.name}
              {line.quantity > 1 && <span className="muted">{` × ${line.quantity}`}</span>}
            </span>
            <span className="price">{formatPrice(line.quantity * line.unitPriceCents)}</span>
          </li>
        ))}
      </ul>
      <dl>
        <div>
          <dt>Total</dt>
          <dd className="price">{formatPrice(totalCents)}</dd>
        </div>
        <div>
          <dt>Ordered</dt>
          <dd>{formatDay(placedAt)}</dd>
        </div>
        {when !== undefined && (
          <div>
            <dt>Arrives</dt>
            <dd>{when}</dd>
          </div>
        )}
      </dl>
      {tracking !== undefined && (
        <p className="where">
          <Icon name="truck" size={18} />
          <span>
            {last === undefined ? tracking.carrier : `${last.place}: ${last.what}`}
            <span className="muted">{` · ${tracking.carrier} ${tracking.number}`}</span>
          </span>
        </p>
      )}
    </section>
  )
}

function ProductCard({ product }: { readonly product: Product }): ReactNode {
  const { add } = useCartEdits()
  return (
    <section className="card product" aria-label={product.name}>
      <ProductArt sku={product.sku} size={88} />
      <div>
        <p className="title">{product.name}</p>
        <p className="muted">{product.summary}</p>
        <p className="buy">
          <span className="price">{formatPrice(product.priceCents)}</span>
          <button type="button" className="button small primary" onClick={() => add(product.sku, 1)}>
            Add to cart
          </button>
        </p>
      </div>
    </section>
  )
}

function CartLine({ product, quantity }: { readonly product: Product; readonly quantity: number }): ReactNode {
  return (
    <section className="card call-line" data-tone="good">
      <ProductArt sku={product.sku} size={40} />
      <span>{`${quantity} × ${product.name}`}</span>
      <span className="state">in the cart</span>
    </section>
  )
}

function Stores({ stores }: { readonly stores: readonly StoreDistance[] }): ReactNode {
  return (
    <section className="card stores" aria-label="Stores nearby">
      <ul className="lines">
        {stores.map((store) => (
          <li key={store.id}>
            <Icon name="shop" />
            <span>
              {store.name}
              <span className="muted">{` · ${store.address} · ${store.hours}`}</span>
            </span>
            <span className="price">{`${store.distanceKm} km`}</span>
          </li>
        ))}
      </ul>
    </section>
  )
}

function LabelCard({ label }: { readonly label: ReturnLabel }): ReactNode {
  return (
    <section className="card call-line" data-tone="good" aria-label="Prepaid label">
      <Icon name="label" />
      <span>
        Prepaid label
        <span className="muted">{` · ${label.carrier} ${label.number}`}</span>
      </span>
    </section>
  )
}
