/**
 * Tells people by Web Push what happens in their sessions while they have no window in sight (SPEC §8).
 *
 * 1. What is to be told is stored in the commit that brings it about, so that it is told also when the server dies after that.
 * 2. It is told after a grace, unless somebody has had a window in sight meanwhile; a page that is reloaded hears nothing.
 * 3. It is taken from the store before it is sent: at most once, also when the server dies in the middle. What a push service could
 *    not take is put back for those who did not get it.
 * 4. Nothing that goes wrong here touches a session.
 */
import type { Document } from '@hocuspocus/server'
import { SessionError, type Report } from '../shared/errors.ts'
import type { NoticeKind } from '../shared/notice.ts'
import type { Participant } from '../shared/participant.ts'
import type { RevokeTarget } from './grants.ts'
import type { UpdateLog } from './log.ts'
import { objectionTo, type EndpointRules } from './push-endpoint.ts'
import type { VapidKeys } from './push-keys.ts'
import { payloadOf, recipients, retryNotice, type Again, type Decision } from './push-rules.ts'
import { PushSender } from './push-send.ts'
import { PushSites, siteOf } from './push-sites.ts'
import { PushTurns } from './push-turns.ts'
import { Visibility } from './push-visibility.ts'
import { PushWatch } from './push-watch.ts'
import type { Notice, Store, Subscriber } from './store.ts'

export interface PushOptions {
  /** Whom push services may turn to about this server: a `mailto:` or `https:` address. */
  readonly subject: string
  /** Default: made on the first start and kept in the store. Browsers that have subscribed with others must do it again. */
  readonly keys?: VapidKeys
  /** How long it is waited for a window before somebody is told, in milliseconds. Default 5,000; three times that after a start. */
  readonly graceMs?: number
  /** How long a push service keeps what it cannot deliver at once, in seconds. Default 86,400; 60 to 2,419,200. */
  readonly ttlS?: number
  /** What the notifications say. Defaults in English. */
  readonly titles?: Partial<Readonly<Record<NoticeKind, string>>>
  /** Send the beginning of the message along (160 characters). Default: no; the push says only where it is. */
  readonly includeText?: boolean
  /** Whether the server may post to an endpoint. Default: to any in the public internet. Must be quick; when it throws it may not. */
  readonly mayPush?: (endpoint: URL) => boolean
  /** Take endpoints on this machine as well, over http and on any port: for tests. Default false. */
  readonly loopback?: boolean
}

const GRACE_MS = 5_000
/** After a start of the server windows have this many graces to come back: clients pause up to 10 s between two attempts. */
const START_GRACES = 3
const TTL_S = 86_400
const MIN_TTL_S = 60
const TEXT_CHARS = 160
/** Browsers of one participant that are told of one session; one more takes the place of the oldest. */
const MAX_BROWSERS = 10
/** Notices that are looked at or sent at the same time: more than there are calls, so that calls alone are what is short. */
const MAX_AT_ONCE = 256
/** Pause when the store cannot be asked. */
const STORE_RETRY_MS = 1_000

const TITLES: Readonly<Record<NoticeKind, string>> = {
  done: 'Your answer is ready',
  failed: 'It stopped before it was done',
  approval: 'Your decision is needed',
  person: 'You have a new message',
}

