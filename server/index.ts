/** The server: sessions kept in a log, tokens checked, jobs given to workers. */
import type { RunningServer, ServeOptions } from './serve.ts'

export type { RunningServer, ServeOptions }

/**
 * Starts a server. Rejects when the port is taken or the store cannot be read. What it needs is loaded with the first call: who
 * only mints tokens does not pay for it.
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { serve: start } = await import('./serve.ts')
  return await start(options)
}

export { memoryStore } from './store-memory.ts'
export { sqliteStore, type SqliteStoreOptions } from './store-sqlite.ts'
export type { RevokeTarget } from './grants.ts'
export { LIMITS, type Limits, type Rate } from '../shared/limits.ts'
export { mintToken, type AccessOptions, type TokenClaims } from './access.ts'
export type { ApprovalAnswer, MayApprove } from './calls.ts'
export type { CancelRequest, MayCancel } from './cancels.ts'
export type { PushOptions } from './push.ts'
export type { VapidKeys } from './push-keys.ts'
export type { NoticeKind } from '../shared/notice.ts'
export type { WakeTarget, WakeTargets } from './wake.ts'
export type { WidgetOptions } from './widget.ts'
export type { WidgetKey } from './widget-keys.ts'
export type { Route, RoutedInput } from './clerk.ts'
export {
  DamagedSession,
  type Batch,
  type Hold,
  type Job,
  type LogEntry,
  type NewJob,
  type Notice,
  type Store,
  type StoredBlob,
  type StoredSession,
  type Subscriber,
} from './store.ts'
