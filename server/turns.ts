/**
 * Who may hold the event loop, and for how long. Frames are handled one after the other on one thread, so that somebody who
 * sends thousands of them at once, or few that are dear, would hold up everybody else:
 *
 * 1. In one turn of the loop, everybody who sends (a payer) gets a slice of time. What comes after it is used up waits for the
 *    next turn. Then the others are served first: their frames find their own slice untouched.
 * 2. Besides, a payer may have so much time per second and no more; less while others are at work, so that most turns hold
 *    nothing of his. What comes after it is used up waits for longer.
 * 3. What follows from a frame later, such as its place in a commit, is on its sender's account too.
 * 4. While anything of a socket waits, the socket is not read, so that what waits does not pile up. Nothing is ever dropped or
 *    handled out of its order; honest clients notice nothing but, when they send very much at once, that it takes longer.
 *
 * A slice is no deadline: a frame that was begun is done to its end, and what it took beyond counts.
 */
import { Bucket } from './rate.ts'

/** So long after others have worked they are taken to be at it still: the longest pause between tokens that a reader notices. */
const SHARED_MS = 100
/** As much of the time that is shared may be owed: a large frame is not held against all that comes after it. */
const MOST_OWED_MS = 100

/** Whoever pays with his time for the work that he causes: a participant, or all sockets together that have none yet. */
export class Payer {
  readonly #sliceMs: number
  readonly #time: Bucket | null
  readonly #share: Bucket | null
  #turn = -1
  #spentMs = 0

  /**
   * @param sliceMs how long it may hold one turn of the event loop.
   * @param time how many milliseconds it may take per second; null when that is not limited.
   * @param share the same for the time in which others are at work.
   */
  constructor(sliceMs: number, time: Bucket | null, share: Bucket | null = null) {
    this.#sliceMs = sliceMs
    this.#time = time
    this.#share = share
  }

  /** It has used nothing of late. */
  get isRested(): boolean {
    return this.#time === null || this.#time.full
  }

  /** Less than half is left of what it may take at once while others are at work. */
  get isCrowding(): boolean {
    return this.#share !== null && this.#share.left < this.#share.burst / 2
  }

  /** Milliseconds until it may go on in some turn; 0 when it may, if not in this one. */
  waitMs(isShared: boolean): number {
    const waitMs = this.#time?.waitMs(0) ?? 0
    return isShared && this.#share !== null ? Math.max(waitMs, this.#share.waitMs(0)) : waitMs
  }

