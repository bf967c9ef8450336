/**
 * How many calls each push service may have under way at once, by how it answers: one that lets the server wait holds up itself,
 * and nobody else. Anybody may name an endpoint of their own, and many names of one domain; so names are taken together by domain.
 */
import { isIP } from 'node:net'

/** Calls under way, over all sites. */
const MAX_CALLS = 128
/** Of one site: at first, at most, and at least. One more for each quick answer; half as many for each that is not. */
const FIRST = 8
const MOST = 96
const LEAST = 2
/** What takes longer is no quick answer. */
const QUICK_MS = 2_000
/** Sites that are remembered before the one that was not called longest is forgotten. */
const MAX_SITES = 10_000

interface Site {
  busy: number
  most: number
}

export class PushSites {
  readonly #now: () => number
  /** Those that were called last are last. */
  readonly #sites = new Map<string, Site>()
  #busy = 0

  /** @param now milliseconds of a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** How many more calls a site may have now. */
  roomOf(name: string): number {
    const { busy, most } = this.#sites.get(name) ?? { busy: 0, most: FIRST }
    return Math.max(0, Math.min(most - busy, MAX_CALLS - this.#busy))
  }

  /** Begins a call, and gives what ends it, once; null: not now. */
  begin(name: string): (() => void) | null {
    if (this.roomOf(name) === 0) return null
    const site = this.#sites.get(name) ?? { busy: 0, most: FIRST }
    this.#sites.delete(name)
    this.#sites.set(name, site)
    this.#forget()
    site.busy += 1
    this.#busy += 1
    const at = this.#now()
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      site.busy -= 1
      this.#busy -= 1
      const isQuick = this.#now() - at < QUICK_MS
      site.most = isQuick ? Math.min(MOST, site.most + 1) : Math.max(LEAST, Math.floor(site.most / 2))
    }
  }

  #forget(): void {
    if (this.#sites.size <= MAX_SITES) return
    for (const [name, { busy }] of this.#sites) {
      if (busy > 0) continue
      this.#sites.delete(name)
      return
    }
  }
}

/** What is taken together: the last two labels of a name, with the port where there is one; all addresses without a name. */
export function siteOf(endpoint: string): string {
  const { hostname = '', port = '' } = URL.parse(endpoint) ?? {}
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const domain = isIP(host) === 0 ? host.split('.').slice(-2).join('.') : ''
  return port === '' ? domain : `${domain}:${port}`
}
