/** Links to one message: `/s/SESSION#m-MESSAGE` shows it and lights it up. */
import { useEffect, useRef, useState } from 'react'

/** Id of the message that an address points to; null: none. */
export function messageInHash(hash: string): string | null {
  const id = /^#m-(.+)$/.exec(hash)?.[1]
  if (id === undefined) return null
  try {
    return decodeURIComponent(id)
  } catch {
    return null
  }
}

/** The hash that points to a message. */
export function hashOf(message: string): string {
  return `#m-${encodeURIComponent(message)}`
}

/** What the address points to, also when it changes while the page is open. The same link again counts again. */
export function useLinkedMessage(): { readonly id: string; readonly n: number } | null {
  const [linked, setLinked] = useState(() => read(0))
  useEffect(() => {
    const onHash = (): void => setLinked((before) => read((before?.n ?? 0) + 1))
    window.addEventListener('hashchange', onHash)
    return () => window.removeEventListener('hashchange', onHash)
  }, [])
  return linked
}

function read(n: number): { readonly id: string; readonly n: number } | null {
  const id = messageInHash(window.location.hash)
  return id === null ? null : { id, n }
}

const LIT_MS = 2_400

/**
 * Goes to the message that the address points to, once it is there, and lights it up for a moment. `show` brings a message
 * into view where rows that are not on the screen are not in the page; it says whether there is such a message.
 */
export function useDeepLink(count: number, show: (id: string) => boolean = scrollTo): void {
  const linked = useLinkedMessage()
  const shown = useRef<number>(null)
  useEffect(() => {
    if (linked === null || shown.current === linked.n || !show(linked.id)) return
    shown.current = linked.n
    light(linked.id)
  }, [linked, count, show])
}

function find(id: string): HTMLElement | null {
  return document.querySelector<HTMLElement>(`article[data-id="${CSS.escape(id)}"]`)
}

function scrollTo(id: string): boolean {
  const row = find(id)
  row?.scrollIntoView({ block: 'center' })
  return row !== null
}

/** The row may come a moment after the list was asked for it. */
function light(id: string): void {
  requestAnimationFrame(() => {
    const row = find(id)
    if (row === null) return
    row.dataset['lit'] = ''
    setTimeout(() => delete row.dataset['lit'], LIT_MS)
  })
}
