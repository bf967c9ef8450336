/** Changes of the shared cart from this window, wherever in the page they are made, and taking the last one back. */
import { useObject, useSession } from 'polylogue/react'
import { createContext, use, useMemo, useState, type ReactNode } from 'react'
import { countIn, MAX_COUNT } from './cart-lines.ts'

export interface CartEdits {
  /** Adds so many pieces, or takes them away with a negative number. */
  readonly add: (sku: string, pieces: number) => void
  /** Takes back this window's last change; what others changed since stays. Null when there is none. */
  readonly undo: (() => void) | null
}

const Context = createContext<CartEdits | null>(null)

export function CartEditsProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const session = useSession()
  const [, update] = useObject('cart')
  const [changed, setChanged] = useState(false)
  const edits = useMemo<CartEdits>(
    () => ({
      add: (sku, pieces) => {
        // Read when it happens: the number on the screen may be one key press old.
        const count = Math.min(countIn(session.object('cart').value, sku) + pieces, MAX_COUNT)
        update({ [sku]: count <= 0 ? undefined : count })
        setChanged(true)
      },
      undo: changed ? () => setChanged(session.undo()) : null,
    }),
    [session, update, changed],
  )
  return <Context value={edits}>{children}</Context>
}

export function useCartEdits(): CartEdits {
  const edits = use(Context)
  if (edits === null) throw new Error('useCartEdits needs a <CartEditsProvider> above it.')
  return edits
}
