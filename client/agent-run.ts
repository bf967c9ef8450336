/**
 * One run from its agent's side: what the handler is given. It writes the run's status and steps and the reply, and it is
 * the only writer of them while its lease holds.
 *
 * 1. Everything that belongs together goes out in one transaction: text with the change of state that follows it.
 * 2. A run that has ended, here or elsewhere, is never written again; late writes of the handler are dropped.
 * 3. While a human holds the session nothing of it is shown (`turn.ts`).
 * 4. `signal` fires on cancel, loss of the lease and shutdown, with a `SessionError` that says which.
 *
 * More than 400 lines: it is what handlers see, and each part of the work (calls, children, turns, steering) is elsewhere.
 */
import * as Y from 'yjs'
import { readMessageHead, type Run } from '../shared/entries.ts'
import { SessionError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { arrayAt, asRecord, KEY, recordAt, rootsOf } from '../shared/layout.ts'
import type { Json, Message } from '../shared/message.ts'
import { toModelMessages, type ModelMessage } from '../shared/model-messages.ts'
import { MessageWriter, type LivePart } from '../shared/part-writer.ts'
import { hasEnded, isRunStatus, RUN_TABLE, STEP_AT_END, type RunEvent, type RunStatus } from '../shared/run.ts'
import { StreamFold } from '../shared/streams/fold.ts'
import { addUsage, type Usage } from '../shared/streams/usage.ts'
import type { StreamEnd } from '../shared/ui-stream.ts'
import type { Blobs } from './blobs.ts'
import { Flusher } from './flusher.ts'
import { EarlierCalls } from './earlier-calls.ts'
import { RunCalls, type ApprovalRequest, type ModelStream, type StreamOptions } from './run-calls.ts'
import { RunSteps, type StepHandle } from './run-steps.ts'
import type { Session } from './session.ts'
import { Children, dataOf, type SpawnedRun } from './spawn.ts'
import { asUserMessage, messagesOf, saidBefore, steeredIn, turnsUpTo, type SteeringModelMessage } from './steering.ts'
import { endsStep, Turn } from './turn.ts'

/** A stream on its way into the reply. */
interface Fold {
  readonly end: Readonly<StreamEnd>
  apply(event: unknown): void
  close(errorText: string): void
}

export interface AgentRunParts {
  readonly session: Session
  readonly doc: Y.Doc
  readonly run: Run
  readonly input: Message
  readonly agent: string
  readonly now: () => number
  readonly flushEveryMs: number | undefined
  readonly blobs: Blobs
  /** Resolves when all that was written so far is stored. Default: at once. */
  readonly stored?: () => Promise<void>
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
  readonly #calls: RunCalls
  #earlier: EarlierCalls = new EarlierCalls(undefined)
  #writer: MessageWriter | null = null
  #folds: Fold[] = []
  /** What the streams of this run have said of their ends so far. */
  readonly #ends: Readonly<StreamEnd>[] = []
  readonly #steps: RunSteps
  /** Where in the reply what is under way began: streams and durable steps, which are done as a whole or again. */
  readonly #scopes = new Set<{ readonly start: number }>()
  #text: LivePart | null = null
  #over = false
  /** What it waits for, in the order in which that began; the last one's title is shown. */
  readonly #waits = new Set<{ readonly title: string }>()
  /** That a human holds the session is one of those. */
  #holding: { readonly title: string } | null = null
  readonly #turn: Turn
  readonly #children: Children
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
    this.#turn = new Turn(this.session)
    if (this.#turn.look() === 'held') this.#waits.add((this.#holding = { title: this.#turn.title }))
    this.#children = new Children(this.session, map, this.id, this.signal)
    if (parts.run.attempt > 1) this.#resume()
    this.#steps = new RunSteps({
      map,
      write: (change) => this.#write(change),
      closeText: () => this.#closeText(),
      standing: () => Math.min(this.#writer?.partCount ?? 0, ...[...this.#scopes].map(({ start }) => start)),
      seek: (count) => this.#seek(count),
      open: () => this.#open(),
      stored: () => this.#stored(),
    })
    this.#flusher = new Flusher(() => this.#flush(), parts.flushEveryMs)
    this.#calls = new RunCalls(this.#calling(), parts.blobs)
    const topics = [`run:${this.id}`, 'ledger'] as const
    const subscriptions = topics.map((topic) => this.session.subscribe(() => this.#look(), topic))
    this.#unsubscribe = () => subscriptions.forEach((unsubscribe) => unsubscribe())
  }

  /** Fires when the run is cancelled, its lease is lost or the worker shuts down; `signal.reason` is a `SessionError`. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Id of the run that asked for this one; undefined for one that an input asked for. */
  get parent(): string | undefined {
    return this.#parts.run.parent
  }

  /** What that run gave it. */
  get data(): Json | undefined {
    return dataOf(this.#parts.doc, this.#parts.run)
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
   * author's word, or were taken back. Only of the branch that the input is in; for another answer to the same input, only what
   * was said up to it.
   */
  get messages(): readonly Message[] {
    const steered = steeredIn(this.#map)
    const isSaid = saidBefore(this.input, this.#parts.agent, this.session)
    const line = messagesOf(this.session, this.session.lineOf(this.id))
    const isBefore = this.#parts.run.again === undefined ? () => true : turnsUpTo(this.input, this.session)
    const said = line.filter(
      (message) => message.metadata.run !== this.id && !steered.includes(message.id) && isSaid(message) && isBefore(message),
    )
    return [...said, ...messagesOf(this.session, [this.input.id, ...steered])]
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
    const taken = messagesOf(this.session, this.session.allIds).filter(({ id, metadata: { verdict } }) => {
      return verdict?.state === 'steering' && verdict.run === this.id && !steered.includes(id)
    })
    if (taken.length === 0) return []
    const at = this.#parts.now()
    // With how much of the reply was there: what comes after that knew of it.
    const parts = this.#writer?.partCount ?? 0
    this.#write(() => arrayAt(this.#map, KEY.steered)?.push(taken.map(({ id }) => ({ message: id, step, at, parts }))))
    return taken
  }

  /**
   * For the AI SDK, `streamText({ prepareStep: run.prepareStep, … })`: before each step it waits while a human holds the session,
   * and adds what that human said meanwhile and what steers the run.
   */
  readonly prepareStep = async <M>({
    stepNumber,
    messages,
  }: {
    readonly stepNumber: number
    readonly messages: readonly M[]
  }): Promise<{ messages: (M | SteeringModelMessage)[] } | undefined> => {
    await this.untilReturned()
    const heard = this.#turn.heard()
    const taken = this.takeSteering(stepNumber)
    if (heard.length + taken.length === 0) return undefined
    return { messages: [...messages, ...heard, ...taken.map(asUserMessage)] }
  }

  /** How many workers have begun this run: above 1, others were lost before. */
  get attempt(): number {
    return this.#parts.run.attempt
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
  step(title: string): StepHandle
  /**
   * A durable step: does `work` once and resolves with its result when that is stored. When this worker is lost and the run is
   * retried, the next one gets the stored result at once. The result must be JSON (undefined comes back as null) and small: it
   * is part of the session. If `work` throws, the step has failed, and this rejects with the same error. It may be done twice
   * where a worker is lost between the end of `work` and the storing of its result.
   *
   * A retried handler begins at its top. What it had written up to its last durable step stands; everything after that is done
   * again. So what it does outside of steps must come out the same each time.
   */
  step<T>(title: string, work: (step: Pick<StepHandle, 'progress'>) => Promise<T> | T): Promise<T>
  step<T>(title: string, work?: (step: Pick<StepHandle, 'progress'>) => Promise<T> | T): StepHandle | Promise<T> {
    return work === undefined ? this.#steps.begin(title) : this.#steps.once(title, work)
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
    this.#closeText()
    const fold = new StreamFold(this.#reply(), (title) => this.step(title))
    const release = this.#keep(fold)
    const close = this.#open()
    try {
      await this.#fold(stream as AsyncIterable<unknown>, fold)
    } finally {
      close()
    }
    fold.close('The stream ended before the tool had a result.')
    release()
    this.#flusher.now()
    return fold.end
  }

  /**
   * Streams an answer that may need others: `call` makes the stream for the conversation so far, the reply included (with the
   * AI SDK: `async (messages) => streamText({ messages: await convertToModelMessages(messages), … })`). When it ends with calls
   * of tools that have no `execute`, or that somebody must approve, the run waits, and `call` is asked again with what came of
   * them. A later attempt of the run begins the stream, and with it what it asks, anew. Throws as `pipe` does.
   */
  async stream(
    call: (messages: readonly Message[]) => ModelStream | Promise<ModelStream>,
    options: StreamOptions = {},
  ): Promise<void> {
    this.#closeText()
    const close = this.#open()
    try {
      await this.#calls.stream(call, options)
    } finally {
      close()
    }
    this.#flusher.now()
  }

  /**
   * Calls a tool in the browser of whoever wrote the run's input: it runs in one tab that offers it (`session.tools`), also one
   * that is opened later. The run waits meanwhile. Gives the output, which is that person's word; throws an `Error` with the
   * tool's own text when it failed, or when nobody answered within `timeoutMs` (default: no limit), and when the run ends. A
   * later attempt of the run gets what this one was given, and the tool does not run again, unless this was called within a stream
   * or a durable step.
   */
  async callClient(name: string, input: unknown, options: { readonly timeoutMs?: number } = {}): Promise<unknown> {
    this.#closeText()
    return await this.#calls.client(name, input, options.timeoutMs)
  }

  /**
   * Asks people for a yes; the run waits meanwhile, for days if need be. False when it was denied or nobody answered in time;
   * the reason stands in the part. Throws when the run ends. Asked once, as by `callClient`: it outlives this worker, if the run is
   * retried.
   */
  async approval(request: ApprovalRequest): Promise<boolean> {
    this.#closeText()
    return await this.#calls.approval(request)
  }

  /** Fetches a value that lies beside the session, from its reference. Rejects as `session.fetchOutput` does. */
  async fetchOutput(reference: unknown): Promise<unknown> {
    return await this.#parts.blobs.fetch(reference, this.signal)
  }

  /** Shows the run as suspended, waiting for `title`, until the promise settles. */
  async wait<T>(title: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const waits = this.#suspend(title)
    try {
      return await Promise.race([work(this.signal), this.#aborted()])
    } finally {
      this.#unsuspend(waits)
    }
  }

  /**
   * Asks another agent for a run of its own, which is shown under this one. It has its own progress and reply, and goes on when
   * this one completes; it is cancelled when this one is cancelled, fails or is interrupted. In a later attempt the same calls
   * give the runs of the first one.
   *
   * Throws `SessionError`: `bad-argument` for what is no agent's name, above MAX_CHILDREN runs or MAX_SPAWN_DEPTH levels;
   * `too-big` for data above MAX_SPAWN_CHARS; `cancelled` when this run is over.
   * @param data what the other run finds in `run.data`. @param options.title what people see of it.
   */
  spawn(agent: string, data?: Json, options: { readonly title?: string } = {}): SpawnedRun {
    if (this.#over) throw new SessionError('cancelled', `The run ${this.id} is over.`)
    return this.#children.spawn(agent, data, options.title, (write) => this.#write(write))
  }

  /**
   * Resolves at once, or, while a human holds the session, when it is handed back: for what must not happen meanwhile, such as
   * another call of the model. Rejects when the run is over before.
   */
  async untilReturned(): Promise<void> {
    while (this.#turn.isHeld) await Promise.race([this.#turn.returned, this.#aborted()])
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
    if (this.#turn.isHeld) this.#event('suspend', () => this.#map.set(KEY.waiting, this.#turn.title))
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

  /** @internal The worker goes away, and another one is to go on. */
  release(): void {
    this.#flusher.now()
    this.#stop(new SessionError('closed', 'The worker is shutting down.'))
  }

  /** @internal The lease went to somebody else: nothing more may be written. */
  lose(): void {
    this.#stop(new SessionError('cancelled', `The lease of the run ${this.id} is lost.`))
  }

  /** What the calls work with. */
  #calling(): ConstructorParameters<typeof RunCalls>[0] {
    const isOver = (): boolean => this.#over
    const isHeld = (): boolean => this.#turn.isHeld
    const stands = (): boolean => this.#scopes.size === 0
    return {
      get over() {
        return isOver()
      },
      get held() {
        return isHeld()
      },
      get stands() {
        return stands()
      },
      earlier: this.#earlier,
      reply: () => this.#reply(),
      wait: (title, work) => this.wait(title, work),
      untilReturned: () => this.untilReturned(),
      conversation: () => {
        this.#flusher.now()
        const reply = this.#writer === null ? undefined : this.session.message(this.#writer.id)
        return reply === undefined ? this.messages : [...this.messages, reply]
      },
      fold: (stream, fold) => this.#fold(stream, fold),
      keep: (fold) => this.#keep(fold),
    }
  }

  /** Closes a fold with the run, until it is let go; what it says of its stream's end counts. */
  #keep(fold: Fold): () => void {
    this.#folds.push(fold)
    this.#ends.push(fold.end)
    return () => (this.#folds = this.#folds.filter((other) => other !== fold))
  }

  async #fold(stream: AsyncIterable<unknown>, fold: Fold): Promise<void> {
    await this.#consume(stream, async (event) => {
      fold.apply(await this.#lighten(event))
      this.#flusher.request()
    })
    this.#flusher.now()
    const { error, errorCode } = fold.end
    if (error !== undefined && !this.#abort.signal.aborted) {
      throw Object.assign(new Error(error), errorCode === undefined ? {} : { code: errorCode })
    }
  }

  /** A tool's output that is too large for the document is put beside it; what is too large for that is an error. */
  async #lighten(event: unknown): Promise<unknown> {
    const chunk = asRecord(event)
    if (chunk?.['type'] !== 'tool-output-available') return event
    try {
      return { ...chunk, output: await this.#parts.blobs.lighten(chunk['output'], this.signal) }
    } catch (error) {
      const errorText = error instanceof Error ? error.message : String(error)
      return { type: 'tool-output-error', toolCallId: chunk['toolCallId'], errorText }
    }
  }

  /** Gives each chunk to `take` until the stream or the run is over. A model may be silent for long: the end is not its next word. */
  async #consume(stream: AsyncIterable<unknown>, take: (event: unknown) => Promise<void>): Promise<void> {
    const chunks = stream[Symbol.asyncIterator]()
    const aborted = this.#aborted().catch(() => null)
    // What came while a human held the session: nobody sees it before it is handed back.
    const kept: unknown[] = []
    const giveKept = async (): Promise<void> => {
      for (const chunk of kept.splice(0)) await take(chunk)
    }
    while (!this.#over) {
      const next = chunks.next()
      // A failure that comes after the end is nobody's any more.
      next.catch(() => {})
      const result = await Promise.race([next, aborted])
      if (result === null || this.#over) break
      if (result.done === true || endsStep(result.value)) await this.untilReturned().catch(() => {})
      if (this.#over) break
      if (result.done !== true) kept.push(result.value)
      if (!this.#turn.isHeld) await giveKept()
      if (result.done === true) return
    }
    void chunks.return?.().catch(() => {})
  }

  #look(): void {
    if (this.#over) return
    const turned = this.#turn.look()
    if (turned === 'held') this.#holding = this.#suspend(this.#turn.title)
    else if (turned === 'returned' && this.#holding !== null) {
      this.#unsuspend(this.#holding)
      this.#holding = null
      if (this.#writer?.hasWrites === true) this.#flusher.request()
    }
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
    this.#calls.close(errorText)
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

  /** Several may wait at a time; the last one's title is shown. */
  #suspend(title: string): { readonly title: string } {
    const waits = { title }
    this.#waits.add(waits)
    if (this.#waits.size === 1) this.#event('suspend', () => this.#map.set(KEY.waiting, title))
    else this.#showWaiting(title)
    return waits
  }

  #unsuspend(waits: { readonly title: string }): void {
    this.#waits.delete(waits)
    const last = [...this.#waits].at(-1)
    if (last === undefined) this.#event('resume', () => this.#map.delete(KEY.waiting))
    else this.#showWaiting(last.title)
  }

  /** Also the same title again: the server looks at what waits when this is written. */
  #showWaiting(title: string): void {
    if (this.status === 'suspended') this.#write(() => this.#map.set(KEY.waiting, title))
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
      if (this.#writer?.hasWrites === true && !this.#turn.isHeld) this.#writer.flush()
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
    if (!this.#over && !this.#turn.isHeld) this.#transact(() => this.#writer?.flush())
  }

  #transact(change: () => void): void {
    this.#parts.doc.transact(change, this)
  }

  /** Goes on with the reply that an earlier attempt began. */
  #resume(): void {
    const { messages } = rootsOf(this.#parts.doc)
    for (const map of messages) {
      const head = map instanceof Y.Map ? readMessageHead(map) : undefined
      if (head?.run !== this.id) continue
      this.#writer = MessageWriter.resume(messages, map, head)
      this.#earlier = new EarlierCalls(map)
      return
    }
  }

  #open(): () => void {
    const scope = { start: this.#writer?.partCount ?? 0 }
    this.#scopes.add(scope)
    return () => void this.#scopes.delete(scope)
  }

  /** A step that is known was ended there. Within something that is done again, that is where its parts begin anew. */
  #seek(count: number): void {
    if (this.#scopes.size === 0) this.#writer?.seek(count)
  }

  /** What was ended elsewhere while it was waited for must not look as if it were stored. */
  async #stored(): Promise<void> {
    if (!this.#over) await Promise.race([this.#parts.stored?.(), this.#aborted()])
    if (this.#over) throw this.signal.reason ?? new SessionError('closed', `The run ${this.id} has ended.`)
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
