/**
 * The page in the widget's frame: who it speaks for, in which session, and what it has to tell the page around it. The chat itself
 * is the app's own.
 */
import { SessionError } from '../shared/errors.ts'
import {
  readWidgetMessage,
  WIDGET_PATHS,
  WIDGET_VERSION,
  type FrameMessage,
  type HostMessage,
  type TokenAnswer,
  type TokenRequest,
  type WidgetLooks,
  type WidgetRefusal,
} from '../shared/widget.ts'
import { participantOf, rememberParticipant, whoKey } from './identity.ts'
import type { OpenSession } from './open-session.ts'
import { HostUser } from './widget/host-user.ts'
import { Kept } from './widget/kept.ts'
import { News } from './widget/news.ts'
import { Outbox } from './widget/outbox.ts'
import { removeFromDevice } from './widget/remove.ts'

export type { WidgetLooks, WidgetRefusal } from '../shared/widget.ts'

/** Immutable. */
export interface WidgetState {
  /** The session to open; null until the server has named it. */
  readonly session: string | null
  /** Another number for everybody whom the page speaks for: another user, or somebody who signed out. Of use as a `key`. */
  readonly visit: number
  /** Somebody may see it at the moment. */
  readonly shown: boolean
  readonly looks: WidgetLooks
  /** Why there is no chat; null while there is one. */
  readonly refused: WidgetRefusal | null
}

export interface Widget {
  /** For `openSession`. */
  readonly url: string
  /** Origin of the page around the frame. */
  readonly host: string
  readonly state: WidgetState
  /** Calls back when the state is another one; gives what ends that. */
  subscribe(listener: () => void): () => void
  /**
   * A token for the session of the state, for `openSession`. Rejects when the server cannot be reached or refuses; and when it names
   * another session or somebody else by now, which is another visit then.
   */
  token(): Promise<string>
  /**
   * Counts what is unread in an open session, tells the page around the frame of it, and writes there what that page sends. Gives
   * what ends that. Signing out removes the session from the device. One that is not of the state is left alone.
   */
  track(session: OpenSession): () => void
  /** Asks the page around the frame to close it; Escape does so too, unless the page has prevented its default. */
  close(): void
}

const HELLO_EVERY_MS = 250
const TOKEN_TIMEOUT_MS = 10_000
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 30_000
const SIGNED_OUT = 'The visitor has signed out.'

/**
 * Connects to the page around the frame, which the address of this page names. Resolves when that has answered; never, when it
 * does not. Throws `SessionError` in a page that the server did not make for a frame.
 */
export function connectWidget(): Promise<Widget> {
  const query = new URLSearchParams(location.search)
  const [key, host] = [query.get('key'), query.get('host')]
  if (key === null || host === null || window.parent === window) {
    throw new SessionError('bad-argument', 'This page is for the frame of a widget: /widget?key=KEY&host=ORIGIN.')
  }
  const { promise, resolve } = Promise.withResolvers<Widget>()
  const widget = new FrameWidget(key, host, () => resolve(widget))
  return promise
}

