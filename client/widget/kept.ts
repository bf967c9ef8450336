/**
 * What the page in the frame keeps of a visitor on the device, by key and by the origin of the page around it. In the memory of
 * the page alone where the browser gives a frame no storage: the conversation then lasts as long as that page.
 */

/** Somebody who is not signed in. */
export interface KeptVisitor {
  /** Shows the server who it is; a secret. */
  readonly visitor: string
  readonly session: string
}

export class Kept {
  readonly #name: string
  readonly #memory = new Map<string, string>()

  constructor(key: string, host: string) {
    this.#name = `polylogue:widget:${JSON.stringify([key, host])}`
  }

  get visitor(): KeptVisitor | null {
    try {
      const { visitor, session } = JSON.parse(this.#get('') ?? 'null') as Partial<Record<string, unknown>>
      return typeof visitor === 'string' && typeof session === 'string' ? { visitor, session } : null
    } catch {
      return null
    }
  }

  set visitor(visitor: KeptVisitor) {
    this.#set('', JSON.stringify(visitor))
  }

  /** Sessions that were shown on this device, those of signed-in users too. */
  get sessions(): ReadonlySet<string> {
    const prefix = `${this.#name}:`
    const names = [...this.#memory.keys(), ...Object.keys(storageHere() ?? {})]
    const shown = names.flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []))
    return new Set([...shown, ...(this.visitor === null ? [] : [this.visitor.session])])
  }

  /** Notes that a session is shown: signing out is to remove it. */
  note(session: string): void {
    if (this.#get(`:${session}`) === null) this.#set(`:${session}`, '')
  }

  /** Place in the order of the last message of a session that was seen; null: none ever was. */
  seen(session: string): number | null {
    const text = this.#get(`:${session}`)
    return text === null || text === '' ? null : Number(text)
  }

  setSeen(session: string, seq: number): void {
    this.#set(`:${session}`, String(seq))
  }

  /** Forgets all of it. */
  clear(): void {
    this.#memory.clear()
    const storage = storageHere()
    for (const name of Object.keys(storage ?? {})) if (name.startsWith(this.#name)) storage?.removeItem(name)
  }

  /** Calls back when another page of this browser has another visitor, or none. */
  onVisitor(listener: () => void): void {
    addEventListener('storage', ({ key, oldValue, newValue }) => {
      if (key === null || (key === this.#name && sessionIn(oldValue) !== sessionIn(newValue))) listener()
    })
  }

  #get(suffix: string): string | null {
    const name = this.#name + suffix
    return this.#memory.get(name) ?? storageHere()?.getItem(name) ?? null
  }

  #set(suffix: string, value: string): void {
    const name = this.#name + suffix
    try {
      const storage = storageHere()
      if (storage === null) this.#memory.set(name, value)
      else storage.setItem(name, value)
    } catch {
      this.#memory.set(name, value)
    }
  }
}

function sessionIn(text: string | null): unknown {
  try {
    return (JSON.parse(text ?? 'null') as { session?: unknown } | null)?.session
  } catch {
    return undefined
  }
}

/** Null where the browser does not give it to frames of other origins. */
function storageHere(): Storage | null {
  try {
    return localStorage
  } catch {
    return null
  }
}
