/**
 * Which loaded sessions stay in memory although nobody uses them any more. Most come back at once: a page that is loaded anew, a
 * phone that changes its network, a worker that gives a run to the next one. To read a session again costs as much as it is
 * large, and what was read before is garbage; whoever opens and closes one in turns would have the server do nothing else.
 *
 * The time is short, and what stays is bounded in number and in bytes: of more, the one goes that has been idle for longest.
 */
import type { Limits } from '../shared/limits.ts'

interface Idle {
  readonly bytes: number
  readonly timer: NodeJS.Timeout
}

export type LingerLimits = Pick<Limits, 'idleSessionMs' | 'idleSessions' | 'idleSessionBytes'>

export class Lingering {
  readonly #limits: LingerLimits
  readonly #unload: (session: string) => void
  /** Those that stay, the longest idle first. */
  readonly #idle = new Map<string, Idle>()
  /** Those whose time is over and that are not unloaded yet. */
  readonly #due = new Set<string>()
  #bytes = 0

  /** @param unload asks again whether a session stays, which it does not, and unloads it. */
  constructor(limits: LingerLimits, unload: (session: string) => void) {
    this.#limits = limits
    this.#unload = unload
  }

  /** Whether a session of so many bytes that nobody uses stays in memory. Its time runs from the first time that this is asked. */
  stays(session: string, bytes: number): boolean {
    if (this.#due.has(session)) return false
    if (this.#idle.has(session)) return true
    const { idleSessionMs, idleSessions, idleSessionBytes } = this.#limits
    // One of no bytes was never written: it is made again in no time.
    if (bytes === 0 || bytes > idleSessionBytes || idleSessions === 0 || idleSessionMs === 0) return false
    const timer = setTimeout(() => this.#end(session), idleSessionMs).unref()
    this.#idle.set(session, { bytes, timer })
    this.#bytes += bytes
    for (const oldest of this.#idle.keys()) {
      if (this.#idle.size <= idleSessions && this.#bytes <= idleSessionBytes) break
      this.#end(oldest)
    }
    return true
  }

  /** Somebody uses the session again, or it is gone: what was known of it is over. */
  forget(session: string): void {
    this.#due.delete(session)
    const idle = this.#idle.get(session)
    if (idle === undefined) return
    clearTimeout(idle.timer)
    this.#bytes -= idle.bytes
    this.#idle.delete(session)
  }

  /** Unloads a session now, if it has only stayed. */
  evict(session: string): void {
    if (this.#idle.has(session)) this.#end(session)
  }

  /** Forgets all, and unloads none. */
  clear(): void {
    for (const session of [...this.#idle.keys()]) this.forget(session)
  }

  #end(session: string): void {
    this.forget(session)
    this.#due.add(session)
    this.#unload(session)
  }
}
