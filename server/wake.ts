/**
 * Wakes agents that are not running: a signed webhook for each session in which a job waits and no worker has room for it
 * (Standard Webhooks). It is only a call: who comes gets the job as any worker does.
 *
 * 1. A call is repeated with back-off for as long as its job waits, under the same id, so that a receiver can tell repetitions.
 * 2. It brings a token for that one session, which is good for 15 minutes.
 * 3. What waits is read from the store each time; what is kept here is only when to call next.
 */
import { Webhook } from 'standardwebhooks'
import { SessionError, type Report } from '../shared/errors.ts'
import { AGENT_NAME } from '../shared/limits.ts'
import { mintToken, type AccessOptions } from './access.ts'
import type { Job, Store } from './store.ts'

/** Where an agent is woken. */
export interface WakeTarget {
  /** Is sent a POST with `{ type: 'run.waiting', timestamp, data: { agent, session, run, token } }`. */
  readonly url: string
  /** Signs it, as Standard Webhooks has it: base64 of 24 to 64 bytes, after `whsec_`. */
  readonly secret: string
  /**
   * Makes the token that is sent along: of kind `agent`, for the agent's name and that session. Default: one that is good for
   * 15 minutes, where tokens are verified by a secret; needed where they are verified by keys.
   */
  readonly token?: (wake: { readonly agent: string; readonly session: string }) => string | Promise<string>
}

/** By the agent's name. */
export type WakeTargets = Readonly<Record<string, WakeTarget>>

const TOKEN_S = 900
/** Pause after a call that failed, and after one that was answered: an agent takes a while to start. Doubled each time. */
const FAILED_MS = 1_000
const ANSWERED_MS = 10_000
const LONGEST_MS = 60_000
/** How long a receiver may take to answer. */
const TIMEOUT_MS = 10_000
/** After a start of the server its workers have so long to come back by themselves. */
const START_MS = 3_000

export interface WakerOptions {
  readonly targets: WakeTargets
  readonly access: AccessOptions
  readonly store: Pick<Store, 'jobs'>
  /** Whether a worker is there that has room for a job and may have it. */
  readonly hasWorkerFor: (job: Job) => boolean
  readonly report: Report
}

interface Call {
  /** What it calls for. */
  readonly id: string
  tries: number
  /** Its next try; undefined while one is under way. */
  timer: NodeJS.Timeout | undefined
}

interface Target extends Pick<WakeTarget, 'url'> {
  readonly webhook: Webhook
  readonly token: NonNullable<WakeTarget['token']>
  /** By session. */
  readonly calls: Map<string, Call>
  /** What waits is being read; `again`: it has changed since. */
  looking: boolean
  again: boolean
}

export class Waker {
  readonly #options: WakerOptions
  readonly #targets = new Map<string, Target>()
  readonly #stopped = new AbortController()