export interface PushDeps {
  readonly store: Store
  readonly keys: VapidKeys
  readonly log: Pick<UpdateLog, 'notify' | 'dropNotice' | 'after'>
  readonly report: Report
  /** Whether what somebody was given at a place (`Grant.via`) may still be used. */
  readonly stands: (via: string, participant: string) => boolean
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Throws `SessionError` for options that are not as described. */
export function checkPushOptions({ subject, graceMs = GRACE_MS, ttlS = TTL_S }: PushOptions): void {
  if (!/^(mailto:[^@\s]+@[^@\s]+|https:\/\/\S+)$/.test(subject)) {
    throw new SessionError('bad-argument', `push.subject must be a mailto: or https: address; it is ${JSON.stringify(subject)}.`)
  }
  if (!(graceMs >= 0 && graceMs <= 600_000)) {
    throw new SessionError('bad-argument', `push.graceMs must be from 0 to 600000; it is ${graceMs}.`)
  }
  if (!(Number.isInteger(ttlS) && ttlS >= MIN_TTL_S && ttlS <= 2_419_200)) {
    throw new SessionError('bad-argument', `push.ttlS must be a whole number from ${MIN_TTL_S} to 2419200; it is ${ttlS}.`)
  }
}

export class Push {
  readonly #options: PushOptions
  readonly #deps: PushDeps
  readonly #rules: EndpointRules
  readonly #sender: PushSender
  readonly #visibility: Visibility
  readonly #graceMs: number
  readonly #ttlS: number
  /** Sessions that have subscribers. */
  readonly #subscribed = new Set<string>()
  /** What waits, by session and id: the newest of each. */
  readonly #pending = new Map<string, Notice>()
  /** What is due. */
  readonly #turns = new PushTurns()
  readonly #sites = new PushSites(() => performance.now())
  readonly #sending = new Set<Promise<void>>()
  /** Whose subscriptions are being removed from the store. */
  readonly #revoking = new Set<RevokeTarget>()
  #stopping = false
  readonly #stopped = new AbortController()

  constructor(options: PushOptions, deps: PushDeps) {
    const { subject, mayPush, loopback = false, graceMs = GRACE_MS, ttlS = TTL_S } = options
    this.#options = options
    this.#deps = deps
    this.#rules = { loopback, mayPush: mayPush && guardMayPush(mayPush, deps.report) }
    this.#sender = new PushSender({ keys: deps.keys, subject, rules: this.#rules })
    this.#visibility = new Visibility(deps.now)
    this.#graceMs = graceMs
    this.#ttlS = ttlS
  }

  get publicKey(): string {
    return this.#deps.keys.publicKey
  }

  /** Takes up what an earlier process has left. */
  async start(): Promise<void> {
    const { store, now } = this.#deps
    for (const session of await store.subscribed()) this.#subscribed.add(session)
    const earliest = now() + START_GRACES * this.#graceMs
    for (const stored of await store.notices()) {
      const notice = { ...stored, dueAt: stored.again === undefined ? earliest : Math.max(stored.dueAt, earliest) }
      this.#pending.set(keyOf(notice), notice)
      this.#wait(notice)
    }
  }

  /** Begins nothing any more, and waits for what is being sent; what has not ended after `timeoutMs` is given up. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)))
    // Also when the store answers no more.
    await Promise.race([Promise.allSettled(this.#sending), late])
    clearTimeout(timer)
    this.#stopped.abort()
  }

  /** Follows a session while it is loaded; gives the function that ends it. */
  watch(document: Document, participantOf: (origin: unknown) => Participant | null): () => void {
    const session = document.name
    const unwatch = this.#visibility.watch(document.awareness)
    const watch = new PushWatch({
      document,
      participantOf,
      isWanted: () => this.#subscribed.has(session),
      textChars: this.#options.includeText === true ? TEXT_CHARS : 0,
      onDecision: (decision, text) => this.#decided(session, decision, text),
    })
    return () => {
      watch.destroy()
      unwatch()
    }
  }