class FrameWidget implements Widget {
  readonly url = `${location.origin.replace(/^http/, 'ws')}/sync`
  readonly host: string
  readonly #key: string
  readonly #kept: Kept
  readonly #listeners = new Set<() => void>()
  readonly #user = new HostUser((message) => this.#tell(message))
  readonly #onInit: () => void
  readonly #hello: ReturnType<typeof setInterval>
  #state: WidgetState = {
    session: null,
    visit: 0,
    shown: false,
    looks: { title: '', locale: '', theme: 'auto' },
    refused: null,
  }
  #isStarted = false
  #hasUser = false
  /** Id of whom the tokens of this visit are for; null until there was one. */
  #who: string | null = null
  /** The first token of a visit, which came with the name of its session. */
  #fresh: string | null = null
  #retry: ReturnType<typeof setTimeout> | undefined
  #session: OpenSession | null = null
  /** All that the page has shown: one that it has left may still be writing to the device. */
  readonly #shown = new Set<OpenSession>()
  #news: News | null = null
  #unread = 0
  /** Signed out: nothing is kept any more. */
  #isWiped = false
  readonly #outbox = new Outbox((text, why) => this.#tellUnsent(text, why))

  constructor(key: string, host: string, onInit: () => void) {
    this.#key = key
    this.host = host
    this.#onInit = onInit
    this.#kept = new Kept(key, host)
    this.#kept.onVisitor(() => {
      if (this.#hasUser || !this.#isStarted || this.#isWiped) return
      this.#outbox.giveBack('Another page of this browser has signed out.')
      this.#begin()
    })
    document.addEventListener('visibilitychange', () => queueMicrotask(this.#showPresence))
    addEventListener('pagehide', () => this.#outbox.giveBack('The page in the frame was left.'))
    addEventListener('message', ({ source, origin, data }) => {
      if (source !== window.parent || origin !== host) return
      const message = readWidgetMessage<HostMessage>(data)
      if (message !== null) this.#hear(message)
    })
    addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !event.defaultPrevented && !event.isComposing) this.close()
    })
    this.#tell({ t: 'hello' })
    this.#hello = setInterval(() => this.#tell({ t: 'hello' }), HELLO_EVERY_MS)
  }

  get state(): WidgetState {
    return this.#state
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async token(): Promise<string> {
    const fresh = this.#fresh
    this.#fresh = null
    if (fresh !== null) return fresh
    const { session, visit } = this.#state
    const answer = await this.#fetchToken()
    // Or the session would note on the device whose it is.
    if (this.#isWiped) throw new Error(SIGNED_OUT)
    if (this.#state.visit === visit) {
      const { id } = participantOf(answer.token)
      const isSame = this.#who === null || this.#who === id
      if (isSame && answer.session === session) {
        this.#who = id
        return answer.token
      }
      if (!isSame) this.#outbox.giveBack('Somebody else is here by now.')
      this.#begin(answer)
    }
    throw new Error('The conversation is another one by now.')
  }

  track(session: OpenSession): () => void {
    if (this.#isWiped || session.id !== this.#state.session) return () => {}
    this.#session = session
    this.#shown.add(session)
    this.#kept.note(session.id)
    const begin = (): void => {
      // The page may speak for somebody else by now, and be about to let go of it.
      if (this.#session !== session || session.closed || (this.#who !== null && session.me?.id !== this.#who)) return
      this.#news = new News({
        session,
        isShown: () => this.#state.shown,
        seen: this.#kept.seen(session.id),
        onSeen: (seq) => this.#kept.setSeen(session.id, seq),
        onUnread: (count) => this.#setUnread(count),
        onMessage: (message) => this.#tell({ t: 'message', message }),
      })
      this.#showPresence()
      this.#tell({ t: 'ready' })
      this.#outbox.flush(session)
    }
    session.ready.then(begin, () => {})
    return () => {
      if (this.#session === session) this.#letGo()
    }
  }

  close(): void {
    this.#tell({ t: 'close' })
  }

  #hear(message: HostMessage): void {
    switch (message.t) {
      case 'init':
        clearInterval(this.#hello)
        // The page around it answers every hello.
        if (this.#isStarted) return
        this.#isStarted = true
        this.#hasUser = message.hasUser
        this.#set({ looks: message.looks, shown: message.shown })
        return void this.#start(message.wipe === true)
      case 'shown':
        this.#set({ shown: message.shown })
        this.#showPresence()
        return this.#news?.look()
      case 'identify':
        this.#hasUser = message.hasUser
        this.#outbox.giveBack('Somebody else has signed in, or out.')
        return this.#begin()
      case 'user':
        return this.#user.answer(message.n, message.token)
      case 'send':
        // Texts only: parts are the affair of the page in the frame.
        if (typeof message.text !== 'string') return
        if (this.#isWiped && this.#state.visit > 0) this.#tellUnsent(message.text, SIGNED_OUT)
        else if (this.#news === null || this.#session === null) this.#outbox.keep(message.text)
        else this.#outbox.write(this.#session, message.text)
        return
      case 'wipe':
        return void this.#wipe()
    }
  }

  async #start(isStale: boolean): Promise<void> {
    if (isStale) {
      await this.#wipe()
      this.#isWiped = false
    }
    this.#begin()
    this.#onInit()
  }

  /**
   * Another visit: it speaks for somebody else from now on, or in another session.
   * @param named what the server has named; null: it is yet to be asked.
   */
  #begin(named: TokenAnswer | null = null): void {
    clearTimeout(this.#retry)
    this.#letGo()
    this.#setUnread(0)
    this.#fresh = named?.token ?? null
    this.#who = named === null ? null : this.#meet(named)
    const known = named ?? (this.#hasUser ? null : this.#kept.visitor)
    // A conversation that this device has is read without a server.
    this.#set({ visit: this.#state.visit + 1, session: known?.session ?? null, refused: null })
    if (known === null) this.#find(this.#state.visit, FIRST_RETRY_MS)
  }

  /** Id of who has come. The device is to know, before the session is opened: it would show what the one before had of it. */
  #meet({ token, session }: TokenAnswer): string {
    const participant = participantOf(token)
    rememberParticipant(whoKey(this.url, session), participant)
    return participant.id
  }

  /** A frame in a closed panel is on nobody's screen, whatever the browser says of the page around it. */
  readonly #showPresence = (): void => {
    if (this.#news === null) return
    this.#session?.presence.set({ visible: this.#state.shown && document.visibilityState === 'visible' })
  }

  /** Neither hears of the session any more nor writes in it, whether the page has let go of it yet or not. */
  #letGo(): void {
    this.#news?.stop()
    this.#news = null
    this.#session = null
  }

  #tellUnsent(unsent: string, text: string): void {
    this.#tell({ t: 'error', reason: 'unsent', text, unsent })
  }

  /** Asks the server which session it is, again and again while it cannot be had. */
  #find(visit: number, retryMs: number): void {
    clearTimeout(this.#retry)
    this.#fetchToken().then(
      (answer) => {
        if (this.#state.visit !== visit || this.#isWiped) return
        this.#fresh = answer.token
        this.#who = this.#meet(answer)
        this.#set({ session: answer.session })
      },
      (error: unknown) => {
        if (this.#state.visit !== visit || this.#state.refused !== null) return
        if (retryMs === FIRST_RETRY_MS) this.#tell({ t: 'error', reason: 'unavailable', text: String(error) })
        this.#retry = setTimeout(() => this.#find(visit, Math.min(2 * retryMs, LONGEST_RETRY_MS)), retryMs)
      },
    )
  }

  async #fetchToken(): Promise<TokenAnswer> {
    if (this.#hasUser) return await this.#exchange({ user: await this.#user.token() })
    // Two pages that are opened at once are one visitor's.
    const come = async (): Promise<TokenAnswer> => {
      const visitor = this.#kept.visitor?.visitor
      const answer = await this.#exchange(visitor === undefined ? {} : { visitor })
      // Who has signed out meanwhile, here or in another page, is not to be found here again.
      if (answer.visitor !== undefined && !this.#isWiped && this.#kept.visitor?.visitor === visitor)
        this.#kept.visitor = { visitor: answer.visitor, session: answer.session }
      return answer
    }
    let entered = false
    const enter = (): Promise<TokenAnswer> => {
      entered = true
      return come()
    }
    try {
      return await navigator.locks.request(`polylogue:widget:${this.#key}:${this.host}`, enter)
    } catch (error) {
      if (entered) throw error
      // A browser that gives frames no storage gives them no locks either.
      return await come()
    }
  }

  async #exchange(who: Pick<TokenRequest, 'visitor' | 'user'>): Promise<TokenAnswer> {
    if (this.#isWiped) throw new Error(SIGNED_OUT)
    const { visit } = this.#state
    const response = await fetch(WIDGET_PATHS.token, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key: this.#key, host: this.host, ...who } satisfies TokenRequest),
      signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
    })
    if (response.ok) return (await response.json()) as TokenAnswer
    if (response.status === 403) {
      const { error } = (await response.json()) as { error: WidgetRefusal }
      if (visit === this.#state.visit && !this.#isWiped) {
        this.#outbox.giveBack('The chat was refused.')
        this.#letGo()
        this.#set({ refused: error })
        this.#tell({ t: 'refused', reason: error })
      }
    }
    throw new Error(`No token: the server answered ${response.status}.`)
  }

  #setUnread(count: number): void {
    if (count === this.#unread) return
    this.#unread = count
    this.#tell({ t: 'unread', count })
  }

  /** What is here goes first, whether the server can be reached or not. */
  async #wipe(): Promise<void> {
    const session = this.#session
    const visitor = this.#kept.visitor
    const sessions = this.#kept.sessions
    clearTimeout(this.#retry)
    this.#outbox.giveBack(SIGNED_OUT)
    this.#isWiped = true
    this.#kept.clear()
    this.#letGo()
    if (visitor !== null) this.#forgetVisitor(visitor.visitor)
    await session?.wipe().catch(() => {})
    await Promise.allSettled([...this.#shown].map((each) => each.close()))
    this.#shown.clear()
    this.#tell({ t: 'wiped', all: await removeFromDevice(this.url, sessions) })
  }

  /** Has the server forget a visitor: what was kept of it, wherever it was copied to, is worth nothing then. */
  #forgetVisitor(visitor: string): void {
    const body = JSON.stringify({ key: this.#key, host: this.host, visitor } satisfies TokenRequest)
    // It may outlive the frame.
    const asking = fetch(WIDGET_PATHS.token, {
      method: 'DELETE',
      headers: { 'content-type': 'application/json' },
      body,
      keepalive: true,
    })
    asking.catch(() => {})
  }

  #set(change: Partial<WidgetState>): void {
    this.#state = { ...this.#state, ...change }
    for (const listener of this.#listeners) listener()
  }

  #tell(message: FrameMessage): void {
    window.parent.postMessage({ polylogue: WIDGET_VERSION, ...message }, this.host)
  }
}
