/** A browser, as far as a session knows one: its storage, its page events, several tabs. For tests in Node. */
import {
  IDBFactory,
  IDBKeyRange,
  IDBTransaction,
  IDBDatabase,
  IDBObjectStore,
  IDBIndex,
  IDBCursor,
  IDBRequest,
} from 'fake-indexeddb'
import { openDB } from 'idb'
import { onTestFinished, vi } from 'vitest'
import { openSession, type OpenSession } from '../../client/index.ts'
import { tokenFor } from './tokens.ts'

export interface Tab {
  readonly url: string
  /** Session; default `s`. */
  readonly id?: string
  /** Participant; default `ada`. */
  readonly as?: string
  readonly token?: () => Promise<string>
}

const REAL_CHANNEL = BroadcastChannel

/** Two devices of one participant would still share the process's `BroadcastChannel`: give each device its own participant. */
export class Device {
  readonly #page = new EventTarget()
  readonly #storage = new Map<string, string>()
  readonly #indexedDB: unknown
  #visibilityState = 'visible'
  #listeners = 0
  #channels = 0
  /** Tabs in the order in which they were opened, the one that is opening included. */
  readonly opened: OpenSession[] = []
  /** What its tabs have reported. */
  readonly reported: unknown[] = []

  /** @param storage false: there is an IndexedDB that opens no database, as in some private modes. */
  constructor({ storage = true }: { storage?: boolean } = {}) {
    const refuse = (): never => {
      throw new DOMException('Not here', 'SecurityError')
    }
    this.#indexedDB = storage ? new IDBFactory() : { open: refuse, deleteDatabase: refuse }
    onTestFinished(() => void vi.unstubAllGlobals())
  }

  /** Listeners on the page that are still there. */
  get listeners(): number {
    return this.#listeners
  }

  /** Channels between its tabs that are open. */
  get channels(): number {
    return this.#channels
  }

  /** Opens a tab; it is closed with the test. Resolves when it can be written to. One at a time, over all devices. */
  async open({ url, id = 's', as = 'ada', token = (): Promise<string> => tokenFor(as) }: Tab): Promise<OpenSession> {
    this.#enter()
    const session = openSession({ url, id, token, onError: (error) => this.reported.push(error) })
    this.opened.push(session)
    onTestFinished(() => session.close())
    await session.ready
    return session
  }

  /** How many updates its one database holds. */
  async rows(): Promise<number> {
    const factory = this.#indexedDB as IDBFactory
    const [database] = await factory.databases()
    const db = await openDB(database?.name ?? '')
    const count = await db.count('updates')
    db.close()
    return count
  }

  /** An event of the page, such as `online`, or `visibilitychange` with what is visible then. */
  fire(type: string, { visible = true, persisted = false }: { visible?: boolean; persisted?: boolean } = {}): void {
    this.#visibilityState = visible ? 'visible' : 'hidden'
    this.#page.dispatchEvent(Object.assign(new Event(type), { persisted }))
  }

  /** Takes the place of this process's storage and page. */
  #enter(): void {
    const target = {
      addEventListener: (type: string, listener: EventListener): void => {
        this.#listeners += 1
        this.#page.addEventListener(type, listener)
      },
      removeEventListener: (type: string, listener: EventListener): void => {
        this.#listeners -= 1
        this.#page.removeEventListener(type, listener)
      },
    }
    const storage = this.#storage
    const localStorage = {
      getItem: (key: string): string | null => storage.get(key) ?? null,
      setItem: (key: string, value: string): void => void storage.set(key, value),
      removeItem: (key: string): void => void storage.delete(key),
    }
    const visibility = (): string => this.#visibilityState
    const document = {
      ...target,
      get visibilityState(): string {
        return visibility()
      },
    }
    const count = (by: number): void => void (this.#channels += by)
    const Channel = class extends REAL_CHANNEL {
      constructor(name: string) {
        super(name)
        count(1)
      }
      override close(): void {
        super.close()
        count(-1)
      }
    }
    vi.stubGlobal('BroadcastChannel', Channel)
    const database = { IDBKeyRange, IDBTransaction, IDBDatabase, IDBObjectStore, IDBIndex, IDBCursor, IDBRequest }
    for (const [name, value] of Object.entries({ ...database, indexedDB: this.#indexedDB, document })) vi.stubGlobal(name, value)
    vi.stubGlobal('window', { ...target, localStorage })
  }
}