  /** Why an endpoint is not taken; null where it is. */
  objectionTo(endpoint: unknown): string | null {
    return objectionTo(endpoint, this.#rules)
  }

  async subscribe(subscriber: Subscriber): Promise<void> {
    await this.#deps.store.subscribe(subscriber, MAX_BROWSERS)
    this.#subscribed.add(subscriber.session)
  }

  async unsubscribe(endpoint: string, session: string): Promise<void> {
    await this.#deps.store.unsubscribe(endpoint, session)
  }

  /** Nobody of the target is told any more, from now on, until they subscribe anew. */
  revoke(target: RevokeTarget): void {
    this.#revoking.add(target)
    const remove = (): void => {
      if (this.#stopped.signal.aborted) return
      this.#deps.store.unsubscribeAll(target).then(
        () => this.#revoking.delete(target),
        (error: unknown) => {
          this.#deps.report(error, { stage: 'push', ...(target.session === undefined ? {} : { session: target.session }) })
          setTimeout(remove, STORE_RETRY_MS).unref()
        },
      )
    }
    remove()
  }

  // ---- what is to be told -------------------------------------------------------------------------------------------

  /** Within the transaction that brings it about: what is put into the log here is in the same commit. */
  #decided(session: string, decision: Decision, text: string | undefined): void {
    const { log, now } = this.#deps
    if ('drop' in decision) {
      const pending = this.#pending.get(keyOf({ session, id: decision.drop }))
      if (pending === undefined || (decision.only !== undefined && pending.kind !== decision.only)) return
      this.#pending.delete(keyOf(pending))
      log.dropNotice({ session, id: decision.drop })
      return
    }
    const { keep } = decision
    const at = now()
    const notice: Notice = {
      session,
      ...keep,
      ...(text === undefined ? {} : { text }),
      at,
      dueAt: at + this.#graceMs,
      until: at + this.#ttlS * 1_000,
    }
    // Seen as it comes: nobody is to be told of it, nor of what it takes the place of.
    if (keep.to !== null && this.#visibility.lastSeenAt(keep.to) >= at) {
      if (this.#pending.delete(keyOf(notice))) log.dropNotice(notice)
      return
    }
    this.#keep(notice)
  }

  #keep(notice: Notice): void {
    this.#pending.set(keyOf(notice), notice)
    this.#deps.log.notify(notice)
    this.#deps.log.after(() => this.#wait(notice))
  }

  #wait(notice: Notice): void {
    const timer = setTimeout(
      () => {
        this.#turns.add(notice)
        this.#next()
      },
      Math.min(0x7fff_ffff, Math.max(0, notice.dueAt - this.#deps.now())),
    )
    timer.unref()
  }

  // ---- telling ------------------------------------------------------------------------------------------------------

  #next(): void {
    while (this.#sending.size < MAX_AT_ONCE && !this.#stopping) {
      const notice = this.#turns.next()
      if (notice === undefined) return
      const sending = this.#tell(notice)
        .catch((error: unknown) => this.#failed(error, notice))
        .finally(() => {
          this.#sending.delete(sending)
          this.#turns.done(notice)
          this.#turns.unpark((site) => this.#sites.roomOf(site))
          this.#next()
        })
      this.#sending.add(sending)
    }
  }

  /** The store could not be asked: what waits there still does. */
  #failed(error: unknown, notice: Notice): void {
    this.#report(error, notice)
    this.#later(notice, this.#deps.now() + STORE_RETRY_MS)
  }

  /** It stays in the store, and is due again by then. */
  #later(notice: Notice, dueAt: number): void {
    if (this.#pending.get(keyOf(notice)) !== notice) return
    const later = { ...notice, dueAt }
    this.#pending.set(keyOf(notice), later)
    this.#wait(later)
  }

