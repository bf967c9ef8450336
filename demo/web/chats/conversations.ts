/**
 * The conversations of this device, kept up to date: first from the replicas as they lie there, with no server; then, while
 * somebody looks and there is a connection, the latest ones from the sessions themselves. Those with something unsent are
 * opened wherever the page is, until it is sent: a message that was written offline must not wait for its conversation to be
 * looked at again.
 */
import { openSession, type OpenSession } from 'polylogue'
import { readStoredSession, removeStoredSession, storedSessions } from 'polylogue/device'
import { forgetPictures } from '../picture/kept.ts'
import { draftKey, lastSession, rememberLast, syncUrl } from '../place.ts'
import { forgetSeen, lastSeen, subscribe as subscribeSeen } from '../seen.ts'
import { fetchToken, type Who } from '../who.ts'
import { byTime, summaryOf, type Summary } from './summary.ts'

export interface ConversationsOptions {
  readonly who: Who
  /** How many of the latest are followed live; each costs a connection. */
  readonly live: number
  /** The one that this page has open itself. */
  readonly except?: string
}

/** Tabs tell each other what changed in a conversation: what came from the server is told on no other channel. */
const CHANNEL = 'polyshop:conversations'
/** Reading waits so long for what else changes, and for what came from the server to be on the device. */
const SETTLE_MS = 300
/** Outboxes that are sent at once. */
const SENDING = 3

export interface ConversationsState {
  /** Latest first. */
  readonly list: readonly Summary[]
  /** False until the device was read. */
  readonly known: boolean
}

export const UNKNOWN: ConversationsState = { list: [], known: false }

interface Live {
  readonly session: OpenSession
  readonly end: () => void
}

export class Conversations {
  readonly #options: ConversationsOptions
  readonly #device: { readonly url: string; readonly participant: string }
  readonly #summaries = new Map<string, Summary>()
  /** The marks that the summaries were made with. */
  readonly #seen = new Map<string, string | null>()
  /** Those that were opened since they had something unsent, in that order. */
  readonly #sent = new Set<string>()
  readonly #live = new Map<string, Live>()
  readonly #listeners = new Set<() => void>()
  readonly #stale = new Set<string>()
  readonly #undo: (() => void)[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  #state: ConversationsState = UNKNOWN
  #closed = false

