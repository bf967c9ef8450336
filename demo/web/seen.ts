/**
 * Up to which message a participant has seen each session on this device: the last row that was on the screen of a visible
 * tab. Kept in localStorage, so that all tabs of the browser agree at once; a browser that stores nothing remembers for as
 * long as the page lives.
 */

interface Seen {
  readonly id: string
  /** Place in the server's order; without one any later mark takes its place. */
  readonly seq?: number
}

const memory = new Map<string, Seen>()
const listeners = new Set<() => void>()
let reader = 'guest'

/** Says who reads in this window, before anything else is asked: marks are kept apart per participant. */
export function setReader(participant: string): void {
  reader = participant
}

/** Id of the last message that was seen; null when none was, on this device. */
export function lastSeen(sessionId: string): string | null {
  return read(keyOf(sessionId))?.id ?? null
}

/**
 * Notes that a message, and with it all before it, was seen. Call it only for what is on the screen of a visible tab.
 * `seq` is the message's `metadata.seq`: a mark never goes back behind one that another tab has set further on.
 */
export function markSeen(sessionId: string, messageId: string, seq?: number): void {
  const key = keyOf(sessionId)
  const before = read(key)
  if (before?.id === messageId && before.seq === seq) return
  if (before?.seq !== undefined && seq !== undefined && seq < before.seq) return
  const seen: Seen = seq === undefined ? { id: messageId } : { id: messageId, seq }
  memory.set(key, seen)
  try {
    localStorage.setItem(key, JSON.stringify(seen))
  } catch {
    // Then the mark lives as long as the page.
  }
  tell()
}

/** Forgets a session that leaves this device. */
export function forgetSeen(sessionId: string): void {
  memory.delete(keyOf(sessionId))
  try {
    localStorage.removeItem(keyOf(sessionId))
  } catch {
    // Nothing was kept.
  }
  tell()
}

/** Calls `listener` after each change, of this tab or another; gives the function that ends that. */
export function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) window.addEventListener('storage', onStorage)
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) window.removeEventListener('storage', onStorage)
  }
}

const PREFIX = 'polyshop:seen:'

function keyOf(sessionId: string): string {
  return `${PREFIX}${reader}:${sessionId}`
}

function read(key: string): Seen | null {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? 'null') as Partial<Seen> | null
    if (typeof kept?.id === 'string') return typeof kept.seq === 'number' ? { id: kept.id, seq: kept.seq } : { id: kept.id }
  } catch {
    // What is kept is not readable, or nothing is kept at all.
  }
  return memory.get(key) ?? null
}

function onStorage({ key }: StorageEvent): void {
  if (key === null || key.startsWith(PREFIX)) tell()
}

function tell(): void {
  for (const listener of listeners) {
    try {
      listener()
    } catch (error) {
      reportError(error)
    }
  }
}