  /** Throws `SessionError` for targets that are not as described. */
  constructor(options: WakerOptions) {
    this.#options = options
    for (const [agent, target] of Object.entries(options.targets)) {
      this.#targets.set(agent, {
        url: checkUrl(agent, target.url),
        webhook: checkSecret(agent, target.secret),
        token: target.token ?? minter(agent, options.access),
        calls: new Map(),
        looking: false,
        again: false,
      })
    }
  }

  /** Looks for what waits from an earlier process. */
  start(): void {
    const timer = setTimeout(() => [...this.#targets.keys()].forEach((agent) => this.look(agent)), START_MS).unref()
    this.#stopped.signal.addEventListener('abort', () => clearTimeout(timer))
  }

  stop(): void {
    this.#stopped.abort()
    for (const { calls } of this.#targets.values()) for (const { timer } of calls.values()) clearTimeout(timer)
  }

  /** Something of this agent may wait that has no worker. */
  look(agent: string): void {
    const target = this.#targets.get(agent)
    if (target === undefined || this.#isStopped) return
    if (target.looking) {
      target.again = true
      return
    }
    target.looking = true
    target.again = false
    this.#call(agent, target)
      .catch((error: unknown) => {
        this.#options.report(error, { stage: 'wake', agent })
        setTimeout(() => this.look(agent), FAILED_MS).unref()
      })
      .finally(() => {
        target.looking = false
        if (target.again) this.look(agent)
      })
  }

  get #isStopped(): boolean {
    return this.#stopped.signal.aborted
  }

  async #call(agent: string, target: Target): Promise<void> {
    const waiting = waitingJobs(await this.#options.store.jobs(), agent, this.#options.hasWorkerFor)
    for (const [session, { id, timer }] of target.calls) {
      const job = waiting.get(session)
      if (job !== undefined && idOf(job) === id) continue
      clearTimeout(timer)
      target.calls.delete(session)
    }
    for (const [session, job] of waiting) {
      if (target.calls.has(session) || this.#isStopped) continue
      const call: Call = { id: idOf(job), tries: 0, timer: undefined }
      target.calls.set(session, call)
      void this.#try(job, target, call)
    }
  }

  async #try(job: Job, target: Target, call: Call): Promise<void> {
    const { agent, session } = job
    let pauseMs = ANSWERED_MS
    try {
      await this.#post(job, target)
    } catch (error) {
      pauseMs = FAILED_MS
      if (!this.#isStopped) this.#options.report(error, { stage: 'wake', agent, session })
    }
    if (this.#isStopped || target.calls.get(session) !== call) return
    call.tries += 1
    call.timer = setTimeout(
      () => void this.#again(job, target, call),
      Math.min(LONGEST_MS, pauseMs * 2 ** (call.tries - 1)) * (0.75 + Math.random() / 4),
    ).unref()
  }

  /** The next try, if there is still something to wake it for. */
  async #again({ agent, session }: Job, target: Target, call: Call): Promise<void> {
    call.timer = undefined
    try {
      const job = waitingJobs(await this.#options.store.jobs(), agent, this.#options.hasWorkerFor).get(session)
      if (target.calls.get(session) !== call) return
      if (job !== undefined && idOf(job) === call.id) return await this.#try(job, target, call)
    } catch (error) {
      this.#options.report(error, { stage: 'wake', agent, session })
    }
    if (target.calls.get(session) === call) target.calls.delete(session)
    this.look(agent)
  }

  async #post(job: Job, { url, webhook, token }: Target): Promise<void> {
    const { agent, session, run } = job
    const at = new Date()
    const data = { agent, session, run, token: await token({ agent, session }) }
    const body = JSON.stringify({ type: 'run.waiting', timestamp: at.toISOString(), data })
    const id = idOf(job)
    const response = await fetch(url, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'webhook-signature': webhook.sign(id, at, body),
      },
      // The token is for whoever is named.
      redirect: 'error',
      signal: AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    })
    await response.body?.cancel()
    if (!response.ok) throw new Error(`The webhook of the agent ${agent} answered ${response.status}.`)
  }
}

/** For each session the job of an agent that is next and finds no worker: neither held nor behind one that is worked on. */
function waitingJobs(jobs: readonly Job[], agent: string, hasWorkerFor: (job: Job) => boolean): Map<string, Job> {
  const own = jobs.filter((job) => job.agent === agent)
  const busy = new Set(
    own.filter(({ state, parent }) => state === 'leased' && parent === undefined).map(({ session }) => session),
  )
  const waiting = new Map<string, Job>()
  for (const job of own) {
    if (job.state !== 'open' || job.held === true || waiting.has(job.session)) continue
    if (job.parent === undefined && busy.has(job.session)) continue
    if (!hasWorkerFor(job)) waiting.set(job.session, job)
  }
  return waiting
}

/** Id of a call: the same for its repetitions, another one when the run waits again. Full stops separate what is signed. */
function idOf({ run, generation }: Job): string {
  return `wake_${run.replaceAll('.', '-')}_${generation}`
}

function checkUrl(agent: string, url: string): string {
  if (AGENT_NAME.test(agent) && ['http:', 'https:'].includes(URL.parse(url)?.protocol ?? '')) return url
  throw new SessionError('bad-argument', `wake needs agents' names and http addresses; it has ${agent}: ${url}.`)
}

function checkSecret(agent: string, secret: string): Webhook {
  try {
    return new Webhook(secret)
  } catch {
    throw new SessionError('bad-argument', `The webhook's secret of the agent ${agent} is not base64.`)
  }
}

function minter(agent: string, access: AccessOptions): Target['token'] {
  if ('secret' in access) {
    return ({ session }) => mintToken(access.secret, { id: agent, kind: 'agent', sessions: [session], expiresInS: TOKEN_S })
  }
  throw new SessionError('bad-argument', `wake needs a function token for the agent ${agent}: tokens are verified by keys here.`)
}
