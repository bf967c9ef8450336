/**
 * One session under load, and a ledger of every promise that the server has made about it: what it has acknowledged to the
 * writer, and what it has shown to a reader. `missing` compares the ledger with what a store gives back.
 */
import { onTestFinished } from 'vitest'
import { createAgent, type Agent, type AgentRun } from '../../client/agent.ts'
import { hasEnded, textOf, type OpenSession } from '../../client/index.ts'
import { openClient } from './clients.ts'
import type { Chance } from './random.ts'
import type { Recovered } from './recovered.ts'
import { tokenFor } from './tokens.ts'
import { until } from './wait.ts'

export interface LoadOptions {
  readonly url: string
  readonly id: string
  readonly chance: Chance
  /** The agents that may be asked, now. */
  readonly agents: () => readonly string[]
}

const COUNTER = 'counter'

export class LoadedSession {
  readonly id: string
  readonly #options: LoadOptions
  readonly #writer: OpenSession
  readonly #reader: OpenSession
  readonly #sent: string[] = []
  #counted = 0
  /** How many of `#sent`, and which count, were acknowledged. */
  #acknowledged = { messages: 0, count: 0 }
  #stopped = false
  #lastAsked: string | null = null
  #work: Promise<unknown> = Promise.resolve()
  /** How many promises were compared so far. */
  checks = 0

  private constructor(options: LoadOptions, writer: OpenSession, reader: OpenSession) {
    this.id = options.id
    this.#options = options
    this.#writer = writer
    this.#reader = reader
  }

  static async open(options: LoadOptions): Promise<LoadedSession> {
    const { url, id } = options
    const writer = await openClient({ url, id, as: `writer-${id}` })
    // A viewer that had seen what the server no longer has would be refused when it comes back: it would bring something new.
    const reader = await openClient({ url, id, as: `reader-${id}`, kind: 'viewer' })
    const session = new LoadedSession(options, writer, reader)
    writer.subscribe(() => {
      if (writer.status.onServer) session.#acknowledge(session.#written)
    }, 'status')
    session.#work = Promise.all([session.#write(), session.#watchAcknowledgements()])
    return session
  }

  /** Comes back at once instead of after the pause that a client makes by itself. */
  reconnect(): void {
    this.#writer.reconnect()
    this.#reader.reconnect()
  }

