/**
 * Reads messages and runs out of the document into plain values. Pure; `view.ts` decides when to read again.
 * What another peer wrote is untrusted: anything that is not of the expected form is left out, never thrown on.
 */
import * as Y from 'yjs'
import type { AnotherRun } from './branches.ts'
import { readWaits, withAnswer, withoutCall } from './calls.ts'
import { cancelOf, type Asked, type CancelFlag } from './control.ts'
import { arrayAt, askKey, asRecord, KEY, recordAt, stringAt } from './layout.ts'
import {
  TOOL_STATES,
  type Message,
  type MessageHead,
  type MessageMetadata,
  type MessagePart,
  type MessageStamp,
  type OtherPart,
  type ToolState,
} from './message.ts'
import { PARTICIPANT_KINDS, type ParticipantKind } from './participant.ts'
import { isRunStatus, type RunStatus, type StepStatus } from './run.ts'
import { readRunVerdict, type InputVerdict, type RunVerdict } from './verdict.ts'

/** One step of a run, as the view shows it. */
export interface Step {
  readonly title: string
  readonly status: StepStatus
  readonly detail?: string
  /** 0 to 1, where the step says. */
  readonly progress?: number
}

/** One activity of an agent, as the view shows it. Immutable. */
export interface Run {
  readonly id: string
  readonly agent: string
  /** Id of the message that asked for it. */
  readonly input: string
  readonly parent?: string
  /** Id of the run whose answer somebody wanted another one to. */
  readonly again?: string
  /** Somebody has asked for another answer, and the server has not been heard since. */
  readonly asked?: true
  /** How many workers have begun it: 1 until one was lost and the run given to another. */
  readonly attempt: number
  readonly title?: string
  readonly status: RunStatus
  /** What it waits for while `suspended`. */
  readonly waiting?: string
  readonly error?: { readonly code: string; readonly message: string }
  readonly usage?: Readonly<Record<string, unknown>>
  readonly steps: readonly Step[]
  /** Somebody has asked to end it. */
  readonly cancel?: CancelFlag
  /** The server's policy refused what somebody asked of it. */
  readonly verdict?: RunVerdict
  /** Epoch milliseconds by the server's clock, when it was asked for. */
  readonly at: number
}

export function readMessageHead(map: Y.Map<unknown>): MessageHead | undefined {
  const head = recordAt(map, KEY.head)
  if (head === undefined || typeof head['id'] !== 'string' || head['id'] === '') return undefined
  const { role, kind } = head
  if (role !== 'user' && role !== 'assistant' && role !== 'system') return undefined
  if (!(PARTICIPANT_KINDS as readonly unknown[]).includes(kind)) return undefined
  if (typeof head['by'] !== 'string' || typeof head['at'] !== 'number') return undefined
  if (head['to'] !== undefined && !(Array.isArray(head['to']) && head['to'].every((name) => typeof name === 'string')))
    return undefined
  return head as unknown as MessageHead
}

export function readStamp(map: Y.Map<unknown>): MessageStamp | undefined {
  const stamp = recordAt(map, KEY.stamp)
  if (stamp === undefined || typeof stamp['at'] !== 'number' || typeof stamp['by'] !== 'string') return undefined
  return Number.isSafeInteger(stamp['seq']) ? (stamp as unknown as MessageStamp) : undefined
}

/** What is known of a message besides what its author wrote. */
export interface MessageState {
  readonly stamp?: MessageStamp | undefined
  readonly verdict?: InputVerdict | undefined
  readonly asked?: Asked | undefined
}

export function messageValue(head: MessageHead, { stamp, verdict, asked }: MessageState, parts: readonly MessagePart[]): Message {
  const metadata: MessageMetadata = {
    by: stamp?.by ?? head.by,
    kind: head.kind as ParticipantKind,
    at: stamp?.at ?? head.at,
    ...(stamp === undefined ? {} : { seq: stamp.seq }),
    ...(typeof head.parent === 'string' ? { parent: head.parent } : {}),
    ...(typeof head.edits === 'string' ? { edits: head.edits } : {}),
    ...(typeof head.run === 'string' ? { run: head.run } : {}),
    ...(head.to === undefined ? {} : { to: head.to }),
    ...(head.lane === 'queue' || head.lane === 'steer' || head.lane === 'interrupt' ? { lane: head.lane } : {}),
    ...(verdict === undefined ? {} : { verdict }),
    ...(asked === undefined ? {} : { asked }),
  }
  return { id: head.id, role: head.role, metadata, parts }
}

/** A part that was written whole, or undefined when it is none. */
export function readWholePart(value: unknown): OtherPart | undefined {
  const part = asRecord(value)
  if (part === undefined || typeof part['type'] !== 'string') return undefined
  const isText = part['type'] === 'text' || part['type'] === 'reasoning'
  return isText && typeof part['text'] !== 'string' ? undefined : withoutCall(part as OtherPart)
}

/** The text of a message that was written whole. */
export function wholeTextOf(map: Y.Map<unknown>): string {
  let text = ''
  for (const entry of arrayAt(map, KEY.parts)?.toArray() ?? []) {
    const part = readWholePart(entry)
    if (part?.type === 'text' && typeof part['text'] === 'string') text += part['text']
  }
  return text
}

/** Joins the segments of a streamed text. */
export function readText(part: Y.Map<unknown>): string {
  let text = ''
  for (const segment of arrayAt(part, KEY.text)?.toArray() ?? []) if (isSegment(segment)) text += segment.toString()
  return text
}

