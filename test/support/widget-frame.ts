/** The frame of a widget without a browser: its storage, its server, and the page around it, which says and hears what a loader does. */
import {
  IDBCursor,
  IDBDatabase,
  IDBFactory,
  IDBIndex,
  IDBKeyRange,
  IDBObjectStore,
  IDBRequest,
  IDBTransaction,
} from 'fake-indexeddb'
import { onTestFinished, vi } from 'vitest'
import { openSession, textOf, type OpenSession } from '../../client/index.ts'
import { connectWidget, type Widget } from '../../client/widget.ts'
import type { FrameMessage, HostMessage } from '../../shared/widget.ts'
import { until } from './wait.ts'

export const HOST = 'https://shop.example'
export const KEY = 'pk_first_key'

const REAL_FETCH = globalThis.fetch

/** What the frames of one browser keep. */
export class Disk {
  readonly items: Map<string, string> = new Map()
  readonly databases: IDBFactory = new IDBFactory()

  /** Everything on it, as one text. */
  async dump(): Promise<string> {
    const names = (await this.databases.databases()).map(({ name }) => name)
    return JSON.stringify([...this.items, ...names])
  }
}

interface FrameOptions {
  readonly port: number
  readonly disk?: Disk
  /** The token of the signed-in user; absent: nobody is. */
  readonly user?: () => string | Promise<string>
  /** What stands in the way of the server, before each request for a token; it may throw. */
  readonly before?: (method: string) => void | Promise<void>
  readonly init?: Partial<Extract<HostMessage, { t: 'init' }>>
  /** The page opens the session that the state names; default true. */
  readonly opens?: boolean
}

/** One frame, and the page in it. One at a time in a process. */
export class FrameHere {
  readonly heard: FrameMessage[] = []
  /** Sessions that the page has opened, oldest first. */
  readonly opened: OpenSession[] = []
  widget!: Widget
  user: (() => string | Promise<string>) | null
  readonly disk: Disk
  readonly #options: FrameOptions
  readonly #events = new EventTarget()
  readonly #parent = {
    postMessage: (message: FrameMessage, target: string): void => {
      if (target !== HOST) throw new Error(`The frame speaks to ${target}.`)
      this.heard.push(structuredClone(message))
      // Messages between windows come later.
      if (message.t === 'hello') queueMicrotask(() => this.#init())
      if (message.t === 'user') void this.#giveUser(message.n)
    },
  }

  #isGone = false

  private constructor(options: FrameOptions) {
    this.#options = options
    this.user = options.user ?? null
    this.disk = options.disk ?? new Disk()
  }

  static async load(options: FrameOptions): Promise<FrameHere> {
    const frame = new FrameHere(options)
    frame.#enter()
    onTestFinished(async () => {
      await Promise.all(frame.opened.map((session) => session.close()))
      frame.#isGone = true
      vi.unstubAllGlobals()
    })
    frame.widget = await connectWidget()
    if (options.opens !== false) frame.open()
    return frame
  }

  /** Sessions as their texts; of the one that the page has open now. */
  get texts(): string[] {
    return this.session.view.messages.map(textOf)
  }

  get session(): OpenSession {
    return this.opened.at(-1) as OpenSession
  }

  /** What came back because it could not be sent. */
  get unsent(): unknown[] {
    return this.heard.flatMap((it) => (it.t === 'error' && it.reason === 'unsent' ? [it.unsent] : []))
  }

  tell(message: HostMessage): void {
    const event = { source: this.#parent, origin: HOST, data: { polylogue: 1, ...message } }
    this.#events.dispatchEvent(Object.assign(new Event('message'), event))
  }

  /** An event of the window, such as `storage`. */
  fire(type: string, fields: object = {}): void {
    this.#events.dispatchEvent(Object.assign(new Event(type), fields))
  }

  /** Somebody else signs in, or out. */
  identify(user: (() => string | Promise<string>) | null): void {
    this.user = user
    this.tell({ t: 'identify', hasUser: user !== null })
  }

  async live(): Promise<OpenSession> {
    await until(() => this.session?.status.connection === 'live', { what: 'the session of the frame to be live' })
    return this.session
  }

  /** Resolves to whether all is gone. */
  async wiped(): Promise<boolean> {
    this.tell({ t: 'wipe' })
    return (await this.hears('wiped')).all
  }

  async hears<T extends FrameMessage['t']>(t: T): Promise<Extract<FrameMessage, { t: T }>> {
    return await until(() => this.heard.find((it): it is Extract<FrameMessage, { t: T }> => it.t === t), {
      what: `the frame to say ${t}`,
    })
  }

  #init(): void {
    this.tell({ t: 'init', looks: LOOKS, shown: true, hasUser: this.user !== null, ...this.#options.init })
  }

  async #giveUser(n: number): Promise<void> {
    const token = (await this.user?.()) ?? null
    // With the test its window has ended: what comes later finds nobody.
    if (!this.#isGone) this.tell({ t: 'user', n, token })
  }

  /** As a page in React does: one session at a time, another one for each visit. */
  open(): void {
    const { widget } = this
    let now = ''
    let leave = (): void => {}
    const look = (): void => {
      const { session: id, visit, refused } = widget.state
      const next = id === null || refused !== null ? '' : `${visit} ${id}`
      if (next === now) return
      now = next
      leave()
      leave = () => {}
      if (id === null || next === '') return
      const session = openSession({ url: widget.url, id, token: () => widget.token(), onError: () => {} })
      this.opened.push(session)
      const untrack = widget.track(session)
      leave = () => {
        untrack()
        void session.close()
      }
    }
    widget.subscribe(look)
    look()
  }

  #enter(): void {
    const { port, before } = this.#options
    const { items } = this.disk
    const origin = `http://127.0.0.1:${port}`
    const target = {
      addEventListener: this.#events.addEventListener.bind(this.#events),
      removeEventListener: this.#events.removeEventListener.bind(this.#events),
    }
    const localStorage = new Proxy(
      {
        getItem: (key: string): string | null => items.get(key) ?? null,
        setItem: (key: string, value: string): void => void items.set(key, value),
        removeItem: (key: string): void => void items.delete(key),
      },
      {
        ownKeys: () => [...items.keys()],
        getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
      },
    )
    const fetchHere = async (path: string, init: RequestInit): Promise<Response> => {
      await before?.(init.method ?? 'GET')
      const headers = new Headers(init.headers)
      headers.set('sec-fetch-site', 'same-origin')
      return await REAL_FETCH(origin + path, { ...init, headers })
    }
    const database = { IDBKeyRange, IDBTransaction, IDBDatabase, IDBObjectStore, IDBIndex, IDBCursor, IDBRequest }
    const globals = {
      ...database,
      ...target,
      indexedDB: this.disk.databases,
      localStorage,
      location: { origin, search: `?key=${KEY}&host=${encodeURIComponent(HOST)}` },
      document: { ...target, visibilityState: 'visible' },
      window: { ...target, localStorage, parent: this.#parent },
      fetch: fetchHere,
    }
    for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value)
  }
}

const LOOKS = { title: 'Chat', locale: 'en', theme: 'auto' } as const