  mayWork(turn: number, isShared: boolean): boolean {
    return (turn !== this.#turn || this.#spentMs < this.#sliceMs) && this.waitMs(isShared) === 0
  }

  spend(turn: number, ms: number, isShared: boolean): void {
    if (turn !== this.#turn) this.#spentMs = 0
    this.#turn = turn
    this.#spentMs += ms
    this.#time?.spend(ms)
    if (isShared) this.#share?.spend(ms, MOST_OWED_MS)
  }
}

/** Stops and starts what brings tasks. */
export interface Flow {
  pause(): void
  resume(): void
}

/** Of what comes from nowhere that could be stopped. */
export const UNSTOPPABLE: Flow = { pause() {}, resume() {} }

/** Tasks of one socket, in their order. */
export class Inbox {
  readonly #turns: Turns
  readonly #payer: () => Payer
  readonly #flow: Flow
  #tasks: (() => void)[] = []
  #next = 0
  /** Where those end that were kept elsewhere before any other came. */
  #earlierEnd = 0

  constructor(turns: Turns, payer: () => Payer, flow: Flow) {
    this.#turns = turns
    this.#payer = payer
    this.#flow = flow
  }

  get isEmpty(): boolean {
    return this.#next === this.#tasks.length
  }

  /** Who pays for what comes next. */
  get payer(): Payer {
    return this.#payer()
  }

  /** Runs a task, now or when it is its turn. */
  add(task: () => void): void {
    if (this.isEmpty && this.#turns.mayWork(this.payer)) {
      this.#turns.work(this.payer, task)
      return
    }
    this.#keep(task, this.#tasks.length)
  }

  /**
   * The same, before all that waits but behind what was added like this: for what came earlier and was kept elsewhere. MUST NOT
   * be called within a task.
   */
  addEarlier(task: () => void): void {
    const at = Math.max(this.#earlierEnd, this.#next)
    if (at === this.#next && this.#turns.mayWork(this.payer)) {
      this.#turns.work(this.payer, task)
      return
    }
    this.#earlierEnd = at + 1
    this.#keep(task, at)
  }

  #keep(task: () => void, at: number): void {
    this.#tasks.splice(at, 0, task)
    if (this.#tasks.length > 1) return
    this.#flow.pause()
    this.#turns.await(this)
  }

  /** Runs what it may in this turn; gives false when that is nothing. */
  serve(): boolean {
    let hasServed = false
    while (!this.isEmpty && this.#turns.mayWork(this.payer)) {
      const task = this.#tasks[this.#next++] as () => void
      hasServed = true
      this.#turns.work(this.payer, task)
    }
    if (this.isEmpty && hasServed) {
      this.#tasks = []
      this.#next = this.#earlierEnd = 0
      this.#flow.resume()
    }
    return hasServed
  }
}

export class Turns {
  readonly #now: () => number
  readonly #passes = new WeakMap<Payer, Inbox>()
  /** Inboxes that are not empty; who was served last is the last. */
  readonly #waiting = new Set<Inbox>()
  /** Who has worked last, and who before that, with when. */
  #last: { payer: Payer; atMs: number } | null = null
  #other: { payer: Payer; atMs: number } | null = null
  #turn = 0
  #isCounting = false
  #timer: NodeJS.Timeout | undefined

  /** @param now milliseconds of a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now
  }

  mayWork(payer: Payer): boolean {
    return payer.mayWork(this.#turn, this.#isShared(payer))
  }

  /** Puts on somebody's account what his work makes others do later. */
  charge(payer: Payer, ms: number): void {
    payer.spend(this.#turn, ms, this.#isShared(payer))
  }

  /** Whether it has used up most of its share lately, while others are at work. */
  isCrowding(payer: Payer): boolean {
    return this.#isShared(payer) && payer.isCrowding
  }

  /** Whether others are at work at this time. */
  #isShared(payer: Payer): boolean {
    const other = this.#last?.payer === payer ? this.#other : this.#last
    return other !== null && this.#now() - other.atMs < SHARED_MS
  }

  #note(payer: Payer, atMs: number): void {
    if (this.#last?.payer === payer) this.#last.atMs = atMs
    else [this.#last, this.#other] = [{ payer, atMs }, this.#last]
  }

  /** Does a piece of work on somebody's account. */
  work(payer: Payer, task: () => void): void {
    const began = this.#now()
    try {
      task()
    } finally {
      const ended = this.#now()
      payer.spend(this.#turn, ended - began, this.#isShared(payer))
      this.#note(payer, ended)
      this.#count()
    }
  }

  /** To be called by an inbox that has something that cannot be done at once. */
  await(inbox: Inbox): void {
    this.#waiting.add(inbox)
    this.#count()
  }

  /** Does a piece of work when it is the payer's turn; rejects with what it throws. */
  perform(payer: Payer, task: () => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    new Inbox(this, () => payer, UNSTOPPABLE).add(() => {
      try {
        task()
        resolve()
      } catch (error) {
        reject(error as Error)
      }
    })
    return promise
  }

  /** Resolves when it is the payer's turn, for work that cannot be measured, which is taken to last `ms`. */
  pass(payer: Payer, ms: number): Promise<void> {
    let inbox = this.#passes.get(payer)
    if (inbox === undefined) {
      inbox = new Inbox(this, () => payer, UNSTOPPABLE)
      this.#passes.set(payer, inbox)
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    inbox.add(() => {
      this.charge(payer, ms)
      resolve()
    })
    return promise
  }

  /** The next turn begins behind all that the sockets have brought in this one. */
  #count(): void {
    if (this.#isCounting) return
    this.#isCounting = true
    setImmediate(this.#begin)
  }

  readonly #begin = (): void => {
    this.#isCounting = false
    this.#turn += 1
    if (this.#waiting.size === 0) return
    for (const inbox of [...this.#waiting]) {
      if (!inbox.serve()) continue
      this.#waiting.delete(inbox)
      if (!inbox.isEmpty) this.#waiting.add(inbox)
    }
    clearTimeout(this.#timer)
    if (this.#waiting.size === 0) return
    // Others may stop: then the wait is over.
    const waitMs = Math.min(SHARED_MS, ...[...this.#waiting].map(({ payer }) => payer.waitMs(this.#isShared(payer))))
    if (waitMs === 0) this.#count()
    else this.#timer = setTimeout(this.#begin, waitMs).unref()
  }
}
