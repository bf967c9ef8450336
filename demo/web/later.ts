/** Pieces of the page's program that come after the first screen: a network that goes meanwhile takes nothing that is there. */
import { useEffect, useState } from 'react'

/** Where nothing tells that the network is back: the server may have been away. In milliseconds. */
const AGAIN_MS = 5_000

export interface Later<T> {
  /** Undefined until it has come. */
  readonly piece: T | undefined
  /** It could not be fetched yet; that is tried again by itself. */
  readonly failed: boolean
}

/** Fetches a piece once it is `wanted`, again and again until it has come. @param load always the same function. */
export function useLater<T>(load: () => Promise<T>, wanted = true): Later<T> {
  const [later, setLater] = useState<Later<T>>({ piece: undefined, failed: false })
  useEffect(() => {
    if (!wanted) return
    let timer: ReturnType<typeof setTimeout> | undefined
    let over = false
    const fetchPiece = (): void => {
      clearTimeout(timer)
      load().then(
        (piece) => {
          stop()
          setLater({ piece, failed: false })
        },
        () => {
          if (over) return
          setLater({ piece: undefined, failed: true })
          timer = setTimeout(fetchPiece, AGAIN_MS)
        },
      )
    }
    const stop = (): void => {
      over = true
      clearTimeout(timer)
      window.removeEventListener('online', fetchPiece)
    }
    window.addEventListener('online', fetchPiece)
    fetchPiece()
    return stop
  }, [load, wanted])
  return later
}
