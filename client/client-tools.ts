/**
 * Tools that run in this tab, and answers to what an agent waits for. Which tab runs a call is decided by the server: a tab
 * asks, sees in the document that it has the call, does it, and keeps asking while it is at it. What comes of it is written
 * into the document like everything else, so an answer that is given offline arrives when there is a connection.
 */
import type { Report } from '../shared/errors.ts'
import { SessionError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import type { Message, ToolPart } from '../shared/message.ts'
import { hasEnded } from '../shared/run.ts'
import type { ClientMessage } from '../shared/wire.ts'
import type { Blobs } from './blobs.ts'
import type { Session } from './session.ts'

/**
 * Does one call: gets its input, which a model has written, and gives the output, which must be JSON. `signal` fires when the
 * call is not this tab's any more. What it throws is the call's error.
 */
export type ClientTool = (input: unknown, context: { readonly signal: AbortSignal }) => unknown

export interface ClientToolsOptions {
  readonly session: Session
  readonly blobs: Blobs
  /** Sends a message to the server; false when there is no connection. */
  readonly send: (message: ClientMessage) => boolean
  readonly report: Report
}

/** Something that an agent waits for. */
interface OpenCall {
  readonly message: string
  /** Id by which the server knows it. */
  readonly id: string
  /** Id of the approval; that of the call where it is none. */
  readonly approval: string
  readonly part: Pick<ToolPart, 'type' | 'toolName' | 'input'> & { readonly call: NonNullable<ToolPart['call']> }
  /** Id of the participant whose input the run answers. */
  readonly asker: string | undefined
}

interface Work {
  readonly n: number
  readonly abort: AbortController
  readonly renewals: ReturnType<typeof setInterval>
}

/** Times that a tab asks for a call again within its lease: two may be lost. */
const RENEWALS = 3

export class ClientTools {
  readonly #options: ClientToolsOptions
  /** New for each page: a page that was loaded again does not know what the one before had begun. */
  readonly #tab = newId()
  #tools = new Map<string, ClientTool>()
  readonly #working = new Map<string, Work>()
  /** Claims that were sent over this connection, by call and number. */
  readonly #asked = new Set<string>()
  readonly #closed = new AbortController()
  #isWatching = false

  constructor(options: ClientToolsOptions) {
    this.#options = options
  }

  /** Offers tools by name; gives the function that ends it. Calls that it is at are done to their end. */
  add(tools: Readonly<Record<string, ClientTool>>): () => void {
    for (const [name, tool] of Object.entries(tools)) {
      if (typeof tool !== 'function') throw new SessionError('bad-argument', `The tool ${name} must be a function.`)
    }
    for (const [name, tool] of Object.entries(tools)) this.#tools.set(name, tool)
    this.#watch()
    this.#look()
    return () => {
      for (const [name, tool] of Object.entries(tools)) if (this.#tools.get(name) === tool) this.#tools.delete(name)
    }
  }

  /** Answers a call of a client's tool by hand. Resolves when the answer is written; a large one is put to the server first. */
  async respond(id: string, output: unknown, errorText?: string): Promise<void> {
    this.#writable()
    const call = this.#open().findLast((open) => open.id === id && open.part.call.for === 'client')
    if (call === undefined) throw new SessionError('not-found', `No call ${id} waits for an answer.`)
    if (call.asker !== this.#options.session.me?.id) {
      throw new SessionError('forbidden', 'Only whoever asked for the run answers for its client.')
    }
    await this.#answer(call, errorText === undefined ? { output } : { errorText })
  }

  /** Answers an approval, by its id or that of the tool call that waits for it. */
  approve(id: string, approved: boolean, reason?: string): void {
    this.#writable()
    if (typeof approved !== 'boolean') throw new SessionError('bad-argument', 'An approval is answered with true or false.')
    const call = this.#open().findLast((open) => open.part.call.for === 'approval' && (open.approval === id || open.id === id))
    if (call === undefined) throw new SessionError('not-found', `No approval ${id} waits for an answer.`)
    this.#write(call, { approved, ...(reason === undefined ? {} : { reason }) })
  }

  close(): void {
    this.#closed.abort(new SessionError('closed', 'The session was closed.'))
    for (const key of this.#working.keys()) this.#stop(key)
    this.#tools.clear()
  }

  // ---- which calls are whose ----------------------------------------------------------------------------------------

  #watch(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    const { session } = this.#options
    session.subscribe(() => this.#look(), 'runs')
    session.subscribe(() => this.#look(), 'calls')
    let wasLive = session.status.connection === 'live'
    session.subscribe(() => {
      const isLive = session.status.connection === 'live'
      if (isLive === wasLive) return
      wasLive = isLive
      // What was sent over the connection before may not have arrived.
      this.#asked.clear()
      if (isLive) this.#look()
    }, 'status')
  }

  #look(): void {
    const { session } = this.#options
    const mine = this.#open().filter(({ part, asker }) => part.call.for === 'client' && asker === session.me?.id)
    const keys = new Set(mine.map(keyOf))
    for (const key of this.#working.keys()) if (!keys.has(key)) this.#stop(key)
    for (const call of mine) {
      const { claim } = call.part.call
      const key = keyOf(call)
      const work = this.#working.get(key)
      if (claim?.tab === this.#tab) {
        if (work?.n === claim.n) continue
        this.#stop(key)
        this.#begin(call, claim.n, claim.leaseMs)
        continue
      }
      this.#stop(key)
      if (claim?.tab !== undefined || !this.#tools.has(nameOf(call))) continue
      const asked = `${key}:${claim?.n ?? 0}`
      if (!this.#asked.has(asked) && this.#claim(call)) this.#asked.add(asked)
    }
  }

  #claim({ message, id }: OpenCall): boolean {
    return this.#options.send({ t: 'claim', message, call: id, tab: this.#tab })
  }

  #begin(call: OpenCall, n: number, leaseMs: number): void {
    const tool = this.#tools.get(nameOf(call))
    // Taken off meanwhile: the lease passes, and another tab may have it.
    if (tool === undefined) return
    const renewals = setInterval(() => this.#claim(call), leaseMs / RENEWALS)
    const abort = new AbortController()
    this.#working.set(keyOf(call), { n, abort, renewals })
    void this.#run(call, tool, n, abort.signal)
  }

  async #run(call: OpenCall, tool: ClientTool, n: number, signal: AbortSignal): Promise<void> {
    let result: { output: unknown } | { errorText: string }
    try {
      result = { output: (await tool(call.part.input, { signal })) ?? null }
    } catch (error) {
      result = { errorText: error instanceof Error ? error.message : String(error) }
      if (!signal.aborted) this.#options.report(error, { stage: 'client tool', tool: nameOf(call) })
    }
    if (signal.aborted) return
    try {
      await this.#answer(call, { ...result, claim: n })
    } catch (error) {
      if (!signal.aborted) this.#options.report(error, { stage: 'client tool', tool: nameOf(call) })
    }
  }

  #stop(key: string): void {
    const work = this.#working.get(key)
    if (work === undefined) return
    this.#working.delete(key)
    clearInterval(work.renewals)
    work.abort.abort(new SessionError('cancelled', 'The call is not this tab’s any more.'))
  }

  /** What agents wait for and nobody has answered, oldest first. */
  #open(): OpenCall[] {
    const { session } = this.#options
    const runs = session.view.runs.filter(({ status }) => !hasEnded(status))
    if (runs.length === 0) return []
    const askers = new Map(runs.map((run) => [run.id, this.#askerOf(run.id)]))
    return session.view.messages.flatMap((message) => {
      const { run } = message.metadata
      return run !== undefined && askers.has(run) ? openIn(message, askers.get(run)) : []
    })
  }

  #askerOf(id: string): string | undefined {
    const { session } = this.#options
    let run = session.run(id)
    for (let depth = 0; run?.parent !== undefined && depth < 16; depth++) run = session.run(run.parent) ?? run
    return session.message(run?.input ?? '')?.metadata.by
  }

  // ---- answers ------------------------------------------------------------------------------------------------------

  async #answer(call: OpenCall, answer: { output?: unknown; errorText?: string; claim?: number }): Promise<void> {
    const { blobs } = this.#options
    let light = answer
    if (answer.output !== undefined) {
      const output = JSON.parse(JSON.stringify(answer.output) ?? 'null') as unknown
      try {
        light = { ...answer, output: await blobs.lighten(output, this.#closed.signal) }
      } catch (error) {
        if (!(error instanceof SessionError) || error.code !== 'too-big' || answer.claim === undefined) throw error
        light = { claim: answer.claim, errorText: error.message }
      }
    }
    if (!this.#closed.signal.aborted) this.#write(call, light)
  }

  #write({ message, id }: OpenCall, answer: Readonly<Record<string, unknown>>): void {
    this.#options.session.ask('answer', newId(), { message, call: id, ...answer })
  }

  #writable(): void {
    if (this.#closed.signal.aborted) throw this.#closed.signal.reason as SessionError
  }
}

function openIn(message: Message, asker: string | undefined): OpenCall[] {
  const open: OpenCall[] = []
  for (const each of message.parts) {
    const part = each as ToolPart & { readonly id?: unknown }
    const { call, toolCallId, id } = part
    if (call === undefined || call.at !== undefined) continue
    // The run has given it up.
    if (part.state === 'output-error' || part.state === 'output-available') continue
    const own = toolCallId ?? id
    if (typeof own !== 'string') continue
    open.push({ message: message.id, id: own, approval: part.approval?.id ?? own, part: { ...part, call }, asker })
  }
  return open
}

function nameOf({ part: { type, toolName } }: OpenCall): string {
  return type === 'dynamic-tool' ? (toolName ?? '') : type.replace(/^tool-/, '')
}

function keyOf({ message, id }: OpenCall): string {
  return JSON.stringify([message, id])
}
