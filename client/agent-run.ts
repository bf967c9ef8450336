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
import { MessageWriter, type LivePart } from '../shared/part-writer.ts'
import { hasEnded, isRunStatus, RUN_TABLE, STEP_AT_END, type RunEvent, type RunStatus, type StepStatus } from '../shared/run.ts'
import { UIStreamFold, type UIStreamChunk } from '../shared/ui-stream.ts'
import { Flusher } from './flusher.ts'
import type { Session } from './session.ts'
import { asUserMessage, saidBefore, steeredIn, type SteeringModelMessage } from './steering.ts'

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
  #folds: UIStreamFold[] = []
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

  /**
   * What was said up to the input, and what was answered since, in order; then the input, and what has steered this run so
   * far. Without the reply that this run writes, and without what is not for it: inputs that wait for their turn or their
   * author's word, or were taken back.
   */
  get messages(): readonly Message[] {
    const steered = steeredIn(this.#map)
    const isSaid = saidBefore(this.input, this.#parts.agent, this.session)
    const said = this.session.view.messages.filter(
      (message) => message.id !== this.#writer?.id && !steered.includes(message.id) && isSaid(message),
    )
    const asked = [this.input.id, ...steered].map((id) => this.session.message(id))
    return [...said, ...asked.filter((message) => message !== undefined)]
  }

  /**
   * The messages that steer this run and came since it last asked, in order; their senders see that they were taken. Call it
   * between two steps, and let the model see what it gives. What it does not take becomes an input of its own when the run
   * ends.
   * @param step how many steps the run has behind it, for people to see. Default: those that it has shown.
   */
  takeSteering(step: number = arrayAt(this.#map, KEY.steps)?.length ?? 0): readonly Message[] {
    if (this.#over) return []
    const steered = steeredIn(this.#map)
    const taken = this.session.view.messages.filter(({ id, metadata: { verdict } }) => {
      return verdict?.state === 'steering' && verdict.run === this.id && !steered.includes(id)
    })
    if (taken.length === 0) return []
    const at = this.#parts.now()
    // With how much of the reply was there: what comes after that knew of it.
    const parts = this.#writer?.partCount ?? 0
    this.#write(() => arrayAt(this.#map, KEY.steered)?.push(taken.map(({ id }) => ({ message: id, step, at, parts }))))
    return taken
  }

  /** For the AI SDK, `streamText({ prepareStep: run.prepareStep, … })`: before each step it adds what steers the run. */
  readonly prepareStep = <M>({
    stepNumber,
    messages,
  }: {
    readonly stepNumber: number
    readonly messages: readonly M[]
  }): { messages: (M | SteeringModelMessage)[] } | undefined => {
    const taken = this.takeSteering(stepNumber)
    return taken.length === 0 ? undefined : { messages: [...messages, ...taken.map(asUserMessage)] }
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
   * Folds an AI SDK UI message stream (`toUIMessageStream()`) into the reply until it ends, or until the run does: the stream
   * is then cancelled and not waited for. Throws what the stream throws, and an `Error` for an `error` chunk; the text that has
   * come stays.
   */
  async pipe(stream: AsyncIterable<UIStreamChunk> | ReadableStream<UIStreamChunk>): Promise<void> {
    const fold = new UIStreamFold(this.#reply())
    this.#closeText()
    this.#folds.push(fold)
    await this.#consume(stream as AsyncIterable<UIStreamChunk>, (chunk) => {
      fold.apply(chunk)
      this.#flusher.request()
    })
    this.#flusher.now()
    if (fold.end.error !== undefined && !this.#abort.signal.aborted) throw new Error(fold.end.error)
    fold.close('The stream ended before the tool had a result.')
    this.#folds = this.#folds.filter((other) => other !== fold)
    this.#flusher.now()
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
  async #consume(stream: AsyncIterable<UIStreamChunk>, take: (chunk: UIStreamChunk) => void): Promise<void> {
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
      also?.()
      for (const step of arrayAt(this.#map, KEY.steps)?.toArray() ?? []) {
        const running = step instanceof Y.Map && step.get(KEY.status) === 'running'
        if (running) step.set(KEY.status, STEP_AT_END[end as keyof typeof STEP_AT_END])
      }
      this.#map.set(KEY.status, end)
    })
    this.#stop(reason)
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
