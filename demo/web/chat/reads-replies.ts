/** Whether finished replies are read out to those who hear the page: their own choice, kept on this device; yes at first. */
const KEY = 'polyshop:reads-replies'
const listeners = new Set<() => void>()
let reads = stored()

function stored(): boolean {
  try {
    return localStorage.getItem(KEY) !== 'no'
  } catch {
    return true
  }
}

export function readsReplies(): boolean {
  return reads
}

export function watchReadsReplies(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function setReadsReplies(next: boolean): void {
  reads = next
  try {
    localStorage.setItem(KEY, next ? 'yes' : 'no')
  } catch {
    // Then it holds as long as the page.
  }
  for (const listener of listeners) listener()
}
