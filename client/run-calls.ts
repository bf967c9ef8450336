/**
 * What a run waits for: tools in the browser of whoever asked, and approvals. Each is a part of the reply that says so; the
 * answer comes into that part by the server's hand (`shared/calls.ts`).
 */
import type * as Y from 'yjs'
import { readAnswer, type Answer, type Waits } from '../shared/calls.ts'
import { SessionError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { KEY } from '../shared/layout.ts'
import type { Message } from '../shared/message.ts'
import type { LivePart, MessageWriter } from '../shared/part-writer.ts'
import { readReference } from '../shared/reference.ts'
import { UIStreamFold, type UIStreamChunk } from '../shared/ui-stream.ts'
import { jsonOf } from './answers.ts'
import type { Blobs } from './blobs.ts'

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
  /** The reply's writer; what `run.write` wrote last is a part of its own from here on. */
  reply(): MessageWriter
  wait<T>(title: string, work: (signal: AbortSignal) => Promise<T>): Promise<T>
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
  /** Parts that wait, and how each is closed when the run ends first. */
  readonly #open = new Map<LivePart, (errorText: string) => void>()

  constructor(run: CallingRun, blobs: Blobs) {
    this.#run = run
    this.#blobs = blobs
  }

  async client(name: string, input: unknown, expiresInMs: number | undefined): Promise<unknown> {
    const writer = this.#writer()
    const part = writer.open({ type: `tool-${name}`, toolCallId: newId() })
    writer.set(part, 'input', jsonOf(input))
    writer.set(part, 'state', 'input-available')
    writer.set(part, 'waits', waitsFor('client', expiresInMs))
    const answer = await this.#answer(part, `Waiting for ${name}`, (errorText) => {
      writer.set(part, 'errorText', errorText)
      writer.set(part, 'state', 'output-error')
    })
    if (answer.output === undefined) throw new Error(answer.errorText ?? 'The client gave no output.')
    return readReference(answer.output) === undefined ? answer.output : await this.#blobs.fetch(answer.output)
  }

  async approval({ title, detail, expiresInMs, data }: ApprovalRequest): Promise<boolean> {
    const writer = this.#writer()
    const part = writer.open({ type: 'data-approval', id: newId() })
    const shown = jsonOf({ ...data, title, detail }) as Record<string, unknown>
    writer.set(part, 'more', { data: shown })
    writer.set(part, 'waits', waitsFor('approval', expiresInMs))
    const answer = await this.#answer(part, title, () => writer.set(part, 'more', { data: { ...shown, state: 'cancelled' } }))
    return answer.approved === true
  }

  async stream(
    call: (messages: readonly Message[]) => ModelStream | Promise<ModelStream>,
    { expiresInMs }: StreamOptions,
  ): Promise<void> {
    const writer = this.#writer()
    const fold = new UIStreamFold(writer)
    const release = this.#run.keep(fold)
    for (;;) {
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

  /** The run ends: nothing waits any more. Written with the run's end. */
  close(errorText: string): void {
    for (const close of this.#open.values()) close(errorText)
    this.#open.clear()
  }

  async #answer(part: LivePart, title: string, close: (errorText: string) => void): Promise<Answer> {
    this.#open.set(part, close)
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
    const look = (): void => {
      const answer = readAnswer(map.get(KEY.answer))
      if (answer === undefined) return
      map.unobserve(look)
      resolve(answer)
    }
    map.observe(look)
    signal.addEventListener('abort', () => map.unobserve(look), { once: true })
    look()
  })
}