  /** Resolves when both have noticed that the server is gone: from then on nothing more is seen. */
  async offline(): Promise<void> {
    for (const session of [this.#writer, this.#reader]) {
      await until(() => session.status.connection === 'offline', {
        what: () => `a client to go offline: ${session.status.connection}`,
      })
    }
  }

  /** True when both are in step with the server. */
  get isLive(): boolean {
    return this.#writer.status.connection === 'live' && this.#reader.status.connection === 'live'
  }

  /** How much of the agents' replies the reader has seen. */
  get shownChars(): number {
    const replies = this.#reader.view.messages.filter(({ role }) => role === 'assistant')
    return replies.reduce((sum, reply) => sum + textOf(reply).length, 0)
  }

  /** For an error: where both are. */
  toString(): string {
    return JSON.stringify({ id: this.id, writer: this.#writer.status, reader: this.#reader.status })
  }

  /** Ends the load; resolves when all of it is stored and every run of `agent` has ended. */
  async settle(agent: string): Promise<void> {
    this.#stopped = true
    await this.#work
    const isSettled = (): boolean =>
      this.#writer.status.onServer && this.#writer.view.runs.every((run) => run.agent !== agent || hasEnded(run.status))
    await until(isSettled, { timeoutMs: 30_000, what: () => `${this.id} to settle: ${this.#unsettled()}` })
  }

  /** Promises that are not kept, in words; empty when all are. */
  missing(recovered: Recovered): string[] {
    const lost: string[] = []
    const expect = (kept: boolean, what: string): void => {
      this.checks += 1
      if (!kept) lost.push(`${this.id}: ${what}`)
    }
    const found = new Map(recovered.view.messages.map((message) => [message.id, message]))
    for (const id of this.#sent.slice(0, this.#acknowledged.messages)) expect(found.has(id), `acknowledged message ${id}`)
    const count = Number(recovered.object(COUNTER)['n'] ?? 0)
    expect(count >= this.#acknowledged.count, `acknowledged count ${this.#acknowledged.count}, found ${count}`)
    const shown = Number(this.#reader.object(COUNTER).get('n') ?? 0)
    expect(count >= shown, `shown count ${shown}, found ${count}`)

    // The writer's own view holds what it wrote; only the server's stamp on it is a promise.
    for (const { id, metadata } of this.#writer.view.messages) {
      if (metadata.seq !== undefined) expect(found.get(id)?.metadata.seq === metadata.seq, `place ${metadata.seq} of ${id}`)
    }
    for (const message of this.#reader.view.messages) {
      const kept = found.get(message.id)
      expect(kept?.metadata.seq === message.metadata.seq, `shown message ${message.id}, place ${message.metadata.seq}`)
      expect(kept !== undefined && textOf(kept).startsWith(textOf(message)), `shown text of ${message.id}`)
    }
    const runs = new Map(recovered.view.runs.map((run) => [run.id, run]))
    for (const run of this.#reader.view.runs) {
      const kept = runs.get(run.id)
      expect(kept !== undefined, `shown run ${run.id}`)
      if (hasEnded(run.status))
        expect(kept?.status === run.status, `shown end of ${run.id}: ${run.status}, found ${kept?.status}`)
    }
    for (const message of recovered.view.messages) {
      const words = textOf(message).split(' ').slice(0, -1)
      const isInOrder = words.every((word, index) => word.endsWith(String(index + 1)))
      if (message.role === 'assistant') expect(isInOrder, `reply without a gap or repetition: ${words.join(' ').slice(0, 200)}`)
    }
    expect(this.#reader.status.connection !== 'refused', `the reader was refused: ${this.#reader.status.reason}`)
    return lost
  }

  /** True when some agent has done what was asked last, so that one of them works at any time but no queue grows. */
  #isIdle(): boolean {
    if (this.#lastAsked === null) return true
    return this.#writer.view.runs.some(({ input, status }) => input === this.#lastAsked && hasEnded(status))
  }

  #unsettled(): string {
    const runs = this.#writer.view.runs.filter(({ status }) => !hasEnded(status)).slice(0, 5)
    return JSON.stringify({ status: this.#writer.status, runs })
  }

  get #written(): { messages: number; count: number } {
    return { messages: this.#sent.length, count: this.#counted }
  }

  #acknowledge({ messages, count }: { messages: number; count: number }): void {
    this.#acknowledged = {
      messages: Math.max(this.#acknowledged.messages, messages),
      count: Math.max(this.#acknowledged.count, count),
    }
  }

  async #watchAcknowledgements(): Promise<void> {
    while (!this.#stopped) {
      const written = this.#written
      await this.#writer.stored()
      this.#acknowledge(written)
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
  }

  async #write(): Promise<void> {
    const { chance, agents } = this.#options
    while (!this.#stopped) {
      if (chance.bool(0.8)) {
        this.#counted += 1
        this.#writer.object(COUNTER).set('n', this.#counted)
      } else {
        const to = this.#isIdle() ? agents() : []
        // Now and then a long one, so that compaction has something to do.
        const text = chance.bool(0.03) ? 'long '.repeat(4_000) : `message ${this.#sent.length}`
        const id = this.#writer.send(text, { to })
        this.#sent.push(id)
        if (to.length > 0) this.#lastAsked = id
      }
      await new Promise((resolve) => setTimeout(resolve, chance.int(0, 30)))
    }
  }
}

/** Tokens of a reply of `streamingAgent`. */
export const REPLY_TOKENS = 20

/** An agent within the test's own process that answers everything with numbered tokens, one every 3 ms. */
export function streamingAgent(url: string, name: string): Agent {
  const run = async (it: AgentRun): Promise<void> => {
    for (let n = 1; n <= REPLY_TOKENS && !it.signal.aborted; n++) {
      it.write(`${name}${n} `)
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
  }
  const agent = createAgent({ url, name, token: () => tokenFor(name, 'agent'), run, flushEveryMs: 5, onError: () => {} })
  onTestFinished(() => agent.close(0))
  return agent
}
