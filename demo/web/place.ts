/** Where the browser is: which page, and of which session. */

export type Place =
  | { readonly page: 'shop'; readonly session: string }
  | { readonly page: 'desk'; readonly sessions: readonly string[] }

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const ALPHABET = `${LETTERS}${LETTERS.toUpperCase()}0123456789`

const SESSION = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/

/** Reads the address. On `/` with no server that would name a session, one is named here. */
export function currentPlace(): Place {
  const { pathname, search } = window.location
  if (pathname === '/desk') {
    const named = new URLSearchParams(search).get('s')?.split(',') ?? []
    return { page: 'desk', sessions: [...new Set(named.filter((id) => SESSION.test(id)))] }
  }
  const session = pathname.startsWith('/s/') ? pathname.slice('/s/'.length) : ''
  if (SESSION.test(session)) return { page: 'shop', session }
  const fresh = `s${random(11)}`
  window.history.replaceState(null, '', `/s/${fresh}${search}`)
  return { page: 'shop', session: fresh }
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