  constructor(options: ConversationsOptions) {
    this.#options = options
    this.#device = { url: syncUrl(), participant: options.who.id }
    const channel = new BroadcastChannel(CHANNEL)
    channel.onmessage = ({ data }: MessageEvent<unknown>) => this.#later(typeof data === 'string' ? data : undefined)
    const refresh = (): void => void this.refresh()
    const onVisible = (): void => (document.visibilityState === 'visible' ? refresh() : this.#follow())
    window.addEventListener('online', refresh)
    window.addEventListener('pageshow', refresh)
    document.addEventListener('visibilitychange', onVisible)
    const offSeen = subscribeSeen(() => {
      const moved = [...this.#summaries.keys()].filter((id) => this.#seen.get(id) !== lastSeen(id))
      if (moved.length > 0) this.#later(...moved)
    })
    this.#undo.push(
      offSeen,
      () => channel.close(),
      () => window.removeEventListener('online', refresh),
      () => window.removeEventListener('pageshow', refresh),
      () => document.removeEventListener('visibilitychange', onVisible),
    )
    refresh()
  }

  /** The same until something changes. */
  get state(): ConversationsState {
    return this.#state
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Reads the device again. */
  async refresh(): Promise<void> {
    try {
      const ids = (await storedSessions(this.#device)).filter((id) => id !== this.#options.except)
      for (const id of this.#summaries.keys()) if (!ids.includes(id)) this.#summaries.delete(id)
      for (const id of ids) await this.#read(id)
    } catch (error) {
      console.debug('conversations', error)
    }
    this.#changed(true)
  }

  /** Removes a conversation from this device, with its draft and what was not sent. */
  async remove(id: string): Promise<void> {
    const live = this.#live.get(id)
    this.#live.delete(id)
    live?.end()
    await live?.session.close()
    await removeStoredSession(this.#device, id)
    localStorage.removeItem(draftKey(id))
    forgetPictures(id)
    if (lastSession() === id) rememberLast(null)
    forgetSeen(id)
    this.#summaries.delete(id)
    tellChanged(id)
    this.#changed()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    for (const undo of this.#undo) undo()
    for (const id of [...this.#live.keys()]) this.#leave(id)
    this.#listeners.clear()
  }

  async #read(id: string): Promise<void> {
    const live = this.#live.get(id)?.session
    const isOpen = live !== undefined && live.me !== null
    const { view, confirmed } = isOpen
      ? { view: live.view, confirmed: live.status.onServer }
      : await readStoredSession(this.#device, id)
    const draft = localStorage.getItem(draftKey(id)) ?? ''
    const seen = lastSeen(id)
    this.#seen.set(id, seen)
    const reading = { id, me: this.#device.participant, seen, draft, confirmed }
    this.#summaries.set(id, summaryOf(view, reading))
  }

  /** Reads some of them again, soon; with none named, looks for new ones as well. */
  #later(...ids: readonly (string | undefined)[]): void {
    for (const id of ids) this.#stale.add(id ?? '')
    if (this.#closed) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      const stale = [...this.#stale].filter((id) => id !== this.#options.except)
      this.#stale.clear()
      if (stale.some((id) => !this.#summaries.has(id))) void this.refresh()
      else void Promise.all(stale.map((id) => this.#read(id))).then(() => this.#changed(), console.debug)
    }, SETTLE_MS)
  }

  #changed(known: boolean = this.#state.known): void {
    if (this.#closed) return
    // One that was opened and left with nothing said is no conversation.
    const list = [...this.#summaries.values()].filter((it) => it.at > 0 || it.draft !== '' || !it.confirmed).sort(byTime)
    this.#follow(list)
    const state = { list, known }
    if (JSON.stringify(state) !== JSON.stringify(this.#state)) this.#state = state
    for (const listener of [...this.#listeners]) listener()
  }

  /** Opens those that are to be followed or sent, and leaves the others. */
  #follow(list: readonly Summary[] = this.#state.list): void {
    const isSeen = document.visibilityState === 'visible'
    const unsent = list.filter(({ confirmed }) => !confirmed).slice(0, SENDING)
    for (const { id } of unsent) this.#sent.add(id)
    const followed = isSeen ? list.slice(0, this.#options.live) : []
    // What was sent from here is answered soon: the last ones stay open for that.
    const wanted = new Set([...[...unsent, ...followed].map(({ id }) => id), ...[...this.#sent].slice(-SENDING)])
    for (const id of this.#sent) if (!this.#summaries.has(id)) this.#sent.delete(id)
    for (const id of wanted) if (!this.#summaries.has(id)) wanted.delete(id)
    for (const id of this.#live.keys()) if (!wanted.has(id)) this.#leave(id)
    for (const id of wanted) if (!this.#live.has(id)) this.#open(id)
  }

  #open(id: string): void {
    const { who } = this.#options
    const session = openSession({
      url: this.#device.url,
      id,
      token: () => fetchToken(id, who),
      onError: (error, { stage }) => console.debug(stage, error),
    })
    // Nobody reads it here.
    session.presence.set({ away: true })
    const again = (): void => this.#later(id)
    const offs = [session.subscribe(again), session.subscribe(again, 'status')]
    this.#live.set(id, { session, end: () => offs.forEach((off) => off()) })
  }

  #leave(id: string): void {
    const live = this.#live.get(id)
    this.#live.delete(id)
    live?.end()
    void live?.session.close()
  }
}

let channel: BroadcastChannel | null = null
let told: ReturnType<typeof setTimeout> | undefined
const changed = new Set<string>()

/** Tells the other tabs that a conversation has changed on this device. */
export function tellChanged(id: string): void {
  changed.add(id)
  told ??= setTimeout(() => {
    told = undefined
    channel ??= new BroadcastChannel(CHANNEL)
    for (const each of changed) channel.postMessage(each)
    changed.clear()
  }, SETTLE_MS)
}
