/** A page whose program is fetched on its own: it says so when that cannot be had. */
import type { ReactNode } from 'react'
import { useLater } from './later.ts'

export interface LaterPageProps<T> {
  /** Always the same function. */
  readonly load: () => Promise<T>
  readonly children: (piece: T) => ReactNode
}

export function LaterPage<T>({ load, children }: LaterPageProps<T>): ReactNode {
  const { piece, failed } = useLater(load)
  if (piece !== undefined) return children(piece)
  if (!failed) return null
  return (
    <main className="not-here">
      <h1>This page is not on this device yet</h1>
      <p>It opens as soon as the connection is back.</p>
    </main>
  )
}
