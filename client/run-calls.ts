/**
 * What a run waits for: tools in the browser of whoever asked, and approvals. Each is a part of the reply that says so; the
 * answer comes into that part by the server's hand (`shared/calls.ts`).
 *
 * What the handler itself asks is asked once: a later attempt that asks the same finds what the first one has asked, and what
 * was answered meanwhile. Within a stream or a durable step it is a part of what is done again as a whole, and so asked again.
 */
import type * as Y from 'yjs'
import { readAnswer, type Answer, type Waits } from '../shared/calls.ts'
import { SessionError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { keptJson } from '../shared/json.ts'
import { asRecord, KEY } from '../shared/layout.ts'
import type { Message } from '../shared/message.ts'
import type { LivePart, MessageWriter } from '../shared/part-writer.ts'
import { readReference } from '../shared/reference.ts'
import { UIStreamFold, type UIStreamChunk } from '../shared/ui-stream.ts'
import type { Blobs } from './blobs.ts'
import type { EarlierCalls } from './earlier-calls.ts'

/** What is to be approved. */
export interface ApprovalRequest {
  readonly title: string
  readonly detail?: string
  /** Longest time to wait, in milliseconds; then it counts as denied. Default: as long as the run lasts. */
  readonly expiresInMs?: number
  /** What else the app shows of it, or the server's policy asks for. JSON. */
  readonly data?: Readonly<Record<string, unknown>>
}

/** What `run.stream` takes: the result of the AI SDK's `streamText`, or its stream. */
export type ModelStream =
  | { toUIMessageStream(): AsyncIterable<UIStreamChunk> | ReadableStream<UIStreamChunk> }
  | AsyncIterable<UIStreamChunk>
  | ReadableStream<UIStreamChunk>

export interface StreamOptions {
  /** Longest time to wait for each client's tool or approval, in milliseconds. Default: as long as the run lasts. */
  readonly expiresInMs?: number
}

/** What of its run this works with. */
export interface CallingRun {
  readonly over: boolean
  /** A human holds the session: nothing can be asked before it is handed back. */
  readonly held: boolean
  /** What is written now stands: nothing is under way that a later attempt would do again as a whole. */
  readonly stands: boolean
  /** What an earlier attempt has asked once. */
  readonly earlier: EarlierCalls
  /** The reply's writer; what `run.write` wrote last is a part of its own from here on. */
  reply(): MessageWriter
  wait<T>(title: string, work: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** Resolves when no human holds the session; rejects when the run is over. */
  untilReturned(): Promise<void>
  /** The conversation and what is written of the reply. */
  conversation(): readonly Message[]
  /** Writes a stream into the reply; throws what the stream throws. */
  fold(stream: AsyncIterable<UIStreamChunk>, fold: UIStreamFold): Promise<void>
  /** The fold is closed with the run, until it is let go. */
  keep(fold: UIStreamFold): () => void
}

export class RunCalls {
  readonly #run: CallingRun
  readonly #blobs: Blobs
  /** Parts that wait, each with what it is about; they are closed when the run ends first. */
  readonly #open = new Map<LivePart, unknown>()

  constructor(run: CallingRun, blobs: Blobs) {
    this.#run = run
    this.#blobs = blobs
  }

  async client(name: string, input: unknown, expiresInMs: number | undefined): Promise<unknown> {
    if (this.#run.held) await this.#run.untilReturned()
    const writer = this.#writer()
    const given = keptJson(input)
    const part = this.#asked(writer, `tool-${name}`, given, () => {
      const made = writer.open({ type: `tool-${name}`, toolCallId: newId() })
      writer.set(made, 'input', given)
      writer.set(made, 'state', 'input-available')
      writer.set(made, 'waits', this.#waits('client', expiresInMs))
      return made
    })
    const answer = await this.#answer(part, given, `Waiting for ${name}`)
    if (answer.output === undefined) throw new Error(answer.errorText ?? 'The client gave no output.')
    return readReference(answer.output) === undefined ? answer.output : await this.#blobs.fetch(answer.output)
  }

  async approval({ title, detail, expiresInMs, data }: ApprovalRequest): Promise<boolean> {
    if (this.#run.held) await this.#run.untilReturned()
    const writer = this.#writer()
    const shown = keptJson({ ...data, title, detail }) as Record<string, unknown>
    const part = this.#asked(writer, 'data-approval', shown, () => {
      const made = writer.open({ type: 'data-approval', id: newId() })
      writer.set(made, 'more', { data: shown })
      writer.set(made, 'waits', this.#waits('approval', expiresInMs))
      return made
    })
    const answer = await this.#answer(part, shown, title)
    return answer.approved === true
  }

  async stream(
    call: (messages: readonly Message[]) => ModelStream | Promise<ModelStream>,
    { expiresInMs }: StreamOptions,
  ): Promise<void> {
    const writer = this.#writer()
    writer.anew()
    const fold = new UIStreamFold(writer)
    const release = this.#run.keep(fold)
    for (;;) {
      await this.#run.untilReturned()
      const made = await call(this.#run.conversation())
      const stream = 'toUIMessageStream' in made ? made.toUIMessageStream() : made
      await this.#run.fold(stream as AsyncIterable<UIStreamChunk>, fold)
      const open = this.#run.over || fold.end.aborted === true ? [] : fold.waiting()
      if (open.length === 0) break
      for (const { part, waits } of open) writer.set(part, 'waits', waitsFor(waits, expiresInMs))
      const names = [...new Set(open.map(({ name }) => name))].join(', ')
      await this.#run.wait(`Waiting for ${names}`, (signal) =>
        Promise.all(open.map(async ({ part }) => fold.answered(part, await answerOf(part, signal)))),
      )
    }
    fold.close('The stream ended before the tool had a result.')
    release()
  }

  #writer(): MessageWriter {
    if (this.#run.over) throw new SessionError('closed', 'The run is over: nobody can be asked any more.')
    return this.#run.reply()
  }

  /** The part that an earlier attempt has asked the same with, or one that `ask` makes. */
  #asked(writer: MessageWriter, type: string, about: unknown, ask: () => LivePart): LivePart {
    const found = this.#run.earlier.take(type, about)
    if (found === undefined) {
      writer.anew()
      return ask()
    }
    writer.pass(found.parts)
    return found.part
  }

  #waits(kind: Waits['for'], expiresInMs: number | undefined): Waits {
    return { ...waitsFor(kind, expiresInMs), ...(this.#run.stands ? { once: true } : {}) }
  }

  /** The run ends: nothing waits any more. Written with the run's end. */
  close(errorText: string): void {
    const open = [...this.#open, ...this.#run.earlier.rest()]
    this.#open.clear()
    if (open.length === 0) return
    const writer = this.#run.reply()
    for (const [part, about] of open) {
      if (part.head['type'] === 'data-approval') {
        writer.set(part, 'more', { data: { ...asRecord(about), state: 'cancelled' } })
      } else {
        writer.set(part, 'errorText', errorText)
        writer.set(part, 'state', 'output-error')
      }
    }
  }

  async #answer(part: LivePart, about: unknown, title: string): Promise<Answer> {
    this.#open.set(part, about)
    const answer = await this.#run.wait(title, (signal) => answerOf(part, signal))
    this.#open.delete(part)
    return answer
  }
}

function waitsFor(kind: Waits['for'], expiresInMs: number | undefined): Waits {
  return { for: kind, ...(expiresInMs === undefined ? {} : { expiresInMs }) }
}

/** The answer to a part that has been written, once it is there; never, when the signal fires before. */
function answerOf(part: LivePart, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve) => {
    const map = part.map as Y.Map<unknown>
    const stop = (): void => {
      map.unobserve(look)
      signal.removeEventListener('abort', stop)
    }
    const look = (): void => {
      const answer = readAnswer(map.get(KEY.answer))
      if (answer === undefined) return
      stop()
      resolve(answer)
    }
    map.observe(look)
    signal.addEventListener('abort', stop, { once: true })
    look()
  })
}
