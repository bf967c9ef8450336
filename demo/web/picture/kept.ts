/**
 * The pictures that are kept on this device: one for each conversation and reader, a few in all, the oldest of them dropped. Their
 * keys end in the conversation's id, as those of all that goes with it when it is removed. While a conversation is open its key is
 * there, if with an empty picture: only of what is there do other tabs hear that it is gone.
 */
import { MAX_CHARS } from './picture.ts'

const PREFIX = 'polyshop:screen:'

/** How many there are at most. */
export const MAX_PICTURES = 8

/** Of a conversation that is open, but of which there is none. */
const EMPTY = ''

/** Where the picture of a conversation is kept for a reader, by their id. */
export function pictureKey(reader: string, session: string): string {
  return `${PREFIX}${reader}:${session}`
}

/** What was kept; null where nothing was, or nothing can be read. */
export function keptPicture(reader: string, session: string): string | null {
  try {
    const kept = localStorage.getItem(pictureKey(reader, session))
    return kept === null ? null : kept.slice(kept.indexOf(' ') + 1)
  } catch {
    return null
  }
}

/**
 * Keeps one in the place of the last. One that is too large leaves an empty one, and one that finds no room none at all: an old
 * one would be wrong.
 */
export function keepPicture(reader: string, session: string, picture: string, at: number = Date.now()): void {
  const key = pictureKey(reader, session)
  try {
    const others = keys().filter((other) => other !== key)
    const byAge = others.map((other) => ({ other, at: Number.parseInt(localStorage.getItem(other) ?? '', 10) || 0 }))
    byAge.sort((a, b) => b.at - a.at)
    for (const { other } of byAge.slice(MAX_PICTURES - 1)) localStorage.removeItem(other)
    localStorage.setItem(key, `${at} ${picture.length > MAX_CHARS ? EMPTY : picture}`)
  } catch {
    forget(key)
  }
}

/** Puts an empty one where none is, so that the tab which has the conversation open hears when all of it is removed. */
export function beginPictures(reader: string, session: string): void {
  if (keptPicture(reader, session) === null) emptyPicture(reader, session)
}

/** Leaves an empty one in the place of the picture that a reader has of a conversation. */
export function emptyPicture(reader: string, session: string): void {
  keepPicture(reader, session, EMPTY)
}

/** Forgets the pictures that anybody has of a conversation here: for one that leaves this device. */
export function forgetPictures(session: string): void {
  try {
    for (const key of keys()) if (key.endsWith(`:${session}`)) forget(key)
  } catch {
    // Nothing was kept.
  }
}

function keys(): string[] {
  return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX))
}

function forget(key: string): void {
  try {
    localStorage.removeItem(key)
  } catch {
    // Nothing was kept.
  }
}
