/**
 * Tools that run in this tab. Which tab runs a call is decided by the server: a tab asks, sees in the document that it has the
 * call, does it, and keeps asking while it is at it.
 */
import { SessionError, type Report } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { jsonOf } from '../shared/json.ts'
import type { ClientMessage } from '../shared/wire.ts'
import { openCalls, type ClientAnswer, type OpenCall } from './answers.ts'
import type { Session } from './session.ts'

/**
 * Does one call: gets its input, which a model has written, and gives the output, which must be JSON. `signal` fires when the
 * call is not this tab's any more. What it throws is the call's error.
 */
export type ClientTool = (input: unknown, context: { readonly signal: AbortSignal }) => unknown

export interface ClientToolsOptions {
  readonly session: Session
  /** By name; changes while this is at work. Calls that it is at are done to their end. */
  readonly tools: ReadonlyMap<string, ClientTool>
  readonly answer: (call: OpenCall, answer: ClientAnswer) => Promise<void>
  /** Sends a message to the server; false when there is no connection. */
  readonly send: (message: ClientMessage) => boolean
  /** Fires when the session is closed. */
  readonly ending: AbortSignal
  readonly report: Report
}

interface Work {
  readonly n: number
  readonly abort: AbortController
  readonly renewals: ReturnType<typeof setInterval>
}

/** Times that a tab asks for a call again within its lease: two may be lost. */
const RENEWALS = 3
/** Longest error text of a tool that is told, in UTF-16 code units. */
const MAX_ERROR_CHARS = 2_000

export class ClientTools {
  readonly #options: ClientToolsOptions
  /** New for each page: a page that was loaded again does not know what the one before had begun. */
  readonly #tab = newId()
  readonly #working = new Map<string, Work>()
  /** Claims that were sent over this connection, by call and number. */
  readonly #asked = new Set<string>()

  constructor(options: ClientToolsOptions) {
    this.#options = options
    this.#watch()
  }

  #watch(): void {
    const { session, ending } = this.#options
    session.subscribe(() => this.look(), 'runs')
    session.subscribe(() => this.look(), 'calls')
    let wasLive = session.status.connection === 'live'
    session.subscribe(() => {
      const isLive = session.status.connection === 'live'
      if (isLive === wasLive) return
      wasLive = isLive
      // What was sent over the connection before may not have arrived.
      this.#asked.clear()
      if (isLive) this.look()
    }, 'status')
    ending.addEventListener('abort', () => {
      for (const key of this.#working.keys()) this.#stop(key)
    })
  }

  /** Asks for calls that this tab has a tool for, and does those that it has been given. */
  look(): void {
    const { session } = this.#options
    const mine = openCalls(session).filter(({ part, asker }) => part.call.for === 'client' && asker === session.me?.id)
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
      if (claim?.tab !== undefined || !this.#options.tools.has(nameOf(call))) continue
      const asked = `${key}:${claim?.n ?? 0}`
      if (!this.#asked.has(asked) && this.#claim(call)) this.#asked.add(asked)
    }
  }

  #claim({ message, id }: OpenCall): boolean {
    return this.#options.send({ t: 'claim', message, call: id, tab: this.#tab })
  }

  #begin(call: OpenCall, n: number, leaseMs: number): void {
    const tool = this.#options.tools.get(nameOf(call))
    // Taken off meanwhile: the lease passes, and another tab may have it.
    if (tool === undefined) return
    const renewals = setInterval(() => this.#claim(call), leaseMs / RENEWALS)
    const abort = new AbortController()
    this.#working.set(keyOf(call), { n, abort, renewals })
    void this.#run(call, tool, n, abort.signal)
  }

  async #run(call: OpenCall, tool: ClientTool, n: number, signal: AbortSignal): Promise<void> {
    const { answer, report } = this.#options
    const failed = async (error: unknown): Promise<void> => {
      if (signal.aborted) return
      report(error, { stage: 'client tool', tool: nameOf(call) })
      const errorText = (error instanceof Error ? error.message : String(error)).slice(0, MAX_ERROR_CHARS)
      await answer(call, { errorText, claim: n })
    }
    try {
      const output = jsonOf(await tool(call.part.input, { signal }))
      // Above what the server takes, or no JSON: that is what the agent must hear.
      if (!signal.aborted) await answer(call, { output, claim: n }).catch(failed)
    } catch (error) {
      await failed(error).catch((second: unknown) => report(second, { stage: 'client tool', tool: nameOf(call) }))
    }
  }

  #stop(key: string): void {
    const work = this.#working.get(key)
    if (work === undefined) return
    this.#working.delete(key)
    clearInterval(work.renewals)
    work.abort.abort(new SessionError('cancelled', 'The call is not this tab’s any more.'))
  }
}

function nameOf({ part: { type, toolName } }: OpenCall): string {
  return type === 'dynamic-tool' ? (toolName ?? '') : type.replace(/^tool-/, '')
}

function keyOf({ message, id }: OpenCall): string {
  return JSON.stringify([message, id])
}
