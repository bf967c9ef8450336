/**
 * Whether this browser is told of a session while nobody looks: what is so, and the taps that change it. The user is asked here
 * first, and the browser only asks whoever has said yes: one that was refused once is not asked again.
 */
import type { OpenSession } from 'polylogue'
import { renewPush, subscribeToPush, unsubscribeFromPush, type PushOptions, type PushState } from 'polylogue/push'
import { useSession } from 'polylogue/react'
import { useSyncExternalStore } from 'react'
import { syncUrl } from '../place.ts'
import { fetchToken } from '../who.ts'

/** What the card above the composer says; null: there is none. */
export type PushNote = 'offer' | 'denied' | 'failed' | null

export interface PushLook {
  /** `unknown` until the browser has been asked. */
  readonly state: PushState | 'unknown'
  readonly note: PushNote
  readonly busy: boolean
}

const OFFERED = 'polyshop:push-offered'

export class PushSwitch {
  readonly #options: PushOptions
  readonly #listeners = new Set<() => void>()
  #look: PushLook = { state: 'unknown', note: null, busy: false }

  constructor(session: OpenSession) {
    const token = (): Promise<string> => {
      const { me } = session
      if (me === null) throw new Error('The session is not ready.')
      return fetchToken(session.id, { role: me.kind === 'support' ? 'support' : 'user', id: me.id, name: me.name })
    }
    this.#options = { url: syncUrl(), id: session.id, token }
    void session.ready.then(() => this.renew()).catch(() => {})
  }

  readonly look = (): PushLook => this.#look

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Tells the server what this browser has; asks nobody. */
  async renew(): Promise<void> {
    try {
      this.#set({ state: await renewPush(this.#options) })
    } catch {
      // The browser has a subscription, and the server could not be told of it; it is the next time.
      this.#set({ state: 'on' })
    }
  }

  /** From a tap: the browser then asks its user. */
  turnOn(): Promise<void> {
    return this.#change(() => subscribeToPush(this.#options))
  }

  turnOff(): Promise<void> {
    return this.#change(() => unsubscribeFromPush(this.#options))
  }

  explain(): void {
    this.#set({ note: 'denied' })
  }

  /** Offers it, once on this device. */
  offer(): void {
    if (this.#look.state === 'off' && this.#look.note === null && !wasOffered()) this.#set({ note: 'offer' })
  }

  dismiss(): void {
    if (this.#look.note === 'offer') keepOffered()
    this.#set({ note: null })
  }

  async #change(change: () => Promise<PushState>): Promise<void> {
    if (this.#look.busy) return
    this.#set({ busy: true })
    try {
      const state = await change()
      keepOffered()
      this.#set({ state, busy: false, note: state === 'denied' ? 'denied' : null })
    } catch (error) {
      console.debug('push', error)
      this.#set({ busy: false, note: 'failed' })
    }
  }

  #set(change: Partial<PushLook>): void {
    this.#look = { ...this.#look, ...change }
    for (const listener of [...this.#listeners]) listener()
  }
}

function wasOffered(): boolean {
  try {
    return localStorage.getItem(OFFERED) !== null
  } catch {
    return false
  }
}

function keepOffered(): void {
  try {
    localStorage.setItem(OFFERED, 'yes')
  } catch {
    // A browser that stores nothing is offered it again.
  }
}

const switches = new WeakMap<OpenSession, PushSwitch>()

/** The switch of the session, and what is so; re-renders when that changes. */
export function usePush(): [PushSwitch, PushLook] {
  const session = useSession()
  let own = switches.get(session)
  if (own === undefined) switches.set(session, (own = new PushSwitch(session)))
  return [own, useSyncExternalStore(own.subscribe, own.look)]
}
