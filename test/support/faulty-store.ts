/** A store that fails when a test says so, around one that does not. */
import type { Batch, Store, StoredSession } from '../../server/index.ts'

export class FaultyStore {
  /** What every `append` rejects with; null: it succeeds. */
  appendError: Error | null = null
  /** How many of the next `read`s reject. */
  failingReads = 0
  /** How many of the next `claim`s reject. */
  failingClaims = 0
  /** Calls of `append` that were rejected. */
  failedAppends = 0
  readonly store: Store

  constructor(inner: Store) {
    const overrides: Partial<Store> = {
      append: async (batch: Batch) => {
        if (this.appendError !== null) {
          this.failedAppends += 1
          throw this.appendError
        }
        await inner.append(batch)
      },
      read: async (session: string): Promise<StoredSession> => {
        if (this.failingReads > 0) {
          this.failingReads -= 1
          throw new Error('The disk does not answer.')
        }
        return await inner.read(session)
      },
      claim: async (run: string, worker: string, leaseMs: number) => {
        if (this.failingClaims > 0) {
          this.failingClaims -= 1
          throw new Error('database is locked')
        }
        return await inner.claim(run, worker, leaseMs)
      },
    }
    this.store = new Proxy(inner, {
      get(target, name) {
        const own = overrides[name as keyof Store]
        if (own !== undefined) return own
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}