/** XML text is no segment, though it extends `Y.Text`: it reads as markup. */
export function isSegment(value: unknown): value is Y.Text {
  return value instanceof Y.Text && !(value instanceof Y.XmlText)
}

/** A part that is written bit by bit. `text` is its streamed text, which the caller keeps. */
export function readLivePart(part: Y.Map<unknown>, text: string): MessagePart | undefined {
  const written = readWrittenPart(part, text)
  const waits = readWaits(part.get(KEY.waits))
  if (written === undefined) return undefined
  return waits === undefined ? withoutCall(written) : withAnswer(written, part, waits)
}

/** As its author wrote it. */
function readWrittenPart(part: Y.Map<unknown>, text: string): MessagePart | undefined {
  const head = recordAt(part, KEY.head)
  const type = head?.['type']
  if (head === undefined || typeof type !== 'string') return undefined
  const state = stringAt(part, KEY.state)
  const more = recordAt(part, KEY.more)
  if (type === 'text' || type === 'reasoning') {
    return { ...head, ...more, type, text, state: state === 'done' ? 'done' : 'streaming' }
  }
  if (type !== 'dynamic-tool' && !type.startsWith('tool-')) return { ...head, ...more, type } as OtherPart
  if (typeof head['toolCallId'] !== 'string') return undefined
  const input = valueAt(part, KEY.input)
  const output = valueAt(part, KEY.output)
  const errorText = stringAt(part, KEY.errorText)
  return {
    ...head,
    ...more,
    type,
    state: isToolState(state) ? state : 'input-streaming',
    input,
    // An input that never became whole stays what it was, as text.
    ...(text === '' ? {} : state === 'output-error' ? { input: text } : { rawInput: text }),
    ...(output === undefined ? {} : { output }),
    // Of a call that has failed and was then answered after all, the error is no more.
    ...(errorText === undefined || state !== 'output-error' ? {} : { errorText }),
  } as MessagePart
}

function isToolState(value: unknown): value is ToolState {
  return (TOOL_STATES as readonly unknown[]).includes(value)
}

/** A plain value; undefined where another peer has put a type. */
function valueAt(map: Y.Map<unknown>, key: string): unknown {
  const value = map.get(key)
  return value instanceof Y.AbstractType || value instanceof Y.Doc ? undefined : value
}

/** @param control where it stands what was asked of the run; absent: that is not wanted. */
export function readRun(map: Y.Map<unknown>, control?: Y.Map<unknown>): Run | undefined {
  const head = recordAt(map, KEY.head)
  if (head === undefined) return undefined
  const { id, agent, input, parent, again, attempt, title, at } = head
  if (typeof id !== 'string' || typeof agent !== 'string' || typeof input !== 'string') return undefined
  const replaced = asRecord(again)?.['run']
  const status = map.get(KEY.status)
  const { code, message } = recordAt(map, KEY.error) ?? {}
  const usage = recordAt(map, KEY.usage)
  const waiting = stringAt(map, KEY.waiting)
  const flag = control === undefined ? undefined : cancelOf(control, id, input)
  const verdict = readRunVerdict(map.get(KEY.verdict))
  return {
    id,
    agent,
    input,
    ...(typeof parent === 'string' ? { parent } : {}),
    ...(typeof replaced === 'string' ? { again: replaced } : {}),
    ...(control?.has(askKey('regenerate', id)) === true ? { asked: true } : {}),
    attempt: attemptOf(map, attempt),
    ...(typeof title === 'string' ? { title } : {}),
    status: isRunStatus(status) ? status : 'pending',
    ...(waiting === undefined || status !== 'suspended' ? {} : { waiting }),
    ...(typeof code === 'string' && typeof message === 'string' ? { error: { code, message } } : {}),
    ...(usage === undefined ? {} : { usage }),
    steps: readSteps(map),
    ...(flag === undefined ? {} : { cancel: flag }),
    ...(verdict === undefined ? {} : { verdict }),
    at: typeof at === 'number' ? at : 0,
  }
}

/** What makes a run another answer, as the server wrote it; undefined for others. */
export function readAnother(map: Y.Map<unknown>): AnotherRun | undefined {
  const head = recordAt(map, KEY.head)
  return typeof asRecord(head?.['again'])?.['run'] === 'string' ? (head as unknown as AnotherRun) : undefined
}

/** The server counts on where the head began. */
function attemptOf(map: Y.Map<unknown>, first: unknown): number {
  const attempt = map.get(KEY.attempt) ?? first
  return typeof attempt === 'number' ? attempt : 1
}

function readSteps(map: Y.Map<unknown>): Step[] {
  const steps: Step[] = []
  for (const step of arrayAt(map, KEY.steps)?.toArray() ?? []) {
    if (!(step instanceof Y.Map)) continue
    const title = recordAt(step as Y.Map<unknown>, KEY.head)?.['title']
    if (typeof title !== 'string') continue
    const status = step.get(KEY.status)
    const detail = step.get(KEY.detail)
    const progress = step.get(KEY.progress)
    steps.push({
      title,
      status: isStepStatus(status) ? status : 'running',
      ...(typeof detail === 'string' ? { detail } : {}),
      ...(typeof progress === 'number' ? { progress } : {}),
    })
  }
  return steps
}

function isStepStatus(value: unknown): value is StepStatus {
  return value === 'running' || value === 'done' || value === 'failed' || value === 'cancelled' || value === 'interrupted'
}
