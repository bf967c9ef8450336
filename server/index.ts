/** The server: sessions kept in a log, tokens checked, jobs given to workers. */
export { serve, type RunningServer, type ServeOptions } from './serve.ts'
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
