/**
 * What a page has for agents: tools that run in it, answers by hand, values beside the document. What only works with a network
 * is loaded when it is needed first, since most pages need none of it.
 */
import { SessionError, type Report } from '../shared/errors.ts'
import { jsonOf } from '../shared/json.ts'
import type { ClientMessage } from '../shared/wire.ts'
import { approve, clientCall, largeJson, writeAnswer, type ClientAnswer, type OpenCall } from './answers.ts'
import type { Blobs } from './blobs.ts'
import type { ClientTool, ClientTools } from './client-tools.ts'
import type { Session } from './session.ts'

export interface PageToolsOptions {
  readonly session: Session
  readonly url: string
  readonly token: () => Promise<string>
  /** Sends a message to the server; false when there is no connection. */
  readonly send: (message: ClientMessage) => boolean
  readonly report: Report
}

export class PageTools {
  readonly #options: PageToolsOptions
  readonly #tools = new Map<string, ClientTool>()
  #running: Promise<ClientTools> | null = null
  readonly #ending = new AbortController()

  constructor(options: PageToolsOptions) {
    this.#options = options
  }

  add(tools: Readonly<Record<string, ClientTool>>): () => void {
    const entries = Object.entries(tools)
    for (const [name, tool] of entries) {
      if (typeof tool !== 'function') throw new SessionError('bad-argument', `The tool ${name} must be a function.`)
    }
    for (const [name, tool] of entries) this.#tools.set(name, tool)
    this.#run().catch((error: unknown) => this.#options.report(error, { stage: 'client tools' }))
    return () => {
      for (const [name, tool] of entries) if (this.#tools.get(name) === tool) this.#tools.delete(name)
    }
  }

  async respond(id: string, output: unknown, errorText: string | undefined): Promise<void> {
    const call = clientCall(this.#options.session, id)
    await this.#answer(call, errorText === undefined ? { output: jsonOf(output) } : { errorText })
  }

  approve(id: string, approved: boolean, reason: string | undefined): void {
    approve(this.#options.session, id, approved, reason)
  }

  async fetch(reference: unknown): Promise<unknown> {
    return await (await this.#blobs()).fetch(reference, this.#ending.signal)
  }

  close(): void {
    this.#ending.abort(new SessionError('closed', 'The session was closed.'))
    this.#tools.clear()
  }

  async #run(): Promise<void> {
    const { session, send, report } = this.#options
    this.#running ??= import('./client-tools.ts').then(
      ({ ClientTools }) =>
        new ClientTools({
          session,
          tools: this.#tools,
          answer: (call, answer) => this.#answer(call, answer),
          send,
          ending: this.#ending.signal,
          report,
        }),
    )
    try {
      const running = await this.#running
      if (!session.closed) running.look()
    } catch (error) {
      // What could not be loaded is tried again with the next tools.
      this.#running = null
      throw error
    }
  }

  async #answer(call: OpenCall, answer: ClientAnswer): Promise<void> {
    const { output } = answer
    const isLarge = largeJson(output) !== null
    const light = isLarge ? { ...answer, output: await (await this.#blobs()).lighten(output, this.#ending.signal) } : answer
    writeAnswer(this.#options.session, call, light)
  }

  async #blobs(): Promise<Blobs> {
    const { Blobs } = await import('./blobs.ts')
    const { url, session, token } = this.#options
    return new Blobs({ url, session: session.id, token })
  }
}