  async #tell(notice: Notice): Promise<void> {
    const { store, log, now } = this.#deps
    const key = keyOf(notice)
    if (this.#pending.get(key) !== notice) return
    const subscribers = await store.subscribers(notice.session)
    // Replaced or dropped meanwhile.
    if (this.#pending.get(key) !== notice) return
    const standing = subscribers.filter((each) => this.#stands(each))
    const told = recipients(notice, standing, (participant) => this.#visibility.lastSeenAt(participant))
    if (told.length === 0 || now() >= notice.until) {
      this.#pending.delete(key)
      log.dropNotice(notice)
      return
    }
    const at = now()
    const readyAt = ({ endpoint }: Subscriber): number => notice.again?.notBefore?.[endpoint] ?? 0
    const [ready, early] = [told.filter((each) => readyAt(each) <= at), told.filter((each) => readyAt(each) > at)]
    if (ready.length === 0) return this.#later(notice, Math.min(...early.map(readyAt)))
    const calls = ready.map((subscriber) => ({ subscriber, end: this.#sites.begin(siteOf(subscriber.endpoint)) }))
    if (calls.every(({ end }) => end === null)) return this.#park(notice, ready)
    try {
      const isTaken = await store.takeNotice(notice.session, notice.id)
      if (this.#pending.get(key) === notice) this.#pending.delete(key)
      if (!isTaken) return
      const outcomes = await Promise.all(
        calls.map(async ({ subscriber, end }) => {
          // No room for this one now.
          if (end === null) return { endpoint: subscriber.endpoint, afterMs: null }
          return await this.#send(subscriber, notice).finally(end)
        }),
      )
      const waiting = early.map((each) => ({ endpoint: each.endpoint, afterMs: readyAt(each) - now() }))
      this.#again(notice, [...outcomes, ...waiting])
    } finally {
      for (const { end } of calls) end?.()
    }
  }

  /** The push services that it is for have as much to do as they may: it waits, and stays in the store. */
  #park(notice: Notice, [first]: readonly Subscriber[]): void {
    if (first === undefined || this.#turns.park(notice, siteOf(first.endpoint))) return
    this.#pending.delete(keyOf(notice))
    this.#deps.log.dropNotice(notice)
    this.#reportTo(first.endpoint, 'Too much waits for it.', notice)
  }

  #again(notice: Notice, outcomes: readonly (Again | null)[]): void {
    const again = outcomes.filter((outcome) => outcome !== null)
    if (again.length === 0 || this.#pending.has(keyOf(notice)) || this.#stopped.signal.aborted) return
    const retry = retryNotice(notice, again, this.#deps.now())
    if (retry === null) this.#report(new Error('It could not be delivered for as long as it was of use.'), notice)
    else this.#keep(retry)
  }

  /** Whether a subscriber may still be told; one of a key that is gone is removed. */
  #stands({ session, participant, endpoint, via }: Subscriber): boolean {
    if (via !== undefined && !this.#deps.stands(via, participant)) {
      this.unsubscribe(endpoint, session).catch((error: unknown) => this.#deps.report(error, { stage: 'push', session }))
      return false
    }
    return ![...this.#revoking].some(
      (target) => (target.participant ?? participant) === participant && (target.session ?? session) === session,
    )
  }

  /** Gives what is to be tried again; null where nothing is. */
  async #send(subscriber: Subscriber, notice: Notice): Promise<Again | null> {
    const { store, now } = this.#deps
    const { endpoint } = subscriber
    // Since it was looked at.
    if (!this.#stands(subscriber)) return null
    const title = this.#options.titles?.[notice.kind] ?? TITLES[notice.kind]
    const ttlS = Math.max(1, Math.ceil((notice.until - now()) / 1_000))
    const urgency = notice.kind === 'approval' || notice.kind === 'person' ? 'high' : 'normal'
    const outcome = await this.#sender.send(
      subscriber,
      payloadOf(notice, subscriber.kind, title),
      { ttlS, urgency },
      this.#stopped.signal,
    )
    switch (outcome.kind) {
      case 'sent':
        return null
      case 'gone':
        await store.unsubscribe(endpoint).catch((error: unknown) => this.#report(error, notice))
        return null
      case 'later':
        this.#reportTo(endpoint, outcome.why, notice)
        return { endpoint, afterMs: outcome.afterMs }
      case 'refused':
        this.#reportTo(endpoint, outcome.why, notice)
        return null
      default:
        return outcome satisfies never
    }
  }

  /** An endpoint is a secret: only its host is told. */
  #reportTo(endpoint: string, why: string, notice: Notice): void {
    this.#report(new Error(`Push to ${URL.parse(endpoint)?.host ?? 'nowhere'}: ${why}`), notice)
  }

  #report(error: unknown, { session, run }: Notice): void {
    if (this.#stopped.signal.aborted) return
    this.#deps.report(error, { stage: 'push', session, ...(run === null ? {} : { run }) })
  }
}

/** What throws has not said yes. */
function guardMayPush(mayPush: (endpoint: URL) => boolean, report: Report): (endpoint: URL) => boolean {
  return (endpoint) => {
    try {
      return mayPush(endpoint)
    } catch (error) {
      report(error, { stage: 'mayPush' })
      return false
    }
  }
}

function keyOf({ session, id }: Pick<Notice, 'session' | 'id'>): string {
  return JSON.stringify([session, id])
}
