/**
 * One run from its agent's side: what the handler is given. It writes the run's status and steps and the reply, and it is
 * the only writer of them while its lease holds.
 *
 * 1. Everything that belongs together goes out in one transaction: text with the change of state that follows it.
 * 2. A run that has ended, here or elsewhere, is never written again; late writes of the handler are dropped.
 * 3. `signal` fires on cancel, loss of the lease and shutdown, with a `SessionError` that says which.
 */
import * as Y from 'yjs'
import type { Run } from '../shared/entries.ts'
import { SessionError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { arrayAt, KEY, recordAt, rootsOf } from '../shared/layout.ts'
import type { Message } from '../shared/message.ts'
import { toModelMessages, type ModelMessage } from '../shared/model-messages.ts'
import { MessageWriter, type LivePart } from '../shared/part-writer.ts'
import { hasEnded, isRunStatus, RUN_TABLE, STEP_AT_END, type RunEvent, type RunStatus, type StepStatus } from '../shared/run.ts'
import { StreamFold } from '../shared/streams/fold.ts'
import { addUsage, type Usage } from '../shared/streams/usage.ts'
import type { StreamEnd } from '../shared/ui-stream.ts'
import { Flusher } from './flusher.ts'
import type { Session } from './session.ts'

/** A step of a run while it is worked on. */
export interface StepHandle {
  done(detail?: string): void
  fail(detail?: string): void
  /** @param fraction 0 to 1. Write it on a change that people care for, not per tick: each is stored. */
  progress(fraction: number, detail?: string): void
}

export interface AgentRunParts {
  readonly session: Session
  readonly doc: Y.Doc
  readonly run: Run
  readonly input: Message
  readonly agent: string
  readonly now: () => number
  readonly flushEveryMs: number | undefined
}

type Ending = Extract<RunEvent, 'complete' | 'cancel' | 'fail' | 'lapse'>

export class AgentRun {
  readonly id: string
  readonly session: Session
  /** The message that asked for the run. */
  readonly input: Message
  readonly #parts: AgentRunParts
  readonly #map: Y.Map<unknown>
  readonly #abort = new AbortController()
  readonly #flusher: Flusher
  #writer: MessageWriter | null = null
  #folds: StreamFold[] = []
  /** What the streams of this run have said of their ends so far. */
  readonly #ends: Readonly<StreamEnd>[] = []
  #text: LivePart | null = null
  #over = false
  #suspensions = 0
  readonly #unsubscribe: () => void

  /** @internal */
  constructor(parts: AgentRunParts) {
    this.#parts = parts
    this.id = parts.run.id
    this.session = parts.session
    this.input = parts.input
    const isIt = (entry: unknown): boolean => entry instanceof Y.Map && recordAt(entry, KEY.head)?.['id'] === this.id
    const map = [...rootsOf(parts.doc).tasks].find(isIt)
    if (map === undefined) throw new SessionError('not-found', `There is no run ${this.id} in the session ${this.session.id}.`)
    this.#map = map
    this.#flusher = new Flusher(() => this.#flush(), parts.flushEveryMs)
    this.#unsubscribe = this.session.subscribe(() => this.#look(), `run:${this.id}`)
  }

  /** Fires when the run is cancelled, its lease is lost or the worker shuts down; `signal.reason` is a `SessionError`. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get status(): RunStatus {
    const status = this.#map.get(KEY.status)
    return isRunStatus(status) ? status : 'pending'
  }

  /** True once the run has ended or is not this worker's any more: nothing that is written then has an effect. */
  get over(): boolean {
    return this.#over
  }

  /** What was said up to the input, and what was answered since, in order; without the reply that this run writes. */
  get messages(): readonly Message[] {
    const seq = this.input.metadata.seq ?? Number.POSITIVE_INFINITY
    return this.session.view.messages.filter(
      (message) => message.id !== this.#writer?.id && (message.role !== 'user' || (message.metadata.seq ?? Infinity) <= seq),
    )
  }

  /**
   * `messages` as the AI SDK's `ModelMessage[]`, always a request that any provider accepts: each tool call with its result
   * directly behind it (an interrupted one with an error), what was cancelled as far as it came, reasoning only where the
   * provider can check it. The last message is the input. What others than this agent have said is in messages of the user; as
   * soon as more than one speaks, each begins with who it is, `[Ada, support]: …`, which nobody can imitate. What a provider's
   * own tools (web search and the like) have found is left out: only that provider would take it.
   */
  modelMessages(): ModelMessage[] {
    const { participants } = this.session.view
    const isComplete = (run: string): boolean => this.session.run(run)?.status === 'complete'
    return toModelMessages(this.messages, { agent: this.#parts.agent, input: this.input, participants, isComplete })
  }

  /** Starts a step that people see in the run's progress. */
  step(title: string): StepHandle {
    const step = new Y.Map<unknown>()
    this.#write(() => {
      step.set(KEY.head, { title })
      step.set(KEY.status, 'running' satisfies StepStatus)
      arrayAt(this.#map, KEY.steps)?.push([step])
    })
    const end = (status: StepStatus, detail?: string): void =>
      this.#write(() => {
        if (step.get(KEY.status) !== 'running') return
        step.set(KEY.status, status)
        if (detail !== undefined) step.set(KEY.detail, detail)
      })
    return {
      done: (detail) => end('done', detail),
      fail: (detail) => end('failed', detail),
      progress: (fraction, detail) =>
        this.#write(() => {
          step.set(KEY.progress, Math.min(1, Math.max(0, fraction)))
          if (detail !== undefined) step.set(KEY.detail, detail)
        }),
    }
  }

  /** Appends text to the reply. */
  write(text: string): void {
    if (this.#over) return
    this.#text ??= this.#reply().open({ type: 'text' })
    this.#reply().append(this.#text, text)
    this.#flusher.request()
  }

  /**
   * Folds a stream into the reply until it ends, or until the run does: the stream is then cancelled and not waited for. Takes
   * AI SDK UI message chunks (`toUIMessageStream()`), events of OpenAI's Responses, its chat completion chunks, Anthropic's
   * Messages events and AG-UI events, as the providers' libraries give them; an event of none of these is kept as a `raw` part.
   * A tool call of a provider's stream gets its result by a chunk `{ type: 'tool-output-available', toolCallId, output }` in the
   * same stream; without one it is closed with an error when the stream ends. The usage that a stream tells is written into the
   * run. Gives how the stream ended. Throws what the stream throws, and an `Error` for an event that is one; the text that has
   * come stays.
   */
  async pipe(stream: AsyncIterable<unknown> | ReadableStream): Promise<Readonly<StreamEnd>> {
    const fold = new StreamFold(this.#reply(), (title) => this.step(title))
    this.#closeText()
    this.#folds.push(fold)
    this.#ends.push(fold.end)
    await this.#consume(stream as AsyncIterable<unknown>, (event) => {
      fold.apply(event)
      this.#flusher.request()
    })
    this.#flusher.now()
    const { error, errorCode } = fold.end
    if (error !== undefined && !this.#abort.signal.aborted) {
      throw Object.assign(new Error(error), errorCode === undefined ? {} : { code: errorCode })
    }
    fold.close('The stream ended before the tool had a result.')
    this.#folds = this.#folds.filter((other) => other !== fold)
    this.#flusher.now()
    return fold.end
  }

  /** Shows the run as suspended, waiting for `title`, until the promise settles. */
  async wait<T>(title: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#suspensions += 1
    if (this.#suspensions === 1) this.#event('suspend', () => this.#map.set(KEY.waiting, title))
    try {
      return await Promise.race([work(this.signal), this.#aborted()])
    } finally {
      this.#suspensions -= 1
      if (this.#suspensions === 0) this.#event('resume', () => this.#map.delete(KEY.waiting))
    }
  }

  /** Asks for a human: from now on the agents of this session are given nothing, until it is handed back. */
  requestHuman(reason?: string): void {
    this.session.requestHuman(reason)
  }

  // ---- for the worker -----------------------------------------------------------------------------------------------

  /** @internal Takes the run up. False when it was ended before, by a cancel or by the server. */
  start(): boolean {
    this.#look()
    if (this.#over || hasEnded(this.status)) return false
    this.#event('start')
    return true
  }

  /** @internal */
  complete(): void {
    this.#end('complete')
  }

  /** @internal The handler threw. */
  fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    const code = typeof (error as { code?: unknown })?.code === 'string' ? (error as { code: string }).code : 'agent-error'
    this.#end('fail', () => this.#map.set(KEY.error, { code, message }))
  }

  /** @internal The worker goes away. */
  interrupt(): void {
    this.#end('lapse', undefined, new SessionError('closed', 'The worker is shutting down.'))
  }

  /** @internal The lease went to somebody else: nothing more may be written. */
  lose(): void {
    this.#stop(new SessionError('cancelled', `The lease of the run ${this.id} is lost.`))
  }

  /** Gives each chunk to `take` until the stream or the run is over. A model may be silent for long: the end is not its next word. */
  async #consume(stream: AsyncIterable<unknown>, take: (event: unknown) => void): Promise<void> {
    const chunks = stream[Symbol.asyncIterator]()
    const aborted = this.#aborted().catch(() => null)
    while (!this.#over) {
      const next = chunks.next()
      // A failure that comes after the end is nobody's any more.
      next.catch(() => {})
      const result = await Promise.race([next, aborted])
      if (result === null || this.#over) break
      if (result.done === true) return
      take(result.value)
    }
    void chunks.return?.().catch(() => {})
  }

  #look(): void {
    if (this.#over) return
    if (hasEnded(this.status)) {
      this.#stop(new SessionError('cancelled', `The run ${this.id} was ended elsewhere (${this.status}).`))
    } else if (this.session.run(this.id)?.cancel !== undefined) {
      this.#end('cancel', undefined, new SessionError('cancelled', `The run ${this.id} was cancelled.`))
    }
  }

  #end(event: Ending, also?: () => void, reason?: SessionError): void {
    const end = RUN_TABLE[this.status][event]
    if (this.#over || end === null) return
    this.#over = true
    this.#flusher.stop()
    const errorText = event === 'complete' ? 'The tool gave no result.' : `The run ended: ${end}.`
    this.#closeText()
    for (const fold of this.#folds) fold.close(errorText)
    this.#transact(() => {
      this.#writer?.flush()
      const usage = this.#usage()
      if (usage !== undefined) this.#map.set(KEY.usage, usage)
      also?.()
      for (const step of arrayAt(this.#map, KEY.steps)?.toArray() ?? []) {
        const running = step instanceof Y.Map && step.get(KEY.status) === 'running'
        if (running) step.set(KEY.status, STEP_AT_END[end as keyof typeof STEP_AT_END])
      }
      this.#map.set(KEY.status, end)
    })
    this.#stop(reason)
  }

  /** Of all streams together: also of those that were cut, as far as they had told. */
  #usage(): Usage | undefined {
    return this.#ends.map(({ usage }) => usage).reduce(addUsage, undefined)
  }

  #stop(reason?: SessionError): void {
    this.#over = true
    this.#flusher.stop()
    this.#unsubscribe()
    if (reason !== undefined) this.#abort.abort(reason)
  }

  #event(event: RunEvent, also?: () => void): void {
    const next = RUN_TABLE[this.status][event]
    if (next === null) return
    this.#write(() => {
      this.#map.set(KEY.status, next)
      also?.()
    })
  }

  /** A change of state: what is buffered goes first, in the same transaction. */
  #write(change: () => void): void {
    if (this.#over) return
    this.#flusher.stop()
    this.#transact(() => {
      if (this.#writer?.hasWrites === true) this.#writer.flush()
      change()
    })
  }

  /** What was written by `write` is done: what comes after it is another part. */
  #closeText(): void {
    if (this.#text !== null) this.#reply().set(this.#text, 'state', 'done')
    this.#text = null
  }

  /** Once the run is over its words are no longer this worker's to write: the server would refuse the connection. */
  #flush(): void {
    if (!this.#over) this.#transact(() => this.#writer?.flush())
  }

  #transact(change: () => void): void {
    this.#parts.doc.transact(change, this)
  }

  #reply(): MessageWriter {
    if (this.#writer !== null) return this.#writer
    const { agent, now, doc } = this.#parts
    this.#writer = new MessageWriter(rootsOf(doc).messages, {
      id: newId(),
      role: 'assistant',
      by: agent,
      kind: 'agent',
      at: now(),
      parent: this.input.id,
      run: this.id,
    })
    return this.#writer
  }

  #aborted(): Promise<never> {
    return new Promise((_resolve, reject) => {
      const { signal } = this
      const fail = (): void => reject(signal.reason as Error)
      if (signal.aborted) fail()
      else signal.addEventListener('abort', fail, { once: true })
    })
  }
}
