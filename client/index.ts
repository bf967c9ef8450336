/** The client: open a session, read its view, write, cancel. */
export { openSession } from './open.ts'
export type { OpenOptions, OpenSession } from './open-session.ts'
export type { CancelTarget, Delivery, SendOptions, Session, SessionStatus } from './session.ts'
export type { ConnectionState } from './connection.ts'
export type { ClientTool } from './client-tools.ts'
export type { RefusedWrites } from './quarantine.ts'
export type { MissingFields, MissingMessage } from './missing.ts'
export type { SharedObject } from './objects.ts'
export type { Presence, PresentParticipant } from './presence.ts'
export { SessionError, type CloseReason, type ErrorCode, type Report } from '../shared/errors.ts'
export {
  textOf,
  type Lane,
  type CallState,
  type Message,
  type MessageMetadata,
  type MessagePart,
  type TextPart,
  type ToolPart,
} from '../shared/message.ts'
export type { Reference } from '../shared/reference.ts'
export type { Run, Step } from '../shared/entries.ts'
export { hasEnded, type RunStatus, type StepStatus } from '../shared/run.ts'
export type { Holder, Pause } from '../shared/control.ts'
export type { InputVerdict, RunVerdict } from '../shared/verdict.ts'
export type { Participant, ParticipantKind } from '../shared/participant.ts'
export type { SessionView, Siblings, Topic } from '../shared/view.ts'
