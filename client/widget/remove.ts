/** Removes sessions from the device, whoever had them open here: for signing out, with a server or without one. */
import { forgetParticipant, recallParticipant, sharedName, whoKey } from '../identity.ts'

/** Deletes what other pages hold open wait for; such a page is told, and lets go unless it is frozen. */
const BLOCKED_MS = 3_000

/**
 * Removes replicas and what else lies in the storage under names that end in `:SESSION`, as drafts of the app may. Gives whether
 * all of it is gone.
 */
export async function removeFromDevice(url: string, sessions: ReadonlySet<string>): Promise<boolean> {
  if (sessions.size === 0) return true
  try {
    const names = new Set<string>()
    for (const session of sessions) {
      const who = recallParticipant(whoKey(url, session))
      if (who !== null) names.add(sharedName(url, who.id, session))
      forgetParticipant(whoKey(url, session))
    }
    removeItems(sessions)
    // Somebody may have had it open before the last one. Not every browser can say.
    const databases = typeof indexedDB.databases === 'function' ? await indexedDB.databases() : []
    for (const { name = '' } of databases)
      if (name.startsWith(sharedName(url, '', '').slice(0, -1)) && isOf(name, sessions)) names.add(name)
    const gone = await Promise.all([...names].map(deleteDatabase))
    return gone.every(Boolean)
  } catch {
    // A browser that gives a frame no storage keeps nothing.
    return !hasStorage()
  }
}

function removeItems(sessions: ReadonlySet<string>): void {
  for (const name of Object.keys(localStorage)) if (isOf(name, sessions)) localStorage.removeItem(name)
}

function isOf(name: string, sessions: ReadonlySet<string>): boolean {
  return sessions.has(name.slice(name.lastIndexOf(':') + 1))
}

function deleteDatabase(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(name)
    request.addEventListener('success', () => resolve(true))
    request.addEventListener('error', () => resolve(false))
    setTimeout(() => resolve(false), BLOCKED_MS)
  })
}

function hasStorage(): boolean {
  try {
    return localStorage !== null
  } catch {
    return false
  }
}
