/** Where the browser is: which page, and of which session. */

export type Place =
  | { readonly page: 'shop'; readonly session: string }
  | { readonly page: 'desk'; readonly session: string | null }

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const ALPHABET = `${LETTERS}${LETTERS.toUpperCase()}0123456789`

/** Reads the address. On `/` with no server that would name a session, one is named here. */
export function currentPlace(): Place {
  const { pathname, search } = window.location
  if (pathname === '/desk') return { page: 'desk', session: new URLSearchParams(search).get('s') }
  const session = /^\/s\/([A-Za-z0-9][A-Za-z0-9_-]{0,63})$/.exec(pathname)?.[1]
  if (session !== undefined) return { page: 'shop', session }
  const fresh = `s${random(11)}`
  window.history.replaceState(null, '', `/s/${fresh}${search}`)
  return { page: 'shop', session: fresh }
}

/** Shows another session on the desk, and says so in the address. */
export function rememberDeskSession(session: string | null): void {
  const url = new URL(window.location.href)
  if (session === null) url.searchParams.delete('s')
  else url.searchParams.set('s', session)
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
