/** Whose turn it is to be told: sessions one after the other, and no session more than a few times at once. */
import type { Notice } from './store.ts'

/** Notices of one session that are told at the same time: an endpoint that lets the server wait makes its own session wait. */
const MAX_PER_SESSION = 4
/** Notices that wait for one push service; one more is given up. */
const MAX_PARKED = 10_000

export class PushTurns {
  /** What is due, by session; the session whose turn is next is first. */
  readonly #due = new Map<string, Notice[]>()
  /** How many are being told, by session. */
  readonly #telling = new Map<string, number>()
  /** What waits for its push service, by site; the site whose turn is next is first. */
  readonly #parked = new Map<string, Notice[]>()

  add(notice: Notice): void {
    const due = this.#due.get(notice.session)
    if (due === undefined) this.#due.set(notice.session, [notice])
    else due.push(notice)
  }

  /** The next one, to be given to `done` when it was told; undefined: none may be told now. */
  next(): Notice | undefined {
    for (const [session, due] of this.#due) {
      if ((this.#telling.get(session) ?? 0) >= MAX_PER_SESSION) continue
      const notice = due.shift()
      this.#due.delete(session)
      if (due.length > 0) this.#due.set(session, due)
      this.#telling.set(session, (this.#telling.get(session) ?? 0) + 1)
      return notice
    }
    return undefined
  }

  done({ session }: Notice): void {
    const left = (this.#telling.get(session) ?? 0) - 1
    if (left > 0) this.#telling.set(session, left)
    else this.#telling.delete(session)
  }

  /** Has a notice wait until a site has room. False: too many do. */
  park(notice: Notice, site: string): boolean {
    const parked = this.#parked.get(site) ?? []
    if (parked.length >= MAX_PARKED) return false
    parked.push(notice)
    this.#parked.set(site, parked)
    return true
  }

  /** What waited is due again where there is room for it. */
  unpark(roomOf: (site: string) => number): void {
    for (const [site, parked] of [...this.#parked]) {
      for (const notice of parked.splice(0, roomOf(site))) this.add(notice)
      this.#parked.delete(site)
      // Behind the others.
      if (parked.length > 0) this.#parked.set(site, parked)
    }
  }
}
