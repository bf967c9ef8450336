/** Where the browser is: which page, and of which session. */

export type Place =
  /** `isNew`: a conversation that nobody has begun. */
  | { readonly page: 'shop'; readonly session: string; readonly isNew: boolean }
  | { readonly page: 'chats' }
  | { readonly page: 'desk'; readonly sessions: readonly string[] }

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const ALPHABET = `${LETTERS}${LETTERS.toUpperCase()}0123456789`

const SESSION = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
const LAST = 'polyshop:last'

/**
 * Reads the address, and puts a better one in its place where it names no page: `/start`, with which the installed app begins,
 * goes to the last conversation, or to the list where there is none; `/share` begins one with what another app has shared; on
 * every other one, with no server that would name a session, one is named here.
 */
export function currentPlace(): Place {
  const { pathname, search } = window.location
  if (pathname === '/desk') {
    const named = new URLSearchParams(search).get('s')?.split(',') ?? []
    return { page: 'desk', sessions: [...new Set(named.filter((id) => SESSION.test(id)))] }
  }
  const last = pathname === '/start' ? read(LAST) : null
  if (pathname === '/chats' || (pathname === '/start' && last === null)) {
    window.history.replaceState(null, '', `/chats${search}`)
    return { page: 'chats' }
  }
  const session = sessionHere()
  if (session !== null) {
    if (session === last) window.history.replaceState(null, '', `/s/${session}${search}`)
    return { page: 'shop', session, isNew: false }
  }
  const fresh = newSession()
  const shared = pathname === '/share' ? sharedText(new URLSearchParams(search)) : ''
  if (shared !== '') keep(draftKey(fresh), shared)
  window.history.replaceState(null, '', `/s/${fresh}${pathname === '/share' ? '' : search}`)
  return { page: 'shop', session: fresh, isNew: true }
}

/** The conversation that the address, or `/start` in its place, leads to; null: none that has been begun. */
export function sessionHere(): string | null {
  const { pathname } = window.location
  const named = pathname.startsWith('/s/') ? pathname.slice('/s/'.length) : ''
  const session = pathname === '/start' ? (read(LAST) ?? '') : named
  return SESSION.test(session) ? session : null
}

/** The conversation that the app begins with the next time; null: none. */
export function rememberLast(session: string | null): void {
  keep(LAST, session)
}

export function lastSession(): string | null {
  return read(LAST)
}

export function newSession(): string {
  return `s${random(11)}`
}

/** A conversation's address for this window; a name that was given to it goes along. */
export function pathOf(session: string): string {
  return `/s/${session}${nameInAddress()}`
}

export function chatsPath(): string {
  return `/chats${nameInAddress()}`
}

/** Where the text that is not sent yet is kept. */
export function draftKey(session: string): string {
  return `polyshop:draft:${session}`
}

function nameInAddress(): string {
  const name = new URLSearchParams(window.location.search).get('as')
  return name === null ? '' : `?as=${encodeURIComponent(name)}`
}

/** What another app has shared, as a text to go on writing at; nothing is sent by itself. */
export function sharedText(params: URLSearchParams): string {
  const said = ['title', 'text', 'url'].map((name) => params.get(name)?.trim() ?? '')
  // Many apps put the address into the text as well, or the title; of two that are the same the first stays.
  const isSaid = (part: string, i: number): boolean =>
    said.some((other, at) => at !== i && other.includes(part) && (other !== part || at < i))
  return said.filter((part, i) => part !== '' && !isSaid(part, i)).join('\n')
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

/** Null removes it. A browser that stores nothing forgets it with the page. */
function keep(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key)
    else localStorage.setItem(key, value)
  } catch {
    // As said.
  }
}

/** Says in the address which sessions are open on the desk. */
export function rememberDeskSessions(sessions: readonly string[]): void {
  const url = new URL(window.location.href)
  url.searchParams.delete('s')
  // Not through `searchParams`: a comma need not be escaped, and the address is read by people.
  const others = url.searchParams.toString()
  const named = sessions.length === 0 ? '' : `s=${sessions.join(',')}`
  url.search = [others, named].filter(Boolean).join('&')
  window.history.replaceState(null, '', url)
}

/** The link that opens the same session in another window, under whatever name that browser has. */
export function shareLink(session: string): string {
  return `${window.location.origin}/s/${session}`
}

export function syncUrl(): string {
  return `${window.location.origin.replace(/^http/, 'ws')}/sync`
}

/** Random letters and digits. */
export function random(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length))
  return Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join('')
}
