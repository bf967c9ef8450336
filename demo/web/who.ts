/** Who uses this window, and the token that says so to the server. */
import { random } from './place.ts'

export interface Who {
  readonly role: 'user' | 'support'
  readonly id: string
  readonly name: string
}

const KEPT = 'polyshop:who'
const NAMES = ['Alex', 'Robin', 'Kim', 'Sasha', 'Noa', 'Jules', 'Mika', 'Toni', 'Remy', 'Charlie', 'Yuki', 'Sam']
const MAX_NAME_CHARS = 40

/**
 * The participant of this window. `?as=NAME` names one: two windows with one name are two devices of one person. Otherwise a
 * browser is one person, whose made-up name it keeps; at the support desk that is Ada.
 */
export function whoAmI(role: Who['role']): Who {
  const asked = named(role)
  if (asked !== null) return asked
  if (role === 'support') return { role, id: 'support-ada', name: 'Ada' }
  return kept() ?? keep({ role, id: `user-${random(8)}`, name: NAMES[Math.floor(Math.random() * NAMES.length)] ?? 'Guest' })
}

/** The customer of this window as far as one is known: nobody is made up. */
export function knownCustomer(): Who | null {
  return named('user') ?? kept()
}

function named(role: Who['role']): Who | null {
  const asked = new URLSearchParams(window.location.search).get('as')?.trim().slice(0, MAX_NAME_CHARS)
  return asked ? { role, id: `${role}-${slug(asked)}`, name: asked } : null
}

function kept(): Who | null {
  try {
    const who = JSON.parse(localStorage.getItem(KEPT) ?? 'null') as Partial<Who> | null
    return typeof who?.id === 'string' && typeof who.name === 'string' ? { role: 'user', id: who.id, name: who.name } : null
  } catch {
    return null
  }
}

function keep(who: Who): Who {
  try {
    localStorage.setItem(KEPT, JSON.stringify(who))
  } catch {
    // A browser that stores nothing gets a new name each time.
  }
  return who
}

/** Letters and digits for an id; a name of none of them (`?as=李`) gives their code points. */
function slug(name: string): string {
  const plain = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
  const codes = Array.from(name, (char) => char.codePointAt(0)?.toString(36)).join('-')
  return (plain === '' ? codes : plain).slice(0, 50)
}

/** How long a token may take; without one the session opens from this device alone. */
const TOKEN_TIMEOUT_MS = 10_000

interface Early {
  readonly session: string
  readonly id: string
  readonly token: Promise<string>
}

let early: Early | null = null

/** Asks for the token of the first connection before there is anything that connects: the server answers meanwhile. */
export function fetchTokenEarly(session: string, who: Who): void {
  const token = request(session, who)
  // Whoever uses it hears of it.
  token.catch(() => {})
  early = { session, id: who.id, token }
}

/** Fetches a token. Called for each connection. */
export function fetchToken(session: string, who: Who): Promise<string> {
  const first = early
  if (first?.session !== session || first.id !== who.id) return request(session, who)
  early = null
  return first.token
}

async function request(session: string, who: Who): Promise<string> {
  const response = await fetch('/api/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...who, session }),
    signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
  })
  if (!response.ok) throw new Error(`No token: the server answered ${response.status}.`)
  return ((await response.json()) as { token: string }).token
}
